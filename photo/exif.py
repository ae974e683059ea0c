"""Camera data in EXIF: reading what a photo tells of its camera, writing what a new focus changes.

Nothing in a file is taken on trust: a value that is missing, damaged or impossible is left out and
said so in words. No number is invented, and no content of a file makes anything here raise.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from ..errors import InputError
from ..lens.optics import FULL_FRAME_WIDTH_MM, Camera
from .camera_database import crop_factor

Tag = ExifTags.Base
SensorWidthSource = Literal["35 mm equivalent", "camera database", "focal-plane resolution"]

# A phone's front camera has 2.5 mm, the largest digital backs 54 mm, 4×5 inch film 120 mm.
SENSOR_WIDTH_LIMITS_MM = (1.0, 120.0)
_WARNINGS_LOCK = threading.RLock()
# What EXIF writes for the distance of a subject at infinity.
INFINITE_DISTANCE = 0xFFFFFFFF
# FocalPlaneResolutionUnit: inch, cm, and the two that TIFF/EP adds, mm and µm.
_FOCAL_PLANE_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
# Tags of the main directory that describe how the original file stores its pixels: they are wrong
# in any other file. Numbers rather than names, because most of them have none outside TIFF.
_STORAGE_TAGS = frozenset(
    {*range(254, 267), 273, *range(277, 282), 284, *range(288, 294), *range(297, 302), 317, 320}
    | {*range(321, 331), *range(332, 348), *range(512, 533), 700, 33723, 34377, 34675}
)
# An APP1 segment of JPEG holds no more. PNG, WebP and TIFF could, but a photo should keep its EXIF
# when it is converted.
_MAX_EXIF_BYTES = 65533


@dataclass(frozen=True)
class CameraData:
    """What a photo tells of its camera; None is unknown.

    Args:
        make, model: of the camera, as it writes them.
        focal_length_mm: real focal length.
        equivalent_focal_length_mm: focal length of the same view on 35 mm film.
        f_number: aperture N.
        sensor_width_mm: long side of the part of the sensor that the picture shows.
        sensor_width_source: how `sensor_width_mm` is known.
        subject_distance_m: focus distance in metres, may be infinity.
        exposure_time_s: how long the shutter was open.
        orientation: 1 to 8, how the stored pixels have to be turned.
        problems: what was damaged or impossible, in words.
    """

    make: str | None = None
    model: str | None = None
    focal_length_mm: float | None = None
    equivalent_focal_length_mm: float | None = None
    f_number: float | None = None
    sensor_width_mm: float | None = None
    sensor_width_source: SensorWidthSource | None = None
    subject_distance_m: float | None = None
    exposure_time_s: float | None = None
    orientation: int = 1
    problems: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """What a `Camera` still lacks, as a sentence; empty if nothing.

        Example:
            >>> CameraData(focal_length_mm=50.0, sensor_width_mm=36.0).missing
            'The photo does not tell the f-number.'
        """
        needed = {
            "focal length": self.focal_length_mm,
            "f-number": self.f_number,
            "sensor width": self.sensor_width_mm,
        }
        unknown = [f"the {name}" for name, value in needed.items() if value is None]
        if not unknown:
            return ""
        listed = " and ".join([", ".join(unknown[:-1]), unknown[-1]] if unknown[:-1] else unknown)
        return f"The photo does not tell {listed}."


def camera_from(data: CameraData) -> Camera | None:
    """The camera that took a photo; None where `data.missing` names something."""
    if data.focal_length_mm is None or data.f_number is None or data.sensor_width_mm is None:
        return None
    return Camera(data.focal_length_mm, data.f_number, data.sensor_width_mm)


def exif_of(image: Image.Image, problems: list[str]) -> Image.Exif:
    """EXIF of an image as far as it can be read; adds what was damaged to `problems`, in words."""
    exif = Image.Exif()
    with _noting_damage(problems):
        exif = image.getexif()
    if image.info.get("exif") and not len(exif) and not problems:
        problems.append("The EXIF data is damaged and was left out.")
    return exif


def read_camera_data(exif: Image.Exif, size: tuple[int, int] | None = None) -> CameraData:
    """Camera data of a photo, each value checked.

    The f-number comes from FNumber, else from ApertureValue. The sensor width comes from the first
    of these that gives a width within `SENSOR_WIDTH_LIMITS_MM`:

    1. the 35 mm equivalent focal length: crop factor f₃₅/f, width 36 mm / crop. It stays right
       when a program resizes the picture, and on phones with several lenses. Cameras round it to
       whole mm and some relate it to the diagonal, so expect an error of up to 4 %.
    2. the camera database (`pip install focuspuller[cameras]`), by make and model;
    3. the focal-plane resolution: exact in a picture out of the camera, wrong in one that a program
       resized without correcting it.

    Digital zoom shows a part of the sensor: the 35 mm equivalent counts it in, the width from the
    database is divided by it, and the focal-plane resolution is not used, as it may refer to
    pixels before or after enlarging.

    Args:
        exif: tags of the photo, as Pillow reads them.
        size: width and height in px where EXIF does not tell the original ones.
    """
    problems: list[str] = []
    main = _Directory(_read_tags(exif, None, problems), problems)
    photo = _Directory(_read_tags(exif, ExifTags.IFD.Exif, problems), problems)

    make, model = main.text(Tag.Make), main.text(Tag.Model)
    focal_length = photo.positive(Tag.FocalLength, "focal length")
    equivalent = photo.positive(Tag.FocalLengthIn35mmFilm, "35 mm equivalent", zero_is_unknown=True)
    widths = _sensor_widths(photo, make, model, focal_length, equivalent, size)
    source, width = _first_possible(widths, problems)
    return CameraData(
        make=make,
        model=model,
        focal_length_mm=focal_length,
        equivalent_focal_length_mm=equivalent,
        f_number=_f_number(photo),
        sensor_width_mm=width,
        sensor_width_source=source,
        subject_distance_m=_subject_distance(photo),
        exposure_time_s=_exposure_time(photo),
        orientation=_orientation(main),
        problems=tuple(problems),
    )


class _Directory:
    """One EXIF directory, giving only values that mean what they should."""

    def __init__(self, tags: Mapping[int, Any], problems: list[str]) -> None:
        self.tags = tags
        self.problems = problems

    def text(self, tag: int) -> str | None:
        """Text without its padding; None if there is none."""
        value = self.tags.get(tag)
        return value.partition("\0")[0].strip() or None if isinstance(value, str) else None

    def number(self, tag: int) -> float | None:
        """A finite number, else None."""
        value = self.tags.get(tag)
        if not isinstance(value, (int, float, IFDRational)):
            return None
        try:
            number = float(value)
        except (ZeroDivisionError, OverflowError, ValueError):
            return None
        return number if math.isfinite(number) else None

    def positive(self, tag: int, name: str, *, zero_is_unknown: bool = False) -> float | None:
        """A number above zero; anything else that is there is noted as a problem."""
        number = self.number(tag)
        if number is not None and number > 0:
            return number
        if tag in self.tags and not (zero_is_unknown and number == 0):
            self.problems.append(f"The {name} is no number above zero: {_shown(self.tags[tag])}.")
        return None


def _read_tags(
    exif: Image.Exif, directory: ExifTags.IFD | None, problems: list[str]
) -> dict[int, Any]:
    """Tags of the main directory (None) or of another, as many as can be read."""
    stored: Mapping[int, Any] = {}
    with _noting_damage(problems):
        stored = exif if directory is None else _sub_directory(exif, directory)
    tags = {}
    for name in stored:
        with _noting_damage(problems):
            tags[name] = stored[name]
    return tags


def _sub_directory(exif: Image.Exif, directory: ExifTags.IFD) -> Mapping[int, Any]:
    stored = exif.get(directory)  # an offset in the file, or the tags if a program put them there
    # Before version 11, Pillow gives None for a directory that is lost.
    return stored if isinstance(stored, Mapping) else exif.get_ifd(directory) or {}


@contextmanager
def noting_warnings(problems: list[str]) -> Iterator[None]:
    """Turns Pillow's warnings about damaged metadata into problems, each once."""
    # Python's record of warnings belongs to the whole process, not to the thread.
    with _WARNINGS_LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        problem = f"A part of the EXIF data may be damaged ({str(warning.message).strip()})."
        # Subclasses are about other things, such as large images.
        if warning.category is UserWarning and problem not in problems:
            problems.append(problem)


