"""Where light can go among the tokens of a scene: reach and visibility, tile by tile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from ...lens.window import Window
from .token_scene import TokenScene
from .visibility import visible_fraction

# Side of a tile of sources, tokens.
TILE = 8
# A target counts as reached while the logarithm of its mask is above this. What a source loses so
# is at most 2 N exp(Δ − 60) of its light, where N is the number of tokens and Δ the largest
# difference between the logits of two queries: 1e-4 for 2048² px and Δ = 40.
LEAST_LOG_MASK = -60.0
# Visibility is kept for all layers while it takes no more than this in all, bytes.
KEPT_BYTES = 2**28


@dataclass(frozen=True)
class Tile:
    """Sources, and the targets that one of them or more reaches."""

    sources: Window
    targets: Window

    @property
    def pairs(self) -> int:
        """How many there are."""
        areas = (window.height * window.width for window in (self.sources, self.targets))
        return math.prod(areas)


class LightPaths:
    """Where light can go between the tokens of a scene: which tiles, which masks.

    Made once for a scene and shared by all layers and heads.
    """

    def __init__(self, scene: TokenScene, least_log_mask: float = LEAST_LOG_MASK) -> None:
        self.scene = scene
        self.tiles = _tiles(scene, least_log_mask)
        self._visible: dict[Tile, Tensor] = {}

    def log_mask(self, tile: Tile) -> Tensor:
        """Logarithm of the mask C of eq. 6, `[B,1,T,S]`."""
        row_step, column_step = self.scene.token_step
        sources, targets = (
            _places(window, row_step, column_step, self.scene.radius)
            for window in (tile.sources, tile.targets)
        )
        distance = (targets[:, None] - sources).square().sum(dim=-1).sqrt()
        radius = tile.sources.of(self.scene.radius).flatten(1)[:, None]
        return F.logsigmoid(self.scene.slope * (radius - distance))[:, None]

    def visible(self, tile: Tile) -> Tensor:
        """How much of each source each target sees, M of eq. 9, `[B,1,T,S]`."""
        counts = self._visible.get(tile)
        if counts is None:
            fraction = visible_fraction(self.scene, tile.targets, tile.sources)
            counts = (fraction * self.scene.supersamples).round().to(torch.uint8)
            if self._keeps_all:
                self._visible[tile] = counts
        fraction = counts.to(self.scene.disparity) / self.scene.supersamples
        return fraction.clamp(min=self.scene.least_visibility)[:, None]

    @cached_property
    def _keeps_all(self) -> bool:
        pairs = sum(tile.pairs for tile in self.tiles)
        return pairs * len(self.scene.disparity) <= KEPT_BYTES


def _places(window: Window, row_step: float, column_step: float, like: Tensor) -> Tensor:
    """Where the tokens of a window lie, `[n,2]` in units of the radius."""
    rows, columns = (
        torch.arange(first, last, device=like.device, dtype=like.dtype) * step
        for first, last, step in (
            (window.top, window.bottom, row_step),
            (window.left, window.right, column_step),
        )
    )
    return torch.cartesian_prod(rows, columns)


def _tiles(scene: TokenScene, least_log_mask: float) -> list[Tile]:
    largest = F.max_pool2d(scene.radius.amax(dim=0)[None], TILE, ceil_mode=True)[0]
    reach = largest.clamp(min=0.0) - least_log_mask / scene.slope
    # The only time that the host waits for the device.
    reaches = reach.double().cpu()
    corners = product(range(0, scene.rows, TILE), range(0, scene.columns, TILE))
    return [
        _tile(Window(top, left, top + TILE, left + TILE), float(distance), scene)
        for (top, left), distance in zip(corners, reaches.flatten(), strict=True)
    ]


def _tile(sources: Window, reach: float, scene: TokenScene) -> Tile:
    down, right = (int(reach / step) for step in scene.token_step)
    around = Window(
        sources.top - down, sources.left - right, sources.bottom + down, sources.right + right
    )
    size = scene.rows, scene.columns
    return Tile(sources.within(*size), around.within(*size))
