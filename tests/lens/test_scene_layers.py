"""How a picture is split into layers."""

from __future__ import annotations

import pytest
import torch
from focuspuller.lens import scene_layers
from focuspuller.lens.scene_layers import choose_cuts, layers_of, plan_layers
from focuspuller.lens.view import View
from oracles.scenes import defocus_map, photo
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
        assert choose_cuts(torch.where(defocus > 5, torch.nan, defocus), 3) == []


class TestLayers:
    def test_in_front_of_each_other_they_are_the_picture(self) -> None:
        image = torch.from_numpy(photo(HEIGHT, WIDTH))[None]
        defocus = torch.from_numpy(defocus_map(HEIGHT, WIDTH, 9.0))[None, None]
        layers = layers_of(image, defocus, plan_layers(image, defocus, 4, None))
        assert 2 <= len(layers) <= 4
        seen, uncovered = torch.zeros_like(image), torch.ones_like(defocus)
        for layer in layers:
            seen, uncovered = seen + uncovered * layer.color, uncovered * (1 - layer.alpha)
        # But for pixels beside an edge that nobody can tell apart.
        assert float(((seen - image).abs() > 1e-6).float().mean()) < 0.02
        assert (layers[-1].alpha == 1).all()

    def test_defocus_goes_on_beyond_the_edge_of_a_layer(self) -> None:
        image, defocus = torch.rand(1, 3, HEIGHT, WIDTH), steps(6.0, -4.0)
        front, back = layers_of(image, defocus, plan_layers(image, defocus, 2, None))
        torch.testing.assert_close(front.defocus, torch.full_like(defocus, 6.0))
        torch.testing.assert_close(back.defocus, torch.full_like(defocus, -4.0))

    def test_what_is_hidden_is_made_up_of_what_is_not(self) -> None:
        defocus = steps(6.0, -4.0)
        image = torch.where(defocus > 0, 0.9, 0.3).expand(-1, 3, -1, -1)
        for mask in (None, (defocus > 0).float()):
            plan = plan_layers(image, defocus, 2, mask)
            _, back = layers_of(image, defocus, plan, mask)
            torch.testing.assert_close(back.color, torch.full_like(image, 0.3))

    def test_a_light_beside_the_edge_is_not_continued(self) -> None:
        defocus = steps(6.0, -4.0)
        image = torch.full((1, 3, HEIGHT, WIDTH), 0.1)
        image[..., 30:33, WIDTH // 2 : WIDTH // 2 + 3] = 50.0
        _, back = layers_of(image, defocus, plan_layers(image, defocus, 2, None))
        torch.testing.assert_close(back.color[..., : WIDTH // 2], image[..., : WIDTH // 2])

    def test_a_pixel_on_the_edge_is_shared_by_colour(self) -> None:
        """The edge lies at three tenths of a column, whose depth is the wall's."""
        defocus = steps(6.0, -4.0)
        image = torch.where(defocus > 0, 0.9, 0.2).expand(-1, 3, -1, -1).clone()
        image[..., WIDTH // 2] = 0.2 + 0.3 * 0.7
        front, back = layers_of(image, defocus, plan_layers(image, defocus, 2, None))
        expected = torch.full((1, 1, HEIGHT), 0.3)
        torch.testing.assert_close(front.alpha[..., WIDTH // 2], expected, atol=1e-3, rtol=0)
        torch.testing.assert_close(
            back.color[..., WIDTH // 2], torch.full((1, 3, HEIGHT), 0.2), atol=1e-3, rtol=0
        )

    def test_soft_depth_at_an_edge_belongs_to_one_of_the_sides(self) -> None:
        """From 6 to -4 within eight pixels, as an estimator would have it."""
        ramp = (6.0 - 10.0 * ((torch.arange(WIDTH) - 36.0) / 8.0).clamp(0, 1)).expand(
            1, 1, HEIGHT, -1
        )
        image = torch.rand(1, 3, HEIGHT, WIDTH)
        front, back = layers_of(image, ramp, plan_layers(image, ramp, 2, None))
        assert float(front.defocus.amin()) > 5.5
        assert float(back.defocus[..., 42:].amax()) < -3.5

    def test_the_rim_of_a_mask_has_the_depth_of_its_inside(self) -> None:
        defocus = steps(6.0, -4.0)
        mask = torch.zeros_like(defocus)
        mask[..., : WIDTH // 2 + 3] = 1.0  # three pixels too far
        image = torch.rand(1, 3, HEIGHT, WIDTH)
        front, _ = layers_of(image, defocus, plan_layers(image, defocus, 2, mask), mask)
        torch.testing.assert_close(front.defocus, torch.full_like(defocus, 6.0))

    @pytest.mark.parametrize("most", [1024, 33])
    def test_a_part_has_the_layers_of_the_whole(self, most: int, monkeypatch) -> None:
        monkeypatch.setattr(scene_layers, "MOST_CELLS", most)
        image = torch.from_numpy(photo(90, 110, 3))[None]
        defocus = torch.from_numpy(defocus_map(90, 110, 9.0, 3))[None, None]
        plan = plan_layers(image, defocus, 3, None)
        whole = layers_of(image, defocus, plan)
        rows, columns = slice(7, 80), slice(20, 101)
        part = layers_of(
            image[..., rows, columns],
            defocus[..., rows, columns],
            plan,
            view=View(90, 110, 7, 20),
        )
        margin = 3 * scene_layers.RIM_REACH
        inner = (..., slice(margin, -margin), slice(margin, -margin))
        for one, other in zip(part, whole, strict=True):
            for name in ("color", "alpha", "defocus"):
                expected = getattr(other, name)[..., rows, columns]
                torch.testing.assert_close(getattr(one, name)[inner], expected[inner])
