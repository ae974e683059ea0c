"""The pictures and depths that benchmarks run on."""

from __future__ import annotations

import degrade
import numpy as np
import pytest
from timed_scene import HIGHLIGHT_GAIN, HIGHLIGHTS, MEAN_BLUR, timed_scene

SIDE = 40


def box() -> degrade.Disparity:
    """A near square of `SIDE` px on a far ground."""
    disparity = np.full((96, 128), 0.2, np.float32)
    disparity[20 : 20 + SIDE, 30 : 30 + SIDE] = 0.7
    return disparity


def near_pixels(disparity: degrade.Disparity) -> int:
    return int((disparity > 0.45).sum())


@pytest.mark.parametrize("kind", degrade.DEGRADATIONS)
def test_degraded_disparity_keeps_size_and_range_and_comes_out_the_same_twice(kind: str):
    first, second = (degrade.DEGRADATIONS[kind](box()) for _ in range(2))
    assert first.shape == (96, 128)
    assert first.dtype == np.float32
    assert first.min() > 0.19 and first.max() < 0.71
    np.testing.assert_array_equal(first, second)
    assert (first == box()).all() == (kind == "exact")


def test_dilation_and_erosion_move_every_edge_of_the_near_surface():
    assert near_pixels(degrade.dilated(box(), 2)) == (SIDE + 4) ** 2
    assert near_pixels(degrade.eroded(box(), 2)) == (SIDE - 4) ** 2


def test_blur_makes_a_ramp_of_the_given_deviation():
    profile = degrade.blurred(box(), 2.0)[40, 20:41]
    slope = np.diff(profile) / 0.5
    place = np.arange(len(slope)) + 0.5
    mean = (slope * place).sum()
    assert np.sqrt((slope * (place - mean) ** 2).sum()) == pytest.approx(2.0, rel=0.05)


def test_displacement_moves_edges_by_its_root_mean_square_and_makes_no_new_depths():
    ramp = np.tile(np.arange(400, dtype=np.float32), (300, 1))
    moved = (degrade.displaced(ramp) - ramp)[20:-20, 20:-20]
    assert np.sqrt((moved**2).mean()) == pytest.approx(degrade.DISPLACEMENT_PX, rel=0.25)
    assert set(np.unique(degrade.displaced(box()))) == set(np.unique(box()))


@pytest.mark.parametrize(("height", "width"), [(256, 256), (120, 300)])
def test_the_timed_scene_has_the_blur_and_the_highlights_that_it_says(height: int, width: int):
    image, defocus = timed_scene(height, width)
    assert image.shape == (3, height, width)
    assert defocus.shape == (height, width)
    assert np.abs(defocus).max() == pytest.approx(1.0)
    assert np.abs(defocus).mean() == pytest.approx(MEAN_BLUR, abs=0.05)
    bright = int((image[0] == HIGHLIGHT_GAIN).sum())
    assert bright == pytest.approx(HIGHLIGHTS * height * width / 1024**2, abs=1)
    assert np.sort(image.ravel())[: -3 * bright].max() <= 1.0


def test_another_seed_is_another_scene():
    assert not np.array_equal(timed_scene(64, 64, 0)[1], timed_scene(64, 64, 1)[1])
