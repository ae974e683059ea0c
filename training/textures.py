"""Surfaces' colours: procedural textures with the statistics of photographs, in linear light.

Every kind maps (height, width, random) to one channel of structure, roughly -2..2; `texture`
makes colour of two of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .noise import smooth_noise
from .silhouettes import Grid, covered

Array = NDArray[np.float32]
Structure = Callable[[int, int, np.random.Generator], Array]

GAMMA = 2.2
MAX_LIGHTS = 6


def flat(height: int, width: int, random: np.random.Generator) -> Array:
    """A plain surface with shading."""
    grid = Grid.of_size(height, width)
    along, _ = grid.seen_from((0.0, 0.0), random.uniform(0, 2 * np.pi))
    return along / grid.extent


def natural(height: int, width: int, random: np.random.Generator) -> Array:
    """Noise with a photograph's spectrum."""
    return smooth_noise(height, width, random.uniform(0.6, 1.8), random)


def stretched(height: int, width: int, random: np.random.Generator) -> Array:
    """Noise drawn out in one direction, like wood and cloth."""
    stretch = int(random.integers(3, 10))
    rows = smooth_noise(height // stretch + 1, width, random.uniform(0.5, 1.2), random)
    positions = np.arange(height) / stretch
    below = positions.astype(int)
    share = (positions - below).astype(np.float32)[:, None]
    noise = rows[below] * (1 - share) + rows[np.minimum(below + 1, len(rows) - 1)] * share
    is_upright = random.random() < 0.5 or height != width
    return (noise if is_upright else noise.T).astype(np.float32)


def patches(height: int, width: int, random: np.random.Generator) -> Array:
    """Overlapping ellipses of all sizes: the dead-leaves model of natural images."""
    grid = Grid.of_size(height, width)
    structure = np.full((height, width), random.normal(), np.float32)
    sizes = grid.extent * 0.015 * random.pareto(1.5, random.integers(20, 150))
    for size in np.sort(np.clip(sizes + 1.5, 1.5, grid.extent / 4))[::-1]:
        centre = grid.place(random, 1.0)
        reach = int(2 * size) + 2
        row, column = int(centre[1] + height / 2), int(centre[0] + width / 2)
        window = (
            slice(max(0, row - reach), row + reach),
            slice(max(0, column - reach), column + reach),
        )
        near = Grid(grid.x[window], grid.y[window])
        along, across = near.seen_from(centre, random.uniform(0, np.pi))
        inside = size - np.hypot(along / random.uniform(0.5, 2), across)
        share = covered(inside)
        structure[window] += share * (random.normal() - structure[window])
    return structure


def pattern(height: int, width: int, random: np.random.Generator) -> Array:
    """Stripes or checks."""
    grid = Grid.of_size(height, width)
    along, across = grid.seen_from((0.0, 0.0), random.uniform(0, np.pi))
    length = grid.extent * random.uniform(0.03, 0.25)
    sharpness = random.uniform(1, 12)
    wave = np.sin(2 * np.pi * along / length)
    if random.random() < 0.5:
        wave = wave * np.sin(2 * np.pi * across / length / random.uniform(0.5, 2))
    return np.tanh(sharpness * wave).astype(np.float32)


STRUCTURES: tuple[Structure, ...] = (flat, natural, stretched, patches, patches, pattern)


def texture(height: int, width: int, random: np.random.Generator) -> Array:
    """A textured surface.

    Returns:
        `[3,H,W]` linear light, 0..1.
    """
    base = random.beta(1.5, 1.8) * np.ones(3) + random.normal(0, 0.12, 3)
    coded = np.broadcast_to(base[:, None, None], (3, height, width)).astype(np.float32)
    for strength in (random.uniform(0.02, 0.22), random.uniform(0.0, 0.12)):
        structure = random.choice(np.array(STRUCTURES, object))(height, width, random)
        tint = np.ones(3) + random.normal(0, random.choice([0.1, 0.6]), 3)
        coded = coded + strength * tint[:, None, None].astype(np.float32) * structure
    shading = 1 + 0.2 * random.random() * flat(height, width, random)
    return np.clip(coded * shading, 0.005, 1.0).astype(np.float32) ** GAMMA


def lights(height: int, width: int, random: np.random.Generator) -> Array:
    """Small lamps to add to a surface, `[3,H,W]` linear light, brighter than white."""
    grid = Grid.of_size(height, width)
    added = np.zeros((3, height, width), np.float32)
    for _ in range(random.integers(1, MAX_LIGHTS + 1)):
        along, across = grid.seen_from(grid.place(random), 0.0)
        lamp = covered(random.uniform(0.8, 5.0) - np.hypot(along, across))
        color = random.uniform(2, 30) * random.uniform(0.5, 1.0, 3)
        added = np.maximum(added, lamp * color[:, None, None].astype(np.float32))
    return added
