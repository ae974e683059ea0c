"""sRGB coding and linear light. Rendering happens in linear light; files and screens are coded."""

from __future__ import annotations

import torch
from torch import Tensor


def srgb_to_linear(coded: Tensor) -> Tensor:
    """Decode sRGB (IEC 61966-2-1). Any shape; 0..1, values above 1 continue the curve."""
    toe = coded / 12.92
    # The clamp keeps the unused branch of `where` free of NaN gradients.
    curve = ((coded.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(coded <= 0.04045, toe, curve)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """Encode linear light as sRGB. Any shape; inverse of `srgb_to_linear`."""
    toe = linear * 12.92
    curve = 1.055 * linear.clamp(min=0.0031308) ** (1.0 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, toe, curve)


def displayed(light: Tensor) -> Tensor:
    """What a screen shows of linear light: sRGB, clipped to 0..1."""
    return linear_to_srgb(light.clamp(0.0, 1.0))


def decode_gamma(coded: Tensor, gamma: float) -> Tensor:
    """`coded ** gamma`, negatives clamped to 0 (BokehMe renders in this space, gamma 1..5)."""
    return coded.clamp(min=0.0) ** gamma


def encode_gamma(decoded: Tensor, gamma: float) -> Tensor:
    """Inverse of `decode_gamma`. The floor keeps the gradient finite at black; it is invisible."""
    return decoded.clamp(min=1e-20) ** (1.0 / gamma)


def luminance(image: Tensor) -> Tensor:
    """`[B,3,H,W]` to `[B,1,H,W]`: Rec. 709 weights, so that equal channels keep their value."""
    weights = image.new_tensor((0.2126, 0.7152, 0.0722)).view(1, 3, 1, 1)
    return (image * weights).sum(1, keepdim=True)
