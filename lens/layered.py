"""The layered lens: every surface scatters over its own disc, and nearer ones hide farther ones.

The picture is first split into two surfaces per pixel (`surfaces`), so that there is something to
see behind an edge. Their light is spread layer by layer, from the nearest to the farthest. A layer
shows to the extent that the visible surfaces in front of it leave the lens open; the sum of what
they cover tells that, not the product, because in a pinhole image they lie side by side. Layers
close to each other belong to one surface and do not hide each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from .aperture import Aperture
from .blur_disc import BlurDisc
from .layered_fft import Layers, OnProgress, fast_length, ladder, pack, share, unpack
from .surfaces import LEAST_GAP, Surfaces, surfaces_of
from .view import View

TILE = 192
# On a slope, layers within this share of the blur radius of each other are one surface.
SLOPE_GAP = 0.4
# Where nothing reaches a pixel (a ring-shaped aperture), it keeps its own light.
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class LayeredOptions:
    """The layered lens has nothing to set."""


def render_layered(
    image: Tensor,
    defocus: Tensor,
    aperture: Aperture,
    options: LayeredOptions,
    on_progress: OnProgress | None = None,
    view: View | None = None,
) -> Tensor:
    """Blur with discs of unit energy, occlusion and hidden background.

    Args:
        image: linear light `[B,C,H,W]`.
        defocus: signed blur radius `[B,1,H,W]`, px.
        aperture: shape of the disc, upside down in front of the focus as in a real lens.
        options: none so far.
        on_progress: called with the finished fraction, 0..1.
        view: where the image lies in the whole picture; it is all of it if None.

    Returns:
        Linear light `[B,C,H,W]`.
    """
    del options, view
    disc = BlurDisc(aperture, edge="linear", weighting="energy")
    stack = _Stack(disc, float(defocus.detach().abs().amax()))
    scene = _planes(surfaces_of(image, defocus), stack)
    margin = BlurDisc.reach(stack.largest)
    surrounded = F.pad(scene, (margin,) * 4, mode="replicate")
    result = torch.empty_like(image)
    height, width = image.shape[-2:]
    tiles = list(product(range(0, height, TILE), range(0, width, TILE)))
    for done, (top, left) in enumerate(tiles, 1):
        bottom, right = min(top + TILE, height), min(left + TILE, width)
        cut = surrounded[..., top : bottom + 2 * margin, left : right + 2 * margin]
        own = image[..., top:bottom, left:right]
        result[..., top:bottom, left:right] = _render_tile(cut, own, margin, stack)
        if on_progress is not None:
            on_progress(done / len(tiles))
    return result


class _Stack:
    """The layers of a picture by signed blur radius, from the farthest to the nearest."""

    def __init__(self, disc: BlurDisc, max_radius: float) -> None:
        radii = ladder(max_radius)
        self.layers = Layers(disc, radii)
        self.count = len(radii)
        self.signed = torch.tensor([*(-radius for radius in radii[:0:-1]), *radii])

    @property
    def largest(self) -> float:
        """Largest blur radius, px."""
        return self.layers.radii[-1]

    def position(self, radius: Tensor) -> Tensor:
        """Real-valued index of each pixel in `signed`."""
        steps = self.signed.to(radius)
        below = torch.searchsorted(steps, radius.detach().contiguous(), right=True) - 1
        below = below.clamp(0, len(steps) - 2)
        return below + (radius - steps[below]) / (steps[below + 1] - steps[below])

    def spread(self, light: Tensor, index: int, margin: int) -> Tensor:
        """Convolve `[B,C,h,w]` with a layer's disc and cut `margin` off all around."""
        radius = float(self.signed[index])
        height, width = light.shape[-2:]
        inner = (..., slice(margin, height - margin), slice(margin, width - margin))
        if abs(radius) <= 0.5:  # The disc is a point.
            return light[inner]
        layer = abs(index - self.count + 1)
        if radius > 0 and not self.layers.disc.is_point_symmetric:
            layer += self.count
        # What wraps around lands in the margin, which no disc crosses completely.
        side = fast_length(max(height, width))
        spectra = torch.fft.fft2(pack(light), s=(side, side))
        blurred = torch.fft.ifft2(self.layers.multiply(spectra, layer, adjoint=False))
        return unpack(blurred, light.shape[1])[inner].clamp(min=0.0)


