"""BiRefNet from a file: loaded once, shared, and what goes before and after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ...errors import InputError
from ...lens.image import check_finite
from ..depth.pixels import prepared, restored
from ..lending import compute_dtype, lent
from ..loaded import loaded
from ..places import located
from ..state_dict import load_network, read_state_dict
from .architecture import MULTIPLE, BiRefNet
from .layout import converted, variant_of
from .published import BIREFNET

# Side of the square in which the network sees the picture, px; as published.
RESOLUTION = 1024
# ImageNet's, on which the encoder was trained.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


def subject_mask(
    image: Tensor,
    weights: Path | None = None,
    resolution: int = RESOLUTION,
    device: torch.device | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Tensor:
    """How sure each pixel is the subject's.

    Args:
        image: `[B,3,H,W]` sRGB-coded 0..1, of any size.
        weights: file of the network; None looks for it in its folders.
        resolution: side of the square in which the network sees the picture, px; a multiple of 32.
        device: where to compute; by default where the image is.
        on_progress: called with the finished fraction, 0..1.

    Returns:
        `[B,1,H,W]` float32, 0..1, on the image's device.

    Raises:
        InputError: NaN or infinite pixels, or a resolution that is none.
        FileError: the weights are missing, damaged or another network's.
    """
    check_finite(image)
    if resolution < MULTIPLE or resolution % MULTIPLE:
        raise InputError("resolution", str(resolution), f"Give a multiple of {MULTIPLE}.")
    place = device or image.device
    dtype = compute_dtype(place, (torch.float16,))
    network = loaded(_load, located(BIREFNET, weights), dtype)
    masks = []
    for index, picture in enumerate(image.split(1)):
        size = (resolution, resolution)
        pixels = prepared(picture, size, MEAN, DEVIATION, "bilinear")
        with lent(network, place), torch.inference_mode():
            logits = network(pixels.to(place, dtype))
        sure = logits.float().sigmoid().to(image.device)
        masks.append(restored(sure, *picture.shape[-2:]))
        if on_progress is not None:
            on_progress((index + 1) / len(image))
    return torch.cat(masks)


def _load(path: Path, dtype: torch.dtype) -> BiRefNet:
    variant = variant_of(converted(read_state_dict(path)), path)
    return load_network(lambda: BiRefNet(variant), path, BIREFNET, dtype, convert=converted)
