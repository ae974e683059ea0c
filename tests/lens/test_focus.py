"""Choosing what is sharp: numbers, points, masks, ranges and pulls."""

from __future__ import annotations

import math

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import (
    Focus,
    continue_pull,
    focus_on_mask,
    focus_on_mean,
    focus_on_point,
    pull_focus,
)


def limits(focus: Focus) -> list[tuple[float, float, float]]:
    """(near, plane, far) of each image."""
    return list(zip(focus.near.tolist(), focus.plane.tolist(), focus.far.tolist(), strict=True))


def approx(*expected: tuple[float, float, float]) -> list:
    return [pytest.approx(each, rel=1e-5) for each in expected]


class TestAtADistance:
    def test_one_plane(self) -> None:
        focus = Focus.at_distance(4.0)
        assert focus.is_metric
        assert limits(focus) == [(0.25, 0.25, 0.25)]
        assert focus.distance_m.tolist() == [4.0]

    def test_one_per_image(self) -> None:
        assert Focus.at_distance([0.5, 2.0]).plane.tolist() == [2.0, 0.5]

    def test_infinity(self) -> None:
        focus = Focus.at_distance(math.inf, range_m=3.0)
        assert limits(focus) == [(0.0, 0.0, 0.0)]
        assert focus.distance_m.tolist() == [math.inf]

    def test_half_of_the_range_lies_in_front(self) -> None:
        assert limits(Focus.at_distance(2.0, range_m=1.0)) == approx((1 / 1.5, 0.5, 1 / 2.5))

    def test_a_range_does_not_move_the_plane(self) -> None:
        assert Focus.at_distance(2.0, range_m=3.9).distance_m.tolist() == pytest.approx([2.0])

    def test_a_range_beyond_the_lens_ends_there(self) -> None:
        focus = Focus.at_distance(2.0, range_m=10.0)
        assert limits(focus) == approx((1000.0, 0.5, 1 / 7))

    def test_a_plane_nearer_than_any_lens(self) -> None:
        assert limits(Focus.at_distance(5e-4)) == approx((2000.0, 2000.0, 2000.0))

    @pytest.mark.parametrize("metres", [0.0, -1.0, math.nan, [2.0, 0.0]])
    def test_no_distance(self, metres: float) -> None:
        with pytest.raises(InputError, match="focus_distance"):
            Focus.at_distance(metres)

    @pytest.mark.parametrize("range_m", [-0.1, math.nan])
    def test_no_range(self, range_m: float) -> None:
        with pytest.raises(InputError, match="focus_range"):
            Focus.at_distance(2.0, range_m)


class TestAtADisparity:
    @pytest.mark.parametrize("is_metric", [True, False])
    def test_one_plane(self, is_metric: bool) -> None:
        focus = Focus.at_disparity(0.4, is_metric)
        assert focus.is_metric is is_metric
        assert limits(focus) == approx((0.4, 0.4, 0.4))

    def test_the_range_is_centred(self) -> None:
        assert limits(Focus.at_disparity(0.4, False, width=0.2)) == approx((0.5, 0.4, 0.3))

    def test_the_range_ends_at_infinity(self) -> None:
        assert limits(Focus.at_disparity([0.0, 0.1], True, width=0.4)) == approx(
            (0.2, 0.0, 0.0), (0.3, 0.1, 0.0)
        )

    @pytest.mark.parametrize(
        ("disparity", "is_metric"),
        [
            (-0.1, True),
            (-0.1, False),
            (1.1, False),
            (math.nan, True),
            (math.nan, False),
            (math.inf, True),
        ],
    )
    def test_no_disparity(self, disparity: float, is_metric: bool) -> None:
        with pytest.raises(InputError, match="focus_disparity"):
            Focus.at_disparity(disparity, is_metric)

    def test_metric_disparity_may_exceed_one(self) -> None:
        assert Focus.at_disparity(4.0, True).distance_m.tolist() == [0.25]

    def test_no_width(self) -> None:
        with pytest.raises(InputError, match="focus_range"):
            Focus.at_disparity(0.5, True, width=-0.1)

    def test_relative_focus_has_no_metres(self) -> None:
        with pytest.raises(InputError, match="metric"):
            _ = Focus.at_disparity(0.5, False).distance_m


def test_nearest_sharp_depth_of_every_pixel() -> None:
    disparity = torch.tensor([0.0, 0.35, 0.9]).view(1, 1, 1, 3).repeat(2, 1, 1, 1)
    focus = Focus.at_disparity([0.4, 0.8], True, width=0.2)
    sharp = focus.nearest_sharp(disparity).flatten(1)
    torch.testing.assert_close(sharp, torch.tensor([[0.3, 0.35, 0.5], [0.7, 0.7, 0.9]]))


