"""Pictures larger than what the model was trained on: overlapping tiles, blended at every step.

MultiDiffusion (arXiv 2302.08113, eq. 5) with GenRefocus' tiles and weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from .conditions import Condition
from .tokens import Grid

# Distance of a tile's edge from its middle in the blending weight exp(-distance²).
WEIGHT_REACH = 2.0


@dataclass(frozen=True)
class Tiling:
    """How pictures are tiled.

    Args:
        size: side of a tile, tokens; pictures of no more tokens than a tile are not tiled.
        overlap: of neighbours, tokens; more where the last tile is moved inside.
        at_once: tiles in one pass: more memory, but weights are brought to the device less often.
    """

    size: int = 32
    overlap: int = 4
    at_once: int = 1


@dataclass(frozen=True)
class Tile:
    """A rectangle of tokens."""

    top: int
    left: int
    rows: int
    columns: int

    @property
    def grid(self) -> Grid:
        """Rows and columns."""
        return self.rows, self.columns

    def of(self, tokens: Tensor, grid: Grid) -> Tensor:
        """Its part of tokens `[B,T,C]` of a picture."""
        return self.view(tokens, grid).flatten(1, 2)

    def view(self, tokens: Tensor, grid: Grid) -> Tensor:
        """Its part as `[B,rows,columns,C]`, to be written to."""
        rows = slice(self.top, self.top + self.rows)
        columns = slice(self.left, self.left + self.columns)
        return tokens.unflatten(1, grid)[:, rows, columns]


def tiles(grid: Grid, tiling: Tiling) -> list[Tile]:
    """Tiles of one size that cover a picture, row by row; the last ones end with it."""
    if grid[0] * grid[1] <= tiling.size**2:
        return [Tile(0, 0, *grid)]
    rows, columns = (min(tiling.size, length) for length in grid)
    tops, lefts = (_starts(length, tiling) for length in grid)
    return [Tile(top, left, rows, columns) for top, left in product(tops, lefts)]


def blending_weight(grid: Grid) -> Tensor:
    """How much each token of a tile counts, `[rows,columns,1]`, float32."""
    rows, columns = (torch.linspace(-WEIGHT_REACH, WEIGHT_REACH, length) for length in grid)
    return torch.exp(-(rows[:, None] ** 2 + columns**2))[..., None]


def blended(
    grid: Grid,
    every: Sequence[Tile],
    predict: Callable[[Sequence[Tile]], Sequence[Tensor]],
    at_once: int = 1,
) -> Tensor:
    """Weighted mean of what is predicted for tiles.

    Args:
        grid: of the picture.
        every: all tiles; they cover it.
        predict: tokens `[B,T,C]` for each of a few tiles.
        at_once: how many.

    Returns:
        `[B, rows·columns, C]`, float32.
    """
    total, weights = None, torch.zeros(1, grid[0] * grid[1], 1)
    for few in _few(every, at_once):
        for tile, tokens in zip(few, predict(few), strict=True):
            weight = blending_weight(tile.grid).to(tokens.device)
            if total is None:
                total = tokens.new_zeros(
                    len(tokens), weights.shape[1], tokens.shape[2], dtype=torch.float32
                )
                weights = weights.to(tokens.device)
            tile.view(total, grid).add_(weight * tokens.float().unflatten(1, tile.grid))
            tile.view(weights, grid).add_(weight)
    assert total is not None
    return total / weights


def tiled_conditions(
    conditions: Sequence[Condition], grid: Grid, few: Sequence[Tile], pictures: int
) -> list[Condition]:
    """Conditions for a batch of tiles.

    Every tile has the places of the picture's first one, as GenRefocus has it: the model sees a
    picture of the size that it was trained with.

    Args:
        conditions: of the picture.
        grid: of the picture.
        few: tiles of one size.
        pictures: batch of the picture; a condition of batch 1 is for all of them.

    Returns:
        Batch `len(few) · pictures`, tile by tile; conditions that lie on no grid whole, and
        unchanged if they are the same for all pictures.
    """
    first = replace(few[0], top=0, left=0)

    def tiled(condition: Condition) -> Condition:
        tokens = condition.tokens
        if not condition.aligned:
            return replace(condition, tokens=for_tiles(tokens, len(few)))
        parts = [tile.of(tokens, grid).expand(pictures, -1, -1) for tile in few]
        positions = first.of(condition.positions[None], grid)[0]
        return replace(condition, tokens=torch.cat(parts), positions=positions)

    return [tiled(condition) for condition in conditions]


def for_tiles(batch: Tensor, count: int) -> Tensor:
    """A batch once for each tile, tile by tile; a batch of one fits all as it is."""
    return batch if len(batch) == 1 else batch.repeat(count, *[1] * (batch.ndim - 1))


def _starts(length: int, tiling: Tiling) -> list[int]:
    if length <= tiling.size:
        return [0]
    last = length - tiling.size
    return [*range(0, last, tiling.size - tiling.overlap), last]


def _few(every: Sequence[Tile], count: int) -> list[Sequence[Tile]]:
    return [every[start : start + count] for start in range(0, len(every), count)]
