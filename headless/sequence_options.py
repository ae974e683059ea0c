"""What `focuspuller render` takes for frames and video, and what it means."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..lens.depth import Depth
from ..lens.focus import Focus
from ..lens.focus_path import FocusPath, Place
from ..lens.rack_focus import RackFocus
from ..photo.frames import has_number, is_pattern
from ..photo.video_format import VIDEO_SUFFIXES, WRITABLE_VIDEO_SUFFIXES
from ..photo.video_writing import DEFAULT_CRF
from .focus_options import AREA_FORM, area


def add_sequence_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only frames and video have."""
    group = parser.add_argument_group("frames and video")
    group.add_argument(
        "--frames", metavar="N", type=int, help="make N frames of a single photo, for a focus pull"
    )
    group.add_argument(
        "--focus-to",
        metavar="PLACE",
        type=_place,
        help="pull the focus there over all frames: X,Y is a point, LEFT,TOP,RIGHT,BOTTOM a "
        "region, 2.5m metres, 0.4 disparity",
    )
    group.add_argument(
        "--f-number-to", metavar="N", type=float, help="f-number of the last frame, in even stops"
    )
    group.add_argument(
        "--bokeh-level-to", metavar="K", type=float, help="bokeh level of the last frame"
    )
    group.add_argument(
        "--easing",
        choices=["smooth", "linear"],
        default="smooth",
        help="smooth starts and stops pulls gently (default)",
    )
    group.add_argument(
        "--focus-hold",
        action="store_true",
        help="measure points and masks in the first frame only, instead of following them",
    )
    group.add_argument(
        "--no-stabilize",
        action="store_true",
        help="take relative depth as it is, though each frame may have a scale of its own",
    )
    group.add_argument(
        "--depth-smoothing",
        metavar="S",
        type=float,
        default=0.0,
        help="0 (none) to below 1: steady depth that boils where the picture does not change",
    )
    add_resume_option(group)
    group.add_argument(
        "--fps", type=_rate, help="frames per second of a video made of frames (default: 24)"
    )
    group.add_argument(
        "--crf",
        type=int,
        default=DEFAULT_CRF,
        help=f"quality of video, 0 best to 51 (default: {DEFAULT_CRF})",
    )


def add_resume_option(parser: Any) -> None:
    """Add `--resume` to a parser or to a group of it; see `resume`."""
    parser.add_argument("--resume", action="store_true", help="leave out what exists already")


def keyframe(text: str) -> tuple[int, Place]:
    """FRAME:PLACE, an argument type."""
    frame, separator, place = text.partition(":")
    if not separator or not frame.isdigit():
        message = f"{text!r} is not FRAME:PLACE, such as 24:0.4,0.3"
        raise argparse.ArgumentTypeError(message)
    return int(frame), _place(place)


def is_sequence(options: argparse.Namespace) -> bool:
    """Whether more than one picture is asked for."""
    return (
        options.frames is not None
        or options.photo.suffix.lower() in VIDEO_SUFFIXES
        or is_pattern(options.photo)
        or has_number(options.out)
    )


def check_single(options: argparse.Namespace) -> None:
    """Refuse what needs several frames, or is made of them, where there is one.

    Raises:
        InputError: there is such an option.
    """
    for name in ("focus_to", "f_number_to", "bokeh_level_to", "fps", "focus_key", "timeline"):
        if getattr(options, name) is not None:
            advice = "Give --frames N, or a folder of frames, a pattern such as %04d or a video."
            raise InputError(f"--{name.replace('_', '-')}", "a single picture", advice)
    if options.out.suffix.lower() in WRITABLE_VIDEO_SUFFIXES:
        advice = (
            "Give --frames N to make a video of it, or end the name in .jpg, .png and the like."
        )
        raise InputError("--out", f"{options.out}, a video, for a single picture", advice)


def focus_path(options: argparse.Namespace, start: Place, frames: int) -> Focus | FocusPath:
    """Where the focus goes.

    Args:
        options: with --focus-to and the like.
        start: the place of the first frame; not used with --focus-key and --timeline.
        frames: how many there are.

    Raises:
        InputError: keyframes that are none.
    """
    if options.timeline is not None:
        for name in ("focus_to", "f_number_to", "bokeh_level_to"):
            if getattr(options, name) is not None:
                subject = f"--{name.replace('_', '-')}"
                raise InputError(subject, "--timeline beside it", "Give one of the two.")
        return options.timeline.focus(frames)
    if options.focus_key is not None:
        if options.focus_to is not None:
            raise InputError("--focus-to", "--focus-key beside it", "Give one of the two.")
        keyframes = options.focus_key
    elif options.focus_to is None or frames < 2:
        keyframes = [(0, start if options.focus_to is None else options.focus_to)]
    else:
        keyframes = [(0, start), (frames - 1, options.focus_to)]
    width = options.focus_range
    return FocusPath(keyframes, options.easing, not options.focus_hold, width)


def timeline(text: str) -> RackFocus:
    """Keyframes of focus and f-number, an argument type."""
    try:
        return RackFocus.from_text(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _place(text: str) -> Place:
    """A point or region, metres 2.5m, or a disparity in the unit of the depth."""
    if "," in text:
        return area(text)
    try:
        if text.endswith("m"):
            return Focus.at_distance(float(text[:-1]))
        disparity = float(text)
    except ValueError:
        message = f"{text!r} is no place to focus on: {AREA_FORM} or 2.5m or a disparity"
        raise argparse.ArgumentTypeError(message) from None
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

    def found(depth: Depth) -> Focus:
        return Focus.at_disparity(disparity, depth.is_metric)

    return found


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        message = f"{text!r} is no frame rate, such as 24, 23.976 or 30000/1001"
        raise argparse.ArgumentTypeError(message)
    return rate


def is_video(path: Path) -> bool:
    """Whether a name is that of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES
