"""Spread a layer of light: convolve it with one blur disc, where it has light at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .blur_disc import BlurDisc
from .layered_fft import KEPT_BYTES, SPECTRA_BYTES, fast_length
from .tiles import Tile, TileGrid
from .view import View

# Sides of the tiles that a layer is cut into, px: a CPU wants a tile in its cache, a GPU wants few.
TILE_SIDES = {"cpu": (64, 96, 128, 160, 192, 256, 320, 384, 512)}
GPU_TILE_SIDES = (512, 1024, 2048)
# Light is sparse: a tile this large (px) does on average twice the work that its light needs.
SPARSE_SIDE = 400


class Spreader:
    """Convolves layers of a picture with the discs of a lens.

    Args:
        disc: the blur disc at any radius.
    """

    def __init__(self, disc: BlurDisc) -> None:
        self.disc = disc
        self._spectra: dict[tuple[float, int], Tensor] = {}

    def spread(self, light: Tensor, radius: float, view: View) -> tuple[Tensor, int]:
        """Spread all light over the disc of one signed radius.

        Args:
            light: `[C,h,w]`, the last channel or two weights that are 0 where there is no light.
            radius: signed blur radius, px.
            view: where the light lies in the picture.

        Returns:
            `[C,h+2·reach,w+2·reach]`, >= 0, and reach, px.
        """
        if radius == 0:
            return light, 0
        reach = self.disc.reach(abs(radius))
        varies = self.disc.aperture.varies_over_field
        spread = (
            self._over_field(light, radius, view) if varies else self._everywhere(light, radius)
        )
        # Transforms leave tiny negatives where there is no light.
        return spread.clamp_(min=0.0), reach

    def _everywhere(self, light: Tensor, radius: float) -> Tensor:
        """With the same disc everywhere, in whatever tiles cost least."""
        reach = self.disc.reach(abs(radius))
        tile, side = _tiling(reach, light.device.type)
        height, width = light.shape[-2:]
        grid = TileGrid(height, width, tile)
        return self._in_tiles(light, reach, grid, lambda _: self._spectrum(radius, side, light))

    def _over_field(self, light: Tensor, radius: float, view: View) -> Tensor:
        """With a disc for every place in the field, in tiles that fade into each other."""
        reach = self.disc.reach(abs(radius))
        grid = TileGrid.over_field(view, light.shape[-2], light.shape[-1])
        side = fast_length(grid.extent + 2 * reach)

        def spectra(tiles: list[Tile]) -> Tensor:
            places = grid.fields(tiles, view, torch.device("cpu")).tolist()
            discs = [self.disc.draw(abs(radius), radius > 0, tuple(place)) for place in places]
            return torch.stack([_transformed(disc, side, light) for disc in discs])[:, None]

        return self._in_tiles(light, reach, grid, spectra)

    def _in_tiles(
        self, light: Tensor, reach: int, grid: TileGrid, spectra: Callable[[list[Tile]], Tensor]
    ) -> Tensor:
        height, width = light.shape[-2:]
        left, right, top, bottom = grid.padding(reach)
        canvas = light.new_zeros(len(light), top + height + bottom, left + width + right)
        padded, fade = grid.padded(light[None]), grid.fade(light)
        extent = grid.extent + 2 * reach
        for tiles in _batches(_lit_tiles(padded, grid), len(light) * extent**2, light.device.type):
            own = torch.stack([grid.cut(padded, tile) for tile in tiles])
            if grid.overlap:
                own *= fade
            for tile, spread in zip(tiles, _convolved(own, spectra(tiles), reach), strict=True):
                row, column = tile.row * grid.size, tile.column * grid.size
                canvas[:, row : row + extent, column : column + extent] += spread
        return canvas[:, top - reach : top + height + reach, left - reach : left + width + reach]

    def _spectrum(self, radius: float, side: int, like: Tensor) -> Tensor:
        """The transform of a disc in the middle of the field; kept for the next tiles."""
        key = (radius, side)
        if key not in self._spectra:
            transform = _transformed(self.disc.draw(abs(radius), radius > 0), side, like)
            kept = transform.real.clone() if self.disc.is_point_symmetric else transform
            if sum(other.nbytes for other in self._spectra.values()) + kept.nbytes > KEPT_BYTES:
                self._spectra.clear()
            self._spectra[key] = kept
        return self._spectra[key]


def _batches(tiles: list[Tile], floats_per_tile: int, device: str) -> Iterator[list[Tile]]:
    """The tiles that are spread at once."""
    budget = SPECTRA_BYTES.get(device, SPECTRA_BYTES["cuda"])
    count = max(1, budget // (4 * floats_per_tile))
    for first in range(0, len(tiles), count):
        yield tiles[first : first + count]


def _convolved(light: Tensor, spectrum: Tensor, reach: int) -> Tensor:
    """`[N,C,n,n]` spread by discs to `[N,C,n+2·reach,n+2·reach]`."""
    side, extent = spectrum.shape[-2], light.shape[-1] + 2 * reach
    surround = (reach, side - light.shape[-1] - reach) * 2
    spectra = torch.fft.rfft2(F.pad(light, surround))
    if spectrum.is_complex():
        spectra *= spectrum
    else:
        torch.view_as_real(spectra).mul_(spectrum[..., None])
    return torch.fft.irfft2(spectra, s=(side, side))[..., :extent, :extent]


def _transformed(disc: Tensor, side: int, like: Tensor) -> Tensor:
    """Fourier transform `[side,side//2+1]` of a disc centred on the origin."""
    reach = disc.shape[0] // 2
    origin = F.pad(disc.to(like), (0, side - disc.shape[1], 0, side - disc.shape[0]))
    return torch.fft.rfft2(origin.roll((-reach, -reach), (0, 1)))


def _tiling(reach: int, device: str) -> tuple[int, int]:
    """Side of the tiles and of their transforms that cost least per pixel of light, px."""

    def cost(tile: int) -> float:
        side = fast_length(tile + 2 * reach)
        return (side / tile) ** 2 * math.log2(side) * (1 + tile / SPARSE_SIDE)

    tile = min(TILE_SIDES.get(device, GPU_TILE_SIDES), key=cost)
    return tile, fast_length(tile + 2 * reach)


def _lit_tiles(padded: Tensor, grid: TileGrid) -> list[Tile]:
    """The tiles of `[1,C,...]`, padded to its grid, that hold light."""
    tiles = grid.tiles(1)
    is_lit = torch.stack([grid.cut(padded[:, -2:], tile).amax() for tile in tiles]) > 0
    return [tile for tile, lit in zip(tiles, is_lit.tolist(), strict=True) if lit]
