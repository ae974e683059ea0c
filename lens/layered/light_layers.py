"""The light of a picture in layers of one blur radius each, of both surfaces of every pixel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..layered_fft import share
from ..window import Window
from .ladder import HIDDEN_GROWTH, Ladder
from .surfaces import Surfaces

# Occupied parts of a layer are found in cells of this side, px.
CELL = 32

Cells = NDArray[np.bool_]


class Source:
    """One surface of every pixel, each split linearly between the two layers next to it.

    Attributes:
        maps: `[C+2,H,W]`: light, weight and place among the layers.
        cells: `[layers,rows,columns]`, of CELL px each, with light.

    Args:
        color: `[1,C,H,W]` linear light.
        weight: `[1,1,H,W]` how much of the pixel it covers, 0..1.
        radius: `[1,1,H,W]` signed blur radius, px.
        ladder: of the layers.
        margins: how far the image is continued: left, right, top, bottom, px.
    """

    def __init__(
        self,
        color: Tensor,
        weight: Tensor,
        radius: Tensor,
        ladder: Ladder,
        margins: tuple[int, ...],
    ) -> None:
        place = ladder.position(radius)
        maps = [
            F.pad(each, margins, mode="replicate")[0] for each in (color * weight, weight, place)
        ]
        self.maps = torch.cat(maps)
        self.radii = ladder.signed
        self.cells = _occupied(maps[2], len(self.radii), maps[1] > 0)


@dataclass(frozen=True)
class LightLayer:
    """The light of one layer, which is made where it is looked at.

    Args:
        radius: signed blur radius, px.
        window: around all of its light.
        index: of the layer.
        cells: `[rows,columns]`, of CELL px each, with light.
        sources: of its light.
        is_hidden: whether it is behind something in the picture.
    """

    radius: float
    window: Window
    index: int
    cells: Cells
    sources: Sequence[Source]
    is_hidden: bool

    @property
    def channels(self) -> int:
        """Of its light: colours and weight."""
        return len(self.like) - 1

    @property
    def like(self) -> Tensor:
        """A tensor of the same type, on the same device."""
        return self.sources[0].maps

    def lit(self, side: int) -> Cells:
        """`[rows,columns]`: in which of the squares that `window` is cut into there is light.

        Their side is a multiple of CELL, px.
        """
        count = side // CELL
        own = _cells_in(self.cells, self.window)
        for axis, length in enumerate(own.shape):
            own = np.logical_or.reduceat(own, range(0, length, count), axis)
        return own

    def is_lit(self, part: Window) -> bool:
        """Whether there is light in a part, as seen from `window`."""
        return bool(_cells_in(self.cells, part.moved(self.window.top, self.window.left)).any())

    def write(self, parts: Sequence[Window], out: Tensor) -> None:
        """Write the light of parts of the same size, as seen from `window`.

        Args:
            parts: n of them.
            out: `[n,C+1,h,w]` zeros for light and weight; they stay where parts reach beyond the
                picture.
        """
        for part, into in zip(parts, out, strict=True):
            whole = part.moved(self.window.top, self.window.left)
            inside = whole.within(*self.like.shape[-2:])
            target = inside.seen_from(whole).of(into)
            for source in self.sources:
                if _cells_in(source.cells[self.index], inside).any():
                    light, place = inside.of(source.maps).tensor_split([-1])
                    target.addcmul_(light, share(place, self.index))


class LightLayers:
    """The layers of one image, with the frame's edge continued outward.

    Args:
        surfaces: of a single image.
        max_radius: of the widest blur in the picture, px.
        margins: how far the image is continued: left, right, top, bottom, px.
    """

    def __init__(self, surfaces: Surfaces, max_radius: float, margins: tuple[int, ...]) -> None:
        color, radius = surfaces.far_color, surfaces.far_radius
        ladder, coarser = Ladder(max_radius), Ladder(max_radius, HIDDEN_GROWTH)
        self._in_view = [
            Source(surfaces.near_color, surfaces.near_share, surfaces.near_radius, ladder, margins),
            Source(color, surfaces.far_shown, radius, ladder, margins),
        ]
        self._hidden = [Source(color, surfaces.far_hidden, radius, coarser, margins)]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, px."""
        height, width = self._in_view[0].maps.shape[-2:]
        return height, width

    def from_near_to_far(self) -> list[LightLayer]:
        """All layers that have any light."""
        in_view = self._layers(self._in_view, is_hidden=False)
        layers = [*in_view, *self._layers(self._hidden, is_hidden=True)]
        return sorted(layers, key=lambda layer: layer.radius, reverse=True)

    def _layers(self, sources: list[Source], *, is_hidden: bool) -> Iterator[LightLayer]:
        for index, radius in enumerate(sources[0].radii):
            lit = [source for source in sources if source.cells[index].any()]
            if lit:
                cells = np.logical_or.reduce([source.cells[index] for source in lit])
                window = _bounds(cells).within(*self.size)
                yield LightLayer(radius, window, index, cells, lit, is_hidden)


def _occupied(place: Tensor, count: int, is_there: Tensor) -> Cells:
    """`[layers,rows,columns]`: which layers occur in which cells of `[1,H,W]`."""
    height, width = place.shape[-2:]
    rows, columns = math.ceil(height / CELL), math.ceil(width / CELL)
    cell_row = torch.arange(height, device=place.device)[:, None] // CELL
    cell = cell_row * columns + torch.arange(width, device=place.device) // CELL
    # The last entry is for what is not there.
    nowhere = count * rows * columns
    table = torch.zeros(nowhere + 1, dtype=torch.bool, device=place.device)
    for layer in (place.floor(), place.ceil()):
        entry = layer.long().mul_(rows * columns).add_(cell)
        table.index_fill_(0, torch.where(is_there, entry, nowhere).view(-1), 1)
    return table[:nowhere].view(count, rows, columns).cpu().numpy()


def _cells_in(cells: Cells, part: Window) -> Cells:
    """Those cells that a part of the picture reaches into."""
    rows = slice(max(part.top, 0) // CELL, math.ceil(part.bottom / CELL))
    columns = slice(max(part.left, 0) // CELL, math.ceil(part.right / CELL))
    return cells[rows, columns]


def _bounds(cells: Cells) -> Window:
    """The pixels around all occupied cells `[rows,columns]`."""
    rows, columns = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
    return Window(
        CELL * int(rows[0]),
        CELL * int(columns[0]),
        CELL * (int(rows[-1]) + 1),
        CELL * (int(columns[-1]) + 1),
    )
