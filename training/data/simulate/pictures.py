"""Sharp pictures with depth, cut to a common size, and their photographs by one of the lenses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ....errors import FileError
from ....lens.color import linear_to_srgb, srgb_to_linear
from ....lens.depth import Depth
from ....lens.highlights import Highlights, recover_highlights
from ....lens.render import Lens, render
from ..records import Pair, Source
from .scene import Shot

# Random streams: the order of the pictures, and what is drawn for each scene.
ORDER, SCENE = 0, 1


def scene_random(seed: int, index: int) -> np.random.Generator:
    """The generator of one scene."""
    return np.random.default_rng([seed, SCENE, index])


def picture_number(seed: int, index: int, count: int) -> int:
    """Which of `count` pictures the scene `index` is made of: all in turn, in an order by lot."""
    order = np.random.default_rng([seed, ORDER, index // count]).permutation(count)
    return int(order[index % count])


def sharp_picture(pair: Pair, size_px: int, random: np.random.Generator) -> tuple[Tensor, Depth]:
    """A square of a sharp picture and its depth.

    The picture is scaled so that its shorter edge is `size_px`, and cut at random along the other.

    Args:
        pair: with an all-in-focus picture, and depth beside it or within its file.
        size_px: height and width.
        random: decides where to cut.

    Returns:
        `[3,size,size]` sRGB-coded, and its depth.

    Raises:
        FileError: the picture is smaller than that, or has no depth.
    """
    assert pair.all_in_focus is not None
    name = str(pair.all_in_focus.place)
    photo = pair.all_in_focus.photo()
    depth = pair.depth.depth() if pair.depth is not None else photo.depth
    if depth is None:
        raise FileError(name, "a picture without depth", "Give a folder of depth maps (--depth).")
    image = torch.from_numpy(photo.image).movedim(-1, 0)[None].clamp(0.0, 1.0)
    height, width = image.shape[-2:]
    if min(height, width) < size_px:
        raise FileError(
            name,
            f"a picture of {width}×{height} px",
            f"Give pictures of {size_px} px or more, or a smaller size_px.",
        )
    scale = size_px / min(height, width)
    height, width = max(size_px, round(height * scale)), max(size_px, round(width * scale))
    image = F.interpolate(image, (height, width), mode="bilinear", antialias=True)
    depth = depth.for_image(*photo.image.shape[:2]).resized(height, width)
    top = int(random.integers(height - size_px + 1))
    left = int(random.integers(width - size_px + 1))
    window = (..., slice(top, top + size_px), slice(left, left + size_px))
    # The picture that is written has 8 bits; what is rendered is the same.
    return (image[window][0] * 255).round() / 255, replace(depth, disparity=depth.disparity[window])


def photograph(
    image: Tensor,
    depth: Depth,
    shot: Shot,
    lens: Lens,
    highlight_stops: float = 0.0,
    device: torch.device | None = None,
) -> Tensor:
    """A sharp picture as a lens sees it.

    Args:
        image: `[3,H,W]` sRGB-coded.
        depth: of the picture.
        shot: focus, strength and aperture.
        lens: renderer.
        highlight_stops: how much brighter than white clipped pixels are.
        device: where to compute.

    Returns:
        `[3,H,W]` sRGB-coded 0..1.
    """
    light = srgb_to_linear(image)[None]
    if highlight_stops > 0:
        light = recover_highlights(light, Highlights(stops=highlight_stops))
    seen = render(light, shot.blur.defocus(depth), lens, shot.aperture, device=device)
    return linear_to_srgb(seen[0].clamp(0.0, 1.0))


def record_for(source: Source, seed: int, index: int) -> Pair:
    """The picture of a scene."""
    return source.record(picture_number(seed, index, len(source)))
