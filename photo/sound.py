"""The sound of a video, copied as it is, or written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .media import audio_streams, opened, pyav


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
                    for stream in audio_streams(container)
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


def write_sound(path: Path, waveform: np.ndarray, sample_rate: int) -> None:
    """Write sound alone, as AAC in an `.mp4`, for `Sound` to copy.

    Args:
        path: the file.
        waveform: `[channels, samples]` float, -1..1; one or two channels.
        sample_rate: samples per second.
    """
    av = pyav()
    layout = "mono" if len(waveform) == 1 else "stereo"
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=sample_rate, layout=layout)
        samples = np.ascontiguousarray(waveform[:2], np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = sample_rate, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _start_of(container: Any) -> Fraction:
    """When the picture starts, s; times count from there."""
    video = container.streams.video
    if not video:
        return Fraction(0)
    return (video[0].start_time or 0) * video[0].time_base
