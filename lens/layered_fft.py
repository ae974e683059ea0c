"""Spatially varying blur by layers of constant radius, in plain torch, on any device.

Blur discs are needed at every radius, but a fast convolution has only one. So each pixel is split
linearly between the two nearest steps of a fixed ladder of radii, each layer is convolved by FFT,
and the layers are summed. Two operations, adjoint to each other:

- `scatter`: every source pixel spreads its light over its own disc (BokehMe's direction).
- `gather`: every target pixel averages the picture over its own disc (TAF's direction).

Both are differentiable in picture and radius; each is the other's backward pass. The picture is cut
into tiles: a tile needs only the steps that occur in it, pads only by its own largest disc, and its
transforms stay in the processor's cache. Cost grows with the number of steps in a tile, much slower
than the area of the discs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import OnProgress
from .blur_disc import BlurDisc
from .view import View

# The ladder of radii: steps of FIRST_STEP px that grow by GROWTH once that is more. Small discs
# change with every fraction of a pixel, large ones with their relative size. `make bench` prints
# what it costs and how close to the exact definition it comes.
FIRST_STEP = 0.25
GROWTH = 1.15

# Complex spectra worked on at once: a CPU wants them in its cache, a GPU wants many.
SPECTRA_BYTES = {"cpu": 4 * 2**20, "cuda": 512 * 2**20}
# Spectra of discs that are kept for the next tiles.
KEPT_BYTES = 512 * 2**20


def ladder(max_radius: float, growth: float = GROWTH) -> list[float]:
    """Radii of the layers in px, from 0 to beyond `max_radius`, by a pixel at most."""
    last = math.floor(max_radius) + 1.0
    radii = [0.0]
    while radii[-1] <= max_radius:
        radii.append(min(max(radii[-1] + FIRST_STEP, radii[-1] * growth), last))
    return radii


@dataclass
class Layers:
    """The discs that a picture is split into.

    A shape without point symmetry is upside down in front of the focus; its layers then follow
    those of the background in a second ladder.
    """

    disc: BlurDisc
    radii: list[float]
    on_progress: OnProgress | None = None
    view: View | None = None
    _spectra: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    @classmethod
    def for_defocus(
        cls,
        disc: BlurDisc,
        defocus: Tensor,
        on_progress: OnProgress | None = None,
        view: View | None = None,
    ) -> Layers:
        """Layers that reach the largest blur of a defocus map (px, signed)."""
        own = View.of(defocus)
        view = view or own
        return cls(disc, ladder(max(view.max_radius, own.max_radius)), on_progress, view)

    def position(self, defocus: Tensor) -> Tensor:
        """Real-valued layer index of each pixel, differentiable in `defocus`."""
        radius = defocus.abs()
        steps = torch.tensor(self.radii, dtype=radius.dtype, device=radius.device)
        below = torch.searchsorted(steps, radius.detach().contiguous(), right=True) - 1
        below = below.clamp(0, len(self.radii) - 2)
        index = below + (radius - steps[below]) / (steps[below + 1] - steps[below])
        if self.disc.is_point_symmetric:
            return index
        return torch.where(defocus > 0, index + len(self.radii), index)

    def radius(self, layer: int) -> float:
        """Blur radius of a layer, px."""
        return self.radii[layer % len(self.radii)]

    def spectrum(self, layer: int, side: int, like: Tensor) -> Tensor:
        """Fourier transform `[side, side]` of a layer's disc centred on the origin.

        Real where the disc is point symmetric; `like` gives the real dtype and the device.
        """
        key = (layer, side)
        if key not in self._spectra:
            drawn = self.disc.draw(self.radius(layer)).to(like)
            if layer >= len(self.radii):
                drawn = drawn.flip(0, 1)
            reach = drawn.shape[0] // 2
            origin = F.pad(drawn, (0, side - drawn.shape[1], 0, side - drawn.shape[0]))
            transform = torch.fft.fft2(origin.roll((-reach, -reach), (0, 1)))
            kept = transform.real.clone() if self.disc.is_point_symmetric else transform
            if sum(other.nbytes for other in self._spectra.values()) + kept.nbytes > KEPT_BYTES:
                self._spectra.clear()
            self._spectra[key] = kept
        return self._spectra[key]

    def multiply(self, spectra: Tensor, layer: int, adjoint: bool) -> Tensor:
        """Convolve with a layer's disc (or correlate, for the adjoint), in the Fourier domain."""
        transform = self.spectrum(layer, spectra.shape[-1], spectra.real)
        if self.disc.is_point_symmetric:
            return torch.view_as_complex(torch.view_as_real(spectra) * transform[..., None])
        return spectra * (transform.conj() if adjoint else transform)


