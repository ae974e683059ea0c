"""Rack focus: what keyframes say, and what happens between them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from focuspuller.errors import InputError
from focuspuller.lens.focus import pull_focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.rack_focus import Keyframe, RackFocus

# What the browser makes of keyframes, in a file that its tests read too.
BROWSERS_RACKS = Path(__file__).parents[1] / "web" / "timeline" / "racks.json"
CAMERA = Camera(50.0, 5.6, 36.0)


def distances(text: str, frames: int) -> list[float]:
    return RackFocus.from_text(text).focus(frames).distance_m.tolist()


def f_numbers(text: str, frames: int) -> list[float]:
    cameras = RackFocus.from_text(text).cameras(CAMERA, frames)
    return [camera.f_number for camera in cameras]


def test_the_focus_moves_evenly_in_disparity():
    assert distances("0: 4m; 4: 1m linear", 5) == pytest.approx([4, 16 / 7, 1.6, 16 / 13, 1])


def test_smooth_moves_are_those_of_a_focus_pull():
    rack = RackFocus.from_text("2: 3m; 9: 0.5m; 12: 8m")
    keys = [(key.frame, key.focus) for key in rack.keyframes if key.focus]
    expected = pull_focus(keys, 15, "smooth")
    assert rack.focus(15).plane.tolist() == pytest.approx(expected.plane.tolist())


def test_the_easing_of_a_keyframe_is_that_of_the_move_to_it():
    first, _, middle, _, last = distances("0: 4m linear; 2: 2m; 4: 1m linear", 5)
    assert (first, middle, last) == pytest.approx((4, 2, 1))
    _, smooth, _, linear, _ = RackFocus.from_text("0: 4m; 4: 2m; 8: 1m linear").focus(9).plane[::2]
    assert float(linear) == pytest.approx(0.75)
    assert float(smooth) == pytest.approx(0.375)  # halfway, both are the same
    quarter = RackFocus.from_text("0: 4m; 4: 2m; 8: 1m linear").focus(9).plane[1]
    assert float(quarter) == pytest.approx(0.25 + 0.25 * (3 / 16 - 2 / 64))


def test_f_numbers_move_evenly_in_stops_and_hold_at_the_ends():
    values = f_numbers("0: 2m; 1: f/2 linear; 3: f/8 linear", 5)
    assert values == pytest.approx([2, 2, 4, 8, 8])


def test_without_f_numbers_the_camera_stays():
    assert f_numbers("0: 2m", 3) == [5.6] * 3


def test_a_keyframe_may_leave_one_of_the_two_alone():
    text = "0: 1m f/2 linear; 2: f/4 linear; 4: 3m f/4 linear"
    assert distances(text, 5)[2] == pytest.approx(1.5)
    assert f_numbers(text, 5)[2] == pytest.approx(4)


def test_shorter_and_longer_than_the_keyframes():
    assert distances("0: 4m; 4: 1m linear", 2) == pytest.approx([4, 16 / 7])
    assert distances("0: 4m; 1: 1m", 4) == pytest.approx([4, 1, 1, 1])
    assert distances("3: 4m; 5: 1m", 2) == pytest.approx([4, 4])


@pytest.mark.parametrize("text", ["0:2m", " 0 : 2 m ;", "\n0: 2.0M\n\n", "0: 2m SMOOTH"])
def test_how_it_may_be_written(text):
    (key,) = RackFocus.from_text(text).keyframes
    assert (key.frame, key.f_number, key.easing) == (0, None, "smooth")
    assert key.focus is not None
    assert float(key.focus.distance_m) == 2.0


def test_infinity_and_relative_disparity():
    assert distances("0: inf f/2", 1) == [math.inf]
    relative = RackFocus.from_text("0: 0.25; 2: .75").focus(3)
    assert not relative.is_metric
    assert relative.plane.tolist() == pytest.approx([0.25, 0.5, 0.75])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no distance"),
        ("0: f/2", "no distance"),
        ("0:", "'0:'"),
        ("2m", "'2m'"),
        ("-1: 2m", "'-1: 2m'"),
        ("0: 2m f/0", "'0: 2m f/0'"),
        ("0: 2mf/4", "'0: 2mf/4'"),
        ("0: 2m f/2 bouncy", "bouncy"),
        ("0: 1e3m", "1e3m"),
        ("0: 0m", "above zero"),
        ("0: 1.5", "0..1"),
        ("0: 2m; 0: 3m", r"\[0, 0\]"),
        ("0: 2m; 10000: 3m", "9999"),
        ("0: 2m; 5: 0.4", "metric and relative"),
    ],
)
def test_what_is_no_timeline_is_refused_in_words(text, said):
    with pytest.raises(InputError, match=said):
        RackFocus.from_text(text)


def test_keyframes_are_put_in_order():
    rack = RackFocus([Keyframe(5, f_number=2.0), *RackFocus.from_text("0: 2m").keyframes])
    assert [key.frame for key in rack.keyframes] == [0, 5]
    assert rack.length == 6


def test_the_browser_reads_the_same():
    known = json.loads(BROWSERS_RACKS.read_text())
    for case in known["racks"]:
        rack = RackFocus.from_text(case["text"])
        planes = rack.focus(case["frames"]).plane.tolist()
        assert planes == pytest.approx(case["disparity"], abs=1e-6)
        if rack.has_f_numbers:
            assert f_numbers(case["text"], case["frames"]) == pytest.approx(case["f_number"])
    for text in known["refused"]:
        with pytest.raises(InputError):
            RackFocus.from_text(text)
