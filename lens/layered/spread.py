"""Spread a layer of light: convolve it with one blur disc, where it has light at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..blur_disc import BlurDisc
from ..layered_fft import KEPT_BYTES, SPECTRA_BYTES, fast_length
from ..tiles import Tile, TileGrid
from ..view import View
from ..window import Window
from .light_layers import LightLayer

# Sides of the tiles that a layer is cut into, px: a CPU wants a tile in its cache, a GPU wants few.
TILE_SIDES = {"cpu": (64, 96, 128, 160, 192, 256, 320, 384, 512)}
GPU_TILE_SIDES = (512, 1024, 2048)
# What else is done to each pixel of a tile, in comparison with its transforms' steps.
PASSES = 16


@dataclass(frozen=True)
class _Tiling:
    """How the light of a layer is cut into tiles.

    Args:
        grid: of the layer's window.
        lit: the tiles with light.
        reach: of its discs, px.
        side: of the transforms, px.
    """

    grid: TileGrid
    lit: list[Tile]
    reach: int
    side: int


class Spreader:
    """Convolves layers of a picture with the discs of a lens.

    Args:
        disc: the blur disc at any radius.
    """

    def __init__(self, disc: BlurDisc) -> None:
        self.disc = disc
        self._spectra: dict[tuple[float, int], Tensor] = {}

    def spread(self, light: LightLayer, view: View) -> tuple[Tensor, int]:
        """Spread all light over the disc of its radius.

        Args:
            light: of one layer.
            view: where the light's windows lie in the picture.

        Returns:
            `[C+1,h+2·reach,w+2·reach]` around the light's window `[h,w]`, and reach, px.
        """
        reach = self.disc.reach(abs(light.radius)) if light.radius else 0
        if light.radius == 0:
            spread = self._as_it_is(light)
        elif self.disc.aperture.varies_over_field:
            spread = self._over_field(light, reach, view.part(light.window.top, light.window.left))
        else:
            spread = self._everywhere(light, reach)
        return spread, reach

    @staticmethod
    def _as_it_is(light: LightLayer) -> Tensor:
        height, width = light.window.height, light.window.width
        result = light.like.new_zeros(1, light.channels, height, width)
        light.write([Window(0, 0, height, width)], result)
        return result[0]

    def _everywhere(self, light: LightLayer, reach: int) -> Tensor:
        """With the same disc everywhere, in whatever tiles cost least."""
        tiling = _cheapest_tiling(light, reach)
        spectrum = self._spectrum(light.radius, tiling.side, light.like)
        return _in_tiles(light, tiling, lambda _: spectrum)

    def _over_field(self, light: LightLayer, reach: int, view: View) -> Tensor:
        """With a disc for every place in the field, in tiles that fade into each other."""
        grid = TileGrid.over_field(view, light.window.height, light.window.width)
        lit = [tile for tile in grid.tiles(1) if light.is_lit(grid.window(tile))]
        side = fast_length(grid.extent + 2 * reach)
        radius = light.radius

        def spectra(tiles: list[Tile]) -> Tensor:
            places = grid.fields(tiles, view, torch.device("cpu")).tolist()
            discs = [self.disc.draw(abs(radius), radius > 0, tuple(place)) for place in places]
            return torch.stack([_transformed(disc, side, light.like) for disc in discs])[:, None]

        return _in_tiles(light, _Tiling(grid, lit, reach, side), spectra)

    def _spectrum(self, radius: float, side: int, like: Tensor) -> Tensor:
        """The transform of a disc in the middle of the field; kept for the next tiles."""
        key = (radius, side)
        if key not in self._spectra:
            kept = _transformed(self.disc.draw(abs(radius), radius > 0), side, like)
            if sum(other.nbytes for other in self._spectra.values()) + kept.nbytes > KEPT_BYTES:
                self._spectra.clear()
            self._spectra[key] = kept
        return self._spectra[key]


def _in_tiles(
    light: LightLayer, tiling: _Tiling, spectra: Callable[[list[Tile]], Tensor]
) -> Tensor:
    """The lit tiles, spread and added up; `spectra` of the discs of some tiles."""
    like, channels, grid, reach = light.like, light.channels, tiling.grid, tiling.reach
    extent = grid.extent + 2 * reach
    left, right, top, bottom = grid.padding(reach)
    height, width = top + grid.height + bottom, left + grid.width + right
    canvas = like.new_zeros(channels, height, width)
    for tiles in _batches(tiling.lit, channels * extent**2, like.device.type):
        contents = like.new_zeros(len(tiles), channels, tiling.side, tiling.side)
        own = contents[..., reach : reach + grid.extent, reach : reach + grid.extent]
        light.write([grid.window(tile) for tile in tiles], own)
        if grid.overlap:
            own *= grid.fade(like)
        for tile, spread in zip(tiles, _convolved(contents, spectra(tiles)), strict=True):
            row, column = tile.row * grid.size, tile.column * grid.size
            into = canvas[:, row : row + extent, column : column + extent]
            into += spread[:, :extent, :extent]
    inside = Window(top, left, top + grid.height, left + grid.width)
    return inside.grown(reach).of(canvas)


def _batches(tiles: list[Tile], floats_per_tile: int, device: str) -> Iterator[list[Tile]]:
    """The tiles that are spread at once."""
    budget = SPECTRA_BYTES.get(device, SPECTRA_BYTES["cuda"])
    count = max(1, budget // (4 * floats_per_tile))
    for first in range(0, len(tiles), count):
        yield tiles[first : first + count]


def _convolved(light: Tensor, spectrum: Tensor) -> Tensor:
    """`[N,C,n,n]`, dark as far as a disc reaches along the edge, spread by discs."""
    return torch.fft.irfft2(torch.fft.rfft2(light).mul_(spectrum), s=light.shape[-2:])


def _transformed(disc: Tensor, side: int, like: Tensor) -> Tensor:
    """Fourier transform `[side,side//2+1]` of a disc centred on the origin."""
    reach = disc.shape[0] // 2
    origin = F.pad(disc.to(like), (0, side - disc.shape[1], 0, side - disc.shape[0]))
    return torch.fft.rfft2(origin.roll((-reach, -reach), (0, 1)))


def _cheapest_tiling(light: LightLayer, reach: int) -> _Tiling:
    """Large tiles have less margin, small ones fit sparse light better."""

    def cost(tile: int) -> float:
        side = fast_length(tile + 2 * reach)
        return int(light.lit(tile).sum()) * side**2 * (math.log2(side) + PASSES)

    tile = min(TILE_SIDES.get(light.like.device.type, GPU_TILE_SIDES), key=cost)
    lit = [Tile(0, *place) for place in np.argwhere(light.lit(tile)).tolist()]
    grid = TileGrid(light.window.height, light.window.width, tile)
    return _Tiling(grid, lit, reach, fast_length(tile + 2 * reach))
