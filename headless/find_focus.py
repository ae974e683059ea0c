"""Where a photographer would focus in pictures, for arrays."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Generic

import torch
from torch import Tensor

from ..lens.color import displayed
from ..lens.depth import Depth
from ..lens.focus import Focus
from ..models.focus_distance import handle
from .devices import device_called
from .render import Array, Map, opened, planar_map, scene_from


@dataclass(frozen=True)
class FoundFocus(Generic[Array]):
    """Where to focus.

    Args:
        focus: one plane per image, for `render`.
        focus_scale: f_s for `render`, a number or, of several images, `[B]`. 1 with weights that
            were not trained for it, and with relative depth.
        saliency: how much each pixel catches the eye, 0..1, `[H,W]` or `[B,H,W]`.
    """

    focus: Focus
    focus_scale: float | Tensor
    saliency: Array


def find_focus(
    image: Array,
    depth: Map | Depth | None = None,
    *,
    disparity: Map | None = None,
    weights: str | os.PathLike[str] | None = None,
    focus_distance: float | None = None,
    focus_mask: Map | None = None,
    focus_range: float = 0.0,
    linear: bool = False,
    device: torch.device | str | None = None,
) -> FoundFocus[Array]:
    """Find where to focus: at the mean depth of what catches the eye (Fine-grained Defocus).

    Exactly one of `depth` and `disparity` has to be given.

    Args:
        image: `[H,W,3]` or `[B,H,W,3]` floats, sRGB-coded.
        depth: metres along the optical axis, `[H,W]` or `[B,H,W]`, or a `Depth`, of any size.
        disparity: relative disparity instead, larger is nearer.
        weights: a trained focus distance transformer, or VST as published (`RGBD_VST.pth`). None
            and "automatic" look for it in the folders of models.
        focus_distance: focus there instead, in metres; scale and saliency stay what they are.
        focus_mask: `[H,W]` or `[B,H,W]`, 0..1: what shall be sharp, instead of what is salient.
        focus_range: how much depth stays sharp around the focus, in the depth's disparity.
        linear: `image` is linear light.
        device: where to compute; by default where the image is.

    Raises:
        FileError: there are no weights, or the file cannot be read or is for another network.
        InputError: something is missing, given twice, or has no meaning.

    Example:
        >>> found = find_focus(photo.image, photo.depth)  # doctest: +SKIP
        >>> render(
        ...     photo.image, photo.depth, focus=found.focus, focus_scale=found.focus_scale,
        ...     camera=Camera(85, 1.8),
        ... )  # doctest: +SKIP
    """
    pictures, restore = opened(image)
    scene = scene_from(depth, disparity).for_image(*pictures.shape[-2:])
    coded = displayed(pictures) if linear else pictures
    found = handle.find_focus(
        handle.focus_transformer(handle.focus_weights(weights)),
        coded,
        scene,
        distance_m=focus_distance,
        mask=None if focus_mask is None else planar_map(focus_mask, "focus_mask"),
        width=focus_range,
        device=device_called(device),
    )
    scale = float(found.scale) if len(found.scale) == 1 else found.scale
    return FoundFocus(found.focus, scale, restore(found.saliency)[..., 0])