class TestForABatch:
    def test_one_focus_is_repeated(self) -> None:
        focus = Focus.at_disparity(0.4, False, width=0.2).for_batch(3)
        assert limits(focus) == approx(*[(0.5, 0.4, 0.3)] * 3)
        assert not focus.is_metric

    def test_one_per_image_passes(self) -> None:
        assert Focus.at_distance([1.0, 2.0]).for_batch(2).plane.tolist() == [1.0, 0.5]

    def test_another_number_does_not(self) -> None:
        with pytest.raises(InputError, match="2 focus values for 3 images"):
            Focus.at_distance([1.0, 2.0]).for_batch(3)


class TestOnAPoint:
    def test_top_left_is_zero_zero(self) -> None:
        depth = Depth.from_relative(torch.arange(12.0).view(1, 1, 3, 4) / 11)
        assert focus_on_point(depth, 0.6, 0.4).plane.tolist() == pytest.approx([6 / 11])

    @pytest.mark.parametrize(
        ("x", "y", "expected"), [(0.0, 0.0, 0), (1.0, 0.0, 3), (0.0, 1.0, 8), (1.0, 1.0, 11)]
    )
    def test_the_frame_s_corners_belong_to_the_image(
        self, x: float, y: float, expected: int
    ) -> None:
        depth = Depth.from_relative(torch.arange(12.0).view(1, 1, 3, 4) / 11)
        assert focus_on_point(depth, x, y).plane.tolist() == pytest.approx([expected / 11])

    @pytest.mark.parametrize(("x", "y"), [(0.5, 0.5), (0.0, 0.0), (1.0, 1.0)])
    def test_one_wrong_pixel_is_ignored(self, x: float, y: float) -> None:
        disparity = torch.full((1, 1, 200, 300), 0.25)
        disparity[0, 0, min(int(y * 200), 199), min(int(x * 300), 299)] = 1.0
        focus = focus_on_point(Depth.from_relative(disparity), x, y)
        assert focus.plane.tolist() == [0.25]

    def test_the_window_stays_on_the_subject(self) -> None:
        disparity = torch.full((1, 1, 300, 300), 0.25)
        disparity[..., 148:153, 148:153] = 1.0
        assert focus_on_point(Depth.from_relative(disparity), 0.5, 0.5).plane.tolist() == [1.0]

    def test_each_map_of_a_batch_has_its_own_focus(self) -> None:
        disparity = torch.tensor([0.2, 3.0]).view(2, 1, 1, 1).expand(2, 1, 4, 4)
        focus = focus_on_point(Depth.from_metric_disparity(disparity), 0.5, 0.5, width=0.2)
        assert focus.is_metric
        assert limits(focus) == approx((0.3, 0.2, 0.1), (3.1, 3.0, 2.9))

    @pytest.mark.parametrize(
        ("x", "y"), [(-0.01, 0.5), (0.5, 1.01), (math.nan, 0.5), (0.5, math.inf)]
    )
    def test_a_point_outside(self, x: float, y: float) -> None:
        with pytest.raises(InputError, match="focus_point"):
            focus_on_point(Depth.from_relative(torch.zeros(1, 1, 4, 4)), x, y)


class TestOnAMask:
    METRES = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 100.0]])[None, None]
    MASK = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]])[None, None]

    def test_focus_is_the_median_depth_inside(self) -> None:
        focus = focus_on_mask(Depth.from_metres(self.METRES), self.MASK)
        assert focus.distance_m.tolist() == pytest.approx([3.0])

    def test_an_outlier_inside_does_not_matter(self) -> None:
        mask = torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]])[None, None]
        focus = focus_on_mask(Depth.from_metres(self.METRES), mask)
        assert focus.distance_m.tolist() == pytest.approx([5.0])

    def test_what_is_half_inside_is_outside(self) -> None:
        soft = torch.tensor([[0.5, 0.5, 0.51], [0.0, 0.0, 0.0]])[None, None]
        focus = focus_on_mask(Depth.from_metres(self.METRES), soft)
        assert focus.distance_m.tolist() == pytest.approx([3.0])

    def test_a_mask_of_another_size(self) -> None:
        large = self.MASK.repeat_interleave(4, 2).repeat_interleave(4, 3)
        focus = focus_on_mask(Depth.from_metres(self.METRES), large, width=0.1)
        assert limits(focus) == approx((1 / 3 + 0.05, 1 / 3, 1 / 3 - 0.05))

    def test_batches(self) -> None:
        depth = Depth.from_metres(torch.cat([self.METRES, 2 * self.METRES]))
        first_column = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])[None, None]
        masks = torch.cat([self.MASK, first_column])
        assert focus_on_mask(depth, masks).distance_m.tolist() == pytest.approx([3.0, 2.0])
        assert focus_on_mask(depth, self.MASK).distance_m.tolist() == pytest.approx([3.0, 6.0])
        one = Depth.from_metres(self.METRES)
        assert focus_on_mask(one, masks).distance_m.tolist() == pytest.approx([3.0, 1.0])

    def test_an_empty_mask_is_named(self) -> None:
        masks = torch.cat([self.MASK, torch.zeros_like(self.MASK)])
        with pytest.raises(InputError, match="empty mask for image 1"):
            focus_on_mask(Depth.from_metres(self.METRES), masks)

    def test_masks_that_do_not_fit(self) -> None:
        depth = Depth.from_metres(self.METRES.repeat(2, 1, 1, 1))
        with pytest.raises(InputError, match="3 masks for 2 depths"):
            focus_on_mask(depth, self.MASK.repeat(3, 1, 1, 1))


