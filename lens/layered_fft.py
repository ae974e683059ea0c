"""Spatially varying blur by layers of constant radius, in plain torch, on any device.

Blur discs are needed at every radius, but a fast convolution has only one. So each pixel is split
linearly between the two nearest steps of a fixed ladder of radii, each layer is convolved by FFT,
and the layers are summed. Two operations, adjoint to each other:

- `scatter`: every source pixel spreads its light over its own disc (BokehMe's direction).
- `gather`: every target pixel averages the picture over its own disc (TAF's direction).

Both are differentiable in picture and radius; each is the other's backward pass. The picture is cut
into tiles: a tile needs only the steps that occur in it, pads only by its own largest disc, and its
transforms stay in the processor's cache. Cost grows with the number of steps in a tile, much slower
than the area of the discs. Discs that change over the field are drawn anew for each tile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blur_disc import BlurDisc
from .progress import OnProgress
from .tiles import Tile, TileGrid
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
# Discs drawn at once where every tile has its own: an aperture image takes many samples per pixel.
DRAWN_AT_ONCE = 64


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

    def grid(self, height: int, width: int) -> TileGrid:
        """The tiles of a block of the picture."""
        if self.disc.aperture.varies_over_field:
            return TileGrid.over_field(self.view or View(height, width), height, width)
        return TileGrid(height, width, _tile_size(self, height, width))

    def fields(self, grid: TileGrid, tiles: list[Tile], like: Tensor) -> Tensor | None:
        """`[n,2]` places of tiles in the field, on the device to draw on; None if none matters."""
        if not self.disc.aperture.varies_over_field:
            return None
        # Discs are drawn in float64, which not every accelerator has.
        device = like.device if like.is_cuda else torch.device("cpu")
        return grid.fields(tiles, self.view or View(grid.height, grid.width), device)

    def spectrum(self, layer: int, side: int, like: Tensor) -> Tensor:
        """Fourier transform `[side, side]` of a layer's disc centred on the origin.

        Real where the disc is point symmetric; `like` gives the real dtype and the device.
        """
        key = (layer, side)
        if key not in self._spectra:
            centre = torch.zeros(1, 2, dtype=torch.float64)
            transform = self._transformed(layer, side, like, centre)[0]
            kept = transform.real.clone() if self.disc.is_point_symmetric else transform
            if sum(other.nbytes for other in self._spectra.values()) + kept.nbytes > KEPT_BYTES:
                self._spectra.clear()
            self._spectra[key] = kept
        return self._spectra[key]

    def multiply(
        self, spectra: Tensor, layer: int, adjoint: bool, fields: Tensor | None = None
    ) -> Tensor:
        """Convolve with a layer's disc (or correlate, for the adjoint), in the Fourier domain.

        Args:
            spectra: `[n,C,side,side]` complex.
            layer: whose disc.
            adjoint: correlate.
            fields: `[n,2]` where each of the `n` is in the field; None for its centre.
        """
        side, like = spectra.shape[-1], spectra.real
        if fields is not None:
            # Not kept: every tile has its own.
            transform = self._transformed(layer, side, like, fields)[:, None]
        else:
            transform = self.spectrum(layer, side, like)
        if not transform.is_complex():
            return torch.view_as_complex(torch.view_as_real(spectra) * transform[..., None])
        return spectra * (transform.conj() if adjoint else transform)

    def _transformed(self, layer: int, side: int, like: Tensor, fields: Tensor) -> Tensor:
        """Fourier transforms `[n, side, side]` of a layer's discs at `n` places in the field."""
        in_front = layer >= len(self.radii)
        radius = self.radius(layer)
        parts = [
            self.disc.draw_many(radius, in_front, part) for part in fields.split(DRAWN_AT_ONCE)
        ]
        drawn = torch.cat(parts).to(like)
        reach = drawn.shape[-1] // 2
        origin = F.pad(drawn, (0, side - drawn.shape[-1], 0, side - drawn.shape[-2]))
        return torch.fft.fft2(origin.roll((-reach, -reach), (1, 2)))


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
class _Batch:
    """Tiles that share a transform size, with the layers that occur in each."""

    tiles: list[Tile]
    reach: int
    side: int
    position: Tensor  # [n,T,T]
    occupied: Tensor  # [n, layers] bool, on the CPU
    fields: Tensor | None  # [n,2], where discs change over the field

    def fields_of(self, chosen: Tensor | slice) -> Tensor | None:
        """Where some of the tiles are in the field."""
        if self.fields is None or isinstance(chosen, slice):
            return self.fields
        return self.fields[chosen.to(self.fields.device)]


