"""DiffCamera: a photo refocused in one go, by a point and a bokeh level (SIGGRAPH Asia 2025)."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor

from ...errors import InputError
from ...lens.depth import Depth
from ..flux.base import FluxBase
from ..flux.camera import CameraSetting
from ..flux.layout import AdapterFile
from ..flux.networks import Kind, diffcamera_conditions
from .canvas import whole_tokens
from .colors import without_drift
from .generation import Generation, Shown, check_pictures, one_for_each
from .maps import depth_picture
from .sampling import NOBODY, Sampling, Watch


@torch.no_grad()
def refocus(
    base: FluxBase,
    adapter: AdapterFile,
    photo: Tensor,
    point: tuple[float, float],
    bokeh_level: float,
    depth: Depth | None = None,
    sampling: Sampling | None = None,
    keep_colors: bool = True,
    watch: Watch = NOBODY,
) -> Tensor:
    """Photos with another focus, with more blur or with none, whatever they have now.

    The camera token speaks of the whole picture, so it is never made of tiles; the network was
    trained at 512² and 1024² px.

    Args:
        base: FLUX.1-dev.
        adapter: DiffCamera's, with its camera projection.
        photo: `[B,3,H,W]` sRGB 0..1, of any size.
        point: (x, y) to focus on, as fractions of width and height from the top left.
        bokeh_level: K, blur radius in px of the photo between what is nearest and what is
            farthest; 0 for all in focus.
        depth: of each photo, or one for all, metric or relative; without it the network goes by the
            photo alone.
        sampling: how the picture is made.
        keep_colors: take drift of colours out; see `colors`.
        watch: who is told how far it is.

    Returns:
        `[B,3,H,W]` sRGB 0..1, float32 on the photo's device.

    Raises:
        InputError: pictures that are none, a point outside, a level below zero, depth that does not
            fit, or an adapter for something else or another base model.
    """
    check_pictures(photo)
    if adapter.camera is None:
        advice = "Give an adapter that was trained as DiffCamera."
        raise InputError("adapter", "one without a camera projection", advice)
    height, width = photo.shape[-2:]
    setting = _setting(point, bokeh_level, height, width)
    depths = depth_picture(depth, height, width)
    one_for_each(len(depths), len(photo), "depth")
    whole = replace(sampling or Sampling(), tile=False)
    generation = Generation(
        base, Kind.DIFFCAMERA, {Kind.DIFFCAMERA: adapter}, whole, watch, pictures=len(photo)
    )
    project = deepcopy(adapter.camera).to("cpu", torch.float32)
    camera = project(setting.vector()[None]).to(base.device, base.dtype)
    results = []
    for index, picture in enumerate(photo.float().clamp(0.0, 1.0).split(1)):
        shown = Shown.of(base, picture)
        seen = Shown.of(base, depths[min(index, len(depths) - 1)][None]).tokens(base)
        conditions = diffcamera_conditions(shown.tokens(base), seen, camera, shown.grid)
        result = generation.picture(picture, shown, conditions, index)
        results.append(without_drift(result, picture) if keep_colors else result)
    return torch.cat(results)


def _setting(
    point: tuple[float, float], bokeh_level: float, height: int, width: int
) -> CameraSetting:
    """What the camera token says, as fractions of what the network sees: whole tokens."""
    x, y = point
    if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
        advice = "Give x and y as fractions of the image, 0..1 from the top left."
        raise InputError("focus_point", f"({x:g}, {y:g})", advice)
    if not 0.0 <= bokeh_level < math.inf:
        raise InputError("bokeh_level", str(bokeh_level), "Give a number, zero or more.")
    rows, columns = (whole_tokens(side) for side in (height, width))
    return CameraSetting(x * width / columns, y * height / rows, bokeh_level / max(rows, columns))
