"""Exact scatter of blur discs on the CPU, by the rims of the discs alone.

Along a row, a blur disc is zero, then constant, then zero again; all its information is at the rim.
So every source pixel adds, for each row of its disc, only the differences between neighbouring
pixels, and one running sum over each finished row turns differences into discs. The work per pixel
grows with the radius instead of its square, for any shape of disc. Needs numba, an optional extra.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..errors import MissingDependencyError
from .blur_disc import BlurDisc
from .tiles import TileGrid
from .view import View

# Radii are rounded to a ladder: every 1/64 px below 2 px, where a disc's sum swings with its
# radius, from there about every 1/64 of the radius.
STEPS_PER_PIXEL = 64
STEPS_PER_RADIUS = 64

# A disc's weights are rounded to this many levels of its maximum, which cuts the endless tails of
# its edge. Small discs get more: they are nearly all edge, and highlights shine through it.
SMALL_RADIUS = 3.0
SMALL_DISC_LEVELS = 2**16
DISC_LEVELS = 2**10

# Target rows that are worked on at once; their running differences fit the processor's cache.
BLOCK_ROWS = 16
# Channels side by side in memory: colours and weight.
LANES = 4

Kernel = Callable[..., None]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def is_available() -> bool:
    """Whether numba is installed."""
    return find_spec("numba") is not None


def scatter_over_field(
    source: Tensor, radius: Tensor, disc: BlurDisc, view: View, in_front: bool = False
) -> Tensor:
    """`scatter_run_length` of discs that change over the field: one drawing for each tile.

    Args:
        source: as in `scatter_run_length`.
        radius: as there.
        disc: as there.
        view: where the source lies in the whole picture.
        in_front: as there.
    """
    grid = TileGrid.over_field(view, *source.shape[-2:])
    border = disc.reach(float(radius.amax()))
    left, right, top, bottom = grid.padding(border)
    height, width = source.shape[-2:]
    canvas = source.new_zeros(*source.shape[:2], top + height + bottom, left + width + right)
    light, radii = F.pad(source, grid.padding(border)), F.pad(radius, grid.padding(border))
    fade = F.pad(grid.fade(source), (border,) * 4)
    tiles = grid.tiles(len(source))
    places = grid.fields(tiles, view, source.device).tolist()
    for tile, place in zip(tiles, places, strict=True):
        own = grid.cut(light, tile, border, border)[None] * fade
        if bool(own.any()):
            around = grid.cut(radii, tile, border, border)[None] * (fade > 0)
            field = (place[0], place[1])
            spread = scatter_run_length(own, around, disc, in_front, field)
            grid.cut(canvas, tile, border, border).add_(spread[0])
    return canvas[..., top : top + height, left : left + width]


def scatter_run_length(
    source: Tensor,
    radius: Tensor,
    disc: BlurDisc,
    in_front: bool = False,
    field: tuple[float, float] = (0.0, 0.0),
) -> Tensor:
    """Spread every pixel over its disc; what leaves the frame is dropped.

    Args:
        source: `[B,C,H,W]` float32 on the CPU, >= 0.
        radius: `[B,1,H,W]` blur radius, px, >= 0.
        disc: shape, edge and weighting.
        in_front: draw the discs as seen in front of the focus.
        field: draw them as at this place of the picture, as `View.field` gives it.

    Returns:
        `[B,C,H,W]` float32, >= 0: the sum of all discs, not divided by anything. Bit for bit the
        same on every run.

    Raises:
        MissingDependencyError: numba is not installed.
    """
    add_rims, sum_rows = _compiled()
    batch, channels, height, width = source.shape
    levels, radii = _quantise(radius[:, 0])
    rims = _draw_rims(disc, radii, width, in_front, field)
    light = _interleave(source)
    result = np.empty((*light.shape[:2], LANES, height, width), np.float32)

    def render_block(group: int, image: int, top: int) -> None:
        bottom = min(top + BLOCK_ROWS, height)
        rows = np.zeros((bottom - top, rims.row_length, LANES))
        flat = rows.reshape(-1, LANES)
        add_rims(flat, top, bottom, light[group, image], levels[image], *rims.arrays())
        sum_rows(rows, rims.margin, result[group, image, :, top:bottom])

    _in_parallel(
        render_block, product(range(len(light)), range(batch), range(0, height, BLOCK_ROWS))
    )
    # [groups,B,4,H,W] -> [B,C,H,W]
    planes = torch.from_numpy(result).transpose(0, 1).flatten(1, 2)
    return planes[:, :channels].contiguous()


@dataclass(frozen=True)
class _Rims:
    """The differences along the rows of all discs, disc after disc, row after row.

    Rows of differences have `margin` px to spare on both sides, so that no disc needs clipping.

    Args:
        reach: `[discs]` a disc spans rows `-reach..reach`.
        middle_row: `[discs]` index of the disc's middle row among all rows.
        row_start: `[rows + 1]` index of each row's first difference.
        offset: `[differences]` from the disc's centre, in px of the flattened rows.
        value: `[differences]`; they sum to zero within each row.
    """

    margin: int
    row_length: int
    reach: Ints
    middle_row: Ints
    row_start: Ints
    offset: Ints
    value: Floats

    def arrays(self) -> tuple[Any, ...]:
        """What the kernel takes, in its order."""
        return (
            self.margin,
            self.row_length,
            self.reach,
            self.middle_row,
            self.row_start,
            self.offset,
            self.value,
        )


def _quantise(radius: Tensor) -> tuple[NDArray[np.int32], Floats]:
    """Each pixel's index into the list of the radii that occur, and that list (px)."""
    fine = (radius * STEPS_PER_PIXEL).round().to(torch.int32).numpy()
    occurring = np.flatnonzero(np.bincount(fine.ravel()))
    ladder = _ladder(occurring[-1])
    nearest = ladder[np.searchsorted((ladder[1:] + ladder[:-1]) / 2, occurring)]
    used, index = np.unique(nearest, return_inverse=True)
    index_of_fine = np.zeros(occurring[-1] + 1, np.int32)
    index_of_fine[occurring] = index
    return index_of_fine[fine], used / STEPS_PER_PIXEL


