"""The layered lens: what hides what."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from focuspuller.lens.aperture import CIRCLE, Aperture
from focuspuller.lens.blur_disc import BlurDisc
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.layered import spread
from focuspuller.lens.layered.ladder import GROWTH
from focuspuller.lens.layered.render import LayeredOptions, render_layered
from focuspuller.lens.layered_fft import ladder
from focuspuller.lens.render import Lens, render
from oracles.measure import disc_diameter
from torch import Tensor

SIZE, EDGE = 49, 24


def half_planes(near: float, far: float, near_radius: float, far_radius: float):
    """A grey foreground left of column `EDGE`, a grey background right of it."""
    is_near = (torch.arange(SIZE) < EDGE).expand(1, 1, SIZE, SIZE)
    image = torch.where(is_near, near, far).expand(1, 3, SIZE, SIZE)
    return image, Defocus(torch.where(is_near, near_radius, far_radius))


def middle_row(image: Tensor, defocus: Defocus) -> Tensor:
    return render(image, defocus, Lens("layered"))[0, 0, SIZE // 2]


def covered(distance: float, radius: float) -> float:
    """Share of a disc that lies beyond a line at `distance` from its centre."""
    cosine = max(-1.0, min(1.0, distance / radius))
    return (math.acos(cosine) - cosine * math.sqrt(1 - cosine**2)) / math.pi


def test_a_sharp_foreground_keeps_its_edge_before_a_blurred_background() -> None:
    row = middle_row(*half_planes(0.8, 0.1, 0.0, -7.0))
    assert row[:EDGE] == pytest.approx(0.8, abs=0.01)
    assert row[EDGE:] == pytest.approx(0.1, abs=0.01)


def test_a_blurred_foreground_covers_a_sharp_background_in_part() -> None:
    """In the middle of pixel x the lens sees the foreground through part of its disc."""
    radius = 6.0
    row = middle_row(*half_planes(0.8, 0.1, radius, 0.0))
    expected = [0.1 + 0.7 * covered(x - EDGE + 0.5, radius) for x in range(EDGE - 8, EDGE + 8)]
    assert row[EDGE - 8 : EDGE + 8].numpy() == pytest.approx(expected, abs=0.005)


def test_detail_behind_a_blurred_foreground_shows_through() -> None:
    image, defocus = half_planes(0.8, 0.1, 6.0, 0.0)
    image = image.clone()
    image[..., EDGE + 3] = 1.0  # a bright line in the background
    row = middle_row(image, defocus)
    open_lens = 1.0 - covered(3.5, 6.0)
    assert float(row[EDGE + 3]) == pytest.approx(open_lens * 1.0 + (1 - open_lens) * 0.8, abs=0.01)
    assert row[EDGE + 3] > row[EDGE + 2] + 0.2


def test_blur_on_one_surface_is_a_plain_convolution() -> None:
    radius = ladder(6.0, GROWTH)[-3]
    image = torch.rand(1, 3, 33, 41, generator=torch.Generator().manual_seed(2))
    rendered = render(image, Defocus(torch.full((1, 1, 33, 41), -radius)), Lens("layered"))
    disc = BlurDisc(CIRCLE, edge="tanh", weighting="energy").draw(radius)
    convolved = F.conv2d(image.transpose(0, 1), disc[None, None]).transpose(0, 1)
    margin = disc.shape[0] // 2
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    torch.testing.assert_close(rendered[inner], convolved, atol=1e-5, rtol=0)


@pytest.mark.parametrize("radius", [-9.0, -4.5, 4.5, 9.0])
def test_a_light_becomes_a_disc_of_its_energy_and_of_the_right_size(radius: float) -> None:
    image = torch.zeros(1, 3, SIZE, SIZE)
    image[..., EDGE, EDGE] = 100.0
    rendered = render(image, Defocus(torch.full((1, 1, SIZE, SIZE), radius)), Lens("layered"))
    disc = rendered[0, 0].double().numpy()
    assert disc.sum() == pytest.approx(100.0, rel=1e-3)
    assert disc_diameter(disc) == pytest.approx(2 * abs(radius), rel=0.03)


def test_tiles_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    image = torch.from_numpy(generator.random((1, 3, 61, 83), np.float32))
    radius = torch.where(torch.arange(83) < 40, 5.0, -4.0).expand(1, 1, 61, 83)
    whole = render_layered(image, radius, CIRCLE, LayeredOptions())
    monkeypatch.setattr(spread, "TILE_SIDES", {"cpu": (32,)})
    tiled = render_layered(image, radius, CIRCLE, LayeredOptions())
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_a_pentagon_stands_on_its_head_in_front_of_the_focus() -> None:
    image = torch.zeros(1, 3, SIZE, SIZE)
    image[..., EDGE, EDGE] = 1.0
    behind, in_front = (
        render(image, Defocus(torch.full((1, 1, SIZE, SIZE), r)), Lens("layered"), Aperture(5))
        for r in (-9.0, 9.0)
    )
    torch.testing.assert_close(in_front, behind.flip(2, 3), atol=1e-5, rtol=0)
    assert behind[0, 0, EDGE - 8, EDGE] > 2 * behind[0, 0, EDGE + 8, EDGE]
