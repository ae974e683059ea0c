"""Defocus of frames that stream past, one at a time: nothing here holds more than a frame."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from typing import TypeVar, cast

import torch
from torch import Tensor

from ..errors import InputError
from .defocus import Defocus, defocus_from_bokeh_level, defocus_from_camera
from .depth import Depth
from .depth_sequence import DepthStabilizer
from .focus import Easing, Focus, eased
from .focus_path import FocusFollower, FocusPath
from .optics import Camera

logger = logging.getLogger(__name__)

T = TypeVar("T")

# One camera or bokeh level for all frames, or one per frame, of which the last one holds.
Strength = Camera | float | Sequence[Camera] | Sequence[float]


def defocused_frames(
    images: Iterable[Tensor],
    depths: Depth | Iterable[Depth],
    focus: Focus | FocusPath,
    strength: Strength,
    stabilizer: DepthStabilizer | None = None,
    focus_scale: float = 1.0,
) -> Iterator[tuple[Tensor, Focus, Defocus]]:
    """Each frame with its focus and its defocus map, ready to be rendered.

    Args:
        images: frames `[1,C,H,W]`, read only when it is their turn.
        depths: one per frame, of any size. A `Depth` of one image serves all frames, of several
            one each.
        focus: one plane for all, one per frame of which the last one holds, or a path whose
            places are looked for in every frame.
        strength: camera or bokeh level, one for all or one per frame.
        stabilizer: brings relative depths to a common normalisation.
        focus_scale: f_s, with a camera.

    Raises:
        InputError: the depths end before the frames, or do not go with the focus or the strength.
    """
    each_depth = _each_depth(depths)
    follower = FocusFollower(focus) if isinstance(focus, FocusPath) else None
    for index, image in enumerate(images):
        depth = next(each_depth, None)
        if depth is None:
            advice = "Give one per frame, or a single one for all."
            raise InputError("depth", f"{index} depth maps for more frames", advice)
        if stabilizer is not None:
            depth = stabilizer.stabilized(depth, image)
        depth = _of_size(depth, image, is_first=index == 0)
        sharp = follower.find(depth) if follower else _focus_at(focus, index)
        yield image, sharp, _defocus(depth, sharp, at_frame(strength, index), focus_scale)
    if not isinstance(depths, Depth) and next(each_depth, None) is not None:
        logger.warning("There are more depth maps than frames; the rest is not used.")


def lockstep(values: Iterable[T], count: int) -> list[Iterator[T]]:
    """Several iterators over the same values, to be used in turn, all of them.

    `itertools.tee` would do, but for the memory: it keeps up to 57 values after their last use.
    """
    source = iter(values)
    waiting: list[deque[T]] = [deque() for _ in range(count)]

    def branch(own: deque[T]) -> Iterator[T]:
        while True:
            if not own:
                try:
                    own.append(next(source))
                except StopIteration:
                    return
                for other in waiting:
                    if other is not own:
                        other.append(own[0])
            yield own.popleft()

    return [branch(own) for own in waiting]


def at_frame(values: T | Sequence[T], index: int) -> T:
    """The value of a frame: of a sequence the one at `index` or, after its end, the last."""
    if isinstance(values, Sequence):
        return cast(Sequence[T], values)[min(index, len(values) - 1)]
    return values


def strength_pull(
    start: Camera | float, end: float, frames: int, easing: Easing = "smooth"
) -> list[Camera] | list[float]:
    """An aperture that opens or closes over the frames.

    Args:
        start: a camera, or a bokeh level.
        end: the last frame's f-number, or bokeh level.
        frames: how many, > 0.
        easing: as in `pull_focus`. The f-number moves evenly in stops, the level in px.

    Raises:
        InputError: an f-number that is not above zero, a negative level, or no frames.
    """
    if frames < 1:
        raise InputError("frames", str(frames), "Give one frame or more.")
    moved = eased(torch.linspace(0.0, 1.0, frames), easing).tolist() if frames > 1 else [1.0]
    if not isinstance(start, Camera):
        if not (0 <= start < math.inf and 0 <= end < math.inf):
            raise InputError("bokeh_level", f"{start:g} to {end:g}", "Give numbers, zero or more.")
        return [start + (end - start) * part for part in moved]
    ratio = replace(start, f_number=end).f_number / start.f_number
    return [replace(start, f_number=start.f_number * ratio**part) for part in moved]


def cameras_as_one(cameras: Sequence[Camera]) -> Camera:
    """Cameras that differ in the f-number alone, as one with an f-number per frame."""
    f_numbers = torch.tensor([camera.f_number for camera in cameras])
    return replace(cameras[0], f_number=cast(float, f_numbers))


def each_camera(camera: Camera) -> list[Camera]:
    """The inverse of `cameras_as_one`; a single one of an ordinary camera."""
    f_numbers = torch.as_tensor(camera.f_number)
    if f_numbers.dim() == 0:
        return [camera]
    return [replace(camera, f_number=f_number) for f_number in f_numbers.tolist()]


def _each_depth(depths: Depth | Iterable[Depth]) -> Iterator[Depth]:
    if not isinstance(depths, Depth):
        return iter(depths)
    if len(depths.disparity) == 1:
        return repeat(depths)
    return iter(depths.split())


def _of_size(depth: Depth, image: Tensor, is_first: bool) -> Depth:
    height, width = image.shape[-2:]
    # For thousands of frames it is enough to say once that the depth has another size.
    return depth.for_image(height, width) if is_first else depth.resized(height, width)


def _focus_at(focus: Focus | FocusPath, index: int) -> Focus:
    assert isinstance(focus, Focus)
    index = min(index, len(focus.plane) - 1)
    plane, near, far = (
        values[index : index + 1] for values in (focus.plane, focus.near, focus.far)
    )
    return Focus(plane, near, far, focus.is_metric)


def _defocus(depth: Depth, focus: Focus, strength: Camera | float, focus_scale: float) -> Defocus:
    if isinstance(strength, Camera):
        return defocus_from_camera(depth, focus, strength, focus_scale)
    return defocus_from_bokeh_level(depth, focus, strength)
