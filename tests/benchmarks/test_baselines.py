"""What the lenses are compared with is what it says: claims rest on it."""

from __future__ import annotations

from collections.abc import Callable

import lens_sampling
import naive
import numpy as np
import pytest
import stacks
from numpy.typing import NDArray
from oracles.gather import naive_gather
from oracles.measure import disc_diameter
from oracles.scatter import naive_bokeh
from oracles.scenes import defocus_map, photo, psnr

Array = NDArray[np.float32]
Renderer = Callable[[Array, Array], NDArray[np.floating]]

SCATTERS: list[Renderer] = [
    naive.published_scatter,
    naive.energy_scatter,
    lens_sampling.lens_sampling,
    stacks.disc_stack,
]
ALL: list[Renderer] = [*SCATTERS, naive.gather, stacks.gaussian_stack]


def scene(height: int = 40, width: int = 56, largest: float = 6.0) -> tuple[Array, Array]:
    image, defocus = photo(height, width), defocus_map(height, width, largest)
    return image.astype(np.float32), defocus.astype(np.float32)


def step(near: float, far: float, size: int = 96) -> tuple[Array, Array]:
    """A white surface on the left in front of a black one."""
    image, defocus = np.zeros((3, size, size)), np.full((size, size), far)
    image[..., : size // 2] = 1.0
    defocus[:, : size // 2] = near
    return image.astype(np.float32), defocus.astype(np.float32)


@pytest.mark.parametrize("render", ALL)
def test_a_constant_picture_stays_constant(render: Renderer):
    image = np.full((3, 40, 56), 0.3, np.float32)
    _, defocus = scene()
    np.testing.assert_allclose(render(image, defocus), image, atol=1e-5)


@pytest.mark.parametrize("render", ALL)
def test_what_is_in_focus_stays_as_it_is(render: Renderer):
    image, defocus = scene()
    # The published disc leaks to its neighbours even at radius 0.
    np.testing.assert_allclose(render(image, 0.0 * defocus), image, atol=2e-3)


@pytest.mark.parametrize("radius", [-9.0, 9.0])
@pytest.mark.parametrize("render", ALL)
def test_a_point_becomes_a_disc_of_the_blurs_diameter_and_keeps_its_light(
    render: Renderer, radius: float
):
    image, defocus = np.zeros((3, 81, 81), np.float32), np.full((81, 81), radius, np.float32)
    image[:, 40, 40] = 5.0
    light = np.asarray(render(image, defocus), np.float64)
    assert light[1].sum() == pytest.approx(5.0, rel=0.01)
    wide = 2.0 * stacks.SIGMA_PER_RADIUS if render is stacks.gaussian_stack else 1.0
    assert disc_diameter(light[1]) == pytest.approx(18.0 * wide, rel=0.04)


def test_the_published_scatter_is_its_definition():
    image, defocus = scene()
    definition = naive_bokeh(image.astype(np.float64), defocus.astype(np.float64))
    np.testing.assert_allclose(naive.published_scatter(image, defocus), definition, atol=1e-6)


def test_the_gather_is_its_definition_within_the_frame():
    image, defocus = scene()
    inner = (slice(None), slice(8, -8), slice(8, -8))
    definition = naive_gather(image.astype(np.float64), defocus.astype(np.float64))
    np.testing.assert_allclose(naive.gather(image, defocus)[inner], definition[inner], atol=1e-6)


def test_lens_sampling_comes_close_to_the_scatter_where_nothing_hides_anything():
    image, _ = scene(96, 128)
    slope = np.linspace(-6.0, 6.0, 128, dtype=np.float32)[None].repeat(96, 0)
    margin = (slice(None), slice(8, -8), slice(8, -8))
    sampled = lens_sampling.lens_sampling(image, slope)
    assert psnr(sampled[margin], naive.energy_scatter(image, slope)[margin]) > 38.0


@pytest.mark.parametrize(
    "render", [lens_sampling.lens_sampling, stacks.disc_stack, stacks.gaussian_stack]
)
def test_a_blurred_surface_and_a_sharp_one_in_front_of_it_stay_off_each_other(render: Renderer):
    image, defocus = step(near=0.0, far=-12.0)
    result = render(image, defocus)
    np.testing.assert_allclose(result[:, 16:-16, :48], 1.0, atol=1e-6)
    np.testing.assert_allclose(result[:, 16:-16, 48:], 0.0, atol=1e-6)


def test_lens_sampling_sees_the_background_through_a_blurred_silhouette():
    """Half the lens sees past the edge, and the background goes on behind it."""
    image, defocus = step(near=12.0, far=0.0)
    row = lens_sampling.lens_sampling(image, defocus)[0, 48]
    assert row[47:49].mean() == pytest.approx(0.5, abs=0.02)
    assert row[40] == pytest.approx(1.0 - row[55], abs=0.02)
    assert 0.75 < row[40] < 0.95


def test_hidden_surfaces_lie_only_behind_nearer_ones():
    _, defocus = step(near=5.0, far=-5.0)
    behind, source = lens_sampling.hidden_surfaces(defocus)
    flat = defocus.ravel()
    assert len(behind) > 0
    assert (flat[behind] == 5.0).all()
    assert (flat[source] == -5.0).all()
