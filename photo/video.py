"""Video files, read frame by frame.

Nothing here holds more than the frame at hand and what the codecs keep of its neighbours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError
from .media import audio_streams, exactly, metadata_of, name_of, opened, pyav
from .sound import Sound
from .video_format import FULL_RANGE, UNKNOWN, Frame, VideoFormat, guessed_matrix

logger = logging.getLogger(__name__)


_HDR_TRANSFER = {16: "PQ", 18: "HLG"}
# How far compression may pull the channels of a grey picture apart, of 255.
_GREY_TOLERANCE = 16


class VideoFile:
    """A video to read.

    Args:
        source: a file, or its bytes.
        start: seconds to leave out in the beginning.
        duration: seconds to read; 0 is all.

    Raises:
        FileError: missing, damaged or no video.
        MissingDependencyError: PyAV is not installed.
    """

    def __init__(self, source: Path | BytesIO, start: float = 0.0, duration: float = 0.0) -> None:
        self._av = pyav()
        self._source = source
        self._start = Fraction(start)
        self._end = self._start + Fraction(duration) if duration else None
        self.name = name_of(source)
        with opened(self._source) as container:
            stream = self._video_stream(container)
            first = next(container.decode(stream), None)
            if first is None:
                raise FileError(self.name, "a video without frames", "Give another one.")
            self.format = _format_of(container, stream, first)
        if self.format.transfer in _HDR_TRANSFER:
            kind = _HDR_TRANSFER[self.format.transfer]
            logger.warning("%s is %s-coded HDR; its light is read as sRGB's.", self.name, kind)

    def frames(self) -> Iterator[Frame]:
        """The frames in order, `[H,W,3]`."""
        kind = "rgb24" if self.format.bits <= 8 else "rgb48le"
        return self._frames(kind)

    def grey_frames(self) -> Iterator[Frame]:
        """The brightness of the frames in order, `[H,W]`, as depth videos hold it.

        Raises:
            FileError: the first frame is not grey.
        """
        first = next(self._frames("rgb24")).pixels
        if 255 * float(np.ptp(first, axis=2).max()) > _GREY_TOLERANCE:
            advice = "Give depth as grey values; colour maps cannot be turned back into depth."
            raise FileError(self.name, "a colour video", advice)
        return self._frames("gray" if self.format.bits <= 8 else "gray16le")

    def count_frames(self) -> int:
        """How many frames there are: from the file's table where it has one, else counted."""
        with opened(self._source) as container:
            stream = self._video_stream(container)
            if stream.frames and not self._start and self._end is None:
                return stream.frames
            packets = (packet for packet in container.demux(stream) if packet.size)
            return sum(self._is_within(self._time(packet, stream, 0)) for packet in packets)

    def sound(self) -> Sound | None:
        """Its sound, to be copied into another video; None if it has none."""
        with opened(self._source) as container:
            if not audio_streams(container):
                return None
        return Sound(self._source, self._start, self._end)

    def _frames(self, kind: str) -> Iterator[Frame]:
        with opened(self._source) as container:
            stream = self._video_stream(container)
            stream.thread_type = "AUTO"
            for index, frame in enumerate(container.decode(stream)):
                time = self._time(frame, stream, index)
                if self._end is not None and time >= self._end:
                    return
                if self._is_within(time):
                    yield Frame(self._pixels(frame, kind), time - self._start)

    def _time(self, frame: Any, stream: Any, index: int) -> Fraction:
        """Of a frame or packet, s; some containers keep no times."""
        if frame.pts is None:
            return Fraction(index) / self.format.rate
        return (frame.pts - (stream.start_time or 0)) * frame.time_base

    def _is_within(self, time: Fraction) -> bool:
        return time >= self._start and (self._end is None or time < self._end)

    def _pixels(self, frame: Any, kind: str) -> np.ndarray:
        tags = {} if _is_rgb(frame) else {"src_colorspace": self.format.matrix}
        codes = frame.to_ndarray(format=kind, interpolation=exactly(self._av), **tags)
        turned = np.rot90(codes, round(frame.rotation / 90))
        largest = 65535 if codes.dtype == np.uint16 else 255
        return np.ascontiguousarray(turned, np.float32) / np.float32(largest)

    def _video_stream(self, container: Any) -> Any:
        if not container.streams.video:
            raise FileError(self.name, "a file without video", "Give a video.")
        return container.streams.video[0]


def _format_of(container: Any, stream: Any, first: Any) -> VideoFormat:
    is_turned = round(first.rotation / 90) % 2 == 1
    width, height = (first.height, first.width) if is_turned else (first.width, first.height)
    matrix = int(first.colorspace)
    if matrix == UNKNOWN:
        matrix = guessed_matrix(height)
    return VideoFormat(
        width=width,
        height=height,
        rate=Fraction(stream.average_rate or stream.guessed_rate or 24),
        time_base=Fraction(stream.time_base),
        bits=max(component.bits for component in first.format.components),
        matrix=matrix,
        primaries=int(first.color_primaries),
        transfer=int(first.color_trc),
        is_full_range=int(first.color_range) == FULL_RANGE,
        metadata=metadata_of(container),
    )


def _is_rgb(frame: Any) -> bool:
    return frame.format.is_rgb
