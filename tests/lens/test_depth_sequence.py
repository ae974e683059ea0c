"""Depth that holds still: what a scene does, whatever each frame was normalised with."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.defocus import defocus_from_bokeh_level
from focuspuller.lens.depth import Depth
from focuspuller.lens.depth_sequence import RANGE_STEP, DepthStabilizer, stabilized_batch
from focuspuller.lens.focus import Focus
from torch import Tensor

HEIGHT, WIDTH = 48, 64
LEVEL = 40.0
WALL = (slice(0, 8), slice(4, 12))


def room() -> Tensor:
    """A floor that comes nearer from a wall at 0.2, `[H,W]`."""
    return torch.linspace(0.2, 0.6, HEIGHT)[:, None].expand(HEIGHT, WIDTH).clone()


def with_visitor(near: float, column: int) -> Tensor:
    """The room with somebody in it, a seventh of the picture."""
    frame = room()
    frame[14:, column : column + 12] = near
    return frame


def visit(near: float = 0.9, frames: int = 24) -> list[Tensor]:
    """Somebody walks in at a third of the way and out of it at two thirds."""
    third = frames // 3
    inside = [with_visitor(near, 16 + index * 2) for index in range(third)]
    return [room()] * third + inside + [room()] * third


def on_its_own_scale(frame: Tensor) -> Depth:
    """As an estimator gives it: from its farthest to its nearest point."""
    low, high = frame.amin(), frame.amax()
    return Depth.from_relative(((frame - low) / (high - low))[None, None])


def wall_blur(depth: Depth) -> float:
    """Blur radius of the wall in px, with the focus at a fixed disparity."""
    focus = Focus.at_disparity(0.5, is_metric=False)
    return float(defocus_from_bokeh_level(depth, focus, LEVEL).radius[0, 0][WALL].mean())


def largest_jump(values: list[float]) -> float:
    return max(abs(b - a) for a, b in pairwise(values))


def floor_blur(depth: Depth) -> float:
    focus = Focus.at_disparity(0.0, is_metric=False)
    return float(defocus_from_bokeh_level(depth, focus, LEVEL).radius[0, 0, -1, 0])


class TestStreaming:
    def test_a_visitor_does_not_change_the_blur_of_what_stands_still(self):
        frames = [on_its_own_scale(frame) for frame in visit()]
        plain = largest_jump([floor_blur(frame) for frame in frames])
        stabilizer = DepthStabilizer()
        steady = largest_jump([floor_blur(stabilizer.stabilized(frame)) for frame in frames])
        assert plain > 15.0  # px: from all of the range to 4/7 of it
        assert steady < LEVEL * RANGE_STEP * 1.1

    def test_the_first_frame_stays_as_it_came(self):
        first = on_its_own_scale(room())
        steady = DepthStabilizer().stabilized(first)
        torch.testing.assert_close(steady.disparity, first.disparity)

    def test_frames_on_one_scale_stay_exactly_as_they_came(self):
        stabilizer = DepthStabilizer()
        for frame in visit(near=0.95):
            depth = Depth.from_relative(frame[None, None])
            assert torch.equal(stabilizer.stabilized(depth).disparity, depth.disparity)

    def test_noise_and_jitter_do_not_add_up(self):
        torch.manual_seed(0)
        stabilizer = DepthStabilizer()
        blurs = []
        for _ in range(200):
            frame = room() + 0.01 * torch.randn(HEIGHT, WIDTH)
            frame[0, 0] -= 0.2 * torch.rand(())  # one wild pixel sets the scale of its frame
            frame[0, 1] += 0.6 + 0.3 * torch.rand(())
            blurs.append(wall_blur(stabilizer.stabilized(on_its_own_scale(frame))))
        assert largest_jump(blurs) < 0.5
        assert abs(blurs[-1] - blurs[0]) < 2.0

    def test_what_comes_nearer_than_all_before_ends_up_in_range(self):
        stabilizer = DepthStabilizer()
        stabilizer.stabilized(on_its_own_scale(room()))
        for _ in range(150):
            steady = stabilizer.stabilized(on_its_own_scale(with_visitor(0.9, 20))).disparity
        assert float(steady.amax()) == pytest.approx(1.0, abs=0.02)
        # Undistorted, not cut off: the visitor is at 0.9 when the room reaches from 0.2 to 0.6.
        floor = float(steady[0, 0, -1, 0])
        wall = float(steady[0, 0, 0, 0])
        assert (floor - wall) / (1.0 - wall) == pytest.approx(0.4 / 0.7, abs=0.03)

    def test_a_cut_starts_with_the_scale_of_the_new_shot(self):
        stabilizer = DepthStabilizer()
        for frame in visit():
            stabilizer.stabilized(on_its_own_scale(frame))
        torch.manual_seed(3)
        other = Depth.from_relative(
            torch.rand(1, 1, 6, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
        )
        torch.testing.assert_close(
            stabilizer.stabilized(other).disparity, other.disparity, atol=2 * RANGE_STEP, rtol=0
        )

    def test_metric_depth_passes_unchanged(self):
        stabilizer = DepthStabilizer()
        for frame in visit():
            depth = Depth.from_metric_disparity(frame[None, None])
            assert torch.equal(stabilizer.stabilized(depth).disparity, depth.disparity)

    def test_flat_depth_is_no_problem(self):
        stabilizer = DepthStabilizer()
        for value in (0.0, 0.0, 0.7, 0.7):
            steady = stabilizer.stabilized(Depth(torch.full((1, 1, 8, 8), value), False))
            assert bool(torch.isfinite(steady.disparity).all())

    def test_a_change_of_size_is_no_problem(self):
        stabilizer = DepthStabilizer(smoothing=0.5)
        image = torch.rand(1, 3, 20, 30)
        for size in ((48, 64), (24, 32), (1, 1)):
            depth = on_its_own_scale(room()).resized(*size)
            assert stabilizer.stabilized(depth, image).size == size


class TestSmoothing:
    def boiling(self, frames: int = 12) -> list[Depth]:
        torch.manual_seed(1)
        noise = 0.05 * torch.randn(frames, 1, 1, HEIGHT, WIDTH)
        # Metric, so that nothing but the smoothing is at work.
        return [Depth((room() + n[0, 0])[None, None], is_metric=True) for n in noise]

    def test_it_calms_depth_where_the_picture_stands_still(self):
        image = torch.rand(1, 3, HEIGHT, WIDTH)
        stabilizer = DepthStabilizer(smoothing=0.9)
        steady = [stabilizer.stabilized(depth, image).disparity for depth in self.boiling()]
        before = (self.boiling()[-1].disparity - self.boiling()[-2].disparity).std()
        assert (steady[-1] - steady[-2]).std() < 0.15 * before

    def test_it_leaves_depth_where_the_picture_moves(self):
        stabilizer = DepthStabilizer(smoothing=0.9)
        for index, depth in enumerate(self.boiling()):
            image = torch.full((1, 3, HEIGHT, WIDTH), 0.2 * (index % 2))
            steady = stabilizer.stabilized(depth, image)
            torch.testing.assert_close(steady.disparity, depth.disparity, atol=2e-3, rtol=0)

    @pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
    def test_a_smoothing_without_meaning_is_refused(self, smoothing):
        with pytest.raises(InputError, match="smoothing"):
            DepthStabilizer(smoothing)


class TestWholeClip:
    def test_nothing_jumps_drifts_or_is_cut_off(self):
        scales = [on_its_own_scale(frame).disparity for frame in visit()]
        steady = stabilized_batch(Depth(torch.cat(scales), is_metric=False)).disparity
        # The truth: the room from 0.2 to 0.6 and the visitor at 0.9, on one scale.
        truth = (torch.stack(visit())[:, None] - 0.2) / (0.9 - 0.2)
        torch.testing.assert_close(steady, truth, atol=0.01, rtol=0)

    def test_metric_depth_stays(self):
        depth = Depth.from_metric_disparity(torch.stack(visit())[:, None])
        assert torch.equal(stabilized_batch(depth).disparity, depth.disparity)

    def test_pictures_have_to_fit(self):
        depth = Depth(torch.stack(visit())[:, None], is_metric=False)
        with pytest.raises(InputError, match="3 images for 24 depths"):
            stabilized_batch(depth, torch.rand(3, 3, HEIGHT, WIDTH), smoothing=0.5)
