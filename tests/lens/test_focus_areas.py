"""Several focus points and regions: written, and focused on."""

from __future__ import annotations

import math

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import focus_on_mask, focus_on_point
from focuspuller.lens.focus_areas import (
    areas_from_text,
    focus_on_areas,
    focus_on_region,
    region_from_text,
)

NAN = math.nan


@pytest.fixture
def quarters() -> Depth:
    """1 m top left, 2 m top right, 4 m bottom left, 5 m bottom right."""
    return Depth.from_metres(torch.tensor([[1.0, 2.0], [4.0, 5.0]]).view(1, 1, 2, 2))


def test_one_point_is_the_focus_on_that_point(quarters):
    several, single = (
        focus_on_areas(quarters, [(0.9, 0.1)], 0.2),
        focus_on_point(quarters, 0.9, 0.1, 0.2),
    )
    for name in ("plane", "near", "far"):
        assert torch.equal(getattr(several, name), getattr(single, name))


def test_the_first_point_is_in_the_plane_and_all_are_sharp(quarters):
    focus = focus_on_areas(quarters, [(0.9, 0.1), (0.1, 0.9), (0.1, 0.1)])
    assert focus.plane.tolist() == [1 / 2]
    assert (focus.near.tolist(), focus.far.tolist()) == ([1 / 1], [1 / 4])


def test_the_range_is_around_every_point(quarters):
    focus = focus_on_areas(quarters, [(0.9, 0.1), (0.1, 0.1)], 0.2)
    assert [*focus.near.tolist(), *focus.far.tolist()] == pytest.approx([1.1, 0.4])


def test_every_depth_of_a_batch_has_a_range_of_its_own():
    metres = torch.tensor([[1.0, 2.0], [8.0, 4.0]]).view(2, 1, 1, 2)
    focus = focus_on_areas(Depth.from_metres(metres), [(0.0, 0.5), (1.0, 0.5)])
    assert focus.near.tolist() == [1.0, 1 / 4]
    assert focus.far.tolist() == [1 / 2, 1 / 8]


@pytest.mark.parametrize("points", [[], [(0.5, 0.5), (1.5, 0.5)]])
def test_points_that_are_none_or_outside_are_refused(quarters, points):
    with pytest.raises(InputError, match="focus_point"):
        focus_on_areas(quarters, points)


class TestRegions:
    @pytest.fixture
    def scene(self) -> Depth:
        return Depth.from_metres(torch.rand(2, 1, 23, 41) * 5 + 1)

    @pytest.mark.parametrize(
        "region", [(0.0, 0.0, 1.0, 1.0), (0.21, 0.1, 0.78, 0.49), (0.9, 0.6, 1.0, 1.0)]
    )
    def test_a_region_is_the_focus_on_its_mask(self, scene, region):
        left, top, right, bottom = region
        rows, columns = scene.size
        x = (torch.arange(columns) + 0.5) / columns
        y = (torch.arange(rows) + 0.5) / rows
        inside = ((y >= top) & (y < bottom))[:, None] & (x >= left) & (x < right)
        focus = focus_on_region(scene, region, 0.1)
        masked = focus_on_mask(scene, inside.float()[None, None], 0.1)
        for name in ("plane", "near", "far"):
            assert torch.equal(getattr(focus, name), getattr(masked, name))

    def test_what_fills_less_than_half_of_it_does_not_count(self):
        metres = torch.full((1, 1, 10, 10), 2.0)
        metres[..., :4] = 50.0
        assert focus_on_region(Depth.from_metres(metres), (0, 0, 1, 1)).distance_m.tolist() == [2.0]

    def test_one_smaller_than_a_pixel_is_the_pixel_that_it_is_in(self, quarters):
        focus = focus_on_region(quarters, (0.99, 0.01, 0.991, 0.011))
        assert focus.distance_m.tolist() == [2.0]

    def test_it_widens_the_sharp_range_as_a_point_does(self, quarters):
        focus = focus_on_areas(quarters, [(0.9, 0.1), (0.0, 0.6, 0.4, 1.0)])
        assert [*focus.plane.tolist(), *focus.far.tolist()] == [1 / 2, 1 / 4]

    def test_the_first_is_in_the_plane(self, quarters):
        focus = focus_on_areas(quarters, [(0.0, 0.6, 0.4, 1.0), (0.9, 0.1)])
        assert [*focus.plane.tolist(), *focus.near.tolist()] == [1 / 4, 1 / 2]

    @pytest.mark.parametrize(
        "region", [(0.5, 0.1, 0.5, 0.2), (0.6, 0.1, 0.5, 0.2), (0.1, 0.1, 1.1, 0.2), (0, 0, 1, NAN)]
    )
    def test_one_that_is_empty_or_outside_is_refused(self, quarters, region):
        with pytest.raises(InputError, match="focus_region: received"):
            focus_on_region(quarters, region)


@pytest.mark.parametrize(
    ("text", "areas"),
    [
        ("", []),
        ("0.2,0.4", [(0.2, 0.4)]),
        (" 0.2 , 0.4 ;0.7,.5; ", [(0.2, 0.4), (0.7, 0.5)]),
        ("0.2,0.4; 0.6,0.3,0.8,0.5", [(0.2, 0.4), (0.6, 0.3, 0.8, 0.5)]),
    ],
)
def test_areas_are_read_from_text(text, areas):
    assert areas_from_text(text, "areas") == areas


@pytest.mark.parametrize(
    "text",
    [
        *["0.2", "0.2,0.4,0.6", "a,b", "0.2,0.4 0.7,0.5", "0.2,1.4", "nan,0"],
        *["0.6,0.3,0.8,0.3", "0.8,0.3,0.6,0.5", "0,0,1,1.1", "0,0,nan,1"],
    ],
)
def test_other_text_is_refused(text):
    with pytest.raises(InputError, match=r"areas: .*semicolons"):
        areas_from_text(text, "areas")


def test_a_region_is_read_from_text():
    assert region_from_text(" ", "region") is None
    assert region_from_text("0.6,0.3,0.8,0.5", "region") == (0.6, 0.3, 0.8, 0.5)


@pytest.mark.parametrize("text", ["0.2,0.4", "0,0,1,1; 0,0,0.5,1"])
def test_what_is_not_one_region_is_refused(text):
    with pytest.raises(InputError, match=r"region: .*left, top, right and bottom"):
        region_from_text(text, "region")
