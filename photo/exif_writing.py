"""EXIF of a picture with a new focus, made from that of the original."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from ..errors import InputError
from .exif_tags import (
    INFINITE_DISTANCE,
    Directory,
    Tag,
    noting_damage,
    original_long_edge,
    read_tags,
)

# Tags of the main directory that describe how the original file stores its pixels: they are wrong
# in any other file. Numbers rather than names, because most of them have none outside TIFF.
_STORAGE_TAGS = frozenset(
    {*range(254, 267), 273, *range(277, 282), 284, *range(288, 294), *range(297, 302), 317, 320}
    | {*range(321, 331), *range(332, 348), *range(512, 533), 700, 33723, 34377, 34675}
)
# An APP1 segment of JPEG holds no more. PNG, WebP and TIFF could, but a photo should keep its EXIF
# when it is converted.
_MAX_EXIF_BYTES = 65533


def exif_with_new_focus(
    original: Image.Exif | bytes | None,
    f_number: float | None,
    subject_distance_m: float | None,
    size: tuple[int, int] | None = None,
) -> bytes:
    """EXIF for a picture that was refocused, from that of the original.

    All directories stay (camera, GPS, interoperability, maker note), as far as Pillow can read and
    write them; a value that it cannot is left out. New are FNumber and ApertureValue,
    SubjectDistance, the orientation (1: the pixels have been turned), the colour space (sRGB) and
    the pixel size. The thumbnail is dropped: it shows the old picture. If all that does not fit
    into a JPEG segment, the largest values are dropped, usually the maker note.

    Args:
        original: EXIF of the original; None or damaged: a new one is begun.
        f_number: aperture of the new picture; None: as in the original.
        subject_distance_m: focus distance in metres, may be infinity; None: as in the original.
        size: width and height of the new picture in px; None: as in the original. The focal-plane
            resolution is changed along with it, so that the sensor keeps its width.

    Returns:
        EXIF with its header, at most 65,533 bytes; empty if there is nothing to write.

    Raises:
        InputError: f-number or distance are not above zero.
    """
    exif = _loaded(original)
    main = {tag: value for tag, value in _readable(exif, None) if tag not in _STORAGE_TAGS}
    photo = dict(_readable(exif, ExifTags.IFD.Exif))
    gps = dict(_readable(exif, ExifTags.IFD.GPSInfo))
    interoperability = dict(_readable(exif, ExifTags.IFD.Interop))
    photo.pop(ExifTags.IFD.Interop, None)
    if interoperability:
        photo[ExifTags.IFD.Interop] = interoperability

    photo = _refocused(photo, f_number, subject_distance_m)
    if not (main or photo or gps):
        return b""
    if size is not None:
        photo = _resized(photo, size)
    photo[Tag.ColorSpace] = 1
    photo.setdefault(Tag.ExifVersion, b"0232")
    main[Tag.Orientation] = 1
    return _fitting_bytes(main, photo, gps, exif.endian)


def _refocused(
    photo: dict[int, Any], f_number: float | None, subject_distance_m: float | None
) -> dict[int, Any]:
    refocused = dict(photo)
    if f_number is not None:
        if not (math.isfinite(f_number) and f_number > 0):
            raise InputError("f_number", repr(f_number), "Give a number above zero.")
        refocused[Tag.FNumber] = IFDRational(f_number)
        # APEX; its type in EXIF has no sign, so lenses faster than f/1 get none.
        refocused.pop(Tag.ApertureValue, None)
        if f_number >= 1.0:
            refocused[Tag.ApertureValue] = IFDRational(2.0 * math.log2(f_number))
    if subject_distance_m is not None:
        if not subject_distance_m > 0:
            raise InputError(
                "subject_distance_m", repr(subject_distance_m), "Give metres above zero."
            )
        distance = min(float(subject_distance_m), INFINITE_DISTANCE)
        refocused[Tag.SubjectDistance] = IFDRational(distance)
        # Macro, close or distant view: it may contradict the new distance.
        refocused.pop(Tag.SubjectDistanceRange, None)
    return refocused


def _resized(photo: dict[int, Any], size: tuple[int, int]) -> dict[int, Any]:
    """New pixel size, and the focal-plane resolution that gives the same sensor as before."""
    resized = photo | {Tag.ExifImageWidth: size[0], Tag.ExifImageHeight: size[1]}
    original = Directory(photo, problems=[])
    long_edge = original_long_edge(original, None)
    for tag in (Tag.FocalPlaneXResolution, Tag.FocalPlaneYResolution):
        resolution = original.number(tag)
        if resolution and long_edge:
            resized[tag] = IFDRational(resolution * max(size) / long_edge)
        else:
            resized.pop(tag, None)
    return resized


def _loaded(original: Image.Exif | bytes | None) -> Image.Exif:
    if isinstance(original, Image.Exif):
        return original
    exif = Image.Exif()
    with noting_damage([]):
        exif.load(original or b"")
    return exif


def _readable(exif: Image.Exif, directory: ExifTags.IFD | None) -> Iterator[tuple[int, Any]]:
    """The tags of a directory that can be read and written again, without other directories."""
    pointers = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
    for tag, value in read_tags(exif, directory, problems=[]).items():
        if tag in pointers:
            continue
        if directory is None and isinstance(value, str) and not value.isascii():
            # Pillow reads text as Latin-1 but would write only ASCII. This keeps its bytes.
            value = value.encode("latin-1", "replace")
        if _is_writable(tag, value, directory):
            yield tag, value


def _is_writable(tag: int, value: Any, group: int | None) -> bool:
    try:
        directory = ImageFileDirectory_v2(group=group)
        directory[tag] = value
        directory.tobytes(8)
    # Values that do not fit their tag's type lead Pillow to any exception.
    except Exception:
        return False
    return True


def _fitting_bytes(
    main: dict[int, Any], photo: dict[int, Any], gps: dict[int, Any], endian: str | None
) -> bytes:
    directories = {ExifTags.IFD.Exif: photo, ExifTags.IFD.GPSInfo: gps}
    while True:
        exif = Image.Exif()
        exif.endian = endian  # Maker notes are often written in it.
        for tag, value in (main | {tag: tags for tag, tags in directories.items() if tags}).items():
            exif[tag] = value
        written = exif.tobytes()
        if len(written) <= _MAX_EXIF_BYTES:
            return written
        values = [(len(repr(tags[tag])), tags, tag) for tags in (main, photo, gps) for tag in tags]
        _, tags, largest = max(values, key=lambda value: value[0])
        del tags[largest]