def _planes(surfaces: Surfaces, stack: _Stack) -> Tensor:
    """All that a tile needs in one map: near light, far light in view, hidden, places, slope."""
    near = torch.cat([surfaces.near_color, torch.ones_like(surfaces.near_share)], 1)
    far = torch.cat([surfaces.far_color, torch.ones_like(surfaces.near_share)], 1)
    return torch.cat(
        [
            near * surfaces.near_share,
            far * surfaces.far_shown,
            far * surfaces.far_hidden,
            stack.position(surfaces.near_radius),
            stack.position(surfaces.far_radius),
            surfaces.slope,
        ],
        dim=1,
    )


def _render_tile(cut: Tensor, own: Tensor, margin: int, stack: _Stack) -> Tensor:
    """Composite the layers of one tile from near to far."""
    channels = own.shape[1] + 1
    near, shown, hidden, places, slope = cut.split([channels, channels, channels, 2, 1], dim=1)
    total = own.new_zeros(own.shape[0], channels, *own.shape[-2:])
    covered = _Covered(slope[..., margin:-margin, margin:-margin])
    for index in _occupied(places, shown, hidden):
        near_part, far_part = share(places, index).split(1, dim=1)
        in_view = near * near_part + shown * far_part
        behind = hidden * far_part
        light = torch.cat([in_view + behind, in_view[:, -1:]], dim=1)
        spread = stack.spread(light, index, margin)
        radius = float(stack.signed[index])
        total += covered.open_to(radius) * spread[:, :-1]
        covered.add(radius, spread[:, -1:])
    weight = total[:, -1:]
    reached = weight > LEAST_WEIGHT
    return torch.where(reached, total[:, :-1] / torch.where(reached, weight, 1.0), own)


def _occupied(places: Tensor, shown: Tensor, hidden: Tensor) -> Iterator[int]:
    """Layers that hold light in this tile, from near to far."""
    near, far = places.split(1, dim=1)
    has_far = (shown[:, -1:] > 0) | (hidden[:, -1:] > 0)
    held = torch.cat([near.flatten(), far[has_far]])
    below = held.floor()
    indices = torch.cat([below, below[held > below] + 1]).unique().long()
    yield from reversed(indices.tolist())


class _Covered:
    """How much of the lens the surfaces in view cover so far, for each pixel of a tile."""

    def __init__(self, slope: Tensor) -> None:
        self.slope = slope
        self.layers: list[tuple[float, Tensor]] = []
        self.beyond_steps = _CoverSum(slope)
        self.beyond_slopes = _CoverSum(slope)

    def add(self, radius: float, coverage: Tensor) -> None:
        """Add a layer; layers come from near to far."""
        self.layers.append((radius, coverage))

    def open_to(self, radius: float) -> Tensor:
        """What the layers in front of `radius` leave open, 0..1.

        On a slope, what is within one blur disc is one surface and does not hide itself.
        """
        steps = self.beyond_steps.advanced(self.layers, radius + LEAST_GAP)
        slope_gap = max(LEAST_GAP, SLOPE_GAP * abs(radius))
        slopes = self.beyond_slopes.advanced(self.layers, radius + slope_gap)
        is_slope = (self.slope * abs(radius) / LEAST_GAP).clamp(max=1.0)
        return (1.0 - torch.lerp(steps, slopes, is_slope)).clamp(0.0, 1.0)


class _CoverSum:
    """Running sum of the coverage of layers, from near to far."""

    def __init__(self, like: Tensor) -> None:
        self.sum = torch.zeros_like(like)
        self.count = 0

    def advanced(self, layers: list[tuple[float, Tensor]], limit: float) -> Tensor:
        """The sum over all layers whose radius is above `limit`, which only ever falls."""
        while self.count < len(layers) and layers[self.count][0] > limit:
            self.sum = self.sum + layers[self.count][1]
            self.count += 1
        return self.sum
