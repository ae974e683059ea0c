"""Work on a map of any size block by block, so that memory stays bounded.

A block is worked on together with its surroundings, as far as they matter for it. Blocks start on a
grid, where an operation works on cells, so that cells are the same in a block as in the whole.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from ..errors import DeviceMemoryError
from .progress import OnProgress, part_of
from .window import Window

logger = logging.getLogger(__name__)

# Device memory that a block may take: on a GPU a part of what is free.
CPU_BYTES = 2 * 2**30
FREE_PART = 0.6
# Blocks are not made smaller than this, px.
LEAST_SIDE = 256


@dataclass(frozen=True)
class Surroundings:
    """What a pixel's result depends on.

    Args:
        reach: how far around it, px.
        grid: where blocks have to start, px.
    """

    reach: int
    grid: int = 1


@dataclass(frozen=True)
class Block:
    """A part of the picture.

    Args:
        inner: what the block is worked on for.
        outer: what has to be looked at for that.
    """

    inner: Window
    outer: Window


def blocks_of(height: int, width: int, around: Surroundings, max_pixels: int) -> list[Block]:
    """Cut a picture into blocks whose outer windows have about `max_pixels` at most.

    One block, if the whole picture has no more.
    """
    if height * width <= max_pixels:
        whole = Window(0, 0, height, width)
        return [Block(whole, whole)]
    side = max(math.isqrt(max_pixels) - 2 * (around.reach + around.grid), LEAST_SIDE)
    # Whole cells, and blocks of nearly the same size.
    step_rows, step_columns = (
        math.ceil(length / math.ceil(length / side) / around.grid) * around.grid
        for length in (height, width)
    )
    corners = product(range(0, height, step_rows), range(0, width, step_columns))
    return [
        _block(Window(top, left, top + step_rows, left + step_columns), height, width, around)
        for top, left in corners
    ]


def affordable_blocks(
    height: int, width: int, around: Surroundings, bytes_per_pixel: int, device: torch.device
) -> list[Block]:
    """Cut a picture into blocks that fit into memory, for work that takes so much per pixel."""
    return blocks_of(height, width, around, _affordable(device) // bytes_per_pixel)


def _block(inner: Window, height: int, width: int, around: Surroundings) -> Block:
    outer = inner.grown(around.reach)
    on_grid = Window(
        outer.top // around.grid * around.grid,
        outer.left // around.grid * around.grid,
        outer.bottom,
        outer.right,
    )
    return Block(inner.within(height, width), on_grid.within(height, width))


def in_blocks(
    work: Callable[[Block, OnProgress | None], Tensor],
    result: Tensor,
    around: Surroundings | None,
    bytes_per_pixel: int,
    device: torch.device,
    on_progress: OnProgress | None = None,
) -> None:
    """Fill `result` block by block, in smaller blocks where memory runs out.

    Args:
        work: from a block, and what to call with its finished fraction, to the values `[...,h,w]`
            of its outer window.
        result: `[...,H,W]`, filled in place.
        around: None if only the whole can be worked on.
        bytes_per_pixel: that `work` takes on the device.
        device: where it works.
        on_progress: called with the finished fraction, 0..1.

    Raises:
        DeviceMemoryError: even the smallest blocks do not fit.
    """
    height, width = result.shape[-2:]
    max_pixels = height * width if around is None else _affordable(device) // bytes_per_pixel
    while True:
        blocks = blocks_of(height, width, around or Surroundings(0), max_pixels)
        try:
            for index, block in enumerate(blocks):
                values = work(block, part_of(on_progress, index, len(blocks)))
                block.inner.of(result).copy_(block.inner.seen_from(block.outer).of(values))
                if on_progress is not None:  # Not every work reports its end.
                    on_progress((index + 1) / len(blocks))
            return
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            largest = max(block.outer.height * block.outer.width for block in blocks)
            if around is None or max(b.inner.height for b in blocks) <= LEAST_SIDE:
                raise _does_not_fit(height, width, device) from error
            max_pixels = largest // 2
        logger.warning("Out of memory on %s: trying smaller blocks.", device)
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _affordable(device: torch.device) -> int:
    if device.type != "cuda":
        return CPU_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    return int(FREE_PART * free)


def _is_out_of_memory(error: RuntimeError) -> bool:
    # On a CPU, torch has no class of its own for it.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _does_not_fit(height: int, width: int, device: torch.device) -> DeviceMemoryError:
    return DeviceMemoryError(
        "image",
        f"{width}×{height} px, more than fits into the memory of {device}",
        "Free memory by closing other programs or unloading models, or render on the CPU.",
    )
