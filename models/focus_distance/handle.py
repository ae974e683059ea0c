"""Where to focus in pictures, found with a user's weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from ...errors import InputError
from ...lens.depth import Depth
from ...lens.focus import Focus, focus_on_mean
from ...lens.image import check_finite
from ..lending import lent
from ..loaded import loaded
from ..places import AUTOMATIC, found, located
from ..vst.published import VST
from .architecture import FocusDistanceTransformer, FocusPrediction, predicted_saliency
from .files import load_focus_transformer
from .published import FOCUS_DISTANCE

# Pictures that go through the network at once. What a picture takes there: the attention of
# 3136 tokens where it is not fused, and the finest tokens of the decoder.
PICTURES_AT_ONCE = 4
BYTES_PER_PICTURE = 120 * 2**20


def focus_weights(given: str | os.PathLike[str] | None = None) -> Path:
    """The weights to use: those that are given, else a trained transformer, else VST.

    Args:
        given: a path; None and "automatic" look for them.

    Raises:
        FileError: there are none. Names VST's file, its source, its licence and its folder.
    """
    if given not in (None, AUTOMATIC):
        return located(VST, given)
    # Of the two only VST can be had, so that it is the one to be named where neither is there.
    return found(FOCUS_DISTANCE) or located(VST)


def focus_transformer(path: Path) -> FocusDistanceTransformer:
    """The transformer of a file; the same one while the file stays as it is."""
    return loaded(load_focus_transformer, path)


def find_focus(
    transformer: FocusDistanceTransformer,
    image: Tensor,
    depth: Depth,
    *,
    distance_m: float | None = None,
    mask: Tensor | None = None,
    width: float = 0.0,
    device: torch.device | None = None,
) -> FocusPrediction:
    """Where a photographer would focus in each picture, or where the user says.

    Args:
        transformer: of `focus_transformer`.
        image: `[B,3,H,W]` sRGB-coded.
        depth: of the same size; one, or one per image.
        distance_m: focus there instead, as appendix C of Fine-grained Defocus has it; the scale
            and the saliency stay what they are.
        mask: `[B,1,h,w]` or `[1,1,h,w]`, 0..1: what shall be sharp, instead of what is salient.
        width: span of disparity that stays sharp, in the unit of the depth.
        device: where to compute; by default where the image is.

    Returns:
        One focus and one scale per image, and the saliency, on the CPU.

    Raises:
        InputError: NaN or infinite pixels, batches that do not fit, metres for relative depth, or
            an empty mask.
    """
    check_finite(image)
    _check_choices(depth, distance_m, mask)
    count = _count(image, depth)
    place = device or image.device
    scales, maps = [], []
    at_once = min(count, PICTURES_AT_ONCE)
    with lent(transformer, place, at_once * BYTES_PER_PICTURE), torch.no_grad():
        for start in range(0, count, at_once):
            chosen = slice(start, start + at_once)
            picture = image.expand(count, -1, -1, -1)[chosen].to(place).float()
            disparity = depth.disparity.expand(count, -1, -1, -1)[chosen].to(place).float()
            scene = Depth(disparity, depth.is_metric)
            output, saliency = predicted_saliency(transformer.vst, picture, scene)
            scales.append(transformer.focus_scale(output, scene).cpu())
            maps.append(saliency.cpu())
    saliency = torch.cat(maps)
    focus = _focus(depth, saliency, distance_m, mask, width)
    return FocusPrediction(focus.for_batch(count), torch.cat(scales), saliency)


def _focus(
    depth: Depth, saliency: Tensor, distance_m: float | None, mask: Tensor | None, width: float
) -> Focus:
    if distance_m is not None:
        return Focus.at_disparity(1.0 / distance_m, is_metric=True, width=width)
    if mask is not None:
        with _blaming("mask"):
            return focus_on_mean(depth, mask, width)
    with _blaming("image"):
        return focus_on_mean(depth, saliency, width)


@contextmanager
def _blaming(subject: str) -> Iterator[None]:
    """Let errors about weights name what the user gave."""
    try:
        yield
    except InputError as error:
        error.subject = subject if error.subject == "weights" else error.subject
        raise


def _check_choices(depth: Depth, distance_m: float | None, mask: Tensor | None) -> None:
    if distance_m is None:
        return
    if mask is not None:
        received = f"{distance_m:g} m beside a mask"
        raise InputError("distance_m", received, "Give one of the two.")
    if not depth.is_metric:
        received = f"{distance_m:g} m for relative depth"
        raise InputError("distance_m", received, "Metres need metric depth.")
    if not distance_m > 0:
        raise InputError("distance_m", f"{distance_m:g} m", "Give metres above zero.")


def _count(image: Tensor, depth: Depth) -> int:
    images, depths = len(image), len(depth.disparity)
    if images != depths and 1 not in (images, depths):
        raise InputError("depth", f"{depths} depths for {images} images", "Give one, or one each.")
    return max(images, depths)
