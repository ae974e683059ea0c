"""Frames that stream: one comes in, one goes out, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..lens.aperture import CIRCLE, Aperture
from ..lens.depth import Depth
from ..lens.depth_sequence import DepthStabilizer
from ..lens.focus import Focus
from ..lens.focus_areas import Area
from ..lens.focus_path import FocusPath
from ..lens.highlights import Highlights
from ..lens.image import check_finite, without_negative_light
from ..lens.optics import Camera
from ..lens.render import DEFAULT_LENS, Lens
from ..lens.sequence import Strength, at_frame, defocused_frames, lockstep
from .devices import device_called
from .estimation import estimated
from .render import (
    Array,
    Map,
    check_kinds,
    choose_focus,
    exactly_one,
    opened,
    planar_map,
    render_with_highlights,
)


def render_frames(
    frames: Iterable[Array],
    depths: Depth | Map | Iterable[Map | Depth] | None = None,
    *,
    disparities: Map | Iterable[Map] | None = None,
    depth_model: str | Path | None = None,
    focus: Focus | FocusPath | None = None,
    focus_point: Area | Sequence[Area] | None = None,
    focus_distance: float | None = None,
    focus_disparity: float | None = None,
    focus_range: float = 0.0,
    camera: Camera | Sequence[Camera] | None = None,
    bokeh_level: float | Sequence[float] | None = None,
    focus_scale: float = 1.0,
    stabilize: bool = True,
    depth_smoothing: float = 0.0,
    lens: str | Lens = DEFAULT_LENS,
    aperture: Aperture | None = None,
    highlights: Highlights | None = None,
    roll_off: bool = True,
    linear: bool = False,
    device: torch.device | str | None = None,
    on_progress: Callable[[int, float], None] | None = None,
) -> Iterator[Array]:
    """Render the frames of a shot out of focus, one by one.

    As `render`, but for an iterable, of which each frame is read when it is its turn: memory does
    not grow with their number. What is described there is not repeated here.

    Args:
        frames: `[H,W,3]` each, such as a generator that reads files.
        depths: metres `[H,W]` or a `Depth` for each frame, or a single one for all.
        disparities: relative disparity instead.
        depth_model: a network that estimates the depth of each frame instead.
        focus: one plane, one per frame (`pull_focus`), or a `FocusPath` whose places are looked
            for in every frame. After its end the last focus holds.
        focus_point: followed: measured in every frame and changed gently.
        camera: one, or one per frame (`strength_pull`), of which the last one holds.
        bokeh_level: one, or one per frame.
        stabilize: bring relative depth to a common normalisation, see `DepthStabilizer`.
        depth_smoothing: of depth that boils, where the picture does not change; 0 (none) to
            below 1. Part of `stabilize`.
        on_progress: called with the frame's index and its finished fraction.

    Returns:
        The frames, each rendered when it is asked for.

    Raises:
        InputError: as `render`, and where the depths end before the frames.

    Example:
        >>> rack = FocusPath([(0, (0.2, 0.7)), (47, (0.6, 0.2))])
        >>> for picture in render_frames(frames, depths, focus=rack, camera=Camera(50, 1.4)):
        ...     show(picture)
    """
    exactly_one({"depths": depths, "disparities": disparities, "depth_model": depth_model})
    exactly_one({"camera": camera, "bokeh_level": bokeh_level})
    sharp = _focus(focus, focus_point, focus_distance, focus_disparity, focus_range)
    strength: Strength | None = bokeh_level if camera is None else camera
    assert strength is not None
    stabilizer = DepthStabilizer(depth_smoothing) if stabilize else None
    check_kinds(None, aperture, highlights, focus_point)
    renderer = (lens if isinstance(lens, Lens) else Lens(lens)).for_film()
    settings = aperture or CIRCLE, highlights, roll_off
    place = device_called(device)
    singles = (_single(frame) for frame in frames)
    if depth_model is None:
        pictures, restores = lockstep(singles, 2)
        each_depth = _depths(depths, disparities)
    else:
        pictures, restores, seen = lockstep(singles, 3)
        each_depth = (
            estimated(
                picture,
                depth_model,
                camera=None if camera is None else at_frame(camera, n),
                linear=linear,
                device=device,
            )
            for n, (picture, _) in enumerate(seen)
        )
    images = (picture for picture, _ in pictures)
    ready = defocused_frames(images, each_depth, sharp, strength, stabilizer, focus_scale)
    return (
        restore(
            render_with_highlights(
                image,
                defocus,
                renderer.frame(n),
                *settings,
                _of_frame(on_progress, n),
                place,
                linear,
            )
        )
        for n, ((_, restore), (image, _, defocus)) in enumerate(zip(restores, ready, strict=False))
    )


def _single(frame: Array) -> tuple[Tensor, Callable[[Tensor], Array]]:
    """`[1,3,H,W]`, and the way back to the caller's kind of array."""
    picture, restore = opened(frame)
    if len(picture) != 1:
        raise InputError("frames", f"{len(picture)} images in one", "Give one [H,W,3] at a time.")
    check_finite(picture)
    return without_negative_light(picture), restore


def _of_frame(
    on_progress: Callable[[int, float], None] | None, index: int
) -> Callable[[float], None] | None:
    return None if on_progress is None else lambda fraction: on_progress(index, fraction)


def _focus(
    focus: Focus | FocusPath | None,
    focus_point: Area | Sequence[Area] | None,
    focus_distance: float | None,
    focus_disparity: float | None,
    focus_range: float,
) -> Focus | FocusPath:
    places = {
        "focus": focus,
        "focus_point": focus_point,
        "focus_distance": focus_distance,
        "focus_disparity": focus_disparity,
    }
    exactly_one(places)
    if focus is not None:
        return focus

    def found(depth: Depth) -> Focus:
        return choose_focus(
            depth,
            focus_point=focus_point,
            focus_distance=focus_distance,
            focus_disparity=focus_disparity,
            focus_range=focus_range,
        )

    return FocusPath([(0, found)])


def _depths(
    depths: Depth | Map | Iterable[Map | Depth] | None, disparities: Map | Iterable[Map] | None
) -> Depth | Iterator[Depth]:
    if isinstance(depths, Depth):
        return depths
    given, convert = (
        (depths, Depth.from_metres) if disparities is None else (disparities, Depth.from_relative)
    )
    assert given is not None
    if isinstance(given, np.ndarray | Tensor) and given.ndim == 2:
        return convert(planar_map(given, "depths"))
    return (
        each if isinstance(each, Depth) else convert(planar_map(each, "depths")) for each in given
    )
