"""The radii of the layers, and which of them hide each other."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from focuspuller.lens.layered.ladder import HIDDEN_GROWTH, Ladder, gap_before, hides


def test_the_two_layers_of_one_surface_do_not_hide_each_other() -> None:
    assert not any(hides(near, far) for far, near in pairwise(Ladder(200.0).signed))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_wide_layers_two_steps_apart_do(sign: float) -> None:
    # The last step is shorter.
    wide = [radius for radius in Ladder(200.0).signed[:-1] if radius > 20.0]
    signed = sorted(sign * radius for radius in wide)
    assert all(hides(signed[index + 2], signed[index]) for index in range(len(signed) - 2))


@pytest.mark.parametrize("radius", [-60.0, -3.0, 0.0, 3.0, 60.0])
def test_pixels_and_layers_are_hidden_by_the_same_gap(radius: float) -> None:
    gap = float(gap_before(torch.tensor(radius)))
    assert hides(radius + gap + 1e-3, radius)
    assert not hides(radius + gap - 1e-3, radius)


@pytest.mark.parametrize("growth", [1.08, HIDDEN_GROWTH])
def test_a_place_lies_between_the_radii_around_it(growth: float) -> None:
    ladder = Ladder(40.0, growth)
    radius = torch.linspace(-40.0, 40.0, 257)
    place = ladder.position(radius)
    signed = torch.tensor(ladder.signed)
    below = place.floor().long().clamp(max=len(signed) - 2)
    between = torch.lerp(signed[below], signed[below + 1], place - below)
    torch.testing.assert_close(between, radius, atol=1e-4, rtol=0)