def _ladder(largest: int) -> Ints:
    """The radii that have a disc, in 1/`STEPS_PER_PIXEL` px, up to `largest` or just beyond."""
    steps = [0]
    while steps[-1] < largest:
        steps.append(steps[-1] + max(1, steps[-1] // STEPS_PER_RADIUS))
    return np.array(steps, np.int64)


def _draw_rims(
    disc: BlurDisc, radii: Floats, width: int, in_front: bool, field: tuple[float, float]
) -> _Rims:
    margin = disc.reach(float(radii[-1])) + 1
    row_length = width + 2 * margin
    if disc.aperture.varies_over_field:
        # Not kept: every tile has its own.
        rims = [_draw_rim(disc, radius, in_front, field) for radius in radii.tolist()]
    else:
        rims = [_known_rim(disc, radius, in_front) for radius in radii.tolist()]
    reach = np.array([rim.reach for rim in rims])
    rows_before = np.cumsum(np.concatenate([[0], 2 * reach[:-1] + 1]))
    per_row = [np.bincount(rim.row + rim.reach, minlength=2 * rim.reach + 1) for rim in rims]
    return _Rims(
        margin=margin,
        row_length=row_length,
        reach=reach,
        middle_row=rows_before + reach,
        row_start=np.cumsum(np.concatenate([[0], *per_row])),
        offset=np.concatenate([rim.row * row_length + rim.column for rim in rims]),
        value=np.concatenate([rim.value for rim in rims]),
    )


@dataclass(frozen=True)
class _Rim:
    """The differences along the rows of one disc, row after row; places from its centre, px."""

    reach: int
    row: Ints
    column: Ints
    value: Floats


@lru_cache(maxsize=2)
def _rims_of(disc_key: tuple[object, ...]) -> dict[tuple[float, bool], _Rim]:
    """Rims drawn so far: an aperture image takes longer to draw than the picture to render."""
    del disc_key
    return {}


def _known_rim(disc: BlurDisc, radius: float, in_front: bool) -> _Rim:
    known = _rims_of(disc.key)
    if (radius, in_front) not in known:
        known[radius, in_front] = _draw_rim(disc, radius, in_front)
    return known[radius, in_front]


def _draw_rim(
    disc: BlurDisc, radius: float, in_front: bool, field: tuple[float, float] = (0.0, 0.0)
) -> _Rim:
    drawn = disc.draw(radius, in_front, field).double().numpy()
    reach = len(drawn) // 2
    levels = SMALL_DISC_LEVELS if radius < SMALL_RADIUS else DISC_LEVELS
    unit = float(drawn.max()) / levels
    # Whole numbers: their differences along a row sum to zero exactly, whatever was cut off.
    whole = np.rint(drawn / unit)
    differences = np.diff(whole, axis=1, prepend=0.0, append=0.0)
    row, column = np.nonzero(differences)
    return _Rim(reach, row - reach, column - reach, differences[row, column] * unit)


def _interleave(source: Tensor) -> Floats:
    """`[B,C,H,W]` to `[groups,B,H,W,4]`: channels side by side, zeros in those left over."""
    batch, channels, height, width = source.shape
    groups = -(-channels // LANES)
    light = torch.zeros(groups, batch, height, width, LANES, dtype=torch.float64)
    for group in range(groups):
        lanes = source[:, group * LANES : (group + 1) * LANES]
        light[group, ..., : lanes.shape[1]] = lanes.movedim(1, -1)
    return light.numpy()


def _in_parallel(work: Callable[..., None], arguments: Iterable[tuple[Any, ...]]) -> None:
    # Threads of Python rather than numba's: those abort the process when two renders run at once.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for finished in [pool.submit(work, *each) for each in arguments]:
            finished.result()


@lru_cache(maxsize=1)
def _compiled() -> tuple[Kernel, Kernel]:
    """The two kernels as machine code that runs without the interpreter's lock."""
    try:
        import numba
    except ImportError as error:
        raise MissingDependencyError(
            "exact scatter",
            "no numba",
            'Install it with "pip install numba", or choose the FFT method.',
        ) from error

    def compile_kernel(kernel: Kernel) -> Any:
        try:
            return numba.njit(nogil=True, cache=True)(kernel)
        except RuntimeError:  # nowhere to keep compiled code
            return numba.njit(nogil=True)(kernel)

    return compile_kernel(_add_rims), compile_kernel(_sum_rows)


def _add_rims(
    rows: Any,
    top: int,
    bottom: int,
    light: Any,
    level: Any,
    margin: int,
    row_length: int,
    reach: Any,
    middle_row: Any,
    row_start: Any,
    offset: Any,
    value: Any,
) -> None:
    """Add the differences of all discs that touch the target rows `top..bottom`.

    `rows` `[(bottom-top)·row_length, 4]` is changed in place; `light` is `[H,W,4]`, `level`
    `[H,W]`; the rest is as in `_Rims`.
    """
    height, width = level.shape
    farthest = reach.max()
    for y in range(max(0, top - farthest), min(height, bottom + farthest)):
        for x in range(width):
            lane0, lane1 = light[y, x, 0], light[y, x, 1]
            lane2, lane3 = light[y, x, 2], light[y, x, 3]
            disc = level[y, x]
            first = max(top - y, -reach[disc])
            last = min(bottom - 1 - y, reach[disc])
            is_dark = lane0 == 0 and lane1 == 0 and lane2 == 0 and lane3 == 0
            if first > last or is_dark:
                continue
            # The disc's rows lie one after the other, as do the rows they fall on.
            start = row_start[middle_row[disc] + first]
            end = row_start[middle_row[disc] + last + 1]
            center = (y - top) * row_length + margin + x
            for index in range(start, end):
                # Unsigned, so that no check for negative indices is compiled in.
                place = np.uint64(center + offset[index])
                weight = value[index]
                rows[place, np.uint64(0)] += weight * lane0
                rows[place, np.uint64(1)] += weight * lane1
                rows[place, np.uint64(2)] += weight * lane2
                rows[place, np.uint64(3)] += weight * lane3


def _sum_rows(rows: Any, margin: int, result: Any) -> None:
    """Running sums of differences `[h,row_length,4]`, the frame's part to `result` `[4,h,W]`."""
    lanes, height, width = result.shape
    for y in range(height):
        for lane in range(lanes):
            total = 0.0
            for x in range(margin):
                total += rows[y, x, lane]
            for x in range(width):
                total += rows[y, margin + x, lane]
                result[lane, y, x] = max(total, 0.0)