def scatter(source: Tensor, defocus: Tensor, layers: Layers) -> Tensor:
    """Spread every pixel over its disc; what leaves the frame is dropped.

    Args:
        source: `[B,C,H,W]`, float32 or float64.
        defocus: `[B,1,H,W]` signed blur radius, px.
        layers: from `Layers.for_defocus`.

    Returns:
        `[B,C,H,W]`: the sum of all discs, not divided by anything.
    """
    result: Tensor = _Scatter.apply(source, layers.position(defocus), layers, 0)  # pyright: ignore
    return result


def gather(source: Tensor, defocus: Tensor, layers: Layers) -> Tensor:
    """Average every pixel's surroundings over its disc; the frame's edge is continued outward.

    Args and Returns as `scatter`.
    """
    margin = layers.disc.reach(layers.radii[-1])
    padded = F.pad(source, (margin,) * 4, mode="replicate")
    result: Tensor = _Gather.apply(padded, layers.position(defocus), layers, margin)  # pyright: ignore
    return result


class _Scatter(torch.autograd.Function):
    """`[B,C,H,W]` and layer positions to `[B,C,H+2·margin,W+2·margin]`."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, position: Tensor, layers: Layers, margin: int) -> Tensor:
        ctx.save_for_backward(source, position)
        ctx.layers, ctx.margin = layers, margin
        return _scatter_tiles(source, position, layers, margin, adjoint=False)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        source, position = ctx.saved_tensors
        value, slope = _gather_tiles(
            gradients[0], position, ctx.layers, ctx.margin, adjoint=True, with_slope=True
        )
        return value, (slope * source).sum(1, keepdim=True), None, None


class _Gather(torch.autograd.Function):
    """`[B,C,H+2·margin,W+2·margin]` and layer positions to `[B,C,H,W]`."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, position: Tensor, layers: Layers, margin: int) -> Tensor:
        with_slope = ctx.needs_input_grad[1]
        value, slope = _gather_tiles(padded, position, layers, margin, False, with_slope)
        ctx.save_for_backward(position, slope)
        ctx.layers, ctx.margin = layers, margin
        return value

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        position, slope = ctx.saved_tensors
        (gradient,) = gradients
        to_source = (
            _scatter_tiles(gradient, position, ctx.layers, ctx.margin, adjoint=True)
            if ctx.needs_input_grad[0]
            else None
        )
        to_position = (slope * gradient).sum(1, keepdim=True) if slope is not None else None
        return to_source, to_position, None, None


@dataclass(frozen=True)
class _Tile:
    image: int
    top: int
    left: int


@dataclass(frozen=True)
class _Batch:
    """Tiles that share a transform size, with the layers that occur in each."""

    tiles: list[_Tile]
    reach: int
    side: int
    position: Tensor  # [n,T,T]
    occupied: Tensor  # [n, layers] bool, on the CPU


