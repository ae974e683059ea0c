"""Outlines of things: alpha maps of many kinds, antialiased, drawn from a random generator.

Every kind maps (grid, random) to coverage `[H,W]` 0..1. Lengths are in px of the map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .noise import smooth_noise

Array = NDArray[np.float32]
Silhouette = Callable[["Grid", np.random.Generator], Array]


@dataclass(frozen=True)
class Grid:
    """Pixel positions of a map, from its centre.

    Args:
        x: `[H,W]` px to the right.
        y: `[H,W]` px down.
    """

    x: Array
    y: Array

    @classmethod
    def of_size(cls, height: int, width: int) -> Grid:
        """The grid of a map."""
        y, x = np.mgrid[:height, :width].astype(np.float32)
        return cls(x - (width - 1) / 2, y - (height - 1) / 2)

    @property
    def extent(self) -> float:
        """Mean of height and width, px."""
        return sum(self.x.shape) / 2

    def place(self, random: np.random.Generator, inner: float = 0.9) -> tuple[float, float]:
        """A random position within the inner share of the map."""
        height, width = self.x.shape
        x, y = random.uniform(-0.5, 0.5, 2) * inner
        return float(x * width), float(y * height)

    def seen_from(self, place: tuple[float, float], turn: float) -> tuple[Array, Array]:
        """Coordinates along and across a direction (radians) at a place."""
        dx, dy = self.x - place[0], self.y - place[1]
        along = np.cos(turn) * dx + np.sin(turn) * dy
        return along.astype(np.float32), (np.cos(turn) * dy - np.sin(turn) * dx).astype(np.float32)


def covered(distance: NDArray[np.floating]) -> Array:
    """Coverage of pixels from the signed distance to the outline (positive inside), px."""
    return np.clip(distance + 0.5, 0.0, 1.0).astype(np.float32)


def blob(grid: Grid, random: np.random.Generator) -> Array:
    """A closed curve of a few waves around a centre."""
    along, across = grid.seen_from(grid.place(random), random.uniform(0, 2 * np.pi))
    radius = grid.extent * random.uniform(0.08, 0.35)
    angle = np.arctan2(across, along * random.uniform(0.5, 1.0))
    outline = np.full_like(angle, radius)
    for waves in range(2, 9):
        strength = radius * random.uniform(0, 0.35) / waves
        outline += strength * np.cos(waves * angle + random.uniform(0, 2 * np.pi))
    return covered(outline - np.hypot(along, across))


def polygon(grid: Grid, random: np.random.Generator) -> Array:
    """A convex polygon of three to seven sides."""
    place, sides = grid.place(random), random.integers(3, 8)
    radius = grid.extent * random.uniform(0.08, 0.35)
    turns = np.linspace(0, 2 * np.pi, sides, endpoint=False) + random.uniform(-0.3, 0.3, sides)
    inside = np.full_like(grid.x, np.inf)
    for turn in turns + random.uniform(0, 2 * np.pi):
        along, _ = grid.seen_from(place, turn)
        inside = np.minimum(inside, radius * random.uniform(0.6, 1.0) - along)
    return covered(inside)


def half_plane(grid: Grid, random: np.random.Generator) -> Array:
    """Everything to one side of a wavy line, such as a hill or a wall."""
    along, across = grid.seen_from(grid.place(random, 0.7), random.uniform(0, 2 * np.pi))
    line = np.zeros_like(along)
    for _ in range(random.integers(0, 4)):
        length = grid.extent * random.uniform(0.1, 0.8)
        line += 0.06 * length * np.sin(2 * np.pi * along / length + random.uniform(0, 2 * np.pi))
    return covered(across - line)


def rods(grid: Grid, random: np.random.Generator) -> Array:
    """Straight rods, thin to thick."""
    inside = np.full_like(grid.x, -np.inf)
    for _ in range(random.integers(1, 9)):
        along, across = grid.seen_from(grid.place(random), random.uniform(0, np.pi))
        half_width = np.exp(random.uniform(np.log(0.5), np.log(8)))
        half_length = grid.extent * random.uniform(0.15, 0.8)
        inside = np.maximum(
            inside, np.minimum(half_width - np.abs(across), half_length - np.abs(along))
        )
    return covered(inside)


def hair(grid: Grid, random: np.random.Generator) -> Array:
    """A bundle of bent strands, 0.5 to 3 px wide."""
    inside = np.full_like(grid.x, -np.inf)
    place, turn = grid.place(random, 0.7), random.uniform(0, 2 * np.pi)
    spread, length = random.uniform(0.1, 0.9), grid.extent * random.uniform(0.2, 0.7)
    for _ in range(random.integers(4, 25)):
        start = (place[0] + random.normal(0, 8), place[1] + random.normal(0, 8))
        along, across = grid.seen_from(start, turn + random.normal(0, spread))
        bend = random.normal(0, 0.3) / length
        half_width = random.uniform(0.25, 1.5) * np.clip(1.2 - along / length, 0.3, 1.0)
        strand = half_width - np.abs(across - bend * along**2)
        inside = np.maximum(inside, np.where((along > 0) & (along < length), strand, -np.inf))
    return covered(inside)


def foliage(grid: Grid, random: np.random.Generator) -> Array:
    """Many leaves."""
    inside = np.full_like(grid.x, -np.inf)
    size = grid.extent * random.uniform(0.015, 0.06)
    place, spread = grid.place(random), grid.extent * random.uniform(0.1, 0.3)
    for _ in range(random.integers(15, 60)):
        centre = (place[0] + random.normal(0, spread), place[1] + random.normal(0, spread))
        along, across = grid.seen_from(centre, random.uniform(0, np.pi))
        long, wide = size * random.uniform(0.7, 1.5), size * random.uniform(0.3, 0.7)
        leaf = (1 - np.hypot(along / long, across / wide)) * wide
        inside = np.maximum(inside, leaf)
    return covered(inside)


def fence(grid: Grid, random: np.random.Generator) -> Array:
    """Parallel bars, with crossing ones or without."""
    turn = random.choice([0.0, np.pi / 2]) + random.normal(0, 0.15)
    place = grid.place(random)
    inside = np.full_like(grid.x, -np.inf)
    for across in grid.seen_from(place, turn)[: random.integers(1, 3)]:
        pitch = grid.extent * random.uniform(0.06, 0.3)
        half_width = pitch * random.uniform(0.06, 0.3)
        inside = np.maximum(inside, half_width - np.abs((across % pitch) - pitch / 2))
    return covered(inside)


def letters(grid: Grid, random: np.random.Generator) -> Array:
    """Upright and level strokes and rings in a row, like writing on a sign."""
    place, turn = grid.place(random, 0.6), random.normal(0, 0.2)
    along, across = grid.seen_from(place, turn)
    height = grid.extent * random.uniform(0.06, 0.2)
    stroke = height * random.uniform(0.06, 0.12)
    inside = np.full_like(grid.x, -np.inf)
    for index in range(random.integers(3, 9)):
        x = along - (index - 3) * height * 1.1
        if random.random() < 0.35:
            ring = stroke - np.abs(np.hypot(x, across) - height * 0.4)
            inside = np.maximum(inside, ring)
            continue
        upright = np.minimum(stroke - np.abs(x + 0.35 * height), height / 2 - np.abs(across))
        inside = np.maximum(inside, upright)
        for level in random.choice([-0.44, 0.0, 0.44], random.integers(1, 4), replace=False):
            bar = stroke - np.abs(across - level * height)
            inside = np.maximum(inside, np.minimum(bar, 0.4 * height - np.abs(x)))
    return covered(inside)


def ragged(grid: Grid, random: np.random.Generator) -> Array:
    """Noise above a level: fur, rocks, torn edges, gaps in foliage."""
    height, width = grid.x.shape
    shape = smooth_noise(height, width, random.uniform(1.6, 2.6), random)
    level = random.uniform(-0.3, 0.8)
    down, right = np.gradient(shape)
    slope = np.hypot(down, right) + 1e-3
    return covered((shape - level) / slope)


SILHOUETTES: tuple[Silhouette, ...] = (
    blob,
    polygon,
    half_plane,
    rods,
    hair,
    foliage,
    fence,
    letters,
    ragged,
)
