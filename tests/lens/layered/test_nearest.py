"""The nearest of some pixels, against looking at all of them."""

from __future__ import annotations

import pytest
import torch
from focuspuller.lens.layered.nearest import NONE, nearest_of

HEIGHT, WIDTH = 37, 53


def of_pixels(chosen: torch.Tensor, wanted: torch.Tensor, levels: int) -> torch.Tensor:
    """`nearest_of` for masks `[H,W]`; of several chosen pixels in a cell it keeps the last."""
    height, width = chosen.shape
    rows, columns = chosen.nonzero(as_tuple=True)
    cells = torch.full(((height + 1) // 2, (width + 1) // 2), NONE)
    cells[rows // 2, columns // 2] = rows * width + columns
    return nearest_of(cells, wanted.flatten().nonzero().flatten(), levels, width)


def distances(chosen: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """`[wanted, chosen]` in px."""
    return torch.cdist(wanted.nonzero().double(), chosen.nonzero().double())


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_nearest_or_nearly_so(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.rand(HEIGHT, WIDTH, generator=generator) > 0.99
    wanted = (torch.rand(HEIGHT, WIDTH, generator=generator) > 0.5) & ~chosen
    found = of_pixels(chosen, wanted, levels=6)
    assert chosen.flatten()[found].all()
    place = torch.stack([found // WIDTH, found % WIDTH], 1).double()
    distance = (place - wanted.nonzero()).norm(dim=1)
    least = distances(chosen, wanted).amin(1)
    assert (distance >= least - 1e-9).all()
    assert (distance <= 2.5 * least + 2.0).all()
    assert (distance.sum() / least.sum()) < 1.15


def test_what_is_wanted_does_not_change_what_is_found() -> None:
    generator = torch.Generator().manual_seed(5)
    chosen = torch.rand(HEIGHT, WIDTH, generator=generator) > 0.98
    few = torch.rand(HEIGHT, WIDTH, generator=generator) > 0.95
    of_all = of_pixels(chosen, torch.ones_like(chosen), levels=4).view(HEIGHT, WIDTH)
    torch.testing.assert_close(of_pixels(chosen, few, levels=4), of_all[few])


def test_what_is_far_away_has_none() -> None:
    chosen = torch.zeros(64, 64, dtype=torch.bool)
    chosen[0, 0] = True
    found = of_pixels(chosen, torch.ones(64, 64, dtype=torch.bool), levels=3).view(64, 64)
    assert (found[:4, :4] == 0).all()
    assert (found[32:] == NONE).all()


def test_a_part_on_the_grid_finds_the_same() -> None:
    generator = torch.Generator().manual_seed(3)
    chosen = torch.rand(96, 112, generator=generator) > 0.98
    everything = torch.ones_like(chosen)
    levels, corner = 3, 24
    whole = of_pixels(chosen, everything, levels).view(96, 112)
    part = of_pixels(chosen[corner:, corner:], everything[corner:, corner:], levels)
    part = part.view(96 - corner, 112 - corner)
    row, column = part // (112 - corner) + corner, part % (112 - corner) + corner
    there = torch.where(part == NONE, NONE, row * 112 + column)
    inner = (slice(2**levels * 2, None),) * 2
    assert torch.equal(there[inner], whole[corner:, corner:][inner])