def _scatter_tiles(
    source: Tensor, position: Tensor, layers: Layers, margin: int, adjoint: bool
) -> Tensor:
    batch_size, channels, height, width = source.shape
    tile_size = _tile_size(layers, height, width)
    border = _bucketed_reach(layers.disc.reach(layers.radii[-1]))
    rows, columns = _tile_counts(height, width, tile_size)
    canvas = source.new_zeros(
        batch_size, channels, rows * tile_size + 2 * border, columns * tile_size + 2 * border
    )
    tiled = _pad_to_tiles(source, tile_size)
    for batch in _batches(position, layers, tile_size, with_slope=False):
        pixels = torch.stack([_cut(tiled, tile, tile_size) for tile in batch.tiles])
        packed = pack(pixels)
        spectra = packed.new_zeros(*packed.shape[:2], batch.side, batch.side)
        surround = (batch.reach, batch.side - tile_size - batch.reach) * 2
        for layer, chosen in _occupied_layers(batch):
            part = share(batch.position[chosen], layer)
            layered = torch.view_as_real(packed[chosen]) * part[:, None, :, :, None]
            framed = F.pad(torch.view_as_complex(layered), surround)
            spectra[chosen] += layers.multiply(torch.fft.fft2(framed), layer, adjoint)
        spread = unpack(torch.fft.ifft2(spectra), channels)
        extent = tile_size + 2 * batch.reach
        for tile, light in zip(batch.tiles, spread, strict=True):
            top, left = tile.top + border - batch.reach, tile.left + border - batch.reach
            canvas[tile.image, :, top : top + extent, left : left + extent] += light[
                :, :extent, :extent
            ]
    first = border - margin
    return canvas[..., first : first + height + 2 * margin, first : first + width + 2 * margin]


def _gather_tiles(
    padded: Tensor,
    position: Tensor,
    layers: Layers,
    margin: int,
    adjoint: bool,
    with_slope: bool,
) -> tuple[Tensor, Tensor | None]:
    """Value `[B,C,H,W]` and, if asked for, its derivative by the layer position."""
    height, width = position.shape[-2:]
    channels = padded.shape[1]
    tile_size = _tile_size(layers, height, width)
    border = _bucketed_reach(layers.disc.reach(layers.radii[-1]))
    rows, columns = _tile_counts(height, width, tile_size)
    extra = border - margin
    surround = (
        extra,
        extra + columns * tile_size - width,
        extra,
        extra + rows * tile_size - height,
    )
    bordered = F.pad(padded, surround)
    shape = (padded.shape[0], channels, rows * tile_size, columns * tile_size)
    value = padded.new_zeros(shape)
    slope = padded.new_zeros(shape) if with_slope else None
    for batch in _batches(position, layers, tile_size, with_slope):
        extent = tile_size + 2 * batch.reach
        pixels = torch.stack(
            [_cut(bordered, tile, extent, border - batch.reach) for tile in batch.tiles]
        )
        spectra = torch.fft.fft2(pack(pixels), s=(batch.side,) * 2)
        inner = slice(batch.reach, batch.reach + tile_size)
        total = pixels.new_zeros(len(batch.tiles), channels, tile_size, tile_size)
        rate = torch.zeros_like(total) if with_slope else None
        for layer, chosen in _occupied_layers(batch):
            blurred = torch.fft.ifft2(layers.multiply(spectra[chosen], layer, adjoint))
            layered = unpack(blurred[..., inner, inner], channels)
            place = batch.position[chosen]
            total[chosen] += layered * share(place, layer)[:, None]
            if rate is not None:
                rate[chosen] += layered * _share_slope(place, layer)[:, None]
        _paste(value, batch.tiles, total)
        if slope is not None and rate is not None:
            _paste(slope, batch.tiles, rate)
    value = value[..., :height, :width]
    return value, None if slope is None else slope[..., :height, :width]


def share(position: Tensor, layer: int) -> Tensor:
    """Part of each pixel that belongs to a layer, 0..1."""
    return (1.0 - (position - layer).abs()).clamp(min=0.0)


def _share_slope(position: Tensor, layer: int) -> Tensor:
    """Derivative of `share` by the position, taken upward at the steps."""
    below = position.floor()
    return (below == layer - 1).to(position.dtype) - (below == layer).to(position.dtype)


