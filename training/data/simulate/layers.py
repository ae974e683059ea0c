"""Ray tracing of layers: what a lens sees of flat pictures with alpha at slanted planes.

This is how BokehDiff makes its ground truth (section 3.3), after MPIB. Through the point w of the
lens (in radii of the aperture) what a plane shows at p is seen at p + r(p) w, as in `scenes`. A ray
takes the layers from near to far: each gives its share of light, and what it does not cover goes on
to the next. Unlike `Scene.defocused`, which needs layers that reach far beyond the picture, a ray
that leaves a layer's picture passes it, and the light is divided by how much was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ....lens.progress import OnProgress
from ...scenes import source_radius

# Less coverage than this is none, and more than this is all.
LEAST_COVERAGE, FULL_COVERAGE = 0.01, 0.99
# A ray that passes the rim of the barrel farther out than this (squared radius) is lost.
RIM = 1.1


@dataclass(frozen=True, eq=False)
class FlatLayer:
    """A picture on a plane.

    Args:
        color: `[3,H,W]` linear light, not multiplied by alpha.
        alpha: `[1,H,W]` coverage.
        disparity: at the middle of the top left pixel, and its change per px to the right and down.
    """

    color: Tensor
    alpha: Tensor
    disparity: tuple[float, float, float]

    def disparity_at(self, x: Tensor, y: Tensor) -> Tensor:
        """Of the plane, at px from the top left pixel."""
        first, right, down = self.disparity
        return first + right * x + down * y


@dataclass(frozen=True, eq=False)
class Traced:
    """Sums over the points of the lens.

    Args:
        color: `[3,h,w]` light, times coverage.
        coverage: `[1,h,w]`.
        weight: `[1,h,w]` what the light is to be divided by.
    """

    color: Tensor
    coverage: Tensor
    weight: Tensor

    @property
    def light(self) -> Tensor:
        """The photograph, `[3,h,w]` linear light."""
        return self.color.clamp(min=0.0) / self.weight.clamp(min=1e-5)


def trace(
    layers: Sequence[FlatLayer],
    focus: float,
    level: float,
    points: Sequence[tuple[float, float]],
    margin: int = 0,
    vignetting: float = 0.0,
    on_progress: OnProgress | None = None,
) -> Traced:
    """Photograph layers.

    Args:
        layers: from near to far, all of one size, on the device to compute on.
        focus: disparity that is sharp.
        level: blur radius in px per unit of disparity.
        points: of the lens, in radii of the aperture.
        margin: px on all sides that are not photographed but seen by the lens.
        vignetting: by how much the rim of the barrel moves per px from the middle, in radii.
        on_progress: called with the finished fraction, 0..1.
    """
    height, width = layers[0].alpha.shape[-2:]
    place = layers[0].alpha.device
    y, x = torch.meshgrid(
        torch.arange(margin, height - margin, device=place, dtype=torch.float32),
        torch.arange(margin, width - margin, device=place, dtype=torch.float32),
        indexing="ij",
    )
    stacks = [torch.cat([layer.alpha * layer.color, layer.alpha])[None] for layer in layers]
    sums = torch.zeros(5, *x.shape, device=place)
    for number, lens in enumerate(points):
        across = lens[0] - vignetting * (x - (width - 1) / 2)
        down = lens[1] - vignetting * (y - (height - 1) / 2)
        open_part = (across**2 + down**2 <= RIM).float()
        sums += _seen_through(layers, stacks, focus, level, lens, x, y, open_part)
        if on_progress is not None:
            on_progress((number + 1) / len(points))
    return Traced(sums[:3], sums[3:4], sums[4:])


def _seen_through(
    layers: Sequence[FlatLayer],
    stacks: Sequence[Tensor],
    focus: float,
    level: float,
    lens: tuple[float, float],
    x: Tensor,
    y: Tensor,
    through: Tensor,
) -> Tensor:
    """Light, coverage and weight `[5,h,w]` from one point of the lens."""
    total = torch.zeros(5, *x.shape, device=x.device)
    for layer, stack in zip(layers, stacks, strict=True):
        slope = (level * layer.disparity[1], level * layer.disparity[2])
        radius = source_radius(level * (layer.disparity_at(x, y) - focus), slope, lens)
        from_x, from_y = x - radius * lens[0], y - radius * lens[1]
        found, is_inside = _sampled(stack, from_x, from_y)
        alpha = found[3]
        counts = is_inside & (alpha >= LEAST_COVERAGE)
        share = torch.where(counts, through, 0.0)
        total[:4] += share * found
        total[4] += share * alpha
        if layer is layers[-1]:
            total[4] += torch.where(is_inside & ~counts, through, 0.0)
        left = torch.where(alpha > FULL_COVERAGE, 0.0, 1.0 - alpha)
        through = torch.where(counts, through * left, through)
    return total


def _sampled(stack: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Values `[C,h,w]` between the pixels of `[1,C,H,W]`, and where there are any."""
    height, width = stack.shape[-2:]
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    values = F.grid_sample(stack, grid[None], padding_mode="border", align_corners=True)
    return values[0], is_inside


def square_grid(side: int) -> list[tuple[float, float]]:
    """The points of a grid of `side` × `side` that lie in the circle, as BokehDiff samples."""
    steps = [2 * step / (side - 1) - 1 for step in range(side)] if side > 1 else [0.0]
    # Points on the rim count, whatever rounding does to them.
    return [(u, v) for v in steps for u in steps if u * u + v * v <= 1.0 + 1e-9]
