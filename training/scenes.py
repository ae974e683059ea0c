"""Procedural scenes whose photograph is known exactly: textured layers with everything hidden.

A layer is a plane in space, so that its disparity, and with it its blur radius, is linear over the
picture. Through the point w of the lens (in radii of the aperture) what a layer shows at p is seen
at p + r(p) w, where r is the signed blur radius. The photograph is the mean over the lens of sharp
pictures, each composited from near to far: exact visibility, without any approximation of blur.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .silhouettes import SILHOUETTES, Grid
from .textures import lights, texture

# Layers are drawn at this many px per pixel of the picture.
SUPERSAMPLING = 2
MAX_LAYERS = 5
# Points on the lens are spread by the golden ratio, points in the pixel by the plastic number
# (the R2 sequence), so that the two know nothing of each other.
GOLDEN_ANGLE = np.pi * (3 - 5**0.5)
PLASTIC_STEPS = (0.7548776662466927, 0.5698402909980532)


@dataclass(frozen=True)
class Layer:
    """A textured plane.

    Args:
        color: `[3,H,W]` linear light, premultiplied by alpha.
        alpha: `[1,H,W]` coverage, 0..1.
        disparity: at the middle of the picture, and its change per half the picture's extent to
            the right and down; relative, 1 = nearest.
    """

    color: Tensor
    alpha: Tensor
    disparity: tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """Layers from near to far, of which the last covers everything.

    Args:
        layers: drawn with `SUPERSAMPLING`, and `margin` px beyond the picture on all sides.
        size: height and width of the picture, px.
        margin: px of the picture.
    """

    layers: tuple[Layer, ...]
    size: tuple[int, int]
    margin: int

    def on(self, device: torch.device) -> Scene:
        """The scene on a device, where it is then photographed."""
        layers = [
            replace(layer, color=layer.color.to(device), alpha=layer.alpha.to(device))
            for layer in self.layers
        ]
        return replace(self, layers=tuple(layers))

    def all_in_focus(self) -> Tensor:
        """What a pinhole sees, `[3,H,W]` linear light."""
        picture = torch.zeros_like(self.layers[0].color)
        through = torch.ones_like(self.layers[0].alpha)
        for layer in self.layers:
            picture += through * layer.color
            through = through * (1 - layer.alpha)
        edge = self.margin * SUPERSAMPLING
        inner = picture[:, edge : picture.shape[1] - edge, edge : picture.shape[2] - edge]
        return F.avg_pool2d(inner, SUPERSAMPLING)

    def disparity(self) -> Tensor:
        """Disparity `[1,H,W]` of what is in view at the middle of each pixel."""
        x, y = self._positions()
        seen = self._plane(self.layers[-1], x, y)[None]
        for layer in reversed(self.layers[:-1]):
            covering = self._sampled(layer.alpha, x, y) >= 0.5
            seen = torch.where(covering, self._plane(layer, x, y), seen)
        return seen

    def defocused(
        self, focus: float, level: float, samples: int | Sequence[tuple[float, float]]
    ) -> Tensor:
        """The photograph.

        Args:
            focus: disparity that is sharp.
            level: blur radius in px per unit of disparity.
            samples: points on the lens: how many, spread evenly over a circle, or where they are,
                in radii of the aperture.

        Returns:
            `[3,H,W]` linear light.
        """
        x, y = self._positions()
        total = x.new_zeros(3, *self.size)
        points = points_in_circle(samples) if isinstance(samples, int) else samples
        for index, lens in enumerate(points):
            # Places spread over the pixel, one for each point, make a pixel of the sensor.
            dx, dy = ((index + 0.5) * step % 1 - 0.5 for step in PLASTIC_STEPS)
            total += self._seen_through(lens, x + dx, y + dy, focus, level)
        return total / len(points)

    def _seen_through(
        self, lens: tuple[float, float], x: Tensor, y: Tensor, focus: float, level: float
    ) -> Tensor:
        """The sharp picture from one point of the lens."""
        picture, through = x.new_zeros(3, *self.size), x.new_ones(1, *self.size)
        for layer in self.layers:
            half = sum(self.size) / 4  # half the mean extent
            slope = (level / half * layer.disparity[1], level / half * layer.disparity[2])
            radius = source_radius(level * (self._plane(layer, x, y) - focus), slope, lens)
            from_x, from_y = x - radius * lens[0], y - radius * lens[1]
            light = self._sampled(torch.cat([layer.color, layer.alpha]), from_x, from_y)
            picture += through * light[:3]
            through = through * (1 - light[3:])
        return picture

    def _plane(self, layer: Layer, x: Tensor, y: Tensor) -> Tensor:
        middle, right, down = layer.disparity
        half = sum(self.size) / 4
        return middle + (right * x + down * y) / half

    def _positions(self) -> tuple[Tensor, Tensor]:
        """Middles of the pixels, px from the picture's middle."""
        grid, place = Grid.of_size(*self.size), self.layers[0].alpha.device
        return torch.from_numpy(grid.x).to(place), torch.from_numpy(grid.y).to(place)

    def _sampled(self, values: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Values `[C,h,w]` of a layer at positions from the picture's middle, px."""
        height, width = (side + 2 * self.margin for side in self.size)
        grid = torch.stack([x * 2 / width, y * 2 / height], dim=-1)
        return F.grid_sample(values[None], grid[None], padding_mode="border", align_corners=False)[
            0
        ]


def source_radius(radius: Tensor, slope: tuple[float, float], lens: tuple[float, float]) -> Tensor:
    """Blur radius at the place of a plane that is seen at x through a point of the lens.

    That place p is at p + r(p) w = x, and r is linear: r(p) = r(x) / (1 + grad r · w).

    Args:
        radius: r(x), the signed blur radius of the plane at the places x, px.
        slope: change of the blur radius per px to the right and down.
        lens: the point w, in radii of the aperture.
    """
    return radius / (1 + slope[0] * lens[0] + slope[1] * lens[1])


def points_in_circle(count: int) -> list[tuple[float, float]]:
    """Points that cover a circle of radius 1 evenly."""
    points = []
    for index in range(count):
        radius, angle = ((index + 0.5) / count) ** 0.5, GOLDEN_ANGLE * index
        points.append((radius * np.cos(angle), radius * np.sin(angle)))
    return points


def random_scene(size: tuple[int, int], margin: int, random: np.random.Generator) -> Scene:
    """A scene of two to `MAX_LAYERS` layers.

    Args:
        size: height and width of the picture, px.
        margin: how far beyond the picture the layers go, px; the largest blur radius.
        random: decides everything.
    """
    height, width = (SUPERSAMPLING * (side + 2 * margin) for side in size)
    count = int(random.integers(2, MAX_LAYERS + 1))
    planes = _planes(count, random)
    layers = []
    for index, plane in enumerate(planes):
        is_last = index == count - 1
        color = texture(height, width, random)
        if random.random() < 0.25:
            color = color * random.uniform(0.03, 0.4)  # in the shade
        if is_last and random.random() < 0.2:
            color = np.maximum(color * random.uniform(0.05, 1.0), lights(height, width, random))
        alpha = np.ones((height, width), np.float32)
        if not is_last:
            kind = SILHOUETTES[random.integers(len(SILHOUETTES))]
            alpha = kind(Grid.of_size(height, width), random)
        opacity = torch.from_numpy(alpha)[None]
        layers.append(
            Layer(torch.from_numpy(np.ascontiguousarray(color)) * opacity, opacity, plane)
        )
    return Scene(tuple(layers), size, margin)


def _planes(count: int, random: np.random.Generator) -> list[tuple[float, float, float]]:
    """Disparities from near to far that do not cross within the picture and its margin."""
    middles = np.sort(random.uniform(0.0, 1.0, count))[::-1]
    gaps = -np.diff(middles, append=middles[-1] - 0.2)
    planes = []
    for index, middle in enumerate(middles):
        room = min(gaps[index], gaps[index - 1] if index else 0.2)
        steepness = random.choice([0.0, 0.5, 1.0]) * random.uniform(0, 0.3) * room
        turn = random.uniform(0, 2 * np.pi)
        right, down = steepness * np.cos(turn), steepness * np.sin(turn)
        planes.append((float(middle), float(right), float(down)))
    return planes
