"""Degraded depth: what each kind does to maps of which the outcome is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from focuspuller.training.degradation import (
    blurred,
    coarse,
    dilated,
    displaced,
    eroded,
    jpeg,
    quantised,
    randomly_degraded,
)
from torch import Tensor


def square(near: float = 9.0, far: float = 2.0) -> Tensor:
    """A near square of 12 px before something far."""
    nearness = torch.full((1, 1, 32, 40), far)
    nearness[..., 10:22, 14:26] = near
    return nearness


def near_px(nearness: Tensor) -> int:
    return int((nearness > 5.5).sum())


def random() -> np.random.Generator:
    return np.random.default_rng(3)


ALL = {
    "dilated": lambda nearness: dilated(nearness, 2),
    "eroded": lambda nearness: eroded(nearness, 2),
    "blurred": lambda nearness: blurred(nearness, 1.5),
    "coarse": lambda nearness: coarse(nearness, 3),
    "displaced": lambda nearness: displaced(nearness, 1.5, 20.0, random()),
    "quantised": lambda nearness: quantised(nearness, 16),
    "jpeg": lambda nearness: jpeg(nearness, 85),
    "random": lambda nearness: randomly_degraded(nearness, random()),
}


def test_dilation_makes_the_near_larger_and_erosion_smaller():
    assert near_px(dilated(square(), 2)) == 16 * 16
    assert near_px(eroded(square(), 2)) == 8 * 8


def test_erosion_is_the_dilation_of_what_is_far():
    assert torch.equal(eroded(square(), 2), -dilated(-square(), 2))


def test_blur_makes_an_edge_a_ramp_of_its_width():
    edge = torch.zeros(1, 1, 8, 64)
    edge[..., 32:] = 1.0
    slope = blurred(edge, 2.0)[0, 0, 4].diff()
    place = torch.arange(63.0)
    middle = (slope * place).sum()
    assert float(slope.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float((slope * (place - middle) ** 2).sum()) ** 0.5 == pytest.approx(2.0, rel=0.05)


def test_coarse_maps_lose_what_is_smaller_than_their_pixels():
    rod = torch.zeros(1, 1, 32, 32)
    rod[..., 16] = 1.0
    assert float(coarse(rod, 4).max()) < 0.4
    assert float(coarse(square(), 4).max()) == pytest.approx(9.0, abs=0.2)


def test_displacement_moves_edges_and_keeps_values():
    moved = displaced(square(), 1.5, 20.0, random())
    assert set(moved.unique().tolist()) == {2.0, 9.0}
    changed = int((moved != square()).sum())
    assert 10 < changed < 4 * 12 * 6
    assert torch.equal(moved, displaced(square(), 1.5, 20.0, random()))


def test_quantisation_leaves_that_many_levels_and_both_ends():
    ramp = torch.linspace(-3.0, 5.0, 400).view(1, 1, 20, 20)
    stored = quantised(ramp, 16)
    assert len(stored.unique()) == 16
    assert (float(stored.min()), float(stored.max())) == pytest.approx((-3.0, 5.0))
    assert float((stored - ramp).abs().max()) <= 8 / 15 / 2 + 1e-6


def test_jpeg_changes_little():
    error = (jpeg(square(), 85) - square()).abs()
    assert 0 < float(error.mean()) < 0.3


@pytest.mark.parametrize("kind", ALL)
def test_a_flat_map_stays_flat(kind):
    flat = torch.full((2, 1, 16, 24), 4.5)
    torch.testing.assert_close(ALL[kind](flat), flat)


@pytest.mark.parametrize("kind", ALL)
def test_the_shape_stays_and_values_stay_near_the_range(kind):
    degraded = ALL[kind](square())
    assert degraded.shape == square().shape
    assert float(degraded.min()) > 1.0
    assert float(degraded.max()) < 10.0
