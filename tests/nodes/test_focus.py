"""Focus Point, Focus from Mask, Focus Distance and Focus Pull."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.nodes import FocusDistance, FocusFromMask, FocusPoint, FocusPull

FOREIGN = [None, {}, 2.0, np.eye(3), torch.rand(1, 1, 24, 36)]


def text_of(output) -> str:
    (text,) = output.ui["text"]
    return text


class TestFocusPoint:
    @pytest.mark.parametrize(
        ("x", "y", "metres"), [(0.0, 0.0, 1.0), (0.25, 0.5, 1.0), (0.75, 0.5, 4.0), (1.0, 1.0, 4.0)]
    )
    def test_it_focuses_on_what_is_there(self, near_and_far, x, y, metres):
        output = FocusPoint.execute(near_and_far, x=x, y=y, focus_range=0.0)
        assert output[0].distance_m.tolist() == [metres]
        assert text_of(output) == f"{metres:g} m"

    def test_x_runs_across_and_y_runs_down(self):
        metres = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2)
        focus = FocusPoint.execute(Depth.from_metres(metres), x=0.9, y=0.1, focus_range=0.0)[0]
        assert focus.distance_m.tolist() == [2.0]

    def test_relative_depth_gives_a_relative_focus(self):
        depth = Depth.from_relative(torch.full((1, 1, 8, 8), 0.25))
        output = FocusPoint.execute(depth, x=0.5, y=0.5, focus_range=0.2)
        focus = output[0]
        assert not focus.is_metric
        assert focus.plane.tolist() == [0.25]
        assert [*focus.near.tolist(), *focus.far.tolist()] == pytest.approx([0.35, 0.15])
        assert text_of(output) == "disparity 0.250"

    def test_every_depth_of_a_batch_gives_a_focus(self):
        metres = torch.tensor([1.0, 2.0, 5.0]).view(3, 1, 1, 1).expand(3, 1, 8, 8)
        output = FocusPoint.execute(Depth.from_metres(metres), x=0.5, y=0.5, focus_range=0.0)
        assert output[0].distance_m.tolist() == pytest.approx([1.0, 2.0, 5.0])
        assert text_of(output) == "1 m → 5 m"

    def test_a_single_wrong_pixel_does_not_move_the_focus(self):
        metres = torch.full((1, 1, 200, 300), 2.0)
        metres[..., 100, 150] = 30.0
        focus = FocusPoint.execute(Depth.from_metres(metres), x=0.5, y=0.5, focus_range=0.0)[0]
        assert focus.distance_m.tolist() == [2.0]

    def test_more_points_widen_the_sharp_range(self, near_and_far):
        focus = FocusPoint.execute(
            near_and_far, x=0.25, y=0.5, focus_range=0.0, also_sharp="0.75,0.5"
        )[0]
        assert focus.distance_m.tolist() == [1.0]
        assert (focus.near.tolist(), focus.far.tolist()) == ([1.0], [0.25])

    def test_points_that_are_no_points_are_refused(self, near_and_far, refuses):
        values = {"depth": near_and_far, "x": 0.5, "y": 0.5, "focus_range": 0.0}
        assert "semicolons" in refuses(FocusPoint, "also_sharp", **values, also_sharp="left")
        assert "0..1" in refuses(FocusPoint, "also_sharp", **values, also_sharp="0.5,2")

    def test_a_region_takes_the_place_of_the_point(self, near_and_far):
        focus = FocusPoint.execute(
            near_and_far,
            x=0.75,
            y=0.5,
            focus_range=0.0,
            also_sharp="0.6,0,1,1",
            region="0,0.1,0.4,0.9",
        )[0]
        assert focus.distance_m.tolist() == [1.0]
        assert (focus.near.tolist(), focus.far.tolist()) == ([1.0], [0.25])

    def test_a_region_that_is_none_is_refused(self, near_and_far, refuses):
        values = {"depth": near_and_far, "x": 0.5, "y": 0.5, "focus_range": 0.0}
        assert "left, top" in refuses(FocusPoint, "region", **values, region="0.5,0.5")

    def test_one_pixel_can_be_focused_on(self):
        depth = Depth.from_metres(torch.full((1, 1, 1, 1), 3.0))
        focus = FocusPoint.execute(depth, x=1.0, y=1.0, focus_range=0.0)[0]
        assert focus.distance_m.tolist() == [3.0]

    @pytest.mark.parametrize(("x", "y"), [(1.01, 0.5), (-0.01, 0.5), (0.5, 2.0), (math.nan, 0.5)])
    def test_a_point_outside_is_refused(self, refuses, near_and_far, x, y):
        message = refuses(FocusPoint, "x, y", depth=near_and_far, x=x, y=y, focus_range=0.0)
        assert f"({x:g}, {y:g})" in message

    def test_a_negative_range_is_refused(self, refuses, near_and_far):
        values = {"depth": near_and_far, "x": 0.5, "y": 0.5}
        assert "-0.1" in refuses(FocusPoint, "focus_range", **values, focus_range=-0.1)

    @pytest.mark.parametrize("foreign", FOREIGN)
    def test_what_is_no_depth_is_refused(self, refuses, foreign):
        refuses(FocusPoint, "depth", depth=foreign, x=0.5, y=0.5, focus_range=0.0)


class TestFocusFromMask:
    def test_it_focuses_on_the_median_inside(self):
        metres = torch.tensor([1.0, 2.0, 8.0, 9.0, 9.0]).view(1, 1, 1, 5)
        mask = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.5]).view(1, 1, 5)
        focus = FocusFromMask.execute(Depth.from_metres(metres), mask, focus_range=0.0)[0]
        assert focus.distance_m.tolist() == [2.0]

    def test_a_mask_of_another_size_covers_the_same_part(self, near_and_far):
        right_half = torch.zeros(1, 48, 72)
        right_half[..., 36:] = 1.0
        focus = FocusFromMask.execute(near_and_far, right_half, focus_range=0.0)[0]
        assert focus.distance_m.tolist() == [4.0]

    def test_a_mask_per_picture_pulls_the_focus(self, near_and_far):
        masks = torch.zeros(2, 24, 36)
        masks[0, :, :18] = 1.0
        masks[1, :, 18:] = 1.0
        focus = FocusFromMask.execute(near_and_far, masks, focus_range=0.0)[0]
        assert focus.distance_m.tolist() == [1.0, 4.0]

    def test_an_empty_mask_is_refused_and_counted(self, refuses, near_and_far):
        masks = torch.ones(2, 24, 36)
        masks[1] = 0.5
        values = {"depth": near_and_far, "mask": masks, "focus_range": 0.0}
        assert "an empty mask for image 1" in refuses(FocusFromMask, "mask", **values)

    def test_an_empty_batch_is_refused(self, refuses, near_and_far):
        values = {"depth": near_and_far, "mask": torch.ones(0, 24, 36), "focus_range": 0.0}
        assert "[0, 24, 36]" in refuses(FocusFromMask, "mask", **values)

    def test_batches_that_do_not_fit_are_refused(self, refuses):
        depth = Depth.from_metres(torch.ones(3, 1, 24, 36))
        values = {"depth": depth, "mask": torch.ones(2, 24, 36), "focus_range": 0.0}
        assert "2 masks for 3 depths" in refuses(FocusFromMask, "mask", **values)

    @pytest.mark.parametrize("foreign", FOREIGN)
    def test_what_is_no_depth_is_refused(self, refuses, foreign):
        values = {"depth": foreign, "mask": torch.ones(1, 24, 36), "focus_range": 0.0}
        refuses(FocusFromMask, "depth", **values)


class TestFocusDistance:
    def test_metres(self):
        output = FocusDistance.execute(distance=2.0, unit="metres", focus_range=1.0)
        focus = output[0]
        assert focus.is_metric
        assert focus.distance_m.tolist() == [2.0]
        # Sharp from 1.5 m to 2.5 m.
        assert [float(1 / focus.near), float(1 / focus.far)] == pytest.approx([1.5, 2.5])
        assert text_of(output) == "2 m"

    def test_metric_disparity_has_infinity_at_zero(self):
        output = FocusDistance.execute(distance=0.0, unit="disparity 1/m", focus_range=0.0)
        assert output[0].is_metric
        assert output[0].distance_m.tolist() == [math.inf]
        assert text_of(output) == "infinity"

    def test_relative_disparity(self):
        focus = FocusDistance.execute(distance=0.7, unit="relative disparity", focus_range=0.0)[0]
        assert not focus.is_metric
        assert focus.plane.tolist() == pytest.approx([0.7])

    def test_every_unit_of_the_widget_is_understood(self):
        schema = FocusDistance.GET_SCHEMA()
        (unit,) = (port for port in schema.inputs if port.id == "unit")
        kinds = [
            FocusDistance.execute(distance=0.5, unit=option, focus_range=0.0)[0].is_metric
            for option in unit.options
        ]
        assert kinds == [True, True, False]

    @pytest.mark.parametrize(
        ("distance", "unit"),
        [
            (0.0, "metres"),
            (-1.0, "metres"),
            (math.nan, "metres"),
            (-0.1, "disparity 1/m"),
            (math.nan, "disparity 1/m"),
            (1.1, "relative disparity"),
            (-0.1, "relative disparity"),
            (math.inf, "relative disparity"),
        ],
    )
    def test_distances_without_meaning_are_refused(self, refuses, distance, unit):
        values = {"distance": distance, "unit": unit, "focus_range": 0.0}
        assert str(distance) in refuses(FocusDistance, "distance", **values)

    @pytest.mark.parametrize("unit", ["metres", "relative disparity"])
    @pytest.mark.parametrize("focus_range", [-1.0, math.nan])
    def test_ranges_without_meaning_are_refused(self, refuses, unit, focus_range):
        values = {"distance": 0.5, "unit": unit, "focus_range": focus_range}
        assert str(focus_range) in refuses(FocusDistance, "focus_range", **values)


class TestFocusPull:
    def test_linear_steps_are_even_in_disparity(self):
        start, end = Focus.at_distance(1.0), Focus.at_distance(5.0)
        output = FocusPull.execute(start, end, frames=5, easing="linear")
        expected = [1.0, 0.8, 0.6, 0.4, 0.2]
        assert output[0].plane.tolist() == pytest.approx(expected)
        assert text_of(output) == "1 m → 5 m"

    def test_smooth_starts_and_stops_gently_and_meets_in_the_middle(self):
        start, end = (Focus.at_disparity(plane, is_metric=False) for plane in (0.0, 1.0))
        planes = FocusPull.execute(start, end, frames=11, easing="smooth")[0].plane
        steps = planes.diff()
        assert (planes[0], planes[5], planes[10]) == (0.0, 0.5, 1.0)
        assert (steps > 0).all()
        assert steps[0] < 0.5 * steps[5]
        assert steps[-1] < 0.5 * steps[4]

    def test_the_sharp_range_is_pulled_along(self):
        start = Focus.at_disparity(0.2, False, width=0.0)
        end = Focus.at_disparity(0.6, False, width=0.2)
        focus = FocusPull.execute(start, end, frames=3, easing="linear")[0]
        assert (focus.near - focus.far).tolist() == pytest.approx([0.0, 0.1, 0.2])

    def test_pulls_chain_to_more_stops(self):
        stops = [Focus.at_disparity(plane, is_metric=False) for plane in (0.0, 1.0, 0.5)]
        first = FocusPull.execute(stops[0], stops[1], frames=3, easing="linear")[0]
        whole = FocusPull.execute(first, stops[2], frames=2, easing="linear")[0]
        assert whole.plane.tolist() == pytest.approx([0.0, 0.5, 1.0, 0.75, 0.5])

    def test_one_frame_is_the_end(self):
        start, end = Focus.at_distance(1.0), Focus.at_distance(4.0)
        focus = FocusPull.execute(start, end, frames=1, easing="smooth")[0]
        assert focus.distance_m.tolist() == [4.0]

    def test_no_frames_are_refused(self, refuses):
        focus = Focus.at_distance(1.0)
        values = {"start": focus, "end": focus, "easing": "linear"}
        assert "received 0" in refuses(FocusPull, "frames", **values, frames=0)

    @pytest.mark.parametrize("frames", [1, 5])
    def test_metric_and_relative_focus_are_not_mixed(self, refuses, frames):
        values = {
            "start": Focus.at_distance(1.0),
            "end": Focus.at_disparity(0.5, is_metric=False),
            "frames": frames,
            "easing": "linear",
        }
        assert "metric and relative focus" in refuses(FocusPull, "start, end", **values)

    @pytest.mark.parametrize("name", ["start", "end"])
    @pytest.mark.parametrize("foreign", FOREIGN)
    def test_what_is_no_focus_is_refused(self, refuses, name, foreign):
        focus = Focus.at_distance(1.0)
        values = {"start": focus, "end": focus, "frames": 3, "easing": "linear"}
        refuses(FocusPull, name, **values | {name: foreign})