class TestPullingFocus:
    NEAR, FAR = Focus.at_distance(1.0), Focus.at_distance(math.inf)

    def test_moves_evenly_in_disparity(self) -> None:
        pull = pull_focus([(0, self.NEAR), (4, self.FAR)], 5, "linear")
        assert pull.plane.tolist() == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])
        assert pull.is_metric

    def test_holds_before_the_first_and_after_the_last_keyframe(self) -> None:
        pull = pull_focus([(1, self.NEAR), (3, self.FAR)], 6, "linear")
        assert pull.plane.tolist() == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0, 0.0])

    def test_smooth_easing_starts_and_stops_gently(self) -> None:
        # 3t² - 2t³ at quarters
        pull = pull_focus([(0, self.FAR), (4, self.NEAR)], 5, "smooth")
        assert pull.plane.tolist() == pytest.approx([0.0, 0.15625, 0.5, 0.84375, 1.0])

    def test_keyframes_in_any_order(self) -> None:
        keyframes = [(2, Focus.at_distance(0.5)), (0, self.NEAR), (6, self.FAR)]
        pull = pull_focus(keyframes, 7, "linear")
        assert pull.plane.tolist() == pytest.approx([1.0, 1.5, 2.0, 1.5, 1.0, 0.5, 0.0])

    def test_the_range_goes_along(self) -> None:
        start = Focus.at_disparity(0.2, False, width=0.2)
        end = Focus.at_disparity(0.8, False)
        pull = pull_focus([(0, start), (2, end)], 3, "linear")
        assert limits(pull) == approx((0.3, 0.2, 0.1), (0.55, 0.5, 0.45), (0.8, 0.8, 0.8))
        assert not pull.is_metric

    def test_a_single_keyframe_holds(self) -> None:
        assert pull_focus([(7, self.NEAR)], 3, "smooth").plane.tolist() == [1.0, 1.0, 1.0]

    @pytest.mark.parametrize(
        ("keyframes", "frames", "subject"),
        [
            ([], 3, "keyframes"),
            ([(0, NEAR)], 0, "frames"),
            ([(1, NEAR), (1, FAR)], 3, "keyframes"),
            ([(0, NEAR), (2, Focus.at_disparity(0.5, False))], 3, "keyframes"),
            ([(0, NEAR), (2, Focus.at_distance([1.0, 2.0]))], 3, "2 focus planes at frame 2"),
        ],
    )
    def test_pulls_that_make_no_sense(
        self, keyframes: list[tuple[int, Focus]], frames: int, subject: str
    ) -> None:
        with pytest.raises(InputError, match=subject):
            pull_focus(keyframes, frames, "linear")

    def test_an_unknown_easing_is_refused(self) -> None:
        with pytest.raises(InputError, match="'linear' or 'smooth'"):
            pull_focus([(0, self.NEAR)], 3, "slow")  # pyright: ignore


