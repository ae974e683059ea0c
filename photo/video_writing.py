"""Video files, written frame by frame with the sound and the tags of the original."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError, InputError
from .files import replacing
from .media import audio_streams, exactly, metadata_of, opened, pyav
from .sound import Sound
from .video_format import (
    FULL_RANGE,
    LIMITED_RANGE,
    RGB,
    UNKNOWN,
    Frame,
    VideoFormat,
    guessed_matrix,
    video_container,
)

# Constant rate factor: 0 lossless, 51 worst.
DEFAULT_CRF = 16


class VideoWriter:
    """A video that is being written; see `writing_video`."""

    def __init__(self, output: Any, stream: Any, look: VideoFormat, sound: Iterator[Any]) -> None:
        self._av = pyav()
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
            dst_color_range=FULL_RANGE if look.is_full_range else LIMITED_RANGE,
            interpolation=exactly(self._av),
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
    av = pyav()
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
        av = pyav()
        with av.open(str(temporary), "w", format=container_name, options=options) as output:
            output.metadata.update({**metadata_of(container), **metadata})
            streams = [*container.streams.video[:1], *audio_streams(container)]
            copies = {s: output.add_stream_from_template(template=s, opaque=True) for s in streams}
            for packet in container.demux(*streams):
                if packet.dts is not None:
                    packet.stream = copies[packet.stream]
                    output.mux(packet)


def _new_stream(output: Any, codec: str, look: VideoFormat, crf: int) -> Any:
    stream = output.add_stream(codec, rate=look.rate)
    is_odd = look.width % 2 or look.height % 2
    stream.width, stream.height = look.width, look.height
    stream.pix_fmt = ("yuv444p" if is_odd else "yuv420p") + ("10le" if look.bits > 8 else "")
    context = stream.codec_context
    context.time_base = look.time_base
    context.colorspace, context.color_primaries = look.matrix, look.primaries
    context.color_trc = look.transfer
    context.color_range = FULL_RANGE if look.is_full_range else LIMITED_RANGE
    stream.options = {"crf": str(crf)}
    if codec == "libvpx-vp9":
        context.bit_rate = 0  # else crf is only a bound
    return stream


def _writable(look: VideoFormat, codec: str) -> VideoFormat:
    """The format with a matrix that YCbCr can have, and as many bits as the codec takes."""
    matrix = guessed_matrix(look.height) if look.matrix in (RGB, UNKNOWN) else look.matrix
    return replace(look, matrix=matrix, bits=8 if codec == "libvpx-vp9" else look.bits)
