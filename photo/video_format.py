"""What a video is like: containers, size, times and colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError

# Containers by the end of the name, and the codec that every player of theirs knows.
_CONTAINERS = {
    ".mp4": ("mp4", "libx264"),
    ".m4v": ("mp4", "libx264"),
    ".mov": ("mov", "libx264"),
    ".mkv": ("matroska", "libx264"),
    ".webm": ("webm", "libvpx-vp9"),
}
WRITABLE_VIDEO_SUFFIXES = tuple(_CONTAINERS)
# Names of files that `VideoFile` is likely to read.
VIDEO_SUFFIXES = (*_CONTAINERS, ".avi", ".mxf", ".mpg", ".mpeg", ".ts", ".gif")
# Codes of ITU-T H.273, as in a video's tags.
RGB, BT709, UNKNOWN, _BT601 = 0, 1, 2, 6
FULL_RANGE, LIMITED_RANGE = 2, 1
# Untagged video is BT.709 from this height on and BT.601 below, as players assume.
_HD_HEIGHT = 720


class Frame(NamedTuple):
    """A frame of a video.

    Args:
        pixels: `[H,W,3]`, or `[H,W]` of grey ones; float32 0..1, sRGB-coded, upright.
        time: seconds from the start of the video.
    """

    pixels: np.ndarray
    time: Fraction


@dataclass(frozen=True)
class VideoFormat:
    """What a video is like.

    Args:
        width, height: px, upright.
        rate: frames per second, on average.
        time_base: what times are multiples of, s.
        bits: per colour.
        matrix, primaries, transfer: of the colours, codes of ITU-T H.273; 2 is unknown.
        is_full_range: whether black and white are the ends of the codes.
        metadata: title, camera, workflow and the like.
    """

    width: int
    height: int
    rate: Fraction = Fraction(24)
    time_base: Fraction = Fraction(1, 24)
    bits: int = 8
    matrix: int = BT709
    primaries: int = BT709
    transfer: int = BT709
    is_full_range: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


def video_container(path: Path, subject: str = "path") -> tuple[str, str]:
    """Container and codec that a name asks for.

    Args:
        path: of the video that is to be written.
        subject: how errors call it.

    Raises:
        InputError: none that can be written.
    """
    known = _CONTAINERS.get(path.suffix.lower())
    if known is None:
        advice = f"End the name in one of {', '.join(_CONTAINERS)}."
        raise InputError(subject, repr(path.name), advice)
    return known


def guessed_matrix(height: int) -> int:
    """The matrix of a video that does not tell it."""
    return BT709 if height >= _HD_HEIGHT else _BT601
