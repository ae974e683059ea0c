"""Images and masks at the edges: artists' `[B,H,W,C]` outside, `[B,C,H,W]` inside."""

from __future__ import annotations

import logging

import torch
from einops import rearrange
from torch import Tensor

from ..errors import InputError

logger = logging.getLogger(__name__)


def to_planar(image: Tensor, subject: str = "image") -> Tensor:
    """`[B,H,W,C]` with C = 1, 3 or 4 to `[B,3,H,W]`.

    Grey becomes three equal channels; a fourth channel (opacity) is dropped, which is logged.

    Args:
        image: floats.
        subject: what an error calls the image.

    Raises:
        InputError: another shape, an empty batch, or values that are not floats.
    """
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or 0 in image.shape:
        raise InputError(
            subject, f"shape {list(image.shape)}", "Give images [B,H,W,3] with B, H and W above 0."
        )
    if not image.is_floating_point():
        raise InputError(subject, f"values of type {image.dtype}", "Give floats 0..1.")
    if image.shape[-1] == 4:
        logger.warning("%s: the fourth channel (opacity) is dropped.", subject)
    planar = rearrange(image[..., :3], "b h w c -> b c h w")
    return planar.expand(-1, 3, -1, -1)


def mask_to_planar(mask: Tensor, subject: str = "mask") -> Tensor:
    """Masks `[B,H,W]` or one `[H,W]` to `[B,1,H,W]` float.

    Args:
        mask: numbers of any type.
        subject: what an error calls the mask.

    Raises:
        InputError: another shape, or an empty batch.
    """
    if mask.ndim not in (2, 3) or 0 in mask.shape:
        raise InputError(
            subject, f"shape {list(mask.shape)}", "Give masks [B,H,W] with B, H and W above 0."
        )
    return mask.reshape(-1, 1, *mask.shape[-2:]).float()


def check_finite(image: Tensor, subject: str = "image") -> None:
    """Refuse pixels that are NaN or infinite, `[B,C,H,W]`.

    Raises:
        InputError: there are some; it says how many.
    """
    is_bad = ~torch.isfinite(image)
    if not bool(is_bad.any()):
        return
    count, pixels = int(is_bad.any(1).sum()), is_bad[:, 0].numel()
    raise InputError(
        subject,
        f"{count} NaN or infinite pixels of {pixels}",
        "Repair them where they come from (a renderer's fireflies, a division by zero), or replace "
        "them with their surroundings.",
    )


def without_negative_light(image: Tensor, subject: str = "image") -> Tensor:
    """Negative values set to 0, which is logged.

    They are colours outside the colour space, common in EXR files. No lens can spread them.

    Args:
        image: `[B,C,H,W]`.
        subject: what the log calls the image.
    """
    is_negative = image < 0
    if not bool(is_negative.any()):
        return image
    count = int(is_negative.any(1).sum())
    logger.warning("%s: negative light in %d pixels is taken as none.", subject, count)
    return image.clamp(min=0.0)


def to_interleaved(image: Tensor) -> Tensor:
    """`[B,C,H,W]` to contiguous `[B,H,W,C]`."""
    return rearrange(image, "b c h w -> b h w c").contiguous()
