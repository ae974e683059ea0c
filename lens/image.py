"""Images and masks at the edges: artists' `[B,H,W,C]` outside, `[B,C,H,W]` inside."""

from __future__ import annotations

import logging

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


def to_interleaved(image: Tensor) -> Tensor:
    """`[B,C,H,W]` to contiguous `[B,H,W,C]`."""
    return rearrange(image, "b c h w -> b h w c").contiguous()
