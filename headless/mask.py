"""Masks of subjects, and masks refined by the picture they belong to, for arrays."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..lens.color import displayed
from ..lens.matting import refined_mask
from ..models.birefnet import handle
from .devices import device_called, working_device
from .render import Array, Map, opened, planar_map


def subject_mask(
    image: Array,
    model: str | Path | None = None,
    *,
    resolution: int = handle.RESOLUTION,
    linear: bool = False,
    device: torch.device | str | None = None,
) -> Tensor:
    """Find the subject of a picture with BiRefNet, whose weights are on this machine.

    Args:
        image: `[H,W,3]` or `[B,H,W,3]` floats, sRGB-coded.
        model: file of the weights; None looks for them in their folders.
        resolution: side of the square in which the network sees the picture, px; a multiple of 32.
        linear: `image` is linear light.
        device: where to compute; by default CUDA if there is one.

    Returns:
        `[H,W]` or `[B,H,W]`, 0..1, float32, on the image's device.

    Raises:
        InputError: another shape, NaN or infinite pixels, or a resolution that is none.
        FileError: the weights are missing, damaged or another network's.

    Example:
        >>> near = render(photo, depth, focus_mask=subject_mask(photo), camera=Camera(50, 1.4))
    """
    pictures, _ = opened(image)
    coded = displayed(pictures) if linear else pictures
    place = working_device(device)
    path = None if model is None else Path(model)
    masks = handle.subject_mask(coded, path, resolution, place)[:, 0]
    return masks[0] if image.ndim == 3 else masks


def refine_mask(
    mask: Map,
    image: Array,
    radius: int = 10,
    *,
    linear: bool = False,
    device: torch.device | str | None = None,
) -> Tensor:
    """Give a mask the soft outline that the picture has: hair, fur, blurred edges.

    Args:
        mask: `[H,W]` or `[B,H,W]`, 0..1, about right.
        image: `[H,W,3]` or `[B,H,W,3]` floats, sRGB-coded, of the same size.
        radius: how far from the outline the mask is made anew, px.
        linear: `image` is linear light.
        device: where to compute; by default where the mask is.

    Returns:
        `[H,W]` or `[B,H,W]`, 0..1, float32.

    Raises:
        InputError: sizes or batches do not fit, or there are NaN.

    Example:
        >>> lens = Lens("drbokeh", DrBokehOptions(foreground=refine_mask(mask, photo.image)))
    """
    pictures, _ = opened(image)
    masks = planar_map(mask, "mask")
    place = device_called(device) or masks.device
    coded = displayed(pictures) if linear else pictures
    refined = refined_mask(masks.to(place), coded.to(place), radius).to(masks.device)[:, 0]
    return refined[0] if mask.ndim == 2 else refined