def _batches(
    position: Tensor, layers: Layers, tile_size: int, with_slope: bool
) -> Iterator[_Batch]:
    """Group the tiles by transform size, in batches that fit the memory budget."""
    height, width = position.shape[-2:]
    rows, columns = _tile_counts(height, width, tile_size)
    tiles = [
        _Tile(image, row * tile_size, column * tile_size)
        for image, row, column in product(range(position.shape[0]), range(rows), range(columns))
    ]
    padded = _pad_to_tiles(position, tile_size, mode="replicate")
    places = torch.stack([_cut(padded, tile, tile_size)[0] for tile in tiles])
    occupied = _occupancy(places, layers, with_slope)
    radii = torch.tensor([layers.radius(layer) for layer in range(occupied.shape[1])])
    reaches = [_bucketed_reach(layers.disc.reach(float((radii * row).amax()))) for row in occupied]
    done = 0
    for reach in sorted(set(reaches)):
        side = fast_length(tile_size + 2 * reach)
        members = [index for index, other in enumerate(reaches) if other == reach]
        budget = SPECTRA_BYTES.get(position.device.type, SPECTRA_BYTES["cuda"])
        count = max(1, budget // (16 * side * side))
        for start in range(0, len(members), count):
            chosen = members[start : start + count]
            yield _Batch(
                [tiles[index] for index in chosen], reach, side, places[chosen], occupied[chosen]
            )
            done += len(chosen)
            if layers.on_progress is not None:
                layers.on_progress(done / len(tiles))


def _occupancy(places: Tensor, layers: Layers, with_slope: bool) -> Tensor:
    """Which layers occur in each tile, `[tiles, layers]`."""
    flat = places.flatten(1)
    below = flat.floor().long()
    count = len(layers.radii) * (1 if layers.disc.is_point_symmetric else 2)
    occupied = torch.zeros(len(places), count + 1, dtype=torch.bool, device=places.device)
    occupied.scatter_(1, below, True)
    # A pixel that sits exactly on a step needs the next one only for its derivative.
    between = below + 1 if with_slope else torch.where(flat > below, below + 1, below)
    occupied.scatter_(1, between, True)
    return occupied[:, :count].cpu()


def _occupied_layers(batch: _Batch) -> Iterator[tuple[int, Tensor | slice]]:
    """Each occurring layer with the tiles of the batch in which it occurs."""
    for layer in batch.occupied.any(0).nonzero().flatten().tolist():
        members = batch.occupied[:, layer]
        if bool(members.all()):
            yield layer, slice(None)
        else:
            yield layer, members.nonzero().flatten().to(batch.position.device)


def _tile_size(layers: Layers, height: int, width: int) -> int:
    """Side of the tiles: a few times the reach, cut so that few pixels are padding."""
    preferred = 128 if layers.radii[-1] <= 48 else 256 * math.ceil(layers.radii[-1] / 128)
    longest = max(height, width)
    return math.ceil(longest / max(1, round(longest / preferred)))


def _tile_counts(height: int, width: int, tile_size: int) -> tuple[int, int]:
    return math.ceil(height / tile_size), math.ceil(width / tile_size)


def _bucketed_reach(reach: int) -> int:
    """Round up to an eighth of the next power of two, so that few transform sizes occur."""
    step = max(4, 2 ** math.ceil(math.log2(reach)) // 8)
    return math.ceil(reach / step) * step


def fast_length(length: int) -> int:
    """Smallest even length >= `length` without prime factors above 5."""
    candidate = length + length % 2
    while True:
        rest = candidate
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return candidate
        candidate += 2


def _pad_to_tiles(maps: Tensor, tile_size: int, mode: str = "constant") -> Tensor:
    height, width = maps.shape[-2:]
    rows, columns = _tile_counts(height, width, tile_size)
    return F.pad(maps, (0, columns * tile_size - width, 0, rows * tile_size - height), mode=mode)


def _cut(maps: Tensor, tile: _Tile, extent: int, offset: int = 0) -> Tensor:
    top, left = tile.top + offset, tile.left + offset
    return maps[tile.image, :, top : top + extent, left : left + extent]


def _paste(maps: Tensor, tiles: list[_Tile], contents: Tensor) -> None:
    extent = contents.shape[-1]
    for tile, content in zip(tiles, contents, strict=True):
        rows = slice(tile.top, tile.top + extent)
        maps[tile.image, :, rows, tile.left : tile.left + extent] = content


def pack(real: Tensor) -> Tensor:
    """`[n,C,h,w]` real to `[n,ceil(C/2),h,w]` complex: two channels share one transform."""
    if real.shape[1] % 2:
        real = F.pad(real, (0, 0, 0, 0, 0, 1))
    return torch.complex(real[:, 0::2].contiguous(), real[:, 1::2].contiguous())


def unpack(packed: Tensor, channels: int) -> Tensor:
    """Inverse of `pack`."""
    return torch.stack([packed.real, packed.imag], dim=2).flatten(1, 2)[:, :channels]
