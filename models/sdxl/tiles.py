"""Latents of any size tile by tile, blended where tiles overlap."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from ...lens.window import Window

# Tiles begin at multiples of this, so that the network's coarser grids fit together.
GRID = 2


def tiles_of(height: int, width: int, side: int, overlap: int) -> list[Window]:
    """Tiles that cover latents of a size, evenly spaced.

    Args:
        height: of the latents, a multiple of 2.
        width: the same.
        side: of a tile, a multiple of 2. Where the latents are smaller, tiles are as well.
        overlap: how much neighbours share at least.
    """
    tops, lefts = (_starts(length, side, overlap) for length in (height, width))
    return [
        Window(top, left, min(top + side, height), min(left + side, width))
        for top, left in product(tops, lefts)
    ]


def _starts(length: int, side: int, overlap: int) -> list[int]:
    if length <= side:
        return [0]
    count = math.ceil((length - overlap) / (side - overlap))
    last = (length - side) // GRID
    return [index * last // (count - 1) * GRID for index in range(count)]


def grouped(tiles: list[Window], most: int) -> Iterator[list[Window]]:
    """The tiles in groups of at most `most`, in order. All tiles of a picture have one size."""
    for first in range(0, len(tiles), most):
        yield tiles[first : first + most]


class Blend:
    """Sum of tiles, weighted so that each fades out where its neighbour takes over.

    Args:
        shape: of the whole, `[B,C,H,W]`.
        overlap: over how much a tile fades, from nothing at its edge.
        device: where.
    """

    def __init__(self, shape: tuple[int, ...], overlap: int, device: torch.device) -> None:
        self.overlap = overlap
        self.sums = torch.zeros(shape, device=device)
        self.weights = torch.zeros((1, 1, *shape[-2:]), device=device)

    def add(self, tile: Window, values: Tensor) -> None:
        """Add the values of a tile, `[B,C,h,w]`."""
        rows, columns = (self._fade(length, values.device) for length in (tile.height, tile.width))
        weight = rows[:, None] * columns
        tile.of(self.sums).add_(values.float() * weight)
        tile.of(self.weights).add_(weight)

    def result(self) -> Tensor:
        """The whole, float32."""
        return self.sums / self.weights

    def _fade(self, length: int, device: torch.device) -> Tensor:
        """Rises as a sine's square from each edge; at the picture's own edge it divides out."""
        centre = torch.arange(length, device=device) + 0.5
        depth = torch.minimum(centre, length - centre) / max(self.overlap, 1)
        return torch.sin(depth.clamp(max=1.0) * (math.pi / 2)).square()
