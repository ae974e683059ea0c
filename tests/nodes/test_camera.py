"""Camera."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.lens.optics import Camera
from focuspuller.nodes import CameraNode
from focuspuller.photo.exif import CameraData
from focuspuller.photo.photo import Photo

FIFTY = {"f_number": 1.8, "focal_length_mm": 50.0, "sensor_width_mm": 36.0}
CROP_CAMERA = CameraData(focal_length_mm=35.0, f_number=4.0, sensor_width_mm=23.5)


def photo_with(camera_data: CameraData) -> Photo:
    pixels = np.zeros((4, 6, 3), np.float32)
    return Photo(Path("a.jpg"), pixels, None, None, camera_data, None, b"", ())


class TestCamera:
    def test_the_numbers_become_a_camera(self):
        output = CameraNode.execute(**FIFTY)
        assert output[0] == Camera(focal_length_mm=50.0, f_number=1.8, sensor_width_mm=36.0)

    def test_it_shows_the_hyperfocal_distance(self):
        # f²/(N c) + f with c = 0.03 mm: 2500 / (1.8 · 0.03) mm + 50 mm = 46.3 m
        (text,) = CameraNode.execute(**FIFTY).ui["text"]
        assert text == "50 mm f/1.8, 36 mm sensor, hyperfocal 46.3 m"

    def test_a_photo_gives_focal_length_and_sensor_but_not_the_f_number(self):
        output = CameraNode.execute(**FIFTY, photo=photo_with(CROP_CAMERA))
        assert output[0] == Camera(focal_length_mm=35.0, f_number=1.8, sensor_width_mm=23.5)
        assert output.ui["text"][0].count("from the photo") == 2

    def test_f_number_zero_takes_the_photos(self):
        numbers = FIFTY | {"f_number": 0.0}
        camera = CameraNode.execute(**numbers, photo=photo_with(CROP_CAMERA))[0]
        assert camera == Camera(focal_length_mm=35.0, f_number=4.0, sensor_width_mm=23.5)

    def test_what_a_photo_does_not_tell_is_the_nodes(self):
        manual_lens = CameraData(sensor_width_mm=23.5)
        output = CameraNode.execute(**FIFTY, photo=photo_with(manual_lens))
        assert output[0] == Camera(focal_length_mm=50.0, f_number=1.8, sensor_width_mm=23.5)
        assert "Focal length: from this node, the photo does not tell it" in output.ui["text"][0]

    def test_f_number_zero_without_a_photo_is_refused(self, refuses):
        message = refuses(CameraNode, "f_number", **FIFTY | {"f_number": 0.0})
        assert "0 without a photo" in message

    @pytest.mark.parametrize("name", list(FIFTY))
    @pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
    def test_numbers_without_meaning_are_refused(self, refuses, name, value):
        assert repr(value) in refuses(CameraNode, name, **FIFTY | {name: value})

    @pytest.mark.parametrize("foreign", [{"fov": 45}, torch.eye(4), 0, ""])
    def test_another_packs_camera_is_refused(self, refuses, foreign):
        message = refuses(CameraNode, "photo", **FIFTY, photo=foreign)
        assert type(foreign).__name__ in message
