"""The exact scatter against its definition, pixel by pixel."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from focuspuller.errors import MissingDependencyError
from focuspuller.lens import run_length
from focuspuller.lens.aperture import CIRCLE, Aperture
from focuspuller.lens.blur_disc import BlurDisc, Weighting
from focuspuller.lens.run_length import is_available, scatter_run_length
from numpy.typing import NDArray
from oracles.scatter import Coverage, circle, disc_of, naive_scatter, polygon
from oracles.scenes import defocus_map, photo, psnr
from torch import Tensor

needs_numba = pytest.mark.skipif(not is_available(), reason="numba is not installed")
both_weightings = pytest.mark.parametrize("weighting", ["bokehme", "energy"])

Array = NDArray[np.float64]

PENTAGON = Aperture(blades=5, rotation_degrees=10.0)


def quadrant_image() -> Tensor:
    """An aperture that is open in its upper left quarter only."""
    image = torch.zeros(256, 256)
    image[:128, :128] = 1.0
    return image


def quadrant(dx: Array, dy: Array, radius: float) -> Array:
    """The part of each pixel that lies in a square whose far corner is on the circle.

    Altogether it weighs as much as the circle.
    """
    side = radius / np.sqrt(2)

    def overlap(center: Array) -> Array:
        low, high = np.maximum(center - 0.5, -side), np.minimum(center + 0.5, 0.0)
        return np.clip(high - low, 0.0, None)

    is_point = radius <= 0.5
    square = (dx == 0) * (dy == 0) * 1.0 if is_point else overlap(dx) * overlap(dy)
    return square / square.sum() * circle(dx, dy, radius).sum()


SHAPES: dict[str, tuple[Aperture, Coverage]] = {
    "circle": (CIRCLE, circle),
    "pentagon": (PENTAGON, polygon(5, 10.0)),
    "image": (Aperture(image=quadrant_image()), quadrant),
}
every_shape = pytest.mark.parametrize("shape", SHAPES)


def tensor(array: Array) -> Tensor:
    return torch.from_numpy(array).float()


def scattered(
    image: Array, radius: Array, disc: BlurDisc, in_front: bool = False
) -> tuple[Array, Array]:
    """Sums of light `[C,H,W]` and of weights `[H,W]`, as the oracle gives them."""
    source = tensor(np.concatenate([image, np.ones_like(image[:1])]))[None]
    sums = scatter_run_length(source, tensor(radius)[None, None], disc, in_front)[0].double()
    return sums[:-1].numpy(), sums[-1].numpy()


@needs_numba
class TestAgainstTheDefinition:
    @both_weightings
    @every_shape
    @pytest.mark.parametrize("in_front", [False, True])
    def test_the_picture(self, shape: str, weighting: Weighting, in_front: bool) -> None:
        aperture, coverage = SHAPES[shape]
        image, radius = photo(48, 61), np.abs(defocus_map(48, 61, 12.0))
        # The oracle turns discs by the sign of the defocus; a trace of it stands for zero.
        signed = np.maximum(radius, 1e-9) * (1 if in_front else -1)
        disc = BlurDisc(aperture, weighting=weighting)
        light, weights = scattered(image, radius, disc, in_front)
        true_light, true_weights = naive_scatter(image, signed, coverage, weighting)
        assert psnr(light / weights, true_light / true_weights) >= 59
        assert np.median(np.abs(weights / true_weights - 1)) < 3e-3

    @both_weightings
    @pytest.mark.parametrize("radius", [0.0, 0.3, 0.75, 1.0, 1.9, 2.6, 5.2, 11.7, 40.3])
    def test_one_disc(self, radius: float, weighting: Weighting) -> None:
        image = np.zeros((1, 101, 101))
        image[:, 50, 50] = 1.0
        light, _ = scattered(image, np.full((101, 101), radius), BlurDisc(weighting=weighting))
        true = disc_of(radius, circle, weighting)
        reach = len(true) // 2
        middle = slice(50 - reach, 51 + reach)
        # Radii are rounded by 1/128 px below 2 px, then by 1/128; a disc's area by twice that.
        assert np.abs(light[0, middle, middle] - true).sum() < 2 / 128 * true.sum() + 0.001
        assert light.sum() == pytest.approx(true.sum(), rel=0.02)
        assert light.sum() == pytest.approx(light[0, middle, middle].sum(), rel=1e-5)

    @both_weightings
    @pytest.mark.parametrize("radius", [0.0, 0.5, 1.984375, 2.5, 3.0, 3.984375])
    def test_radii_that_need_no_rounding(self, radius: float, weighting: Weighting) -> None:
        image = np.zeros((1, 21, 21))
        image[:, 10, 10] = 1.0
        light, _ = scattered(image, np.full((21, 21), radius), BlurDisc(weighting=weighting))
        true = disc_of(radius, circle, weighting)
        middle = slice(10 - len(true) // 2, 11 + len(true) // 2)
        tolerance = 1e-5 if radius < 3 else 1e-3  # of the tails that are cut
        np.testing.assert_allclose(light[0, middle, middle], true, atol=tolerance * true.max())

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 23), (23, 1), (17, 33), (50, 7)])
    def test_any_size(self, height: int, width: int) -> None:
        image, radius = photo(height, width, seed=4), np.abs(defocus_map(height, width, 9.0))
        light, weights = scattered(image, radius, BlurDisc(weighting="bokehme"))
        true_light, true_weights = naive_scatter(image, radius)
        assert psnr(light / weights, true_light / true_weights) >= 59

    def test_discs_larger_than_the_picture(self) -> None:
        image = photo(9, 14)
        light, _ = scattered(image, np.full((9, 14), 30.0), BlurDisc())
        expected = image.sum((1, 2)) / (np.pi * 30.0**2)
        np.testing.assert_allclose(light.max((1, 2)), expected, rtol=0.01)
        np.testing.assert_allclose(light.min((1, 2)), expected, rtol=0.01)

    def test_a_highlight_leaves_no_trace_along_its_row(self) -> None:
        image = np.full((1, 31, 81), 0.01)
        image[0, 15, 20] = 1e4
        light, _ = scattered(image, np.full((31, 81), 4.3), BlurDisc())
        np.testing.assert_allclose(light[0, 10:21, 30:70], 0.01, rtol=2e-3)


@needs_numba
class TestLight:
    @every_shape
    def test_none_is_lost_or_made_inside_the_frame(self, shape: str) -> None:
        image = np.zeros((2, 60, 60))
        image[:, 20:40, 20:40] = photo(20, 20)[:2]
        radius = np.abs(defocus_map(60, 60, 12.0))
        light, _ = scattered(image, radius, BlurDisc(SHAPES[shape][0]))
        np.testing.assert_allclose(light.sum((1, 2)), image.sum((1, 2)), rtol=1e-3)

    def test_what_leaves_the_frame_is_dropped(self) -> None:
        image = np.zeros((1, 41, 41))
        image[0, 20, 0] = 1.0
        light, _ = scattered(image, np.full((41, 41), 8.0), BlurDisc())
        # Half a disc, and half of the column through its centre.
        assert light.sum() == pytest.approx(0.5 + 8.0 / (np.pi * 8.0**2), rel=0.01)
        assert light[0, :, 10:].sum() == 0.0

    def test_nothing_is_negative(self) -> None:
        image = np.zeros((1, 41, 41))
        image[0, 20, 20] = 1e6
        light, _ = scattered(image, np.abs(defocus_map(41, 41, 9.0)), BlurDisc(PENTAGON))
        assert light.min() >= 0.0

    def test_turned_by_half_in_front_of_the_focus(self) -> None:
        image, radius = np.zeros((1, 41, 41)), np.full((41, 41), 9.0)
        image[0, 20, 20] = 1.0
        disc = BlurDisc(PENTAGON)
        upright, _ = scattered(image, radius, disc)
        turned, _ = scattered(image, radius, disc, in_front=True)
        np.testing.assert_allclose(turned, upright[:, ::-1, ::-1], atol=1e-7)
        assert np.abs(turned - upright).max() > 0.5 * upright.max()


@needs_numba
class TestShapes:
    @pytest.mark.parametrize("channels", [1, 3, 4, 5, 9])
    def test_any_number_of_channels(self, channels: int) -> None:
        source = torch.rand(1, channels, 12, 15)
        radius = tensor(np.abs(defocus_map(12, 15, 4.0)))[None, None]
        together = scatter_run_length(source, radius, BlurDisc())
        assert together.shape == source.shape
        assert together.dtype == torch.float32
        for channel in range(channels):
            alone = scatter_run_length(source[:, channel, None], radius, BlurDisc())
            assert torch.equal(together[:, channel, None], alone)

    def test_a_batch_is_its_images(self) -> None:
        source = torch.rand(3, 4, 21, 18)
        radius = tensor(np.stack([np.abs(defocus_map(21, 18, 5.0, seed)) for seed in range(3)]))
        together = scatter_run_length(source, radius[:, None], BlurDisc())
        for image in range(3):
            one = slice(image, image + 1)
            alone = scatter_run_length(source[one], radius[one, None], BlurDisc())
            assert torch.equal(together[one], alone)

    def test_the_source_is_not_changed(self) -> None:
        source, radius = torch.rand(1, 4, 9, 9), torch.full((1, 1, 9, 9), 2.5)
        before = source.clone(), radius.clone()
        scatter_run_length(source, radius, BlurDisc())
        assert torch.equal(source, before[0])
        assert torch.equal(radius, before[1])


@needs_numba
class TestRepeatability:
    def arguments(self) -> dict[str, Any]:
        source = tensor(np.concatenate([photo(90, 70), np.ones((1, 90, 70))]))[None]
        radius = tensor(np.abs(defocus_map(90, 70, 17.0)))[None, None]
        return {"source": source, "radius": radius, "disc": BlurDisc(PENTAGON)}

    def test_every_run_is_the_same(self) -> None:
        first = scatter_run_length(**self.arguments())
        assert all(torch.equal(scatter_run_length(**self.arguments()), first) for _ in range(5))

    def test_the_number_of_threads_makes_no_difference(self) -> None:
        threads = torch.get_num_threads()
        many = scatter_run_length(**self.arguments())
        torch.set_num_threads(1)
        try:
            assert torch.equal(scatter_run_length(**self.arguments()), many)
        finally:
            torch.set_num_threads(threads)

    def test_two_renders_at_once_do_not_meet(self) -> None:
        alone = scatter_run_length(**self.arguments())
        with ThreadPoolExecutor(4) as pool:
            runs = [pool.submit(scatter_run_length, **self.arguments()) for _ in range(8)]
            assert all(torch.equal(run.result(), alone) for run in runs)


def test_without_numba_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    run_length._compiled.cache_clear()
    try:
        with pytest.raises(MissingDependencyError, match="pip install numba"):
            scatter_run_length(torch.rand(1, 4, 5, 5), torch.ones(1, 1, 5, 5), BlurDisc())
    finally:
        run_length._compiled.cache_clear()


@needs_numba
def test_nowhere_to_keep_compiled_code_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only installation without a home directory: numba refuses to cache there."""
    import numba

    compile_plain = numba.njit

    def njit(**options: Any) -> Any:
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available for file")
        return compile_plain(**options)

    monkeypatch.setattr(numba, "njit", njit)
    run_length._compiled.cache_clear()
    try:
        light, _ = scattered(np.ones((1, 9, 9)), np.full((9, 9), 1.5), BlurDisc())
    finally:
        run_length._compiled.cache_clear()
    assert light[0, 4, 4] == pytest.approx(1.0, rel=1e-3)
