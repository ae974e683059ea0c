"""Pictures into networks and maps back: sizes, resampling, normalisation. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# Longer pictures are shrunk until they are this many times the resolution.
MAX_ASPECT = 4.0


def network_size(height: int, width: int, resolution: int, multiple: int) -> tuple[int, int]:
    """Size at which a picture goes through a network of patches, aspect kept as well as it can be.

    As Depth Anything has it: the shorter side becomes `resolution`, both sides are rounded to
    multiples of a patch, the shorter one never down. A panorama beyond `MAX_ASPECT` gets smaller:
    the cost of attention grows with the square of the area.

    Args:
        height, width: of the picture, px.
        resolution: px.
        multiple: side of a patch, px.

    Returns:
        (height, width) in px, multiples of `multiple`.
    """
    scale = min(resolution / min(height, width), MAX_ASPECT * resolution / max(height, width))
    least = resolution if scale * min(height, width) >= resolution * (1.0 - 1e-6) else multiple

    def rounded(side: int) -> int:
        patches = round(scale * side / multiple)
        return max(patches, -(-least // multiple)) * multiple

    return rounded(height), rounded(width)


def prepared(
    picture: Tensor,
    size: tuple[int, int],
    mean: Sequence[float],
    deviation: Sequence[float],
    mode: str = "bicubic",
    antialias: bool = True,
) -> Tensor:
    """A picture as a network takes it.

    Args:
        picture: `[B,3,H,W]` sRGB-coded 0..1; beyond that it is cut off.
        size: (height, width) of the result, px.
        mean, deviation: of each channel, which become 0 and 1.
        mode, antialias: how it is resampled.

    Returns:
        `[B,3,h,w]` float32.
    """
    coded = picture.float().clamp(0.0, 1.0)
    if coded.shape[-2:] != size:
        coded = F.interpolate(coded, size, mode=mode, align_corners=False, antialias=antialias)
        coded = coded.clamp(0.0, 1.0)  # Bicubic overshoots.
    middle = coded.new_tensor(mean)[:, None, None]
    return (coded - middle) / coded.new_tensor(deviation)[:, None, None]


def restored(values: Tensor, height: int, width: int) -> Tensor:
    """A network's map `[B,1,h,w]` at the size of the picture, float32, every value in its place."""
    values = values.float()
    if values.shape[-2:] == (height, width):
        return values
    # Without antialiasing, a picture smaller than the network would pick single values.
    return F.interpolate(
        values, (height, width), mode="bilinear", align_corners=False, antialias=True
    )


def scaled_to_unit(values: Tensor) -> Tensor:
    """One map `[1,1,H,W]` stretched to reach from 0 to 1; 0 if it is constant."""
    low, high = torch.aminmax(values)
    return (values - low) / (high - low).clamp(min=1e-12)
