"""Spread a layer of light: convolve it with one blur disc, where it has light at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from .blur_disc import BlurDisc
from .layered_fft import KEPT_BYTES, fast_length, pack, unpack
from .view import View
from .window import Window

# Sides of the tiles that a layer is cut into, px: a CPU wants a tile in its cache, a GPU wants few.
TILE_SIDES = {"cpu": (64, 96, 128, 160, 192, 256, 320, 384, 512)}
GPU_TILE_SIDES = (512, 1024, 2048)
# Light is sparse: a tile this large (px) does on average twice the work that its light needs.
SPARSE_SIDE = 400


class Spreader:
    """Convolves layers of a picture with the discs of a lens.

    Args:
        disc: the blur disc at any radius.
        view: where the picture lies.
    """

    def __init__(self, disc: BlurDisc, view: View) -> None:
        self.disc = disc
        self.view = view
        self._spectra: dict[tuple[float, int], Tensor] = {}

    def spread(self, light: Tensor, radius: float) -> tuple[Tensor, int]:
        """Spread all light over the disc of one signed radius.

        Args:
            light: `[C,h,w]`, the last channel or two weights that are 0 where there is no light.
            radius: signed blur radius, px.

        Returns:
            `[C,h+2·reach,w+2·reach]`, >= 0, and reach, px.
        """
        if radius == 0:
            return light, 0
        reach = self.disc.reach(abs(radius))
        tile, side = _tiling(reach, light.device.type)
        height, width = light.shape[-2:]
        rows, columns = math.ceil(height / tile), math.ceil(width / tile)
        padded = F.pad(light, (0, columns * tile - width, 0, rows * tile - height))
        result = light.new_zeros(len(light), rows * tile + 2 * reach, columns * tile + 2 * reach)
        for top, left in _lit_tiles(padded[-2:], tile):
            window = Window(top, left, top + tile, left + tile)
            target = window.grown(reach).moved(reach, reach)
            target.of(result).add_(self._tile_spread(window.of(padded), radius, reach, side))
        # Transforms leave tiny negatives where there is no light.
        return result[:, : height + 2 * reach, : width + 2 * reach].clamp_(min=0.0), reach

    def _tile_spread(self, light: Tensor, radius: float, reach: int, side: int) -> Tensor:
        extent = light.shape[-1] + 2 * reach
        surround = (reach, side - light.shape[-1] - reach) * 2
        spectra = torch.fft.fft2(F.pad(pack(light[None]), surround))
        transform = self._spectrum(radius, side, light)
        if self.disc.is_point_symmetric:
            torch.view_as_real(spectra).mul_(transform[..., None])
        else:
            spectra *= transform
        return unpack(torch.fft.ifft2(spectra), len(light))[0, :, :extent, :extent]

    def _spectrum(self, radius: float, side: int, like: Tensor) -> Tensor:
        """Fourier transform of a disc centred on the origin; real if it is point symmetric."""
        key = (radius, side)
        if key not in self._spectra:
            drawn = self.disc.draw(abs(radius)).to(like)
            if radius > 0:
                drawn = drawn.flip(0, 1)
            reach = drawn.shape[0] // 2
            origin = F.pad(drawn, (0, side - drawn.shape[1], 0, side - drawn.shape[0]))
            transform = torch.fft.fft2(origin.roll((-reach, -reach), (0, 1)))
            kept = transform.real.clone() if self.disc.is_point_symmetric else transform
            if sum(other.nbytes for other in self._spectra.values()) + kept.nbytes > KEPT_BYTES:
                self._spectra.clear()
            self._spectra[key] = kept
        return self._spectra[key]


def _tiling(reach: int, device: str) -> tuple[int, int]:
    """Side of the tiles and of their transforms that cost least per pixel of light, px."""

    def cost(tile: int) -> float:
        side = fast_length(tile + 2 * reach)
        return (side / tile) ** 2 * math.log2(side) * (1 + tile / SPARSE_SIDE)

    tile = min(TILE_SIDES.get(device, GPU_TILE_SIDES), key=cost)
    return tile, fast_length(tile + 2 * reach)


def _lit_tiles(weights: Tensor, tile: int) -> Iterator[tuple[int, int]]:
    """Corners of the tiles of `[n,H,W]` that hold light."""
    rows, columns = weights.shape[-2] // tile, weights.shape[-1] // tile
    is_lit = F.max_pool2d(weights.amax(0)[None], tile)[0].gt(0).tolist()
    for row, column in product(range(rows), range(columns)):
        if is_lit[row][column]:
            yield row * tile, column * tile
