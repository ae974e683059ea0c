"""The segments of a JPEG file: finding, adding and removing metadata without touching pixels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

START_OF_IMAGE = b"\xff\xd8"
APP0 = 0xE0
APP1 = 0xE1
MAX_PAYLOAD_BYTES = 65533
EXIF_HEADER = b"Exif\0\0"

_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
# A marker that begins a segment or ends the image. Inside a scan 0xFF is followed by zero or a
# restart marker; markers may be preceded by any number of fill bytes 0xFF.
_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd8\xff])")


@dataclass(frozen=True)
class Segment:
    """One segment in front of the pixels.

    Args:
        marker: what it is, the second of its two marker bytes.
        start: index of its first byte in the file.
        payload: what it holds, without marker and length.
    """

    marker: int
    start: int
    payload: bytes

    @property
    def end(self) -> int:
        """Index of the first byte behind the segment."""
        return self.start + 4 + len(self.payload)


def segments(jpeg: bytes) -> Iterator[Segment]:
    """The segments up to the first scan. Ends early where the file is damaged."""
    position = len(START_OF_IMAGE)
    while match := _MARKER.match(jpeg, position):
        marker, start = match[1][0], match.end() - 2
        length = int.from_bytes(jpeg[match.end() : match.end() + 2], "big")
        payload = jpeg[start + 4 : start + 2 + length]
        if marker in (_START_OF_SCAN, _END_OF_IMAGE) or len(payload) != length - 2:
            return
        yield Segment(marker, start, payload)
        position = start + 2 + length


def end_of_image(jpeg: bytes) -> int | None:
    """Index of the first byte behind the (first) image, where phones append more; None if cut."""
    position = len(START_OF_IMAGE)
    while match := _MARKER.search(jpeg, position):
        if match[1][0] == _END_OF_IMAGE:
            return match.end()
        position = match.end() + int.from_bytes(jpeg[match.end() : match.end() + 2], "big")
    return None


def app1(payload: bytes) -> bytes:
    """An APP1 segment, where EXIF and XMP live."""
    assert len(payload) <= MAX_PAYLOAD_BYTES
    return bytes((0xFF, APP1)) + (len(payload) + 2).to_bytes(2, "big") + payload


def with_metadata(jpeg: bytes, added: bytes, replaces: Callable[[Segment], bool]) -> bytes:
    """Put the segments `added` behind JFIF and EXIF, which must come first.

    Args:
        jpeg: a JPEG file.
        added: whole segments.
        replaces: which of the existing segments to leave out.
    """
    head, rest = [jpeg[: len(START_OF_IMAGE)]], []
    position = len(START_OF_IMAGE)
    for segment in segments(jpeg):
        position = segment.end
        if replaces(segment):
            continue
        comes_first = segment.marker == APP0 or segment.payload.startswith(EXIF_HEADER)
        (head if comes_first and not rest else rest).append(jpeg[segment.start : segment.end])
    return b"".join((*head, added, *rest, jpeg[position:]))
