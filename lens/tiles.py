"""Cutting a picture into tiles that are worked on one by one, and adding them up again.

Discs that change over the field need one drawing for each tile. There the tiles overlap and fade
into each other, and they lie on a grid of the whole picture, so that neither the tiles nor the
blocks that a large picture is rendered in can be seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from .view import View
from .window import Window

# Side of the tiles that have discs of their own, in half diagonals of the picture, and px at least.
FIELD_STEP = 1 / 8
LEAST_FIELD_TILE = 32


@dataclass(frozen=True)
class Tile:
    """One tile: image of the batch, row and column of the grid."""

    image: int
    row: int
    column: int


@dataclass(frozen=True)
class TileGrid:
    """Square tiles that cover a block of the picture.

    Args:
        height: of the block, px.
        width: px.
        size: from one tile to the next, px.
        overlap: px by which each tile reaches beyond its cell on every side.
        lead_rows: px of the first cells that lie above the block.
        lead_columns: px of them to its left.
    """

    height: int
    width: int
    size: int
    overlap: int = 0
    lead_rows: int = 0
    lead_columns: int = 0

    @classmethod
    def over_field(cls, view: View, height: int, width: int) -> TileGrid:
        """Tiles small enough for the field to change little; all blocks of a picture share them.

        The first cells begin before the picture's corner by the overlap, so that no tile lies
        outside with nothing but its overlap inside.
        """
        half_diagonal = math.hypot(view.picture_height, view.picture_width) / 2.0
        size = max(LEAST_FIELD_TILE, round(half_diagonal * FIELD_STEP))
        overlap = size // 4
        leads = [(start + overlap) % size for start in (view.top, view.left)]
        # A cell that ends shortly before the block reaches into it.
        leads = [lead + size if lead < overlap else lead for lead in leads]
        return cls(height, width, size, overlap, *leads)

    @property
    def extent(self) -> int:
        """Side of a tile with its overlap, px."""
        return self.size + 2 * self.overlap

    @property
    def rows(self) -> int:
        """Number of rows of tiles."""
        return math.ceil((self.lead_rows + self.height + self.overlap) / self.size)

    @property
    def columns(self) -> int:
        """Number of columns of tiles."""
        return math.ceil((self.lead_columns + self.width + self.overlap) / self.size)

    def tiles(self, batch: int) -> list[Tile]:
        """All tiles of a batch of images."""
        indices = product(range(batch), range(self.rows), range(self.columns))
        return [Tile(*each) for each in indices]

    def fields(self, tiles: list[Tile], view: View, device: torch.device) -> Tensor:
        """`[n,2]` float64: where in the field the middles of tiles are."""
        half = self.size / 2
        places = [
            view.field(
                tile.row * self.size - self.lead_rows + half,
                tile.column * self.size - self.lead_columns + half,
            )
            for tile in tiles
        ]
        return torch.tensor(places, dtype=torch.float64, device=device)

    def padding(self, border: int) -> tuple[int, int, int, int]:
        """How far tiles with a border reach beyond the block: left, right, top, bottom."""
        spare = border + self.overlap
        right = self.columns * self.size - self.lead_columns - self.width
        bottom = self.rows * self.size - self.lead_rows - self.height
        return (
            self.lead_columns + spare,
            right + spare,
            self.lead_rows + spare,
            bottom + spare,
        )

    def window(self, tile: Tile) -> Window:
        """One tile with its overlap, as seen from the block's corner."""
        top = tile.row * self.size - self.lead_rows - self.overlap
        left = tile.column * self.size - self.lead_columns - self.overlap
        return Window(top, left, top + self.extent, left + self.extent)

    def padded(self, maps: Tensor, mode: str = "constant") -> Tensor:
        """The block `[B,C,height,width]`, as large as its tiles together."""
        return F.pad(maps, self.padding(0), mode=mode)

    def cut(self, maps: Tensor, tile: Tile, border: int = 0, reach: int = 0) -> Tensor:
        """One tile `[C, extent + 2·reach, extent + 2·reach]`, a view.

        Args:
            maps: `[B,C,...]`, padded by `padding(border)`.
            tile: which.
            border: that the maps have around their tiles, px.
            reach: how much of it the tile gets, px.
        """
        top, left = (index * self.size + border - reach for index in (tile.row, tile.column))
        side = self.extent + 2 * reach
        return maps[tile.image, :, top : top + side, left : left + side]

    def fade(self, like: Tensor) -> Tensor:
        """`[extent, extent]` weight of each of a tile's pixels; all tiles add up to 1."""
        steps = (torch.arange(self.extent, device=like.device) + 0.5).to(like.dtype)
        rise = (steps / max(2 * self.overlap, 0.5)).clamp(max=1.0)
        line = rise * rise.flip(0)
        return line[:, None] * line
