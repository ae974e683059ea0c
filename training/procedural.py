"""Photographs of procedural scenes by daylight: data that needs no files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..lens.color import linear_to_srgb
from ..lens.depth import Depth
from .data.records import Blur
from .data.simulate.pictures import scene_random
from .data.simulate.scene import Shot, SimulatedScene, point_in_focus
from .scenes import random_scene
from .series import SimulatedSeries

# Photographs focus on the nearest or the farthest part of this much of the range of disparity.
END_OF_RANGE = 0.3
LENS_POINTS = 24


@dataclass(frozen=True)
class ProceduralSimulator:
    """Makes textured layers, photographed by an exact lens.

    Photographs focus in turn on what is far and on what is near, so that those of a scene differ.

    Args:
        size_px: height and width of the pictures.
        largest_radius: of the blur, px; each photograph has between a third of it and it.
        shots: photographs of each scene.
        seed: decides everything.
    """

    size_px: int
    largest_radius: float
    shots: int = 2
    seed: int = 0

    def scene(self, index: int) -> SimulatedScene:
        """One scene."""
        random = scene_random(self.seed, index)
        size = (self.size_px, self.size_px)
        scene = random_scene(size, int(np.ceil(self.largest_radius)) + 1, random)
        disparity = scene.disparity()
        low, span = disparity.amin(), (disparity.amax() - disparity.amin()).clamp(min=1e-3)
        depth = Depth.from_relative(((disparity - low) / span)[None])

        def photograph(shot: Shot) -> Tensor:
            # The scene's own disparity does not span 0..1.
            focus = float(low + shot.blur.focus_disparity * span)
            level = shot.blur.level / float(span)
            return _coded(scene.defocused(focus, level, LENS_POINTS))

        return SimulatedScene(
            source="procedural",
            all_in_focus=_coded(scene.all_in_focus()),
            depth=depth,
            shots=tuple(self._shot(depth, number, random) for number in range(self.shots)),
            photograph=photograph,
        )

    def _shot(self, depth: Depth, number: int, random: np.random.Generator) -> Shot:
        share = random.uniform(0.0, END_OF_RANGE)
        plane = share if number % 2 == 0 else 1.0 - share
        radius = self.largest_radius * random.uniform(1 / 3, 1.0)
        blur = Blur(radius / max(plane, 1.0 - plane), plane, is_metric=False)
        return Shot(blur, point_in_focus(depth, plane, random.random()))


def procedural_series(
    scenes: int, size_px: int, radius_share: float, seed: int, photographs: int = 2
) -> SimulatedSeries:
    """Data to try a training with.

    Args:
        scenes: how many, made in memory.
        size_px: height and width of the pictures.
        radius_share: largest blur radius as a share of that.
        seed: decides everything.
        photographs: of each scene.
    """
    simulator = ProceduralSimulator(size_px, radius_share * size_px, photographs, seed)
    return SimulatedSeries(simulator, scenes)


def _coded(light: Tensor) -> Tensor:
    with torch.no_grad():
        return linear_to_srgb(light.clamp(0.0, 1.0))
