"""The nearest of some pixels, against looking at all of them."""

from __future__ import annotations

import pytest
import torch
from focuspuller.lens.nearest import NONE, nearest_of

HEIGHT, WIDTH = 37, 53


def distances(chosen: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """`[wanted, chosen]` in px."""
    return torch.cdist(wanted.nonzero().double(), chosen.nonzero().double())


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_nearest_or_nearly_so(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.rand(HEIGHT, WIDTH, generator=generator) > 0.99
    wanted = torch.rand(HEIGHT, WIDTH, generator=generator) > 0.5
    found = nearest_of(chosen, wanted, levels=6)
    assert chosen.flatten()[found].all()
    place = torch.stack([found // WIDTH, found % WIDTH], 1).double()
    distance = (place - wanted.nonzero()).norm(dim=1)
    least = distances(chosen, wanted).amin(1)
    assert (distance >= least - 1e-9).all()
    assert (distance <= 2.5 * least + 2.0).all()
    assert (distance.sum() / least.sum()) < 1.15


def test_a_chosen_pixel_is_its_own_nearest() -> None:
    chosen = torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(7)) > 0.9
    found = nearest_of(chosen, chosen, levels=3)
    torch.testing.assert_close(found, chosen.flatten().nonzero().flatten())


def test_what_is_far_away_has_none() -> None:
    chosen = torch.zeros(64, 64, dtype=torch.bool)
    chosen[0, 0] = True
    found = nearest_of(chosen, torch.ones(64, 64, dtype=torch.bool), levels=3).view(64, 64)
    assert (found[:4, :4] == 0).all()
    assert (found[32:] == NONE).all()


def test_a_part_on_the_grid_finds_the_same() -> None:
    generator = torch.Generator().manual_seed(3)
    chosen = torch.rand(96, 112, generator=generator) > 0.98
    everything = torch.ones_like(chosen)
    levels, corner = 3, 24
    whole = nearest_of(chosen, everything, levels).view(96, 112)
    part = nearest_of(chosen[corner:, corner:], everything[corner:, corner:], levels)
    part = part.view(96 - corner, 112 - corner)
    row, column = part // (112 - corner) + corner, part % (112 - corner) + corner
    there = torch.where(part == NONE, NONE, row * 112 + column)
    inner = (slice(2**levels * 2, None),) * 2
    assert torch.equal(there[inner], whole[corner:, corner:][inner])
