"""For pixels here and there, the nearest of some others."""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

NONE = -1


def nearest_of(chosen: Tensor, wanted: Tensor, levels: int) -> Tensor:
    """Index of the chosen pixel that is nearest to each wanted one, or nearly so.

    The picture is halved again and again; each cell keeps one of its chosen pixels. From the
    coarsest cells back, each cell takes the nearest of those that it and its neighbours know.

    Args:
        chosen: `[H,W]` bool.
        wanted: `[H,W]` bool.
        levels: how often the picture is halved: so far, about `2 ** levels` px, is looked.

    Returns:
        `[N]` flat index of a pixel for each wanted one in order, -1 where none is near.
    """
    height, width = chosen.shape
    index = torch.arange(height * width, device=chosen.device).view(height, width)
    pyramid = [torch.where(chosen, index, NONE)]
    for _ in range(levels):
        pyramid.append(_halved(pyramid[-1]))
    known = pyramid.pop()
    for level in range(levels - 1, 0, -1):
        own = pyramid[level]
        rows = torch.arange(own.shape[0], device=own.device)[:, None].expand_as(own)
        columns = torch.arange(own.shape[1], device=own.device).expand_as(own)
        found = _nearest_around(rows, columns, known, 2**level, width)
        known = torch.where(own == NONE, found, own)
    rows, columns = wanted.nonzero(as_tuple=True)
    found = _nearest_around(rows, columns, known, 1, width)
    own = pyramid[0][rows, columns]
    return torch.where(own == NONE, found, own)


def _halved(index: Tensor) -> Tensor:
    """One index of each 2×2 pixels, if they have any."""
    height, width = index.shape
    even = F.pad(index, (0, width % 2, 0, height % 2), value=NONE)
    return even.view(even.shape[0] // 2, 2, even.shape[1] // 2, 2).amax((1, 3))


def _nearest_around(rows: Tensor, columns: Tensor, coarse: Tensor, cell: int, width: int) -> Tensor:
    """The nearest index that the four coarse cells closest to each cell know.

    Args:
        rows: of the cells in question.
        columns: theirs.
        coarse: `[h,w]` indices known to cells twice as large.
        cell: side of the cells in question, px.
        width: of the picture, px.
    """
    best = torch.full_like(rows, NONE)
    least = torch.full_like(rows, torch.iinfo(torch.int64).max)
    center_y, center_x = rows * cell + cell // 2, columns * cell + cell // 2
    for down, right in product((0, 1), repeat=2):
        # A cell in the upper half of a coarse one is closer to the one above it, and so on.
        row = (rows // 2 + down * (2 * (rows % 2) - 1)).clamp(0, coarse.shape[0] - 1)
        column = (columns // 2 + right * (2 * (columns % 2) - 1)).clamp(0, coarse.shape[1] - 1)
        index = coarse[row, column]
        y, x = torch.div(index, width, rounding_mode="floor"), index % width
        distance = (y - center_y).square() + (x - center_x).square()
        is_nearer = (index != NONE) & (distance < least)
        best = torch.where(is_nearer, index, best)
        least = torch.where(is_nearer, distance, least)
    return best
