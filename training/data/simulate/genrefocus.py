"""Generative Refocusing's synthetic pairs: a random focus plane and a random bokeh level.

Section 3.2.1 (a), and for shapes of the aperture section 3.3.1 (eq. 6). The focus plane is that of
a random pixel, so that something is in focus.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ....errors import InputError
from ....lens.aperture import CIRCLE, Aperture
from ....lens.depth import Depth
from ....lens.render import Lens
from ..records import Blur, Source
from .pictures import photograph, record_for, scene_random, sharp_picture
from .scene import Shot, SimulatedScene, focus_at_pixel
from .shapes import random_aperture

# The condition of BokehNet holds blur radii up to this, px.
MAX_RADIUS = 100.0


@dataclass(frozen=True)
class GenRefocusSettings:
    """What is made of each picture.

    Args:
        size_px: height and width of the pictures.
        shots: pictures of each scene.
        least_level, largest_level: range of the bokeh level K, px per unit of disparity (1/m with
            metric depth), drawn evenly. Lower where a blur radius would exceed 100 px.
        lens: renderer; "bokehme" is closest to the paper's, "layered" hides what is behind edges.
        highlight_stops: how much brighter than white clipped pixels are rendered; discs of lights
            show only if they are.
    """

    size_px: int = 512
    shots: int = 1
    least_level: float = 1.0
    largest_level: float = 50.0
    lens: str = "layered"
    highlight_stops: float = 0.0

    def __post_init__(self) -> None:
        if self.shots < 1:
            raise InputError("shots", str(self.shots), "Give 1 or more.")
        if not 0 < self.least_level <= self.largest_level:
            levels = f"{self.least_level:g}..{self.largest_level:g}"
            raise InputError("least_level, largest_level", levels, "Give a range above zero.")
        Lens(self.lens)


@dataclass(frozen=True)
class GenRefocusSimulator:
    """Makes scenes of sharp pictures, with round discs.

    Args:
        settings: of all scenes.
        source: sharp pictures with depth.
        seed: decides everything.
        device: where to render.
    """

    settings: GenRefocusSettings
    source: Source
    seed: int
    device: torch.device | None = None

    def scene(self, index: int) -> SimulatedScene:
        """One scene."""
        settings = self.settings
        random = scene_random(self.seed, index)
        pair = record_for(self.source, self.seed, index)
        image, depth = sharp_picture(pair, settings.size_px, random)
        shots = tuple(
            _shot(depth, settings, self.aperture(random), random) for _ in range(settings.shots)
        )
        lens, stops = Lens(settings.lens), settings.highlight_stops
        return SimulatedScene(
            source=pair.name,
            all_in_focus=image,
            depth=depth,
            shots=shots,
            photograph=lambda shot: photograph(image, depth, shot, lens, stops, self.device),
        )

    def aperture(self, random: np.random.Generator) -> Aperture:
        """That of a shot."""
        del random
        return CIRCLE


class ShapesSimulator(GenRefocusSimulator):
    """The same with discs of a random shape in each shot; needs lights, so that shapes show."""

    def aperture(self, random: np.random.Generator) -> Aperture:
        """That of a shot."""
        return random_aperture(random)


def _shot(
    depth: Depth, settings: GenRefocusSettings, aperture: Aperture, random: np.random.Generator
) -> Shot:
    height, width = depth.size
    plane, point = focus_at_pixel(depth, int(random.integers(height)), int(random.integers(width)))
    farthest = float((depth.disparity - plane).abs().amax())
    limit = MAX_RADIUS / farthest if farthest > 0 else settings.largest_level
    level = random.uniform(settings.least_level, settings.largest_level)
    return Shot(Blur(min(level, limit), plane, depth.is_metric), point, aperture)
