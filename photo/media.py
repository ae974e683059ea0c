"""Media files, opened with PyAV (an optional library)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from ..errors import FileError, MissingDependencyError

# Metadata that a copy has values of its own for.
_OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder")


@contextmanager
def opened(source: Path | BytesIO) -> Iterator[Any]:
    """A media file, as PyAV's container; errors within the block name the file.

    Raises:
        FileError: missing, damaged or of an unknown kind.
        MissingDependencyError: PyAV is not installed.
    """
    av = pyav()
    name = name_of(source)
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


def pyav() -> Any:
    """The library PyAV.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError(
            "video",
            "a video, but PyAV is not installed",
            "Run `pip install focuspuller[video]`, or give a folder of frames.",
        ) from error
    return av


def name_of(source: Path | BytesIO) -> str:
    """What errors call a file."""
    return str(source) if isinstance(source, Path) else "video"


def metadata_of(container: Any) -> dict[str, str]:
    """What the file says of its content, without what it says of itself."""
    return {key: text for key, text in container.metadata.items() if key not in _OF_THE_FILE}


def audio_streams(container: Any) -> list[Any]:
    """The sounds that can be copied: of some there is no codec, and nothing to copy them by."""
    return [stream for stream in container.streams.audio if stream.codec_context is not None]


def exactly(av: Any) -> int:
    """How to convert between RGB and YCbCr: the fast way darkens every picture by a code or two."""
    ways = av.video.reformatter.Interpolation
    return int(ways.BICUBIC | ways.ACCURATE_RND | ways.FULL_CHR_H_INT | ways.FULL_CHR_H_INP)