@contextmanager
def _noting_damage(problems: list[str]) -> Iterator[None]:
    """Turns Pillow's warnings and errors about damaged EXIF into problems."""
    with noting_warnings(problems):
        try:
            yield
        # Damaged offsets, types and counts lead Pillow to any exception.
        except Exception as error:
            problems.append(f"A part of the EXIF data is damaged and was left out ({error}).")


def _shown(value: object) -> str:
    if isinstance(value, IFDRational):
        return f"{value.numerator}/{value.denominator}"
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "…"


def _f_number(photo: _Directory) -> float | None:
    f_number = photo.positive(Tag.FNumber, "f-number")
    if f_number is not None:
        return f_number
    # Aperture in APEX units, 2 log2 N. Cameras that do not know the lens write 0, which as f/1
    # would be believable; a lens of f/1 or faster has FNumber.
    apex = photo.number(Tag.ApertureValue)
    return 2.0 ** (apex / 2.0) if apex is not None and 0 < apex < 20 else None


def _exposure_time(photo: _Directory) -> float | None:
    seconds = photo.positive(Tag.ExposureTime, "exposure time", zero_is_unknown=True)
    if seconds is not None:
        return seconds
    # Shutter speed in APEX units, -log2 t.
    apex = photo.number(Tag.ShutterSpeedValue)
    return 2.0**-apex if apex is not None and -12 <= apex <= 20 else None


