"""Depth of planar pictures from a network, for all that takes arrays or files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..lens.color import displayed
from ..lens.depth import Depth
from ..lens.optics import Camera
from ..models.depth.handle import open_depth_estimator
from .devices import working_device


def estimated(
    pictures: Tensor,
    model: str | Path,
    *,
    camera: Camera | None = None,
    focal_length_px: float | Tensor | None = None,
    resolution: int | None = None,
    linear: bool = False,
    device: torch.device | str | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Depth:
    """The depth of pictures `[B,3,H,W]`; arguments and errors as in `estimate_depth`."""
    coded = displayed(pictures) if linear else pictures
    if camera is not None:
        focal_length_px = camera.for_image(*pictures.shape[-2:]).focal_length_px
    place = working_device(device)
    estimator = open_depth_estimator(model, place, resolution)
    return estimator.estimate(coded, focal_length_px, place, on_progress)
