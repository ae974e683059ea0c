"""Where light can go among the tokens of a scene: reach and visibility, tile by tile."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
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
# is at most 2 N exp(Δ − 50) of its light, where N is the number of tokens and Δ the largest
# difference between the logits of two queries: 1e-3 for 2048² px and Δ = 32.
LEAST_LOG_MASK = -50.0
# How many pairs of source and target are computed together. On a CPU what fits into its caches is
# fastest, on a GPU few large kernels are; a single tile with all targets may have more.
PAIRS_ON_CPU, PAIRS_ON_GPU = 2**14, 2**20
# Visibility is kept for all layers while it takes no more than this in all, bytes.
KEPT_BYTES = 2**28


@dataclass(frozen=True)
class Tile:
    """Sources, and the targets that one of them or more reaches."""

    sources: Window
    targets: Window

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Height and width of both."""
        both = (self.sources, self.targets)
        height, width, *targets = (side for one in both for side in (one.height, one.width))
        return (height, width, *targets)  # pyright: ignore[reportReturnType]

    @property
    def pairs(self) -> int:
        """How many there are."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class TileGroup:
    """Tiles of one shape.

    Args:
        tiles: G of them.
        targets: which tokens they are, `[G,T]`.
        sources: the same, `[G,S]`.
    """

    tiles: tuple[Tile, ...]
    targets: Tensor
    sources: Tensor


class LightPaths:
    """Where light can go between the tokens of a scene: which tiles, which masks.

    Made once for a scene and shared by all layers and heads.
    """

    def __init__(self, scene: TokenScene, least_log_mask: float = LEAST_LOG_MASK) -> None:
        self.scene = scene
        self.groups = _groups(scene, _tiles(scene, least_log_mask))
        self._visible: dict[TileGroup, Tensor] = {}

    @property
    def tiles(self) -> list[Tile]:
        """All of them; each token is in the sources of exactly one."""
        return [tile for group in self.groups for tile in group.tiles]

    def log_mask(self, group: TileGroup) -> Tensor:
        """Logarithm of the mask C of eq. 6, `[B,1,G,T,S]`."""
        places, radius = self.scene.places, self.scene.radius.flatten(1)
        apart = places[group.targets][:, :, None] - places[group.sources][:, None]
        distance = apart.square().sum(dim=-1).sqrt()
        reach = radius[:, group.sources][:, :, None] - distance
        return F.logsigmoid(self.scene.slope * reach)[:, None]

    def visible(self, group: TileGroup) -> Tensor:
        """How much of each source each target sees, M of eq. 9, `[B,1,G,T,S]`."""
        counts = self._visible.get(group)
        if counts is None:
            fraction = visible_fraction(self.scene, group.targets, group.sources)
            counts = (fraction * self.scene.supersamples).round().to(torch.uint8)
            if self._keeps_all:
                self._visible[group] = counts
        fraction = counts.to(self.scene.disparity) / self.scene.supersamples
        return fraction.clamp(min=self.scene.least_visibility)[:, None]

    @cached_property
    def _keeps_all(self) -> bool:
        pairs = sum(tile.pairs for tile in self.tiles)
        return pairs * len(self.scene.disparity) <= KEPT_BYTES


def _tiles(scene: TokenScene, least_log_mask: float) -> Iterator[Tile]:
    largest = F.max_pool2d(scene.radius.amax(dim=0)[None], TILE, ceil_mode=True)[0]
    reach = largest.clamp(min=0.0) - least_log_mask / scene.slope
    # The only time that the host waits for the device.
    reaches = reach.double().cpu().flatten().tolist()
    corners = product(range(0, scene.rows, TILE), range(0, scene.columns, TILE))
    for (top, left), distance in zip(corners, reaches, strict=True):
        sources = Window(top, left, top + TILE, left + TILE).within(scene.rows, scene.columns)
        top, bottom = _reached(top, distance, scene, axis=0)
        left, right = _reached(left, distance, scene, axis=1)
        yield Tile(sources, Window(top, left, bottom, right))


def _reached(first: int, distance: float, scene: TokenScene, axis: int) -> tuple[int, int]:
    """First and last row, or column, around those of a tile.

    As many wherever the tile lies, so that many tiles can be computed together.
    """
    count = (scene.rows, scene.columns)[axis]
    steps = int(distance / scene.token_step[axis])
    length = min(TILE + 2 * steps, count)
    start = min(max(first - steps, 0), count - length)
    return start, start + length


def _groups(scene: TokenScene, tiles: Iterator[Tile]) -> list[TileGroup]:
    device = scene.radius.device
    most = (PAIRS_ON_CPU if device.type == "cpu" else PAIRS_ON_GPU) // len(scene.radius)
    by_shape: defaultdict[tuple[int, ...], list[Tile]] = defaultdict(list)
    for tile in tiles:
        by_shape[tile.shape].append(tile)
    tokens = torch.arange(scene.rows * scene.columns).view(scene.rows, scene.columns)

    def numbers(windows: list[Window]) -> Tensor:
        return torch.stack([window.of(tokens).flatten() for window in windows]).to(device)

    groups = []
    for alike in by_shape.values():
        at_once = max(most // alike[0].pairs, 1)
        for first in range(0, len(alike), at_once):
            some = alike[first : first + at_once]
            targets = numbers([tile.targets for tile in some])
            groups.append(TileGroup(tuple(some), targets, numbers([t.sources for t in some])))
    return groups
