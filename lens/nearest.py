"""For pixels here and there, the nearest of some others."""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from .dilation import dilated

NONE = -1


def nearest_of(cells: Tensor, wanted: Tensor, levels: int, width: int) -> Tensor:
    """The chosen pixel that is nearest to each wanted one, or nearly so.

    The picture is halved again and again; each cell keeps one of its chosen pixels. From the
    coarsest cells back, each cell takes the nearest of those that it and its neighbours know.

    Args:
        cells: `[h,w]` of 2×2 pixels each: the flat index of a chosen pixel in it, or -1.
        wanted: `[N]` flat indices of pixels.
        levels: how often the picture is halved: so far, about `2 ** levels` px, is looked.
        width: of the picture, px.

    Returns:
        `[N]` flat index of a pixel for each wanted one, -1 where none is near.
    """
    rows = torch.div(wanted, width, rounding_mode="floor")
    columns = wanted - rows * width
    asked = torch.zeros_like(cells, dtype=torch.bool)
    asked[rows // 2, columns // 2] = True
    return _nearest_around(rows, columns, _known(cells, asked, levels, 1, width), 1, width)


def _known(cells: Tensor, asked: Tensor, levels: int, level: int, width: int) -> Tensor:
    """What the cells of a level know that are asked for, or whose neighbours are."""
    if level == levels:
        return cells
    asked = dilated(asked, 1)
    coarse = _known(_halved(cells, NONE), _halved(asked, 0), levels, level + 1, width)
    rows, columns = (asked & (cells == NONE)).nonzero(as_tuple=True)
    known = cells.clone()
    known[rows, columns] = _nearest_around(rows, columns, coarse, 2**level, width)
    return known


def _halved(values: Tensor, beyond: int) -> Tensor:
    """The largest of each 2×2 values, with `beyond` beyond an odd end."""
    height, width = values.shape
    even = F.pad(values, (0, width % 2, 0, height % 2), value=beyond)
    rows = torch.maximum(even[::2], even[1::2])
    return torch.maximum(rows[:, ::2], rows[:, 1::2])


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
        y = torch.div(index, width, rounding_mode="floor")
        x = index - y * width
        distance = (y - center_y).square() + (x - center_x).square()
        is_nearer = (index != NONE) & (distance < least)
        best = torch.where(is_nearer, index, best)
        least = torch.where(is_nearer, distance, least)
    return best