class TestContinuingAPull:
    NEAR, FAR = Focus.at_distance(1.0), Focus.at_distance(math.inf)

    def test_from_a_single_focus_it_is_the_first_frame(self) -> None:
        pull = continue_pull(self.NEAR, self.FAR, 3, "linear")
        assert pull.plane.tolist() == pytest.approx([1.0, 0.5, 0.0])

    def test_from_an_earlier_pull_frames_are_added(self) -> None:
        first = continue_pull(self.NEAR, self.FAR, 3, "linear")
        both = continue_pull(first, Focus.at_distance(0.5), 4, "linear")
        assert both.plane.tolist() == pytest.approx([1.0, 0.5, 0.0, 0.5, 1.0, 1.5, 2.0])

    def test_the_range_goes_along(self) -> None:
        first = continue_pull(self.NEAR, self.FAR, 2, "linear")
        both = continue_pull(first, Focus.at_disparity(1.0, True, width=0.4), 2, "linear")
        assert limits(both)[2:] == approx((0.6, 0.5, 0.4), (1.2, 1.0, 0.8))

    def test_a_single_frame_is_the_end(self) -> None:
        assert continue_pull(self.NEAR, self.FAR, 1, "smooth").plane.tolist() == [0.0]

    def test_easing_applies(self) -> None:
        pull = continue_pull(self.NEAR, self.FAR, 5, "smooth")
        assert pull.plane.tolist() == pytest.approx([1.0, 0.84375, 0.5, 0.15625, 0.0])

    @pytest.mark.parametrize("frames", [1, 3])
    @pytest.mark.parametrize("start", [NEAR, Focus.at_distance([1.0, 2.0])])
    def test_metric_and_relative_do_not_mix(self, start: Focus, frames: int) -> None:
        with pytest.raises(InputError, match="metric and relative"):
            continue_pull(start, Focus.at_disparity(0.5, False), frames, "linear")

    @pytest.mark.parametrize("start", [NEAR, Focus.at_distance([1.0, 2.0])])
    def test_no_frames(self, start: Focus) -> None:
        with pytest.raises(InputError, match="frames"):
            continue_pull(start, self.FAR, 0, "linear")


class TestMean:
    def test_distances_are_averaged_in_metres(self) -> None:
        depth = Depth.from_metres(torch.tensor([[[[1.0, 4.0, 9.0]]]]))
        focus = focus_on_mean(depth, torch.tensor([[[[0.6, 0.3, 0.0]]]]))
        assert focus.distance_m.tolist() == pytest.approx([2.0])

    def test_relative_depth_is_averaged_in_disparity(self) -> None:
        depth = Depth.from_relative(torch.tensor([[[[0.2, 0.8]]]]))
        focus = focus_on_mean(depth, torch.tensor([[[[1.0, 3.0]]]]))
        assert not focus.is_metric
        assert focus.plane.tolist() == pytest.approx([0.65])

    def test_the_sky_counts_as_300_m(self) -> None:
        depth = Depth.from_metres(torch.tensor([[[[2.0, math.inf]]]]))
        focus = focus_on_mean(depth, torch.tensor([[[[1.0, 0.01]]]]))
        assert focus.distance_m.tolist() == pytest.approx([(2.0 + 3.0) / 1.01])

    def test_weights_of_another_size_cover_the_same_part(self) -> None:
        metres = torch.ones(1, 1, 30, 42)
        metres[..., 21:] = 5.0
        weights = torch.zeros(1, 1, 10, 6)
        weights[..., 4:] = 1.0  # well inside the right half
        focus = focus_on_mean(Depth.from_metres(metres), weights)
        assert focus.distance_m.tolist() == pytest.approx([5.0])

    def test_a_flat_map_of_the_nearest_is_no_error(self) -> None:
        focus = focus_on_mean(Depth.from_relative(torch.ones(1, 1, 33, 77)), torch.rand(1, 1, 9, 9))
        assert focus.plane.tolist() == pytest.approx([1.0])

    def test_it_is_differentiable_by_depth_and_weights(self) -> None:
        weights = torch.rand(2, 1, 3, 4, dtype=torch.float64, requires_grad=True)
        disparity = torch.rand(2, 1, 3, 4, dtype=torch.float64) + 0.2

        def plane(weights, disparity):
            return focus_on_mean(Depth(disparity, True), weights).plane

        assert torch.autograd.gradcheck(plane, (weights, disparity.requires_grad_()))

    def test_one_map_serves_several_depths_and_the_other_way_round(self) -> None:
        one, three = torch.rand(1, 1, 4, 4) + 0.1, torch.rand(3, 1, 4, 4) + 0.1
        assert len(focus_on_mean(Depth(three, True), one).plane) == 3
        assert len(focus_on_mean(Depth(one, True), three).plane) == 3
        with pytest.raises(InputError, match="2 maps of weights for 3 depths"):
            focus_on_mean(Depth(three, True), one.expand(2, -1, -1, -1))

    @pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
    def test_weights_that_are_none(self, value) -> None:
        weights = torch.rand(1, 1, 4, 4)
        weights[0, 0, 1, 1] = value
        with pytest.raises(InputError, match="weights"):
            focus_on_mean(Depth(torch.rand(1, 1, 4, 4), True), weights)

    def test_weights_that_are_all_zero(self) -> None:
        weights = torch.stack([torch.ones(1, 4, 4), torch.zeros(1, 4, 4)])
        with pytest.raises(InputError, match="zeros for image 1"):
            focus_on_mean(Depth(torch.rand(2, 1, 4, 4), True), weights)
