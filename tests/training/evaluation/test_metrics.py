"""Metrics against hand-computed and independent values, and the theorem they rest on."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.training.evaluation.blur import (
    blur_monotonicity,
    laplacian_variance,
    level_correlation,
    light_monotonicity,
    signal_energy,
)
from focuspuller.training.evaluation.consistency import content_consistency
from focuspuller.training.evaluation.fidelity import mean_absolute_error, psnr, ssim
from focuspuller.training.evaluation.frechet import frechet_distance
from focuspuller.training.evaluation.level_search import best_level
from focuspuller.training.evaluation.metrics import METRICS
from focuspuller.training.evaluation.photographs import focus_from_sharpness, quantile
from focuspuller.training.evaluation.truth import SHIPPED, degrade, load_truth
from torch import Tensor


def grey(value: float, size: tuple[int, int] = (24, 32)) -> Tensor:
    return torch.full((1, 3, *size), value)


def noise(seed: int, *size: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(size)).float()


class TestFidelity:
    def test_psnr_of_a_tenth_is_20_db(self) -> None:
        assert psnr(grey(0.5), grey(0.6)) == pytest.approx(20.0, abs=1e-4)
        assert psnr(grey(0.5), grey(0.5)) == math.inf
        assert psnr(grey(1.0), grey(7.0)) == math.inf, "a screen shows both white"

    def test_mean_absolute_error(self) -> None:
        target = grey(0.25)
        target[..., :16] = 0.75
        assert mean_absolute_error(grey(0.25), target) == pytest.approx(0.25)

    def test_ssim_of_flat_pictures_is_that_of_their_means(self) -> None:
        # Wang et al. eq. 13 without variance: (2ab + C) / (a² + b² + C), C = 0.01².
        wanted = (2 * 0.4 * 0.6 + 1e-4) / (0.4**2 + 0.6**2 + 1e-4)
        assert ssim(grey(0.4), grey(0.6)) == pytest.approx(wanted, abs=1e-4)
        picture = noise(1, 1, 3, 24, 32)
        assert ssim(picture, picture) == pytest.approx(1.0, abs=1e-6)
        assert ssim(picture, 1 - picture) < 0


class TestBlurMonotonicity:
    @pytest.mark.parametrize("seed", range(12))
    def test_no_kernel_of_non_negative_weights_raises_the_energy(self, seed: int) -> None:
        """Fine-grained Defocus, theorem F.1: circular convolution, weights that sum to 1."""
        random = np.random.default_rng(seed)
        image = random.normal(size=(3, 14, 17)) * 10 ** random.uniform(-2, 2)
        kernel = random.random((14, 17)) ** random.integers(1, 60)  # From even to a single peak.
        kernel /= kernel.sum()
        spectrum = np.fft.fft2(image) * np.fft.fft2(kernel)
        blurred = torch.from_numpy(np.fft.ifft2(spectrum).real)[None]
        energy = signal_energy(torch.from_numpy(image)[None])
        assert signal_energy(blurred) < energy
        # Parseval: the same from the spectrum.
        assert signal_energy(blurred) == pytest.approx(
            (np.abs(spectrum) ** 2).sum() / (14 * 17), rel=1e-9
        )

    def test_a_shift_keeps_the_energy_and_negative_weights_may_raise_it(self) -> None:
        image = noise(3, 1, 3, 9, 9)
        assert signal_energy(image.roll(2, -1)) == pytest.approx(signal_energy(image))
        sharpened = 2 * image - image.roll(1, -1)
        assert signal_energy(sharpened) > signal_energy(image)

    def test_it_counts_the_steps_that_sharpen(self) -> None:
        series = [grey(value) for value in (0.1, 0.2, 0.2, 0.15, 0.3)]
        # Up, level, down, up.
        assert blur_monotonicity(series) == 50.0
        assert blur_monotonicity(series[:2]) == 100.0
        assert blur_monotonicity(series[2:4]) == 0.0

    def test_light_may_get_darker_where_coded_values_do_not(self) -> None:
        """A lens turns black and white into the grey of half the light, which is coded 0.735."""
        stripes = grey(0.0)
        stripes[..., ::2] = 1.0
        blurred = grey(0.735)
        assert light_monotonicity([blurred, stripes]) == 100.0
        assert blur_monotonicity([blurred, stripes]) == 0.0


class TestLevelCorrelation:
    def test_sharpness_is_opencv_s(self) -> None:
        cv2 = pytest.importorskip("cv2")
        picture = noise(4, 1, 3, 21, 33)
        grey_levels = 255 * (
            0.299 * picture[0, 0].double()
            + 0.587 * picture[0, 1].double()
            + 0.114 * picture[0, 2].double()
        )
        wanted = cv2.Laplacian(grey_levels.numpy(), cv2.CV_64F).var()
        assert laplacian_variance(picture) == pytest.approx(wanted, rel=1e-5)

    def test_it_is_minus_pearson_s_of_level_and_sharpness(self) -> None:
        base = noise(5, 1, 3, 20, 20)
        pictures = [base * share for share in (1.0, 0.9, 0.5, 0.6)]
        levels = (0.0, 5.0, 10.0, 15.0)
        sharpness = [laplacian_variance(picture) for picture in pictures]
        wanted = -np.corrcoef(levels, sharpness)[0, 1]
        assert level_correlation(pictures, levels) == pytest.approx(wanted)
        assert level_correlation(pictures[::-1], levels) == pytest.approx(
            -np.corrcoef(levels, sharpness[::-1])[0, 1]
        )

    def test_what_never_changes_correlates_with_nothing(self) -> None:
        picture = noise(6, 1, 3, 20, 20)
        assert level_correlation([picture] * 3, (1, 2, 3)) == 0.0


class TestFrechetDistance:
    def test_of_equal_sets_is_zero(self) -> None:
        features = np.random.default_rng(1).normal(size=(40, 6))
        assert frechet_distance(features, features[::-1]) == pytest.approx(0, abs=1e-9)

    def test_of_one_dimension_is_the_textbook_formula(self) -> None:
        random = np.random.default_rng(2)
        one, other = random.normal(1, 2, (50, 1)), random.normal(4, 0.5, (60, 1))
        wanted = (one.mean() - other.mean()) ** 2 + (one.std(ddof=1) - other.std(ddof=1)) ** 2
        assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-9)

    def test_of_many_is_that_with_the_matrix_root(self) -> None:
        linalg = pytest.importorskip("scipy.linalg")
        random = np.random.default_rng(3)
        one = random.normal(size=(30, 5)) @ random.normal(size=(5, 5))
        other = random.normal(size=(30, 5)) @ random.normal(size=(5, 5)) + 1
        covariances = [np.cov(features, rowvar=False) for features in (one, other)]
        root = linalg.sqrtm(covariances[0] @ covariances[1]).real
        wanted = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(
            covariances[0] + covariances[1] - 2 * root
        )
        assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-8)

    def test_fewer_pictures_than_features_give_a_finite_distance(self) -> None:
        random = np.random.default_rng(4)
        distance = frechet_distance(random.normal(size=(4, 64)), random.normal(size=(5, 64)))
        assert math.isfinite(distance)
        assert distance > 0


def test_content_consistency_asks_for_any_common_class() -> None:
    # Top-2 classes of two pixels in three pictures, [K,H,W].
    first, second, third = (
        torch.tensor(classes).view(2, 1, 2)
        for classes in ([[1, 7], [2, 8]], [[2, 9], [3, 6]], [[3, 7], [4, 9]])
    )
    assert content_consistency([first, first]) == 100.0
    # The left pixel shares class 2, the right one nothing.
    assert content_consistency([first, second]) == 50.0
    # Pairs: left 2 and right none; left none and right 7; left 3 and right 9.
    assert content_consistency([first, second, third]) == pytest.approx(100 * (1 + 1 + 2) / 6)


class TestLevelSearch:
    @pytest.mark.parametrize("peak", [0.7, 3.0, 17.0, 60.0])
    def test_it_finds_the_best_level_with_few_pictures(self, peak: float) -> None:
        asked = []

        def likeness(level: float) -> float:
            asked.append(level)
            return -abs(math.log(level / peak))

        found = best_level(likeness, 0.5, 64.0)
        assert found == pytest.approx(peak, rel=0.06)
        assert len(asked) <= 20
        assert len(asked) == len(set(asked)), "no picture is made twice"
        assert 0.5 <= min(asked) <= max(asked) <= 64.001

    def test_it_ends_at_the_limits(self) -> None:
        assert best_level(lambda level: -level, 0.5, 64.0) == pytest.approx(0.5, rel=0.06)
        assert best_level(lambda level: level, 0.5, 64.0) == pytest.approx(64.0, rel=0.06)

    def test_it_is_not_stopped_by_one_dip(self) -> None:
        def likeness(level: float) -> float:
            return -abs(math.log(level / 20)) - (3 if 0.9 < level < 1.1 else 0)

        assert best_level(likeness, 0.5, 64.0) == pytest.approx(20, rel=0.06)


@pytest.mark.parametrize("name", ["ground", "hills", "portrait", "spheres"])
def test_the_focus_is_where_edges_are_kept(name: str) -> None:
    scene = load_truth(SHIPPED / f"{name}.npz")
    target = scene.shots[0].target
    assert target is not None
    assert scene.depth is not None
    assert scene.focus is not None
    found = focus_from_sharpness(scene.image, target, scene.depth)
    low, high = torch.aminmax(scene.depth.disparity)
    error = abs(float(found.plane[0] - scene.focus.plane[0])) / float(high - low)
    assert error < 0.1


def test_quantiles_of_large_pictures() -> None:
    values = torch.arange(101.0).flip(0)
    assert float(quantile(values, 0.25)) == 25.0
    assert quantile(torch.zeros(20_000_000), 0.5) == 0, "more than torch.quantile takes"


def test_depth_is_degraded_as_it_says() -> None:
    disparity = torch.zeros(1, 1, 9, 9)
    disparity[..., 4, 4] = 1.0
    assert torch.equal(degrade(disparity, "exact", 0), disparity)
    assert float(degrade(disparity, "dilated", 2).sum()) == 25.0
    assert float(degrade(disparity, "eroded", 1).sum()) == 0.0
    assert 0 < float(degrade(disparity, "blurred", 1).max()) < 0.5
    ramp = torch.linspace(0, 1, 81).view(1, 1, 9, 9)
    assert len(degrade(ramp, "quantised", 16).unique()) == 16


def test_every_metric_says_what_it_is() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.title
        assert metric.summary
        assert metric.arrow in "↑↓"


def test_documentation_lists_every_metric() -> None:
    text = (Path(__file__).parents[3] / "docs/evaluation.md").read_text(encoding="utf-8")
    assert [name for name in METRICS if f"`{name}`" not in text] == []
