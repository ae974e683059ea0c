"""The light of a picture in layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from focuspuller.lens.layered.light_layers import CELL, LightLayer, LightLayers
from focuspuller.lens.layered.surfaces import Surfaces
from focuspuller.lens.window import Window
from torch import Tensor

HEIGHT, WIDTH = 150, 200
MAX_RADIUS = 9.0
WHOLE = Window(0, 0, HEIGHT, WIDTH)


@pytest.fixture
def surfaces() -> Surfaces:
    """Far surfaces in the upper left quarter, hidden ones in a part of it."""
    generator = torch.Generator().manual_seed(3)

    def random(channels: int) -> Tensor:
        return torch.rand(1, channels, HEIGHT, WIDTH, generator=generator)

    near_share, shown, hidden = (
        torch.ones(1, 1, HEIGHT, WIDTH),
        *torch.zeros(2, 1, 1, HEIGHT, WIDTH),
    )
    near_share[..., :70, :90] = 0.3
    shown[..., :70, :90] = 0.7
    hidden[..., 10:40, 10:40] = 0.3
    # In patches, so that a layer is here and there.
    patches = torch.rand(2, 1, 3, 4, generator=generator)
    near, far = F.interpolate(MAX_RADIUS * patches, (HEIGHT, WIDTH)).split(1)
    return Surfaces(random(3), near, near_share, random(3), -far, shown, hidden)


def layers_of(surfaces: Surfaces) -> list[LightLayer]:
    return LightLayers(surfaces, MAX_RADIUS, (0, 0, 0, 0)).from_near_to_far()


def light_of(layer: LightLayer, part: Window) -> Tensor:
    """Of a part of the picture, `[channels,h,w]`."""
    out = torch.zeros(1, layer.channels, part.height, part.width)
    layer.write([part.seen_from(layer.window)], out)
    return out[0]


@pytest.mark.parametrize("is_hidden", [False, True])
def test_all_layers_together_are_all_light(surfaces: Surfaces, is_hidden: bool) -> None:
    layers = [layer for layer in layers_of(surfaces) if layer.is_hidden == is_hidden]
    total = torch.stack([light_of(layer, WHOLE) for layer in layers]).sum(0)
    far = surfaces.far_hidden if is_hidden else surfaces.far_shown
    near = torch.zeros_like(far) if is_hidden else surfaces.near_share
    color = surfaces.near_color * near + surfaces.far_color * far
    torch.testing.assert_close(total, torch.cat([color, near + far], 1)[0])


def test_layers_come_from_near_to_far(surfaces: Surfaces) -> None:
    radii = [layer.radius for layer in layers_of(surfaces)]
    assert radii == sorted(radii, reverse=True)
    assert radii[0] > MAX_RADIUS / 2
    assert radii[-1] < -MAX_RADIUS / 2


@pytest.mark.parametrize("side", [CELL, 2 * CELL, 5 * CELL])
def test_there_is_no_light_but_in_lit_squares(surfaces: Surfaces, side: int) -> None:
    """Whole cells are lit: dark squares are dark, and most of the lit ones are not."""
    dark = 0
    for layer in layers_of(surfaces):
        for row, column in np.ndindex(layer.lit(side).shape):
            square = Window(row * side, column * side, (row + 1) * side, (column + 1) * side)
            inside = square.moved(layer.window.top, layer.window.left).within(HEIGHT, WIDTH)
            is_lit = bool(layer.lit(side)[row, column])
            assert layer.is_lit(square) == is_lit
            if not is_lit:
                assert light_of(layer, inside).abs().max() == 0
                dark += 1
    assert dark > 0 or side > WIDTH // 2


def test_beyond_the_picture_it_is_dark(surfaces: Surfaces) -> None:
    layer = layers_of(surfaces)[0]
    outside = Window(-20, -30, HEIGHT + 10, WIDTH + 5)
    light = light_of(layer, outside)
    within = WHOLE.seen_from(outside).of(light)
    assert within.max() > 0
    within.zero_()
    assert light.abs().max() == 0


def test_the_edge_of_the_frame_is_continued(surfaces: Surfaces) -> None:
    left, right, top, bottom = margins = (3, 0, 5, 2)
    layers = LightLayers(surfaces, MAX_RADIUS, margins)
    assert layers.size == (HEIGHT + 7, WIDTH + 3)
    total = sum(
        light_of(layer, Window(0, 0, *layers.size))[:3] for layer in layers.from_near_to_far()
    )
    assert isinstance(total, Tensor)
    torch.testing.assert_close(total[:, 0], total[:, top])
    torch.testing.assert_close(total[:, :, 0], total[:, :, left])
    torch.testing.assert_close(total[:, -1], total[:, -1 - bottom])
    assert right == 0
