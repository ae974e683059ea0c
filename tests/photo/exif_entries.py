"""EXIF written by hand, as Pillow refuses to write most of what broken files hold."""

from __future__ import annotations

import struct
from io import BytesIO

from focuspuller.photo.exif import CameraData, read_camera_data
from focuspuller.photo.exif_tags import Tag
from PIL import Image

# Tag, type, number of values, their bytes.
Entry = tuple[int, int, int, bytes]
ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SIGNED_RATIONAL, FLOAT = 2, 3, 4, 5, 7, 10, 11
INFINITE = 0xFFFFFFFF


def text(tag: int, value: str) -> Entry:
    return tag, ASCII, len(value) + 1, value.encode("latin-1") + b"\0"


def short(tag: int, value: int) -> Entry:
    return tag, SHORT, 1, struct.pack("<H", value)


def rational(tag: int, numerator: int, denominator: int = 1) -> Entry:
    return tag, RATIONAL, 1, struct.pack("<II", numerator, denominator)


def floating(tag: int, value: float) -> Entry:
    return tag, FLOAT, 1, struct.pack("<f", value)


def exif_bytes(photo: list[Entry], main: list[Entry] | None = None) -> bytes:
    main = [*(main or []), (0x8769, LONG, 1, b"\0" * 4)]
    photo_start = 8 + size_of(main)
    main[-1] = (0x8769, LONG, 1, struct.pack("<I", photo_start))
    return b"Exif\0\0II*\0\x08\0\0\0" + directory(main, 8) + directory(photo, photo_start)


def directory(entries: list[Entry], start: int) -> bytes:
    table, data = struct.pack("<H", len(entries)), b""
    data_start = start + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in sorted(entries):
        table += struct.pack("<HHI", tag, kind, count)
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack("<I", data_start + len(data))
            data += value
    return table + b"\0" * 4 + data


def size_of(entries: list[Entry]) -> int:
    return len(directory(entries, 0))


def read(
    photo: list[Entry], main: list[Entry] | None = None, size: tuple[int, int] = (60, 40)
) -> CameraData:
    """Camera data of a small JPEG with these EXIF entries."""
    buffer = BytesIO()
    Image.new("RGB", size).save(buffer, "JPEG", exif=exif_bytes(photo, main))
    image = Image.open(buffer)
    return read_camera_data(image.getexif(), image.size)


def loaded(exif: bytes) -> Image.Exif:
    tags = Image.Exif()
    tags.load(exif)
    return tags


CANON_40D = [text(Tag.Make, "Canon"), text(Tag.Model, "Canon EOS 40D")]
LENS = [rational(Tag.FocalLength, 50), rational(Tag.FNumber, 18, 10)]
