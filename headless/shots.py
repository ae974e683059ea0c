"""Shots: frames and their depth, from files of any kind, one at a time."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..errors import InputError
from ..lens.depth import Depth, decode_depth
from ..photo.depth_files import DEPTH_SUFFIXES, DepthEncoding, load_depth
from ..photo.exif import CameraData
from ..photo.frames import find_frames, frames_text, is_pattern
from ..photo.photo import PHOTO_SUFFIXES, Photo, load_photo
from ..photo.sound import Sound
from ..photo.video import VideoFile
from ..photo.video_format import VIDEO_SUFFIXES, VideoFormat

logger = logging.getLogger(__name__)


class Picture(NamedTuple):
    """A frame that is to be rendered.

    Args:
        image: `[H,W,3]` float32, sRGB-coded 0..1.
        time: seconds from the start.
        source: its file, None for a frame of a video.
        photo: what the file tells beside; None for a frame of a video.
    """

    image: np.ndarray
    time: Fraction
    source: Path | None = None
    photo: Photo | None = None


@dataclass(frozen=True)
class Shot:
    """Frames to render.

    Args:
        count: how many.
        format: size, times and colours as a video has them.
        camera_data: of the first frame.
        files: of the frames; empty for a video.
        video: the file, if it is one.
        sound: to be copied.
    """

    count: int
    format: VideoFormat
    camera_data: CameraData
    files: Sequence[Path] = ()
    video: VideoFile | None = None
    sound: Sound | None = None

    def pictures(self) -> Iterator[Picture]:
        """The frames, each read when it is asked for."""
        if self.video is not None:
            for frame in self.video.frames():
                yield Picture(frame.pixels, frame.time)
            return
        loaded = lru_cache(maxsize=1)(load_photo)  # of a repeated photo
        for index, path in enumerate(self.files):
            photo = loaded(path)
            yield Picture(photo.image, index / self.format.rate, path, photo)


def open_shot(pattern: Path, repeated: int | None = None, rate: Fraction = Fraction(24)) -> Shot:
    """The frames of a video, folder, pattern or, repeated, of a single photo.

    Args:
        pattern: where they are.
        repeated: how many frames a single photo stands for.
        rate: frames per second of those that are no video.

    Raises:
        FileError: there are none, or the first cannot be read.
        InputError: several frames are to be repeated.
    """
    is_film = pattern.suffix.lower() in VIDEO_SUFFIXES
    if repeated is not None and (repeated < 1 or is_film or is_pattern(pattern)):
        raise InputError("--frames", f"{repeated} of {pattern}", "Give a photo, and one or more.")
    if is_film:
        video = VideoFile(pattern)
        count = video.count_frames()
        return Shot(count, video.format, CameraData(), video=video, sound=video.sound())
    if repeated is not None or not is_pattern(pattern):
        files = [pattern] * (repeated or 1)
    else:
        files = find_frames(pattern, PHOTO_SUFFIXES)
    first = load_photo(files[0])
    for problem in first.problems:
        logger.warning("%s: %s", files[0], problem)
    height, width = first.image.shape[:2]
    look = VideoFormat(width, height, rate, 1 / rate)
    return Shot(len(files), look, first.camera_data, files)


def open_photo(path: Path) -> Photo:
    """Load the photo and say what is wrong with it."""
    photo = load_photo(path)
    for problem in photo.problems:
        logger.warning("%s: %s", path, problem)
    if photo.alpha is not None and photo.alpha.min() < 1:
        logger.warning("%s: its transparency is dropped.", path)
    return photo


def is_linear(options: argparse.Namespace, photo: Photo | None) -> bool:
    """Whether a picture holds linear light. That of EXR and HDR files is coded when it is loaded.

    Args:
        options: with --linear.
        photo: its file; None for a frame of a video.
    """
    return options.linear and not (photo and photo.is_hdr)


@dataclass(frozen=True)
class DepthReading:
    """How depth files are read: see `load_depth`."""

    encoding: DepthEncoding | None = None
    near_is_white: bool = True
    near_m: float | None = None
    far_m: float | None = None

    def of_file(self, path: Path) -> Depth:
        """The depth in one file."""
        return load_depth(path, self.encoding, self.near_is_white, self.near_m, self.far_m)

    def of_grey(self, pixels: np.ndarray) -> Depth:
        """The depth in a frame of a depth video, `[H,W]` 0..1."""
        values = torch.from_numpy(pixels)[None, None]
        coded_as = "depth" if self.encoding == "depth" else "disparity"
        return decode_depth(values, coded_as, self.near_is_white, self.near_m, self.far_m)


def open_depths(pattern: Path, reading: DepthReading, count: int) -> Iterator[Depth]:
    """The depth of each frame: of a video, folder or pattern, or of one file for all frames.

    Args:
        pattern: where they are.
        reading: how.
        count: of the frames.

    Raises:
        InputError: there are not as many as frames, nor a single one.
        FileError: there are none.
    """
    if pattern.suffix.lower() in VIDEO_SUFFIXES:
        video = VideoFile(pattern)
        depths = video.count_frames()
        _check_count(pattern, depths, count)
        maps = (reading.of_grey(frame.pixels) for frame in video.grey_frames())
        return maps if depths == count else repeat(next(maps))
    if not is_pattern(pattern):
        return repeat(reading.of_file(pattern))
    files = find_frames(pattern, DEPTH_SUFFIXES)
    _check_count(pattern, len(files), count)
    return map(reading.of_file, files) if len(files) == count else repeat(reading.of_file(files[0]))


def depth_inside(picture: Picture) -> Depth:
    """The depth in the file of a frame itself.

    Raises:
        InputError: it has none.
    """
    if picture.photo is None or picture.photo.depth is None:
        place = picture.source or "a video"
        raise InputError("depth", f"none in {place}", "Give depth maps with --depth.")
    return picture.photo.depth


def _check_count(pattern: Path, depths: int, frames: int) -> None:
    if depths not in (1, frames):
        received = f"{depths} depth maps in {pattern} for {frames_text(frames)}"
        raise InputError("--depth", received, "Give one per frame, or a single one for all.")
