"""`focuspuller render` for frames and video: read, rendered and written one by one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..errors import InputError
from ..lens.aperture import Aperture
from ..lens.defocus import Defocus
from ..lens.depth import Depth
from ..lens.depth_sequence import DepthStabilizer
from ..lens.focus import Focus
from ..lens.focus_path import Place
from ..lens.highlights import Highlights
from ..lens.image import check_finite, to_interleaved, to_planar, without_negative_light
from ..lens.optics import Camera
from ..lens.rack_focus import RackFocus
from ..lens.render import Lens, pass_over
from ..lens.sequence import Strength, at_frame, defocused_frames, lockstep, strength_pull
from ..photo.depth_files import DEPTH_SUFFIXES
from ..photo.exif import CameraData
from ..photo.exr import require_openexr
from ..photo.files import make_folder
from ..photo.frames import (
    check_distinct,
    find_frames,
    frame_path,
    frames_text,
    has_number,
    is_pattern,
)
from ..photo.saving import WRITABLE_SUFFIXES, check_quality, format_of, keeps_all_light, save_photo
from ..photo.video_format import Frame, video_container
from ..photo.video_writing import writing_video
from .depth_options import estimated_depth, improved_depth, improves_depth
from .devices import working_device
from .find_focus_options import found_focus
from .outputs import check_no_input, files_given
from .render import render_with_highlights
from .resume import check_resume, missing
from .sequence_options import focus_path, is_video
from .shots import DepthReading, Picture, Shot, depth_inside, is_linear, open_depths, open_shot

DEFAULT_RATE = Fraction(24)
BAR = "{percentage:3.0f}%|{bar}| frame {n:.1f}/{total} [{elapsed}<{remaining}]"


class Look(NamedTuple):
    """How all frames are rendered.

    Args:
        lens: the renderer.
        aperture: shape of the blur.
        highlights: how clipped lights are recovered, if they are.
        camera_of: the camera that the options and a photo's data make; None with a bokeh level.
        start: the place to focus on first.
    """

    lens: Lens
    aperture: Aperture
    highlights: Highlights | None
    camera_of: Callable[[CameraData], Camera | None]
    start: Place


class _Planned(NamedTuple):
    """A frame with all that rendering it takes."""

    number: int
    picture: Picture
    image: Tensor
    focus: Focus
    defocus: Defocus
    strength: Camera | float


Renderer = Callable[[_Planned], np.ndarray]


@torch.inference_mode()
def render_sequence(options: argparse.Namespace, look: Look) -> None:
    """Render the frames and print the paths of the results, each when it is done.

    Raises:
        FocusPullerError: something about the input or the options is wrong.
    """
    if options.fps is not None and is_video(options.photo):
        raise InputError("--fps", "a video", "Leave it out: the video's own times are kept.")
    look = look._replace(lens=look.lens.for_film())
    shot = open_shot(options.photo, options.frames, options.fps or DEFAULT_RATE)
    planned = _planned(options, look, shot)
    with _rendering(options, look, shot.count) as rendered:
        if is_video(options.out):
            _write_video(options, shot, planned, rendered)
        else:
            _write_frames(options, shot, look.lens, planned, rendered)


def _planned(options: argparse.Namespace, look: Look, shot: Shot) -> Iterator[_Planned]:
    # The depth may lie in the pictures, or be improved by them.
    depth_needs_pictures = options.depth is None or improves_depth(options)
    branches = lockstep(shot.pictures(), 3 if depth_needs_pictures else 2)
    pictures, for_images, *for_depths = branches
    images = map(_planar, for_images)
    camera = look.camera_of(_with_f_number(shot.camera_data, options.timeline))
    strength = _strength(options, camera, shot.count)
    start, focus_scale = _start(options, look, shot)
    ready = defocused_frames(
        images,
        _depths(options, shot, *for_depths),
        focus_path(options, start, shot.count),
        strength,
        None if options.no_stabilize else DepthStabilizer(options.depth_smoothing),
        focus_scale,
    )
    for index, (picture, (image, focus, defocus)) in enumerate(zip(pictures, ready, strict=False)):
        yield _Planned(index, picture, image, focus, defocus, at_frame(strength, index))


def _start(options: argparse.Namespace, look: Look, shot: Shot) -> tuple[Place, float]:
    """The place to focus on first, and the focus scale."""
    if not options.find_focus:
        return look.start, 1.0
    first = next(iter(shot.pictures()))
    depth = next(_depths(options, shot, iter([first])))
    return found_focus(options, first.image, depth, is_linear(options, first.photo))


def _planar(picture: Picture) -> Tensor:
    image = to_planar(torch.from_numpy(picture.image)[None])
    check_finite(image)
    return without_negative_light(image)


def _depths(
    options: argparse.Namespace, shot: Shot, pictures: Iterator[Picture] | None = None
) -> Iterator[Depth]:
    """The depth of each frame, improved if asked for."""
    if options.depth is None:
        assert pictures is not None
        for picture in pictures:
            yield _improved(options, _depth_of(options, shot, picture), picture)
        return
    near_is_white = not options.near_is_black
    reading = DepthReading(options.depth_encoding, near_is_white, options.near, options.far)
    depths = open_depths(options.depth, reading, shot.count)
    yield from depths if pictures is None else map(partial(_improved, options), depths, pictures)


def _depth_of(options: argparse.Namespace, shot: Shot, picture: Picture) -> Depth:
    """The depth of a frame from a network, or from its own file."""
    if options.depth_model is None:
        return depth_inside(picture)
    data = picture.photo.camera_data if picture.photo else shot.camera_data
    return estimated_depth(options, picture.image, data, is_linear(options, picture.photo))


def _improved(options: argparse.Namespace, depth: Depth, picture: Picture) -> Depth:
    return improved_depth(options, depth, picture.image, is_linear(options, picture.photo))


def _with_f_number(data: CameraData, timeline: RackFocus | None) -> CameraData:
    """What is known of the camera, where its f-number may be known from a timeline alone."""
    if data.f_number is not None or timeline is None:
        return data
    return replace(data, f_number=timeline.first_f_number)


def _strength(options: argparse.Namespace, camera: Camera | None, frames: int) -> Strength:
    if options.timeline is not None and options.timeline.has_f_numbers:
        if camera is None:
            raise InputError("--timeline", "f-numbers and a bokeh level", "Leave f/N out.")
        return options.timeline.cameras(camera, frames)
    if camera is not None:
        if options.bokeh_level_to is not None:
            raise InputError("--bokeh-level-to", "a camera", "Give --bokeh-level, too.")
        end = options.f_number_to
        return camera if end is None else strength_pull(camera, end, frames, options.easing)
    if options.f_number_to is not None:
        raise InputError("--f-number-to", "a bokeh level", "Give --bokeh-level-to.")
    end = options.bokeh_level_to
    level = options.bokeh_level
    return level if end is None else strength_pull(level, end, frames, options.easing)


@contextmanager
def _rendering(options: argparse.Namespace, look: Look, frames: int) -> Iterator[Renderer]:
    """What renders a planned frame, `[H,W,3]`, and shows how far it is."""
    device = working_device(options.device)
    to_hdr = keeps_all_light(options.out)
    with tqdm(total=frames, delay=1.0, leave=False, disable=None, bar_format=BAR) as bar:

        def rendered(plan: _Planned) -> np.ndarray:
            def show(fraction: float) -> None:
                bar.update(plan.number + fraction - bar.n)

            picture = render_with_highlights(
                plan.image,
                plan.defocus,
                look.lens,
                look.aperture,
                look.highlights,
                not to_hdr,
                show,
                device,
                is_linear(options, plan.picture.photo),
            )
            return to_interleaved(picture)[0].numpy()

        yield rendered


def _write_video(
    options: argparse.Namespace, shot: Shot, planned: Iterator[_Planned], rendered: Renderer
) -> None:
    video_container(options.out, "--out")
    check_resume(options)
    check_no_input("--out", [options.out], _inputs(options, shot))
    make_folder(options.out.parent)
    with writing_video(options.out, shot.format, shot.sound, options.crf) as video:
        for plan in planned:
            video.write(Frame(rendered(plan), plan.picture.time))
    print(options.out)


def _write_frames(
    options: argparse.Namespace,
    shot: Shot,
    lens: Lens,
    planned: Iterator[_Planned],
    rendered: Renderer,
) -> None:
    def look_at(plan: _Planned) -> None:
        """So that what follows is what it is in a run that was not interrupted."""
        pass_over(plan.image, plan.defocus, lens)

    targets = _targets(options, shot)
    for path, plan in missing(targets, planned, options.resume, look_at):
        make_folder(path.parent)
        _save(options, path, plan, rendered(plan))
        print(path)
        sys.stdout.flush()


def _save(options: argparse.Namespace, path: Path, plan: _Planned, pixels: np.ndarray) -> None:
    photo = plan.picture.photo
    camera = plan.strength if isinstance(plan.strength, Camera) else None
    save_photo(
        path,
        pixels,
        exif=photo.exif if photo else None,
        f_number=camera.f_number if camera else None,
        subject_distance_m=float(plan.focus.distance_m[0]) if plan.focus.is_metric else None,
        quality=options.quality,
        linear=is_linear(options, plan.picture.photo) and keeps_all_light(path),
        exr_bits=options.exr_bits,
    )


def _targets(options: argparse.Namespace, shot: Shot) -> list[Path]:
    """Where each frame goes, checked before anything is rendered."""
    check_quality(options.quality)
    out = options.out
    if has_number(out):
        if format_of(out, "--out") == "EXR":
            require_openexr(out)
    elif out.suffix and not out.is_dir():
        advice = "Give a folder, a pattern such as frame_%04d.png, or a video."
        raise InputError("--out", f"{out} for {frames_text(shot.count)}", advice)
    # The frames of a repeated photo are counted; others keep their own numbers.
    is_repeated = options.frames is not None
    files = [None] * shot.count if is_repeated or not shot.files else shot.files
    targets = [frame_path(out, file, index, WRITABLE_SUFFIXES) for index, file in enumerate(files)]
    check_distinct(targets)
    check_no_input("--out", targets, _inputs(options, shot))
    return targets


def _inputs(options: argparse.Namespace, shot: Shot) -> list[Path]:
    """The files that are read, those of folders and patterns one by one."""
    inputs = [*files_given(options), *shot.files]
    if options.depth is not None and is_pattern(options.depth):
        inputs += find_frames(options.depth, DEPTH_SUFFIXES)
    return inputs
