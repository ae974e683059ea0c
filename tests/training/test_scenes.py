"""Procedural scenes: their photographs are what optics says, in cases that can be worked out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.render import Lens, render
from focuspuller.training.scenes import SUPERSAMPLING, Layer, Scene, random_scene
from focuspuller.training.silhouettes import SILHOUETTES, Grid
from torch import Tensor

SIZE, MARGIN = 48, 8
NEAR, FAR, LEVEL = 1.0, 0.25, 8.0
RADIUS = LEVEL * (NEAR - FAR)


def smooth_texture(seed: int) -> Tensor:
    """`[3,h,w]` of a layer, with no detail that sampling could blur."""
    side = SUPERSAMPLING * (SIZE + 2 * MARGIN)
    coarse = torch.rand(1, 3, side // 16, side // 16, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)[0]


def layer(color: Tensor, alpha: Tensor, disparity: float) -> Layer:
    return Layer(color * alpha, alpha, (disparity, 0.0, 0.0))


@pytest.fixture
def step() -> Scene:
    """A near half before a far wall; both are flat."""
    side = SUPERSAMPLING * (SIZE + 2 * MARGIN)
    half = torch.zeros(1, side, side)
    half[..., : side // 2 + 1] = 1.0  # the edge goes through the middle of a pixel
    wall = torch.ones(1, side, side)
    near = layer(smooth_texture(1), half, NEAR)
    return Scene((near, layer(smooth_texture(2), wall, FAR)), (SIZE, SIZE), MARGIN)


def at_pixels(values: Tensor) -> Tensor:
    """A layer's values at the picture's resolution, with the margin, `[C,h,w]`."""
    return F.avg_pool2d(values, SUPERSAMPLING)


def blurred_by_disc(values: Tensor, radius: float) -> Tensor:
    """Convolution with a disc, with antialiased rim, cut to the picture."""
    reach, fine = MARGIN, 16
    steps = (torch.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    inside = (steps[:, None] ** 2 + steps**2 <= radius**2).float()
    disc = F.avg_pool2d(inside[None, None], fine)
    return F.conv2d(values[:, None], disc / disc.sum())[:, 0]


def cut(values: Tensor) -> Tensor:
    return values[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def test_what_is_in_focus_is_as_the_pinhole_sees_it(step):
    photo = step.defocused(focus=0.6, level=0.0, samples=64)
    assert float((photo - step.all_in_focus()).abs().mean()) < 2e-3


def test_before_a_sharp_wall_a_blurred_edge_is_transparent(step):
    """Closed form: the near layer's light and cover are blurred, the wall shows through."""
    near, wall = step.layers
    cover = blurred_by_disc(at_pixels(near.alpha), RADIUS)
    expected = blurred_by_disc(at_pixels(near.color), RADIUS)
    expected = expected + (1 - cover) * cut(at_pixels(wall.color))
    photo = step.defocused(focus=FAR, level=LEVEL, samples=400)
    assert float((photo - expected).abs().max()) < 0.03
    assert float((step.all_in_focus() - expected).abs().max()) > 0.3


def test_behind_a_sharp_edge_the_hidden_wall_is_seen(step):
    """Closed form: the wall is blurred with what the near layer hides, behind a sharp edge."""
    near, wall = step.layers
    hidden = 1 - cut(at_pixels(near.alpha))
    expected = cut(at_pixels(near.color)) + hidden * blurred_by_disc(at_pixels(wall.color), RADIUS)
    photo = step.defocused(focus=NEAR, level=LEVEL, samples=400)
    off_edge = (hidden == 0) | (hidden == 1)
    assert float(((photo - expected) * off_edge)[..., 1:-1].abs().max()) < 0.03


def test_a_lamp_on_a_leaning_plane_blurs_as_the_place_where_it_is():
    side = SUPERSAMPLING * (SIZE + 2 * MARGIN)
    dark, one = torch.zeros(3, side, side), torch.ones(1, side, side)
    right = 8  # px from the middle
    middle = side // 2 + SUPERSAMPLING * right
    dark[:, side // 2 - 1 : side // 2 + 1, middle - 1 : middle + 1] = 50.0
    plane = Layer(dark, one, (0.5, 0.6, 0.0))
    scene = Scene((plane,), (SIZE, SIZE), MARGIN)
    photo = scene.defocused(focus=0.2, level=LEVEL, samples=2000)[0]
    radius = LEVEL * (0.5 + 0.6 * right / (SIZE / 2) - 0.2)
    y, x = (torch.arange(SIZE) - (SIZE - 1) / 2 for _ in range(2))
    share = photo / photo.sum()
    # The mean square distance from the middle of a disc is half its squared radius.
    spread = (share * ((x[None] - right) ** 2 + y[:, None] ** 2)).sum()
    assert math.sqrt(2 * float(spread)) == pytest.approx(radius, rel=0.1)
    other = LEVEL * (0.5 - 0.2)
    assert abs(radius / other - 1) > 0.5


def test_disparity_is_that_of_what_is_in_view(step):
    disparity = step.disparity()[0]
    assert (disparity[:, : SIZE // 2] == NEAR).all()
    assert (disparity[:, SIZE // 2 + 1 :] == FAR).all()


def test_the_layered_lens_agrees():
    """Two independent ways to the same photograph, with hidden parts that the lens has to guess."""
    likeness = []
    for seed in range(5):
        scene = random_scene((96, 96), 8, np.random.default_rng([6, seed]))
        disparity = scene.disparity()
        photo = scene.defocused(0.5, 12.0, 100)
        image = scene.all_in_focus()
        rendered = render(image[None], Defocus((disparity[None] - 0.5) * 12.0), Lens("layered"))[0]
        likeness.append([psnr(picture, photo) for picture in (rendered, image)])
    from_lens, from_pinhole = np.mean(likeness, axis=0)
    assert from_lens > 35
    assert from_lens > from_pinhole + 5


def psnr(picture: Tensor, truth: Tensor) -> float:
    coded = [cut(image).clamp(0, 1) ** (1 / 2.2) for image in (picture, truth)]
    return -10 * math.log10(float((coded[0] - coded[1]).square().mean()))


def test_a_seed_makes_one_scene():
    first, again, other = (
        random_scene((32, 32), 2, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first.all_in_focus(), again.all_in_focus())
    assert torch.equal(first.disparity(), again.disparity())
    assert not torch.equal(first.all_in_focus(), other.all_in_focus())


@pytest.mark.parametrize("seed", range(20))
def test_layers_never_cross(seed):
    scene = random_scene((32, 32), 8, np.random.default_rng(seed))
    corners = [(x, y) for x in (-1.5, 1.5) for y in (-1.5, 1.5)]  # of the margin, too
    for x, y in corners:
        disparities = [a + b * x + c * y for a, b, c in (layer.disparity for layer in scene.layers)]
        assert disparities == sorted(disparities, reverse=True)


@pytest.mark.parametrize("silhouette", SILHOUETTES)
def test_silhouettes_are_antialiased_outlines(silhouette):
    shapes = [silhouette(Grid.of_size(96, 80), np.random.default_rng(seed)) for seed in range(8)]
    for shape in shapes:
        assert shape.shape == (96, 80)
        assert shape.dtype == np.float32
        assert 0 <= shape.min() <= shape.max() <= 1
    covered = np.array([shape.mean() for shape in shapes])
    assert ((covered > 0.001) & (covered < 0.999)).sum() >= 6, "most show both sides"
    partial = [((shape > 0) & (shape < 1)).mean() for shape in shapes]
    assert 0 < np.mean(partial) < 0.5
    assert len({float(mean) for mean in covered}) > 4, "no two are alike"
