"""Several focus points: written, and focused on."""

from __future__ import annotations

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import focus_on_point
from focuspuller.lens.focus_points import focus_on_points, points_from_text


@pytest.fixture
def quarters() -> Depth:
    """1 m top left, 2 m top right, 4 m bottom left, 5 m bottom right."""
    return Depth.from_metres(torch.tensor([[1.0, 2.0], [4.0, 5.0]]).view(1, 1, 2, 2))


def test_one_point_is_the_focus_on_that_point(quarters):
    several, single = (
        focus_on_points(quarters, [(0.9, 0.1)], 0.2),
        focus_on_point(quarters, 0.9, 0.1, 0.2),
    )
    for name in ("plane", "near", "far"):
        assert torch.equal(getattr(several, name), getattr(single, name))


def test_the_first_point_is_in_the_plane_and_all_are_sharp(quarters):
    focus = focus_on_points(quarters, [(0.9, 0.1), (0.1, 0.9), (0.1, 0.1)])
    assert focus.plane.tolist() == [1 / 2]
    assert (focus.near.tolist(), focus.far.tolist()) == ([1 / 1], [1 / 4])


def test_the_range_is_around_every_point(quarters):
    focus = focus_on_points(quarters, [(0.9, 0.1), (0.1, 0.1)], 0.2)
    assert [*focus.near.tolist(), *focus.far.tolist()] == pytest.approx([1.1, 0.4])


def test_every_depth_of_a_batch_has_a_range_of_its_own():
    metres = torch.tensor([[1.0, 2.0], [8.0, 4.0]]).view(2, 1, 1, 2)
    focus = focus_on_points(Depth.from_metres(metres), [(0.0, 0.5), (1.0, 0.5)])
    assert focus.near.tolist() == [1.0, 1 / 4]
    assert focus.far.tolist() == [1 / 2, 1 / 8]


@pytest.mark.parametrize("points", [[], [(0.5, 0.5), (1.5, 0.5)]])
def test_points_that_are_none_or_outside_are_refused(quarters, points):
    with pytest.raises(InputError, match="focus_point"):
        focus_on_points(quarters, points)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("", []),
        ("0.2,0.4", [(0.2, 0.4)]),
        (" 0.2 , 0.4 ;0.7,.5; ", [(0.2, 0.4), (0.7, 0.5)]),
    ],
)
def test_points_are_read_from_text(text, points):
    assert points_from_text(text) == points


@pytest.mark.parametrize(
    "text", ["0.2", "0.2,0.4,0.6", "a,b", "0.2,0.4 0.7,0.5", "0.2,1.4", "nan,0"]
)
def test_other_text_is_refused(text):
    with pytest.raises(InputError, match="semicolons"):
        points_from_text(text)
