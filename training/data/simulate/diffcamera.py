"""DiffCamera's pairs: each picture at focus planes 0, 0.05, …, 1 and bokeh levels 1 to 20.

DiffCamera, section 4.1 and appendix D: depth is relative with 1 = nearest, and a picture focused at
plane p with level K is blurred by the radius K |d − p|. With the picture itself that makes
21 · 20 + 1 = 421 variants of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ....errors import InputError
from ....lens.depth import Depth
from ....lens.render import Lens
from ..records import Blur, Source
from .pictures import photograph, record_for, scene_random, sharp_picture
from .scene import Shot, SimulatedScene, point_in_focus

PLANES = tuple(round(0.05 * step, 2) for step in range(21))
LEVELS = tuple(range(1, 21))


@dataclass(frozen=True)
class DiffCameraSettings:
    """What is made of each picture.

    Args:
        size_px: height and width of the pictures.
        shots: how many of the 420 blurred variants, by lot; 420 for all.
        lens: renderer; "bokehme" is closest to the paper's, "layered" hides what is behind edges.
    """

    size_px: int = 512
    shots: int = 4
    lens: str = "layered"

    def __post_init__(self) -> None:
        most = len(PLANES) * len(LEVELS)
        if not 1 <= self.shots <= most:
            raise InputError("shots", str(self.shots), f"Give 1 to {most}.")
        Lens(self.lens)


@dataclass(frozen=True)
class DiffCameraSimulator:
    """Makes scenes of sharp pictures.

    Args:
        settings: of all scenes.
        source: sharp pictures with depth.
        seed: decides everything.
        device: where to render.
    """

    settings: DiffCameraSettings
    source: Source
    seed: int
    device: torch.device | None = None

    def scene(self, index: int) -> SimulatedScene:
        """One scene."""
        random = scene_random(self.seed, index)
        pair = record_for(self.source, self.seed, index)
        image, depth = sharp_picture(pair, self.settings.size_px, random)
        depth = relative_to_view(depth)
        grid = [(plane, level) for plane in PLANES for level in LEVELS]
        chosen = np.sort(random.permutation(len(grid))[: self.settings.shots])
        shots = tuple(
            Shot(
                Blur(float(level), plane, is_metric=False),
                point_in_focus(depth, plane, random.random()),
            )
            for plane, level in (grid[number] for number in chosen)
        )
        lens = Lens(self.settings.lens)
        return SimulatedScene(
            source=pair.name,
            all_in_focus=image,
            depth=depth,
            shots=shots,
            photograph=lambda shot: photograph(image, depth, shot, lens, device=self.device),
        )


def relative_to_view(depth: Depth) -> Depth:
    """Relative disparity that spans 0..1 of what is in view."""
    low, high = depth.disparity.amin(), depth.disparity.amax()
    return Depth((depth.disparity - low) / (high - low).clamp(min=1e-12), is_metric=False)
