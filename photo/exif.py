"""Camera data in EXIF: what a photo tells of its camera.

A value that is missing, damaged or impossible is left out and said so in words. No number is
invented, and no content of a file makes anything here raise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from PIL import ExifTags, Image

from ..lens.optics import FULL_FRAME_WIDTH_MM, Camera
from .camera_database import crop_factor
from .exif_tags import INFINITE_DISTANCE, Directory, Tag, original_long_edge, read_tags, shown

SensorWidthSource = Literal["35 mm equivalent", "camera database", "focal-plane resolution"]

# A phone's front camera has 2.5 mm, the largest digital backs 54 mm, 4×5 inch film 120 mm.
SENSOR_WIDTH_LIMITS_MM = (1.0, 120.0)
# FocalPlaneResolutionUnit: inch, cm, and the two that TIFF/EP adds, mm and µm.
_FOCAL_PLANE_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}


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
    main = Directory(read_tags(exif, None, problems), problems)
    photo = Directory(read_tags(exif, ExifTags.IFD.Exif, problems), problems)

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


def _f_number(photo: Directory) -> float | None:
    f_number = photo.positive(Tag.FNumber, "f-number")
    if f_number is not None:
        return f_number
    # Aperture in APEX units, 2 log2 N. Cameras that do not know the lens write 0, which as f/1
    # would be believable; a lens of f/1 or faster has FNumber.
    apex = photo.number(Tag.ApertureValue)
    return 2.0 ** (apex / 2.0) if apex is not None and 0 < apex < 20 else None


def _exposure_time(photo: Directory) -> float | None:
    seconds = photo.positive(Tag.ExposureTime, "exposure time", zero_is_unknown=True)
    if seconds is not None:
        return seconds
    # Shutter speed in APEX units, -log2 t.
    apex = photo.number(Tag.ShutterSpeedValue)
    return 2.0**-apex if apex is not None and -12 <= apex <= 20 else None


def _subject_distance(photo: Directory) -> float | None:
    value = photo.tags.get(Tag.SubjectDistance)
    if getattr(value, "numerator", None) == INFINITE_DISTANCE:
        return math.inf
    return photo.positive(Tag.SubjectDistance, "subject distance", zero_is_unknown=True)


def _orientation(main: Directory) -> int:
    value = main.tags.get(Tag.Orientation, 1)
    if isinstance(value, int) and 1 <= value <= 8:
        return value
    main.problems.append(f"The orientation is none of 1 to 8: {shown(value)}.")
    return 1


def _sensor_widths(
    photo: Directory,
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
    long_edge = original_long_edge(photo, size)
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


def _focal_plane_resolution(photo: Directory) -> float | None:
    """Pixels per mm on the sensor."""
    pixels = photo.positive(Tag.FocalPlaneXResolution, "focal-plane resolution")
    unit = photo.tags.get(Tag.FocalPlaneResolutionUnit, 2)
    if pixels is None:
        return None
    if not isinstance(unit, int) or unit not in _FOCAL_PLANE_UNIT_MM:
        photo.problems.append(f"The focal-plane resolution has no known unit: {shown(unit)}.")
        return None
    return pixels / _FOCAL_PLANE_UNIT_MM[unit]
