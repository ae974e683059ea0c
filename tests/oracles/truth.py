"""The path-traced photographs of `tests/truth/*.npz`, made by `make_scenes.py` there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from focuspuller.lens.defocus import Defocus, defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import Lens, render
from torch import Tensor

TRUTH = Path(__file__).parents[1] / "truth"


@dataclass(frozen=True)
class Scene:
    """A path-traced scene; images are linear light `[1,3,H,W]`."""

    all_in_focus: Tensor
    defocused: Tensor
    depth: Depth
    camera: Camera
    focus: Focus
    max_radius_px: float
    smooth: bool

    def defocus(self, camera: Camera | None = None) -> Defocus:
        return defocus_from_camera(self.depth, self.focus, camera or self.camera)

    def with_depth(self, depth: Depth) -> Scene:
        """The same scene, of which less is known."""
        return replace(self, depth=depth)

    def rendered(self, lens: Lens, camera: Camera | None = None) -> Tensor:
        return render(self.all_in_focus, self.defocus(camera), lens)

    def psnr(self, picture: Tensor) -> float:
        """Likeness to the photograph in dB, as seen on a screen, away from the frame.

        Near the frame the photograph holds light from outside the picture.
        """
        margin = math.ceil(self.max_radius_px)
        coded = [
            image[..., margin:-margin, margin:-margin].clamp(0, 1) ** (1 / 2.2)
            for image in (picture, self.defocused)
        ]
        return -10 * math.log10(float((coded[0] - coded[1]).square().mean()))


@cache
def load(name: str) -> Scene:
    with np.load(TRUTH / f"{name}.npz") as file:
        stored = {key: file[key] for key in file}
    images = {
        key: torch.from_numpy(stored[key]).float().movedim(-1, 0)[None]
        for key in ("all_in_focus", "defocused")
    }
    return Scene(
        **images,
        depth=Depth.from_metres(torch.from_numpy(stored["depth"])[None, None]),
        camera=Camera(
            float(stored["focal_length_mm"]),
            float(stored["f_number"]),
            float(stored["sensor_width_mm"]),
        ),
        focus=Focus.at_distance(float(stored["focus_distance"])),
        max_radius_px=float(stored["max_radius_px"]),
        smooth=bool(stored["smooth"]),
    )
