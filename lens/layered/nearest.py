"""For pixels here and there, the nearest of some others."""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from ..dilation import dilated

NONE = -1
# Rows and columns are kept as float32, which is quick and exact; this is the place of none.
NOWHERE = -torch.inf


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
    known = _known(_places(cells, width), asked, levels, 1)
    row, column = _nearest_around(rows.int(), columns.int(), known, 1)
    return torch.where(row == NOWHERE, NONE, row.long() * width + column.long())


def _places(cells: Tensor, width: int) -> Tensor:
    """`[2,h,w]`: row and column of each cell's pixel."""
    rows = torch.div(cells, width, rounding_mode="floor")
    places = torch.stack([rows, cells - rows * width]).float()
    return torch.where(cells == NONE, NOWHERE, places)


def _known(places: Tensor, asked: Tensor, levels: int, level: int) -> Tensor:
    """What the cells of a level know that are asked for, or whose neighbours are."""
    if level == levels:
        return places
    asked = dilated(asked, 1)
    coarse_asked = F.max_pool2d(asked[None].float(), 2, ceil_mode=True)[0] > 0
    coarse = _known(_halved(places), coarse_asked, levels, level + 1)
    rows, columns = (asked & (places[0] == NOWHERE)).nonzero(as_tuple=True)
    known = places.clone()
    known[:, rows, columns] = _nearest_around(rows.int(), columns.int(), coarse, 2**level)
    return known


def _halved(places: Tensor) -> Tensor:
    """Of each 2×2 places the last one, as pixels are counted."""
    height, width = places.shape[-2:]
    even = F.pad(places, (0, width % 2, 0, height % 2), value=NOWHERE)
    rows = _later(even[:, ::2], even[:, 1::2])
    return _later(rows[..., ::2], rows[..., 1::2])


def _later(one: Tensor, other: Tensor) -> Tensor:
    is_later = (other[0] > one[0]) | ((other[0] == one[0]) & (other[1] > one[1]))
    return torch.where(is_later, other, one)


def _nearest_around(rows: Tensor, columns: Tensor, coarse: Tensor, cell: int) -> Tensor:
    """The nearest place `[2,N]` that the four coarse cells closest to each cell know.

    Args:
        rows: `[N]` int32, of the cells in question.
        columns: theirs.
        coarse: `[2,h,w]` places known to cells twice as large.
        cell: side of the cells in question, px.
    """
    height, width = coarse.shape[-2:]
    center = (torch.stack([rows, columns]) * cell + cell // 2).float()
    best = torch.full_like(center, NOWHERE)
    least = torch.full_like(center[0], torch.inf)
    # A cell in the upper half of a coarse one is closer to the one above it, and so on.
    near_rows = rows // 2, (rows // 2 + 2 * (rows % 2) - 1).clamp_(0, height - 1)
    near_columns = columns // 2, (columns // 2 + 2 * (columns % 2) - 1).clamp_(0, width - 1)
    for row, column in product(near_rows, near_columns):
        place = coarse.flatten(1).index_select(1, row * width + column)
        distance = (place - center).square_().sum(0)
        best = torch.where(distance < least, place, best)
        least = torch.minimum(distance, least)
    return best
