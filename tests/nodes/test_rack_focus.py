"""Rack Focus Timeline, and the nodes that take a camera with an f-number per frame."""

from __future__ import annotations

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.depth import Depth
from focuspuller.lens.optics import Camera
from focuspuller.lens.sequence import cameras_as_one, each_camera
from focuspuller.nodes import DefocusMap, FitLens, RackFocusTimeline

CAMERA = Camera(50.0, 2.8, 36.0)
TEXT = "0: 2m f/2 linear; 2: 1m f/8 linear"


def test_focus_and_f_number_of_each_frame():
    output = RackFocusTimeline.execute(TEXT, 0, CAMERA)
    assert output[0].distance_m.tolist() == pytest.approx([2.0, 4 / 3, 1.0])
    f_numbers = [camera.f_number for camera in each_camera(output[1])]
    assert f_numbers == pytest.approx([2.0, 4.0, 8.0])
    assert output.ui["text"] == ("3 frames: 2 m → 1 m",)


def test_frames_may_be_fewer_or_more():
    assert len(RackFocusTimeline.execute(TEXT, 5, CAMERA)[0].plane) == 5
    assert len(RackFocusTimeline.execute("0: 2m; 9: 1m", 4)[0].plane) == 4


def test_without_a_camera_there_is_none():
    assert RackFocusTimeline.execute("0: 0.2; 9: 0.8", 0)[1] is None


def test_f_numbers_need_a_camera():
    with pytest.raises(InputError, match=r"Rack Focus Timeline.*keyframes.*Connect Camera"):
        RackFocusTimeline.execute(TEXT, 0)


def test_what_is_no_timeline_is_said_once():
    with pytest.raises(InputError, match="'2m at 0'"):
        RackFocusTimeline.execute("0: 2m; 2m at 0", 0)


def test_the_defocus_map_has_the_f_number_of_each_frame():
    focus, camera = RackFocusTimeline.execute("0: 2m f/2; 1: f/8", 0, CAMERA).result
    depth = Depth.from_metres(torch.full((1, 1, 8, 12), 4.0))
    output = DefocusMap.execute(depth, focus, 1.0, 1.0, camera)
    wide, narrow = output[0].radius.abs().amax(dim=(1, 2, 3)).tolist()
    assert wide / narrow == pytest.approx(4.0)
    assert "50 mm f/2 → f/8" in output.ui["text"][0]


def test_fitting_takes_one_f_number():
    camera = cameras_as_one([CAMERA, Camera(50.0, 4.0, 36.0)])
    picture = torch.rand(1, 8, 8, 3)
    depth = Depth.from_metres(torch.full((1, 1, 8, 8), 4.0))
    with pytest.raises(InputError, match="camera"):
        FitLens.execute(picture, picture, depth, camera)


def test_a_single_camera_stays_itself():
    assert each_camera(CAMERA) == [CAMERA]
