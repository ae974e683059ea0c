"""The light of a picture in layers of one blur radius each, of both surfaces of every pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..layered_fft import ladder, share
from ..window import Window
from .surfaces import Surfaces

# Layers have a finer ladder than a mere blur would need: they tell what is in front of what.
GROWTH = 1.08
# Occupied parts of a layer are found in cells of this side, px.
CELL = 32

Cells = NDArray[np.bool_]


class Ladder:
    """Signed blur radii (px) of the layers, from the farthest to the nearest.

    Args:
        max_radius: of the widest blur in the picture, px.
    """

    def __init__(self, max_radius: float) -> None:
        radii = ladder(max_radius, GROWTH)
        self.largest = radii[-1]
        self.signed = [*(-radius for radius in radii[:0:-1]), *radii]

    def position(self, radius: Tensor) -> Tensor:
        """Real-valued index of each pixel in `signed`."""
        steps = torch.tensor(self.signed).to(radius)
        below = torch.searchsorted(steps, radius.contiguous(), right=True) - 1
        below = below.clamp(0, len(steps) - 2)
        return below + (radius - steps[below]) / (steps[below + 1] - steps[below])


@dataclass(frozen=True)
class LightLayer:
    """The light of one layer, which is made where it is looked at.

    Args:
        radius: signed blur radius, px.
        window: around all of its light.
        index: of the layer.
        cells: `[rows,columns]`, of CELL px each, with light.
        maps: what it is made of, for all layers: light `[C]`, weight and place among the layers of
            the near surfaces, colour `[C]`, weight in view, hidden weight and place of the far.
        colors: C.
        has_far: whether some of it is of far surfaces.
        has_hidden: whether some of it is hidden.
    """

    radius: float
    window: Window
    index: int
    cells: Cells
    maps: Tensor
    colors: int
    has_far: bool
    has_hidden: bool

    @property
    def channels(self) -> int:
        """Of its light: colours, weight and, where some is hidden, weight in view."""
        return self.colors + (2 if self.has_hidden else 1)

    def lit(self, side: int) -> Cells:
        """`[rows,columns]`: in which of the squares that `window` is cut into there is light.

        Their side is a multiple of CELL, px.
        """
        count = side // CELL
        own = self._cells_in(self.window)
        for axis, length in enumerate(own.shape):
            own = np.logical_or.reduceat(own, range(0, length, count), axis)
        return own

    def is_lit(self, part: Window) -> bool:
        """Whether there is light in a part, as seen from `window`."""
        return bool(self._cells_in(part.moved(self.window.top, self.window.left)).any())

    def _cells_in(self, part: Window) -> Cells:
        rows = slice(max(part.top, 0) // CELL, math.ceil(part.bottom / CELL))
        columns = slice(max(part.left, 0) // CELL, math.ceil(part.right / CELL))
        return self.cells[rows, columns]

    def write(self, parts: Sequence[Window], out: Tensor) -> None:
        """Write the light of parts of the same size, as seen from `window`.

        Args:
            parts: n of them; there is no light where they reach beyond the picture.
            out: `[n,channels,h,w]`: light, weight and, where some is hidden, weight in view.
        """
        maps = self._cut(parts)
        count = self.colors
        near, near_place, far = maps.tensor_split([count + 1, count + 2], dim=1)
        torch.mul(near, share(near_place, self.index), out=out[:, : count + 1])
        if not self.has_far:
            return
        color, shown, hidden, place = far.tensor_split([count, count + 1, count + 2], dim=1)
        light, weight, in_view = out.tensor_split([count, count + 1], dim=1)
        part = share(place, self.index)
        if self.has_hidden:
            torch.addcmul(weight, shown, part, out=in_view)
        part *= shown + hidden
        light.addcmul_(color, part)
        weight += part

    def _cut(self, parts: Sequence[Window]) -> Tensor:
        """`[n,M,h,w]` the maps in parts, zero beyond the picture."""
        maps = self.maps if self.has_far else self.maps[: self.colors + 2]
        cut = maps.new_empty(len(parts), len(maps), parts[0].height, parts[0].width)
        for part, into in zip(parts, cut, strict=True):
            whole = part.moved(self.window.top, self.window.left)
            inside = whole.within(*maps.shape[-2:])
            if inside != whole:
                into.zero_()
            inside.seen_from(whole).of(into).copy_(inside.of(maps))
        return cut


class LightLayers:
    """The layers of one image, with the frame's edge continued outward.

    Each surface of a pixel is split linearly between the two nearest layers.

    Args:
        surfaces: of a single image.
        ladder: the radii of the layers.
        margins: how far the image is continued: left, right, top, bottom, px.
    """

    def __init__(self, surfaces: Surfaces, ladder: Ladder, margins: tuple[int, ...]) -> None:
        def continued(values: Tensor) -> Tensor:
            return F.pad(values, margins, mode="replicate")[0]

        self.radii = ladder.signed
        self._colors = surfaces.near_color.shape[1]
        self.slope = continued(surfaces.slope)
        near_place = continued(ladder.position(surfaces.near_radius))
        far_place = continued(ladder.position(surfaces.far_radius))
        shown, hidden = continued(surfaces.far_shown), continued(surfaces.far_hidden)
        self._occupied = _occupied(near_place, len(self.radii))
        in_far = _occupied(far_place, len(self.radii), (shown > 0) | (hidden > 0))
        self._occupied |= in_far
        hidden_in = _occupied(far_place, len(self.radii), hidden > 0)
        self._has_far, self._has_hidden = np.any(in_far, (1, 2)), np.any(hidden_in, (1, 2))
        # One tensor, so that a part of everything is cut out at once; the near surface comes first.
        weight = surfaces.near_share
        near = [continued(surfaces.near_color * weight), continued(weight), near_place]
        self._maps = torch.cat([*near, continued(surfaces.far_color), shown, hidden, far_place])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.slope.shape[-2], self.slope.shape[-1]

    def from_near_to_far(self) -> list[LightLayer]:
        """All layers that have any light."""
        indices = np.flatnonzero(self._occupied.any((1, 2)))
        return [self._layer(int(index)) for index in indices[::-1]]

    def _layer(self, index: int) -> LightLayer:
        cells = self._occupied[index]
        return LightLayer(
            self.radii[index],
            _bounds(cells).within(*self.size),
            index,
            cells,
            self._maps,
            self._colors,
            bool(self._has_far[index]),
            bool(self._has_hidden[index]),
        )


def _occupied(place: Tensor, count: int, is_there: Tensor | None = None) -> Cells:
    """`[layers,rows,columns]`: which layers occur in which cells of `[1,H,W]`."""
    height, width = place.shape[-2:]
    rows, columns = math.ceil(height / CELL), math.ceil(width / CELL)
    cell_row = torch.arange(height, device=place.device)[:, None] // CELL
    cell = cell_row * columns + torch.arange(width, device=place.device) // CELL
    table = torch.zeros(count * rows * columns, dtype=torch.bool, device=place.device)
    for layer in (place[0].floor(), place[0].ceil()):
        entry = layer.long().mul_(rows * columns).add_(cell)
        table.index_fill_(0, (entry if is_there is None else entry[is_there[0]]).view(-1), 1)
    return table.view(count, rows, columns).cpu().numpy()


def _bounds(cells: Cells) -> Window:
    """The pixels around all occupied cells `[rows,columns]`."""
    rows, columns = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
    return Window(
        CELL * int(rows[0]),
        CELL * int(columns[0]),
        CELL * (int(rows[-1]) + 1),
        CELL * (int(columns[-1]) + 1),
    )