def _scatter_tiles(
    source: Tensor, position: Tensor, layers: Layers, margin: int, adjoint: bool
) -> Tensor:
    batch_size, channels, height, width = source.shape
    grid = layers.grid(height, width)
    border = _bucketed_reach(layers.disc.reach(layers.radii[-1]))
    left, right, top, bottom = grid.padding(border)
    canvas = source.new_zeros(batch_size, channels, top + height + bottom, left + width + right)
    tiled, fade = grid.padded(source), grid.fade(source)
    for batch in _batches(position, layers, grid, with_slope=False):
        pixels = torch.stack([grid.cut(tiled, tile) for tile in batch.tiles])
        packed = pack(pixels * fade if grid.overlap else pixels)
        spectra = packed.new_zeros(*packed.shape[:2], batch.side, batch.side)
        surround = (batch.reach, batch.side - grid.extent - batch.reach) * 2
        for layer, chosen in _occupied_layers(batch):
            part = share(batch.position[chosen], layer)
            layered = torch.view_as_real(packed[chosen]) * part[:, None, :, :, None]
            framed = F.pad(torch.view_as_complex(layered), surround)
            spectra[chosen] += layers.multiply(
                torch.fft.fft2(framed), layer, adjoint, batch.fields_of(chosen)
            )
        spread = unpack(torch.fft.ifft2(spectra), channels)
        extent = grid.extent + 2 * batch.reach
        for tile, light in zip(batch.tiles, spread, strict=True):
            grid.cut(canvas, tile, border, batch.reach).add_(light[:, :extent, :extent])
    first_row, first_column = top - margin, left - margin
    return canvas[
        ...,
        first_row : first_row + height + 2 * margin,
        first_column : first_column + width + 2 * margin,
    ]


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
    grid = layers.grid(height, width)
    border = _bucketed_reach(layers.disc.reach(layers.radii[-1]))
    bordered = F.pad(padded, [side - margin for side in grid.padding(border)])
    left, right, top, bottom = grid.padding(0)
    value = padded.new_zeros(padded.shape[0], channels, top + height + bottom, left + width + right)
    slope = torch.zeros_like(value) if with_slope else None
    fade = grid.fade(padded)
    for batch in _batches(position, layers, grid, with_slope):
        pixels = torch.stack(
            [grid.cut(bordered, tile, border, batch.reach) for tile in batch.tiles]
        )
        spectra = torch.fft.fft2(pack(pixels), s=(batch.side,) * 2)
        inner = slice(batch.reach, batch.reach + grid.extent)
        total = pixels.new_zeros(len(batch.tiles), channels, grid.extent, grid.extent)
        rate = torch.zeros_like(total) if with_slope else None
        for layer, chosen in _occupied_layers(batch):
            multiplied = layers.multiply(spectra[chosen], layer, adjoint, batch.fields_of(chosen))
            blurred = torch.fft.ifft2(multiplied)
            layered = unpack(blurred[..., inner, inner], channels)
            place = batch.position[chosen]
            total[chosen] += layered * share(place, layer)[:, None]
            if rate is not None:
                rate[chosen] += layered * _share_slope(place, layer)[:, None]
        _add(value, grid, batch.tiles, total, fade)
        if slope is not None and rate is not None:
            _add(slope, grid, batch.tiles, rate, fade)
    inside = (..., slice(top, top + height), slice(left, left + width))
    return value[inside], None if slope is None else slope[inside]


def _add(maps: Tensor, grid: TileGrid, tiles: list[Tile], contents: Tensor, fade: Tensor) -> None:
    for tile, content in zip(tiles, contents, strict=True):
        grid.cut(maps, tile).add_(content * fade if grid.overlap else content)


def share(position: Tensor, layer: int) -> Tensor:
    """Part of each pixel that belongs to a layer, 0..1."""
    return (1.0 - (position - layer).abs()).clamp(min=0.0)


def _share_slope(position: Tensor, layer: int) -> Tensor:
    """Derivative of `share` by the position, taken upward at the steps."""
    below = position.floor()
    return (below == layer - 1).to(position.dtype) - (below == layer).to(position.dtype)


def _batches(
    position: Tensor, layers: Layers, grid: TileGrid, with_slope: bool
) -> Iterator[_Batch]:
    """Group the tiles by transform size, in batches that fit the memory budget."""
    tiles = grid.tiles(position.shape[0])
    padded = grid.padded(position, mode="replicate")
    places = torch.stack([grid.cut(padded, tile)[0] for tile in tiles])
    occupied = _occupancy(places, layers, with_slope)
    fields = layers.fields(grid, tiles, position)
    radii = torch.tensor([layers.radius(layer) for layer in range(occupied.shape[1])])
    reaches = [_bucketed_reach(layers.disc.reach(float((radii * row).amax()))) for row in occupied]
    done = 0
    for reach in sorted(set(reaches)):
        side = fast_length(grid.extent + 2 * reach)
        members = [index for index, other in enumerate(reaches) if other == reach]
        budget = SPECTRA_BYTES.get(position.device.type, SPECTRA_BYTES["cuda"])
        count = max(1, budget // (16 * side * side))
        for start in range(0, len(members), count):
            chosen = members[start : start + count]
            yield _Batch(
                [tiles[index] for index in chosen],
                reach,
                side,
                places[chosen],
                occupied[chosen],
                None if fields is None else fields[chosen],
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


def pack(real: Tensor) -> Tensor:
    """`[n,C,h,w]` real to `[n,ceil(C/2),h,w]` complex: two channels share one transform."""
    if real.shape[1] % 2:
        real = F.pad(real, (0, 0, 0, 0, 0, 1))
    return torch.complex(real[:, 0::2].contiguous(), real[:, 1::2].contiguous())


def unpack(packed: Tensor, channels: int) -> Tensor:
    """Inverse of `pack`."""
    return torch.stack([packed.real, packed.imag], dim=2).flatten(1, 2)[:, :channels]
