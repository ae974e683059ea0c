"""Pixels of ComfyUI's own nodes: what `core_nodes` reads, scales and grows.

Every function gives bit for bit what ComfyUI's node gives, so the roundings here are its roundings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps, ImageSequence
from torch import Tensor

from ..errors import FileError
from ..nodes.standin import ui

# No others: some of Pillow's readers start programs. JPEG covers MPO.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
MAX_RESOLUTION = 16384
# What stands for "no mask" between ComfyUI's nodes.
NO_MASK = (64, 64)


def load_image(path: Path) -> tuple[Tensor, Tensor]:
    """A picture file, upright; all frames of an animation that have the size of the first.

    Returns:
        Image `[B,H,W,3]`, 0..1, and mask `[B,H,W]`, 1 where transparent; `[B,64,64]` of zeros
        where the file has no alpha.

    Raises:
        FileError: the file is missing, damaged or no picture.
    """
    with _opened(path) as file:
        frames = list(_frames(file))
        images = torch.cat([_to_tensor(frame.convert("RGB")) for frame in frames])
        return images, torch.cat([_transparency(frame) for frame in frames])


def load_channel(path: Path, band: str) -> Tensor:
    """One channel of a picture file, upright, as a mask `[1,H,W]`.

    Args:
        path: the file.
        band: "R", "G", "B", or "A" for what is transparent.

    Raises:
        FileError: the file is missing, damaged or no picture.
    """
    with _opened(path) as file:
        picture = _eight_bit(ImageOps.exif_transpose(file)).convert("RGBA")
        mask = _to_tensor(picture.getchannel(band))
    return 1.0 - mask if band == "A" else mask


def scaled(image: Tensor, method: str, width: int, height: int) -> Tensor:
    """`[B,H,W,C]` resampled; Lanczos goes through 8 bits."""
    if method == "lanczos":
        pictures = [
            ui.picture(each).resize((width, height), Image.Resampling.LANCZOS) for each in image
        ]
        return torch.cat([_to_tensor(picture) for picture in pictures]).to(image)
    resampled = F.interpolate(image.movedim(-1, 1), size=(height, width), mode=method)
    return resampled.movedim(1, -1)


def cropped_to_aspect(image: Tensor, aspect: float) -> Tensor:
    """The middle of `[B,H,W,C]` with the given width / height."""
    height, width = image.shape[1:3]
    x = y = 0
    if width / height > aspect:
        x = round((width - width * (aspect / (width / height))) / 2)
    elif width / height < aspect:
        y = round((height - height * ((width / height) / aspect)) / 2)
    return image[:, y : height - y, x : width - x]


def grown(mask: Tensor, pixels: int, with_corners: bool) -> Tensor:
    """A mask `[B,H,W]` grown by `pixels`, or shrunk by negative ones.

    Args:
        mask: 0..1.
        pixels: how often it grows by one.
        with_corners: grow into all eight neighbours, else into four.
    """
    sign = -1.0 if pixels < 0 else 1.0  # shrinking the mask is growing its negative
    result = sign * mask
    for _ in range(abs(pixels)):
        result = _grown_by_one(result, with_corners)
    return sign * result


def _grown_by_one(mask: Tensor, with_corners: bool) -> Tensor:
    if with_corners:
        return F.max_pool2d(mask, 3, stride=1, padding=1)
    vertical = F.max_pool2d(mask, (3, 1), stride=1, padding=(1, 0))
    horizontal = F.max_pool2d(mask, (1, 3), stride=1, padding=(0, 1))
    return torch.maximum(vertical, horizontal)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image file; errors of opening and decoding it within the block name the file."""
    try:
        with Image.open(path, formats=FORMATS) as file:
            yield file
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FileError(
            str(path), f"no readable picture ({error})", "Give a complete image file."
        ) from error


def _frames(file: Image.Image) -> Iterator[Image.Image]:
    """Upright frames of the size of the first. Of a phone's MPO only the first is the photo."""
    size = None
    for raw in ImageSequence.Iterator(file):
        frame = _eight_bit(ImageOps.exif_transpose(raw))
        size = size or frame.size
        if frame.size == size:
            yield frame
        if file.format == "MPO":
            return


def _eight_bit(picture: Image.Image) -> Image.Image:
    """32-bit grey, which holds 16-bit values, scaled as ComfyUI does; all others as they are."""
    return picture.point(lambda value: value * (1 / 255)) if picture.mode == "I" else picture


def _transparency(picture: Image.Image) -> Tensor:
    """`[1,H,W]`, 1 where transparent."""
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if "A" not in picture.getbands():
        return torch.zeros(1, *NO_MASK)
    return 1.0 - _to_tensor(picture.getchannel("A"))


def _to_tensor(picture: Image.Image) -> Tensor:
    """`[1,H,W]` or `[1,H,W,C]`, 0..1."""
    return torch.from_numpy(np.array(picture).astype(np.float32) / 255.0)[None]
