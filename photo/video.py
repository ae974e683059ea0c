"""Video files, frame by frame: reading, and writing with the sound and the tags of the original.

Nothing here holds more than the frame at hand and what the codecs keep of its neighbours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import FileError, InputError, MissingDependencyError
from .files import replacing

logger = logging.getLogger(__name__)

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
# Constant rate factor: 0 lossless, 51 worst.
DEFAULT_CRF = 16

# Codes of ITU-T H.273, as in a video's tags.
_RGB, _BT709, _UNKNOWN, _BT601 = 0, 1, 2, 6
_HDR_TRANSFER = {16: "PQ", 18: "HLG"}
_FULL_RANGE, _LIMITED_RANGE = 2, 1
# Untagged video is BT.709 from this height on and BT.601 below, as players assume.
_HD_HEIGHT = 720
# Metadata that a copy has values of its own for.
_OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder")
# How far compression may pull the channels of a grey picture apart, of 255.
_GREY_TOLERANCE = 16


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
    matrix: int = _BT709
    primaries: int = _BT709
    transfer: int = _BT709
    is_full_range: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


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
        self._av = _pyav()
        self._source = source
        self._start = Fraction(start)
        self._end = self._start + Fraction(duration) if duration else None
        self.name = _name_of(source)
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
            if not _audio_streams(container):
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
        codes = frame.to_ndarray(format=kind, interpolation=_exactly(self._av), **tags)
        turned = np.rot90(codes, round(frame.rotation / 90))
        largest = 65535 if codes.dtype == np.uint16 else 255
        return np.ascontiguousarray(turned, np.float32) / np.float32(largest)

    def _video_stream(self, container: Any) -> Any:
        if not container.streams.video:
            raise FileError(self.name, "a file without video", "Give a video.")
        return container.streams.video[0]


@dataclass(frozen=True)
class Sound:
    """The sound of a file, copied as it is.

    Args:
        source: a video or a sound file, or its bytes.
        start: seconds of it to leave out.
        end: where to stop, s; None is its end.
    """

    source: Path | BytesIO
    start: Fraction = Fraction(0)
    end: Fraction | None = None

    @contextmanager
    def joined(self, output: Any) -> Iterator[Iterator[tuple[Fraction, Any]]]:
        """Add the sound's streams to a container that is being written.

        Yields:
            Packets to be written, with their times in s.
        """
        with opened(self.source) as container:
            try:
                copies = {
                    stream: output.add_stream_from_template(template=stream, opaque=True)
                    for stream in _audio_streams(container)
                }
            except ValueError as error:
                advice = "Write .mkv, which holds every sound, or convert the sound to AAC."
                raise InputError("sound", f"a kind that does not fit ({error})", advice) from error
            yield self._packets(container, copies)

    def _packets(self, container: Any, copies: Mapping[Any, Any]) -> Iterator[tuple[Fraction, Any]]:
        zero = _start_of(container) + self.start
        for packet in container.demux(*copies):
            if packet.dts is None:
                continue
            time = packet.dts * packet.time_base - zero
            if self.end is not None and time >= self.end - self.start:
                continue
            if self.start and time < 0:
                continue
            shift = round(zero / packet.time_base)
            packet.dts -= shift
            packet.pts -= shift
            packet.stream = copies[packet.stream]
            yield time, packet


class VideoWriter:
    """A video that is being written; see `writing_video`."""

    def __init__(self, output: Any, stream: Any, look: VideoFormat, sound: Iterator[Any]) -> None:
        self._av = _pyav()
        self._output = output
        self._stream = stream
        self._look = look
        self._sound = sound
        self._waiting = next(sound, None)
        self._last_pts = -1

    def write(self, frame: Frame) -> None:
        """Write the next frame.

        Args:
            frame: of the size that was agreed, `[H,W,3]`; values outside 0..1 are clipped.

        Raises:
            InputError: another size, or NaN.
        """
        look = self._look
        if frame.pixels.shape != (look.height, look.width, 3):
            received = f"a frame of shape {list(frame.pixels.shape)}"
            advice = f"All frames of a video have to be {look.width}×{look.height} px."
            raise InputError("frames", received, advice)
        if np.isnan(frame.pixels).any():
            raise InputError("frames", "NaN in some pixels", "Find the step that divides by zero.")
        deep = look.bits > 8
        scale, kind = (65535, np.uint16) if deep else (255, np.uint8)
        codes = (frame.pixels.clip(0.0, 1.0) * np.float32(scale)).round().astype(kind)
        picture = self._av.VideoFrame.from_ndarray(codes, format="rgb48le" if deep else "rgb24")
        coded = picture.reformat(
            format=self._stream.pix_fmt,
            dst_colorspace=look.matrix,
            dst_color_range=_FULL_RANGE if look.is_full_range else _LIMITED_RANGE,
            interpolation=_exactly(self._av),
        )
        # Two frames never share a time, however coarse the base.
        self._last_pts = max(self._last_pts + 1, round(frame.time / look.time_base))
        coded.pts, coded.time_base = self._last_pts, look.time_base
        self._write_sound(until=frame.time)
        self._output.mux(self._stream.encode(coded))

    def finish(self) -> None:
        """Write what the codec holds back, and the rest of the sound."""
        self._output.mux(self._stream.encode(None))
        self._write_sound(until=None)

    def _write_sound(self, until: Fraction | None) -> None:
        while self._waiting is not None and (until is None or self._waiting[0] <= until):
            self._output.mux(self._waiting[1])
            self._waiting = next(self._sound, None)


@contextmanager
def writing_video(
    path: Path, look: VideoFormat, sound: Sound | None = None, crf: int = DEFAULT_CRF
) -> Iterator[VideoWriter]:
    """Write a video, which appears complete or not at all.

    Args:
        path: `.mp4`, `.mov`, `.mkv` (H.264) or `.webm` (VP9).
        look: size, times and colours, such as those of the original. More than 8 bits are written
            as 10, in `.webm` as 8. Odd widths and heights are kept (with
            4:4:4 colour, which some players refuse).
        sound: to be copied; what it was cut to stays cut.
        crf: quality: 0 best and largest, 16 all but indistinguishable, 51 worst.

    Raises:
        InputError: another kind of file, or a quality without meaning.
        FileError: the file cannot be written.
        MissingDependencyError: PyAV is not installed.
    """
    av = _pyav()
    container_name, codec = video_container(path)
    if not 0 <= crf <= 51:
        raise InputError("crf", str(crf), "Give 0 (best) to 51.")
    # Own tags such as ComfyUI's workflow are kept, and players can start before the file is read.
    flags = {"movflags": "use_metadata_tags+faststart"}
    options = flags if container_name in ("mp4", "mov") else {}
    look = _writable(look, codec)
    with replacing(path) as temporary:
        try:
            with av.open(str(temporary), "w", format=container_name, options=options) as output:
                output.metadata.update(look.metadata)
                stream = _new_stream(output, codec, look, crf)
                if sound is None:
                    writer = VideoWriter(output, stream, look, iter(()))
                    yield writer
                    writer.finish()
                else:
                    with sound.joined(output) as packets:
                        writer = VideoWriter(output, stream, look, packets)
                        yield writer
                        writer.finish()
        except av.error.FFmpegError as error:
            advice = "Try another kind of file, such as .mkv."
            raise FileError(
                str(path), f"a video that cannot be written ({error})", advice
            ) from error


def video_container(path: Path) -> tuple[str, str]:
    """Container and codec that a name asks for.

    Raises:
        InputError: none that can be written.
    """
    known = _CONTAINERS.get(path.suffix.lower())
    if known is None:
        raise InputError("path", repr(path.name), f"End the name in {', '.join(_CONTAINERS)}.")
    return known


def write_sound(path: Path, waveform: np.ndarray, sample_rate: int) -> None:
    """Write sound alone, as AAC in an `.mp4`, for `Sound` to copy.

    Args:
        path: the file.
        waveform: `[channels, samples]` float, -1..1; one or two channels.
        sample_rate: samples per second.
    """
    av = _pyav()
    layout = "mono" if len(waveform) == 1 else "stereo"
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=sample_rate, layout=layout)
        samples = np.ascontiguousarray(waveform[:2], np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = sample_rate, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def copy_video(source: Path | BytesIO, path: Path, metadata: Mapping[str, str]) -> None:
    """Copy a video as it is into another file, with more metadata.

    Args:
        source: what to copy.
        path: of the copy, as in `writing_video`; it appears complete or not at all.
        metadata: is added to that of the source.
    """
    container_name, _ = video_container(path)
    options = {"movflags": "use_metadata_tags+faststart"}
    with replacing(path) as temporary, opened(source) as container:
        av = _pyav()
        with av.open(str(temporary), "w", format=container_name, options=options) as output:
            output.metadata.update({**_metadata_of(container), **metadata})
            streams = [*container.streams.video[:1], *_audio_streams(container)]
            copies = {s: output.add_stream_from_template(template=s, opaque=True) for s in streams}
            for packet in container.demux(*streams):
                if packet.dts is not None:
                    packet.stream = copies[packet.stream]
                    output.mux(packet)


@contextmanager
def opened(source: Path | BytesIO) -> Iterator[Any]:
    """A media file, as PyAV's container; errors within the block name the file.

    Raises:
        FileError: missing, damaged or of an unknown kind.
        MissingDependencyError: PyAV is not installed.
    """
    av = _pyav()
    name = _name_of(source)
    # A reader of its own for each use, which shares the bytes.
    place = BytesIO(source.getvalue()) if isinstance(source, BytesIO) else str(source)
    try:
        with av.open(place) as container:
            yield container
    except FileNotFoundError:
        raise FileError(name, "a file that does not exist", "Check the path.") from None
    except av.error.FFmpegError as error:
        advice = "Give an undamaged video; convert others first."
        raise FileError(name, f"an unreadable video ({error})", advice) from error


def _name_of(source: Path | BytesIO) -> str:
    return str(source) if isinstance(source, Path) else "video"


def _new_stream(output: Any, codec: str, look: VideoFormat, crf: int) -> Any:
    stream = output.add_stream(codec, rate=look.rate)
    is_odd = look.width % 2 or look.height % 2
    stream.width, stream.height = look.width, look.height
    stream.pix_fmt = ("yuv444p" if is_odd else "yuv420p") + ("10le" if look.bits > 8 else "")
    context = stream.codec_context
    context.time_base = look.time_base
    context.colorspace, context.color_primaries = look.matrix, look.primaries
    context.color_trc = look.transfer
    context.color_range = _FULL_RANGE if look.is_full_range else _LIMITED_RANGE
    stream.options = {"crf": str(crf)}
    if codec == "libvpx-vp9":
        context.bit_rate = 0  # else crf is only a bound
    return stream


def _writable(look: VideoFormat, codec: str) -> VideoFormat:
    """The format with a matrix that YCbCr can have, and as many bits as the codec takes."""
    matrix = _guessed_matrix(look.height) if look.matrix in (_RGB, _UNKNOWN) else look.matrix
    return replace(look, matrix=matrix, bits=8 if codec == "libvpx-vp9" else look.bits)


def _format_of(container: Any, stream: Any, first: Any) -> VideoFormat:
    is_turned = round(first.rotation / 90) % 2 == 1
    width, height = (first.height, first.width) if is_turned else (first.width, first.height)
    matrix = int(first.colorspace)
    if matrix == _UNKNOWN:
        matrix = _guessed_matrix(height)
    return VideoFormat(
        width=width,
        height=height,
        rate=Fraction(stream.average_rate or stream.guessed_rate or 24),
        time_base=Fraction(stream.time_base),
        bits=max(component.bits for component in first.format.components),
        matrix=matrix,
        primaries=int(first.color_primaries),
        transfer=int(first.color_trc),
        is_full_range=int(first.color_range) == _FULL_RANGE,
        metadata=_metadata_of(container),
    )


def _exactly(av: Any) -> int:
    """How to convert between RGB and YCbCr: the fast way darkens every picture by a code or two."""
    ways = av.video.reformatter.Interpolation
    return int(ways.BICUBIC | ways.ACCURATE_RND | ways.FULL_CHR_H_INT | ways.FULL_CHR_H_INP)


def _guessed_matrix(height: int) -> int:
    return _BT709 if height >= _HD_HEIGHT else _BT601


def _is_rgb(frame: Any) -> bool:
    return frame.format.is_rgb


def _metadata_of(container: Any) -> dict[str, str]:
    """What the file says of its content, without what it says of itself."""
    return {key: text for key, text in container.metadata.items() if key not in _OF_THE_FILE}


def _audio_streams(container: Any) -> list[Any]:
    """The sounds that can be copied: of some there is no codec, and nothing to copy them by."""
    return [stream for stream in container.streams.audio if stream.codec_context is not None]


def _start_of(container: Any) -> Fraction:
    """When the picture starts, s; times count from there."""
    video = container.streams.video
    if not video:
        return Fraction(0)
    return (video[0].start_time or 0) * video[0].time_base


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError(
            "video",
            "a video, but PyAV is not installed",
            "Run `pip install focuspuller[video]`, or give a folder of frames.",
        ) from error
    return av
