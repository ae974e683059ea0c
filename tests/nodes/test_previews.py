"""What nodes show: pictures and texts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.nodes import previews
from focuspuller.nodes.comfy import io
from PIL import Image


def test_nothing_to_show_is_nothing():
    assert previews.shown(io.ComfyNode) == {}


def test_a_picture_and_a_text_are_shown_together(outputs):
    picture = torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1).expand(2, 3, 4, 5)
    shown = previews.shown(io.ComfyNode, picture.half(), "two frames")
    assert shown["text"] == ("two frames",)
    assert len(shown["images"]) == 2
    with Image.open(outputs / shown["images"][1]["filename"]) as file:
        assert file.size == (5, 4)
        assert file.getpixel((2, 2)) == (255, 127, 0)


def test_near_is_white_over_the_whole_batch():
    disparity = torch.tensor([[0.5, 1.0], [1.0, 2.5]]).view(2, 1, 1, 2)
    picture = previews.depth_picture(Depth(disparity, is_metric=True))
    assert picture.shape == (2, 3, 1, 2)
    expected = torch.tensor([0.0, 0.25, 0.25, 1.0])
    torch.testing.assert_close(picture[:, 0].flatten(), expected)


def test_a_flat_depth_is_shown_without_nan():
    picture = previews.depth_picture(Depth.from_metres(torch.full((1, 1, 4, 5), 2.0)))
    assert torch.isfinite(picture).all()


def test_an_aperture_is_shown_as_it_looks_in_the_background():
    heart = torch.zeros(20, 20)
    heart[:10] = 1.0  # light in the upper half
    picture = previews.aperture_picture(Aperture(image=heart))[0, 0]
    upper, lower = picture.chunk(2, dim=0)
    assert float(picture.amax()) == 1.0
    assert float(upper.sum()) > 20 * float(lower[2:].sum())


@pytest.mark.parametrize(
    ("depth", "text"),
    [
        (Depth.from_metres(torch.tensor([[[[0.5, 12.345]]]])), "metric, 0.5 m to 12.3 m"),
        (Depth.from_metres(torch.tensor([[[[2.0, math.inf]]]])), "metric, 2 m to infinity"),
        (Depth.from_relative(torch.tensor([[[[0.25, 0.75]]]])), "relative disparity 0.25 to 0.75"),
    ],
)
def test_a_depth_in_words(depth, text):
    assert previews.depth_text(depth) == text


@pytest.mark.parametrize(
    ("focus", "text"),
    [
        (Focus.at_distance(2.5), "2.5 m"),
        (Focus.at_distance(math.inf), "infinity"),
        (Focus.at_distance([1.0, 3.0, 8.0]), "1 m → 8 m"),
        (Focus.at_disparity(0.3, is_metric=False), "disparity 0.300"),
    ],
)
def test_a_focus_in_words(focus, text):
    assert previews.focus_text(focus) == text


def test_a_camera_in_words():
    text = previews.camera_text(Camera(6.86, 1.78, 9.8))
    # c = 0.03 mm · 9.8/36; f²/(N c) + f = 3.24 m
    assert text == "6.86 mm f/1.78, 9.8 mm sensor, hyperfocal 3.24 m"


def test_previews_of_a_batch_do_not_replace_each_other(outputs):
    for _ in range(2):
        previews.shown(io.ComfyNode, torch.rand(2, 3, 4, 4))
    assert len(list(outputs.iterdir())) == 4
    assert all(np.asarray(Image.open(path)).shape == (4, 4, 3) for path in outputs.iterdir())


def test_the_depth_of_field_of_a_camera():
    """H = f²/(N c) + f = 46.35 m; H s / (H ± (s − f)) = 1.919 m and 2.088 m."""
    camera = Camera(focal_length_mm=50.0, f_number=1.8, sensor_width_mm=36.0)
    text = previews.depth_of_field_text(camera, Focus.at_distance(2.0))
    assert text == "sharp from 1.92 m to 2.09 m"
    assert previews.depth_of_field_text(camera, Focus.at_distance(50.0)).endswith("to infinity")


def decoded_for_browser(told, outputs) -> np.ndarray:
    """Disparity `[H,W]` as web/js/shared/depth_map.js reads it."""
    with Image.open(outputs / told["picture"]["filename"]) as file:
        red, green, _ = np.moveaxis(np.asarray(file, np.float64), -1, 0)
    return told["low"] + (256 * red + green) / 65535 * (told["high"] - told["low"])


def test_the_browser_gets_depth_with_16_bits(outputs):
    disparity = torch.linspace(0.25, 4.0, 20 * 30).view(1, 1, 20, 30)
    shown = previews.depth_for_browser(Depth.from_metric_disparity(disparity))
    (told,) = shown["focus_puller_depth"]
    assert (told["low"], told["high"], told["is_metric"]) == (0.25, 4.0, True)
    error = np.abs(decoded_for_browser(told, outputs) - disparity[0, 0].numpy())
    assert error.max() <= 0.51 * 3.75 / 65535


def test_the_browser_gets_large_depth_smaller_and_flat_depth_too(outputs):
    (told,) = previews.depth_for_browser(Depth.from_metres(torch.full((1, 1, 100, 2048), 2.0)))[
        "focus_puller_depth"
    ]
    disparity = decoded_for_browser(told, outputs)
    assert disparity.shape == (50, 1024)
    assert (disparity == 0.5).all()
