"""Pictures onto Metric3D's canvas and back, and its canonical camera."""

from __future__ import annotations

import math

import pytest
import torch
from focuspuller.lens.optics import Camera
from focuspuller.models.metric3d.processing import (
    CANVAS_PX,
    DEFAULT_VIEW_DEG,
    DEVIATION,
    FARTHEST_M,
    MEAN,
    SURROUND,
    Placement,
    default_focal_length_px,
    from_canvas,
    to_canvas,
    to_metres,
)
from torch import Tensor

SIZES = [
    pytest.param(616, 1064, id="the canvas itself"),
    pytest.param(480, 640, id="landscape"),
    pytest.param(1216, 832, id="portrait"),
    pytest.param(1081, 1923, id="odd and large"),
    pytest.param(37, 53, id="odd and small"),
    pytest.param(2001, 31, id="a tall strip"),
    pytest.param(31, 2001, id="a wide strip"),
    pytest.param(5000, 3, id="hardly a picture"),
]


def ramps(height: int, width: int) -> Tensor:
    """The coordinates of each pixel's centre, 0..1, in the first two of three channels."""
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    down, right = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([down, right, 0.5 * (down + right)])[None]


def seen(canvas: Tensor) -> Tensor:
    """A normalised canvas in 8-bit values."""
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return canvas * deviation + mean


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_what_is_said_of_a_pixel_comes_back_to_it(height: int, width: int) -> None:
    place = Placement(height, width)
    picture = ramps(height, width)
    back = from_canvas(seen(to_canvas(picture, place)) / 255.0, place)
    assert back.shape == picture.shape
    for axis, length in ((0, height), (1, width)):
        apart_px = (back - picture)[:, axis].abs() * length
        # At the borders, where there is nothing beyond to interpolate with, half a pixel of the
        # coarser of picture and canvas.
        coarser = max(1.0, length / place.size[axis])
        assert float(apart_px.max()) <= 0.6 * coarser
        border = math.ceil(1.5 * coarser)
        inside = apart_px.movedim(axis + 1, 0)[border : length - border]
        # A mean over a broken number of pixels is not quite in its middle.
        assert inside.numel() == 0 or float(inside.max()) < 0.05 * coarser


def test_a_single_pixel() -> None:
    place = Placement(1, 1)
    picture = torch.tensor([0.2, 0.5, 0.8])[None, :, None, None]
    torch.testing.assert_close(from_canvas(to_canvas(picture, place), place).shape, picture.shape)
    torch.testing.assert_close(from_canvas(seen(to_canvas(picture, place)), place), 255 * picture)


def test_the_canvas_around_a_picture_has_the_mean_of_8_bit_files() -> None:
    place = Placement(300, 300)
    canvas = seen(to_canvas(torch.ones(2, 3, 300, 300), place))
    above, below, left, right = place.padding
    assert canvas.shape == (2, 3, *CANVAS_PX)
    assert (above, below, left, right) == (0, 0, 224, 224)
    surround = torch.tensor(SURROUND)[:, None, None]
    torch.testing.assert_close(canvas[..., :left], surround.expand(2, 3, 616, left))
    torch.testing.assert_close(canvas[..., -right:], surround.expand(2, 3, 616, right))
    torch.testing.assert_close(canvas[..., left:-right], torch.full((2, 3, 616, 616), 255.0))


def test_an_odd_rest_lies_below_and_to_the_right() -> None:
    assert Placement(100, 201, canvas=(151, 200)).padding == (26, 26, 0, 0)
    assert Placement(100, 201, canvas=(152, 200)).padding == (26, 27, 0, 0)
    assert Placement(201, 100, canvas=(200, 152)).padding == (0, 0, 26, 27)


def test_noise_is_averaged_where_a_picture_is_reduced() -> None:
    place = Placement(4 * 616, 4 * 1064)
    noise = torch.rand(1, 3, 4 * 616, 4 * 1064, generator=torch.Generator().manual_seed(0))
    deviation = float((seen(to_canvas(noise, place)) / 255.0).std())
    assert deviation < 0.3 * float(noise.std())  # Picking single pixels would leave over a half.


class TestMetres:
    def test_the_canonical_camera_is_right_already(self) -> None:
        depth = torch.rand(1, 1, 8, 8) * 100
        torch.testing.assert_close(to_metres(depth, 1000.0, 1.0), depth)

    def test_the_published_example(self) -> None:
        # 707 px, a picture of 120×200 px enlarged to 616×1026.
        depth = torch.tensor([10.0])
        assert float(to_metres(depth, 707.0493, 616 / 120)) == pytest.approx(36.295198)

    def test_nothing_is_farther_than_what_the_network_was_trained_with(self) -> None:
        assert float(to_metres(torch.tensor(200.0), 5000.0, 1.0)) == FARTHEST_M

    @pytest.mark.parametrize("factor", [0.5, 2.0, 3.7])
    def test_depth_is_proportional_to_the_focal_length(self, factor: float) -> None:
        depth = torch.rand(64, dtype=torch.float64)
        camera = Camera(24.0, 2.8).for_image(400, 600)
        longer = Camera(24.0 * factor, 2.8).for_image(400, 600)
        ratio = to_metres(depth, longer.focal_length_px, 1.0) / to_metres(
            depth, camera.focal_length_px, 1.0
        )
        torch.testing.assert_close(ratio, torch.full_like(ratio, factor))

    @pytest.mark.parametrize(("height", "width"), [(400, 600), (600, 400), (1200, 1800)])
    def test_the_size_of_a_file_does_not_change_the_world(self, height: int, width: int) -> None:
        """The same view with more pixels is the same canvas, and gives the same metres."""
        factors = [
            camera.focal_length_px * Placement(*size).scale
            for size in ((height, width), (2 * height, 2 * width))
            for camera in [Camera(35.0, 2.0).for_image(*size)]
        ]
        assert factors[0] == pytest.approx(factors[1])


@pytest.mark.parametrize(("height", "width"), [(1000, 1500), (1500, 1000)])
def test_the_assumed_view_is_that_of_35_mm_film_behind_35_mm(height: int, width: int) -> None:
    assumed = default_focal_length_px(height, width)
    assert assumed == pytest.approx(
        Camera(35.0, 2.0).for_image(height, width).focal_length_px, 2e-3
    )
    seen_deg = math.degrees(2 * math.atan(750 / assumed))
    assert seen_deg == pytest.approx(DEFAULT_VIEW_DEG)
