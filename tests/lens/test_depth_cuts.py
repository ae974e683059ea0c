"""Where depth is cut into layers, and how cuts go on from frame to frame."""

from __future__ import annotations

import pytest
import torch
from focuspuller.lens import depth_cuts
from focuspuller.lens.depth_cuts import CutMemory, choose_cuts
from torch import Tensor

HEIGHT, WIDTH = 60, 80


def steps(*radii: float) -> Tensor:
    """Upright stripes, each at one depth."""
    stripes = torch.tensor(radii).repeat_interleave(WIDTH // len(radii))
    return stripes.expand(1, 1, HEIGHT, -1).clone()


class TestCuts:
    def test_lie_between_the_depths_from_the_front(self) -> None:
        cuts = choose_cuts(steps(9.0, 2.0, -3.0, -8.0), 8)
        assert len(cuts) == 3
        assert 2.0 < cuts[0] < 9.0
        assert -3.0 < cuts[1] < 2.0
        assert -8.0 < cuts[2] < -3.0

    def test_one_is_enough_for_stripes_that_are_near_and_far_by_turns(self) -> None:
        assert len(choose_cuts(steps(9.0, -3.0, 2.0, -8.0), 8)) == 1

    def test_the_first_one_parts_the_most_edges(self) -> None:
        """Three narrow bars before two halves of a wall."""
        defocus = steps(-8.0, -3.0)
        for left in (10, 34, 60):
            defocus[..., left : left + 6] = 7.0
        (cut,) = choose_cuts(defocus, 1)
        assert -3.0 < cut < 7.0

    @pytest.mark.parametrize("slope", [0.0, 0.2, 0.45])
    def test_slopes_are_not_cut(self, slope: float) -> None:
        defocus = slope * torch.arange(HEIGHT, dtype=torch.float32)[:, None].expand(1, 1, -1, WIDTH)
        assert choose_cuts(defocus, 3) == []

    def test_a_step_on_a_slope_is_cut_where_the_slope_is_short(self) -> None:
        defocus = 0.02 * torch.arange(HEIGHT)[:, None].expand(1, 1, -1, WIDTH).clone()
        defocus[..., 20:40, 30:50] = 9.0
        (cut,) = choose_cuts(defocus, 1)
        assert 0.02 * HEIGHT < cut < 9.0

    def test_what_the_mask_covers_does_not_count(self) -> None:
        defocus = steps(9.0, 0.0)
        assert len(choose_cuts(defocus, 3)) == 1
        assert choose_cuts(defocus, 3, defocus > 5) == []

    @pytest.mark.parametrize("masked", [False, True])
    def test_strips_of_a_picture_have_the_cuts_of_the_whole(self, masked, monkeypatch) -> None:
        defocus = 9 * torch.rand(1, 1, 50, 70, generator=torch.Generator().manual_seed(1))
        defocus[..., 10:, 20:60] += 11.0
        mask = defocus > 15 if masked else None
        whole = choose_cuts(defocus, 5, mask)
        monkeypatch.setattr(depth_cuts, "STRIP_PIXELS", 3 * 70)
        assert len(whole) >= 1
        assert choose_cuts(defocus, 5, mask) == whole


class TestFilms:
    """Two walls whose edges are equally long, and a noise that lets one or the other win."""

    @staticmethod
    def frames(scale: float = 1.0) -> list[Tensor]:
        generator = torch.Generator().manual_seed(4)
        still = steps(8.0, 8.0, 0.0, -8.0, -8.0)
        noise = [torch.randn(still.shape, generator=generator) for _ in range(12)]
        return [scale**index * (still + 0.8 * each) for index, each in enumerate(noise)]

    @pytest.mark.parametrize("scale", [1.0, 1.1, 0.93])
    def test_cuts_stay_where_they_are_in_spite_of_noise(self, scale) -> None:
        """Also where the blur grows or shrinks from frame to frame."""
        alone = [choose_cuts(frame, 1)[0] > 0 for frame in self.frames(scale)]
        assert len(set(alone)) == 2, "the noise is meant to matter"
        memory = CutMemory()
        followed = [choose_cuts(frame, 1, None, memory)[0] > 0 for frame in self.frames(scale)]
        assert len(set(followed)) == 1

    def test_a_cut_does_not_come_and_go_at_the_least_share(self) -> None:
        """Leaves whose edges are now just enough for a cut, now not quite."""
        alone, followed, memory = [], [], CutMemory()
        for leaves in (4, 3, 4, 3):
            defocus = torch.zeros(1, 1, 100, 160)
            defocus[..., 50, 20 : 20 + 20 * leaves : 20] = 9.0
            alone.append(len(choose_cuts(defocus, 1)))
            followed.append(len(choose_cuts(defocus, 1, None, memory)))
        assert alone == [1, 0, 1, 0]
        assert followed == [1, 1, 1, 1]

    def test_the_better_cut_wins_in_the_end(self) -> None:
        memory = CutMemory()
        choose_cuts(steps(8.0, 8.0, 0.0, 0.0), 1, None, memory)
        (cut,) = choose_cuts(steps(1.5, 0.0, -8.0, 0.0), 1, None, memory)
        assert cut < 0

    def test_another_shot_starts_anew(self) -> None:
        memory = CutMemory()
        choose_cuts(steps(8.0, 0.0, -8.0, 0.0), 1, None, memory)
        other = steps(-7.0, 0.5, 9.0, -1.0)
        assert choose_cuts(other, 1, None, memory) == choose_cuts(other, 1)
        assert choose_cuts(other[..., ::2, ::2], 2, None, memory) == choose_cuts(
            other[..., ::2, ::2], 2
        )
