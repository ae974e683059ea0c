"""What arrives through a VIDEO link, as frames to read one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import InputError
from ..lens.color import luminance
from ..lens.image import to_planar
from ..photo.sound import Sound, write_sound
from ..photo.video import VideoFile
from ..photo.video_format import Frame, VideoFormat
from .comfy import temp_path, video_in_memory

ADVICE = "Connect Load Video, or Create Video."


@dataclass(frozen=True)
class VideoInMemory:
    """A video that another node made of images; has what `VideoFile` has.

    Args:
        images: `[B,H,W,C]`, 0..1.
        rate: frames per second.
        sound_file: its sound, if there is any.
    """

    images: Tensor
    rate: Fraction
    sound_file: Path | None = None

    @property
    def format(self) -> VideoFormat:
        """Size and times."""
        height, width = self.images.shape[1:3]
        return VideoFormat(width, height, self.rate, 1 / self.rate)

    def frames(self) -> Iterator[Frame]:
        """The frames in order, `[H,W,3]`."""
        for index, image in enumerate(self.images):
            pixels = to_planar(image[None])[0].movedim(0, -1).float().cpu().numpy()
            yield Frame(pixels, index / self.rate)

    def grey_frames(self) -> Iterator[Frame]:
        """The brightness of the frames in order, `[H,W]`."""
        for index, image in enumerate(self.images):
            grey = luminance(to_planar(image[None]))[0, 0].float().cpu().numpy()
            yield Frame(grey, index / self.rate)

    def count_frames(self) -> int:
        """How many frames there are."""
        return len(self.images)

    def sound(self) -> Sound | None:
        """Its sound, to be copied."""
        return Sound(self.sound_file) if self.sound_file else None


@contextmanager
def read_video(video: Any, subject: str) -> Iterator[VideoFile | VideoInMemory]:
    """The video behind a link, for as long as the block lasts.

    Args:
        video: what arrived.
        subject: the input.

    Raises:
        InputError: no video.
        FileError: it cannot be read.
    """
    if not hasattr(video, "get_stream_source"):
        received = "nothing" if video is None else f"a {type(video).__name__}"
        raise InputError(subject, received, ADVICE)
    made_of = video_in_memory(video)
    path = temp_path(".mp4")
    try:
        if made_of is not None:
            yield _in_memory(made_of, subject, path)
        elif hasattr(video, "as_trimmed") and not hasattr(video, "get_active_trim_window"):
            # These versions of ComfyUI do not tell what a video is trimmed to.
            video.save_to(str(path))
            yield VideoFile(path)
        else:
            yield _file(video)
    finally:
        path.unlink(missing_ok=True)


def _file(video: Any) -> VideoFile:
    source = video.get_stream_source()
    window = getattr(video, "get_active_trim_window", lambda: (0.0, 0.0))()
    return VideoFile(source if isinstance(source, BytesIO) else Path(source), *window)


def _in_memory(components: Any, subject: str, sound_path: Path) -> VideoInMemory:
    to_planar(components.images[:1], subject)  # Refuses what is no batch of images.
    audio = components.audio
    if audio is None:
        return VideoInMemory(components.images, Fraction(components.frame_rate))
    write_sound(sound_path, audio["waveform"][0].cpu().numpy(), int(audio["sample_rate"]))
    return VideoInMemory(components.images, Fraction(components.frame_rate), sound_path)