def _subject_distance(photo: _Directory) -> float | None:
    value = photo.tags.get(Tag.SubjectDistance)
    if getattr(value, "numerator", None) == INFINITE_DISTANCE:
        return math.inf
    return photo.positive(Tag.SubjectDistance, "subject distance", zero_is_unknown=True)


def _orientation(main: _Directory) -> int:
    value = main.tags.get(Tag.Orientation, 1)
    if isinstance(value, int) and 1 <= value <= 8:
        return value
    main.problems.append(f"The orientation is none of 1 to 8: {_shown(value)}.")
    return 1


def _sensor_widths(
    photo: _Directory,
    make: str | None,
    model: str | None,
    focal_length_mm: float | None,
    equivalent_focal_length_mm: float | None,
    size: tuple[int, int] | None,
) -> Iterator[tuple[SensorWidthSource, float]]:
    """What each source says of the sensor's width in mm, best source first, not yet judged."""
    if focal_length_mm is not None and equivalent_focal_length_mm is not None:
        width = FULL_FRAME_WIDTH_MM * focal_length_mm / equivalent_focal_length_mm
        yield "35 mm equivalent", width
    zoom = photo.positive(Tag.DigitalZoomRatio, "digital zoom", zero_is_unknown=True)
    zoom = max(zoom or 1.0, 1.0)
    crop = crop_factor(make, model) if make and model else None
    if crop is not None:
        yield "camera database", FULL_FRAME_WIDTH_MM / crop / zoom
    pixels_per_mm = _focal_plane_resolution(photo)
    long_edge = _original_long_edge(photo, size)
    if pixels_per_mm is not None and long_edge is not None and zoom == 1.0:
        yield "focal-plane resolution", long_edge / pixels_per_mm


def _first_possible(
    widths: Iterator[tuple[SensorWidthSource, float]], problems: list[str]
) -> tuple[SensorWidthSource | None, float | None]:
    for source, width in widths:
        if SENSOR_WIDTH_LIMITS_MM[0] <= width <= SENSOR_WIDTH_LIMITS_MM[1]:
            return source, width
        problems.append(f"The {source} would make the sensor {width:.3g} mm wide.")
    return None, None


def _focal_plane_resolution(photo: _Directory) -> float | None:
    """Pixels per mm on the sensor."""
    pixels = photo.positive(Tag.FocalPlaneXResolution, "focal-plane resolution")
    unit = photo.tags.get(Tag.FocalPlaneResolutionUnit, 2)
    if pixels is None:
        return None
    if not isinstance(unit, int) or unit not in _FOCAL_PLANE_UNIT_MM:
        photo.problems.append(f"The focal-plane resolution has no known unit: {_shown(unit)}.")
        return None
    return pixels / _FOCAL_PLANE_UNIT_MM[unit]


def _original_long_edge(photo: _Directory, size: tuple[int, int] | None) -> float | None:
    """Long edge in px of the picture that the focal-plane resolution speaks of."""
    original = [photo.number(Tag.ExifImageWidth), photo.number(Tag.ExifImageHeight)]
    known = [edge for edge in original if edge and edge > 0] or list(size or ())
    return max(known, default=None)


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
    original = _Directory(photo, problems=[])
    long_edge = _original_long_edge(original, None)
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
    with _noting_damage([]):
        exif.load(original or b"")
    return exif


def _readable(exif: Image.Exif, directory: ExifTags.IFD | None) -> Iterator[tuple[int, Any]]:
    """The tags of a directory that can be read and written again, without other directories."""
    pointers = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
    for tag, value in _read_tags(exif, directory, problems=[]).items():
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
