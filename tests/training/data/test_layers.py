"""The ray tracer of layers, against the published one and against what optics says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.training.data.simulate.layers import FlatLayer, Traced, square_grid, trace
from torch import Tensor

PUBLISHED = Path(__file__).parents[4] / "shared/conformance/bokehdiff_mpi_reverse/io.npz"
SIZE = 40


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the conformance set is not here")
@pytest.mark.parametrize("case", ["c0", "c1"])
def test_sums_are_the_published_ones(case):
    stored = np.load(PUBLISHED)

    def one(name: str) -> np.ndarray:
        return stored[f"{case}_{name}"]

    layers = []
    planes = zip(one("layer_images_linear")[0], one("layer_alphas")[0], strict=True)
    for (color, alpha), (a, b, c) in zip(planes, one("plane_coeffs")[0].tolist(), strict=True):
        # Published as 1 − A x − B y = C d.
        disparity = (1 / c, -a / c, -b / c)
        layers.append(FlatLayer(torch.from_numpy(color), torch.from_numpy(alpha), disparity))
    # A source lies at x + t u there, at x − r w here.
    points = list(zip((-one("lens_xs")).tolist(), (-one("lens_ys")).tolist(), strict=True))
    focus = 1 / float(one("depth_focus")[0])
    traced = trace(layers, focus, float(one("K")[0]), points, vignetting=float(one("eta")[0]))
    picture = (traced.light ** (1 / 2.2)).clamp(0, 1)
    torch.testing.assert_close(picture, torch.from_numpy(one("bokeh_gamma")[0]), atol=1e-4, rtol=0)
    # Sums over the lens. The published code adds 1e-5 to a divisor, which shows in their last bits.
    sums = torch.cat([traced.color, traced.coverage, traced.weight])
    expected = torch.from_numpy(np.concatenate([one("cum_rgba")[0], one("weight")[0]]))
    torch.testing.assert_close(sums / len(points), expected / len(points), atol=2e-5, rtol=0)
    published = torch.from_numpy(np.stack([one("lens_xs"), one("lens_ys")], axis=-1))
    grid = torch.tensor(square_grid(int(one("samples_per_side"))))
    distance = (grid[:, None] - published).abs().amax(-1)
    assert float(distance.amin(1).max()) < 1e-6
    assert len(grid) == len(published)


def wall(color: float, disparity: float, right: float = 0.0) -> FlatLayer:
    ones = torch.ones(1, SIZE, SIZE)
    return FlatLayer(color * ones.expand(3, -1, -1), ones, (disparity, right, 0.0))


def light_of(traced: Traced) -> Tensor:
    return traced.light[0]


def test_what_is_in_focus_stays_as_it_is():
    color = torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    layer = FlatLayer(color, torch.ones(1, SIZE, SIZE), (0.4, 0.0, 0.0))
    traced = trace([layer], 0.4, 50.0, square_grid(7), margin=3)
    torch.testing.assert_close(traced.light, color[:, 3:-3, 3:-3], atol=1e-4, rtol=0)


def test_a_point_of_light_becomes_a_disc_of_the_blur_radius():
    layer = wall(0.0, 0.9)
    layer.color.data = torch.zeros(3, SIZE, SIZE)
    layer.color[:, 20, 20] = 1.0
    light = light_of(trace([layer], 0.4, 16.0, square_grid(81)))
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    distance = torch.hypot(x - 20, y - 20)
    assert float(light[distance > 9.5].max()) == 0
    assert float(light[distance < 6.5].min()) > 0.8 / (np.pi * 8**2)
    assert float(light.sum()) == pytest.approx(1.0, rel=0.02)


def test_blur_grows_along_a_slanted_plane():
    layer = wall(0.0, 0.0, right=1 / SIZE)
    layer.color.data = torch.zeros(3, SIZE, SIZE)
    layer.color[:, 20, ::13] = 1.0
    light = light_of(trace([layer], 0.0, 8.0, square_grid(61)))
    widths = [int((light[20, max(0, x - 6) : x + 7] > 1e-4).sum()) for x in (0, 13, 26)]
    assert widths[0] < widths[1] < widths[2]


def test_a_near_layer_out_of_focus_lets_the_far_one_through():
    alpha = torch.zeros(1, SIZE, SIZE)
    alpha[..., 18:22] = 1.0  # a rod 4 px wide
    near = FlatLayer(torch.zeros(3, SIZE, SIZE), alpha, (1.0, 0.0, 0.0))
    light = light_of(trace([near, wall(1.0, 0.5)], 0.5, 20.0, square_grid(41), margin=12))
    # Seen through a lens of 10 px radius the rod is see-through: it hides 4 of 20 px of the lens
    # along a chord.
    middle = float(light[:, 8].mean())
    assert 1 - 1.35 * 4 / 20 < middle < 1 - 4 / 20


def test_a_far_layer_out_of_focus_does_not_bleed_over_a_sharp_near_one():
    alpha = torch.zeros(1, SIZE, SIZE)
    alpha[..., :20] = 1.0
    near = FlatLayer(torch.zeros(3, SIZE, SIZE), alpha, (1.0, 0.0, 0.0))
    light = light_of(trace([near, wall(1.0, 0.5)], 1.0, 12.0, square_grid(21)))
    assert float(light[:, :19].max()) == 0.0
    assert float(light[:, 21:].min()) == pytest.approx(1.0)


def test_vignetting_takes_light_at_the_corners_only():
    traced = trace([wall(1.0, 0.5)], 0.5, 4.0, square_grid(21), vignetting=0.03)
    weight = traced.weight[0]
    assert float(weight[20, 20]) == len(square_grid(21))
    assert float(weight[0, 0]) < 0.8 * float(weight[20, 20])
    torch.testing.assert_close(traced.light, torch.ones(3, SIZE, SIZE))
