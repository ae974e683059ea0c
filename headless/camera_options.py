"""The strength of the blur on the command line: a camera or a bokeh level."""

from __future__ import annotations

import argparse
import dataclasses

from ..errors import InputError
from ..lens.focus import Focus
from ..lens.optics import Camera, f_number_for_bokeh_level
from ..photo.exif import CameraData
from ..photo.photo import Photo


def add_camera_options(parser: argparse.ArgumentParser) -> None:
    """Add to a command what tells the strength of the blur."""
    group = parser.add_argument_group("strength (default: the camera in the photo's EXIF)")
    strength = group.add_mutually_exclusive_group()
    strength.add_argument("--f-number", metavar="N", type=float, help="aperture, such as 1.8")
    strength.add_argument(
        "--bokeh-level",
        metavar="K",
        type=float,
        help="instead of a camera: blur radius in px per unit of disparity",
    )
    group.add_argument("--focal-length", metavar="MM", type=float, help="real, not equivalent")
    group.add_argument("--sensor-width", metavar="MM", type=float, help="long side of the sensor")


def camera_of(options: argparse.Namespace, data: CameraData) -> Camera | None:
    """The photo's camera with what the options replace; None with --bokeh-level."""
    given = {
        "focal_length_mm": options.focal_length,
        "f_number": options.f_number,
        "sensor_width_mm": options.sensor_width,
    }
    if options.bokeh_level is not None:
        if any(value is not None for value in given.values()):
            advice = "Leave out --focal-length and --sensor-width, or --bokeh-level."
            raise InputError("--bokeh-level", "numbers of a camera beside it", advice)
        return None
    known = dataclasses.replace(
        data, **{name: value for name, value in given.items() if value is not None}
    )
    if known.missing:
        options_of = zip(given, ("--focal-length", "--f-number", "--sensor-width"), strict=True)
        lacking = [option for name, option in options_of if getattr(known, name) is None]
        raise InputError(
            "camera",
            f"a photo without all its data. {known.missing.rstrip('.')}",
            f"Give {', '.join(lacking)}, or in place of a camera --bokeh-level.",
        )
    return Camera(known.focal_length_mm, known.f_number, known.sensor_width_mm)  # pyright: ignore


def equivalent_f_number(options: argparse.Namespace, photo: Photo, focus: Focus) -> float | None:
    """The f-number at which the photo's camera has the bokeh level; None where that is unknown."""
    data = photo.camera_data
    known = focus.is_metric and data.focal_length_mm and data.sensor_width_mm
    if not known or not options.bokeh_level:
        return None
    camera = Camera(data.focal_length_mm or 0.0, 1.0, data.sensor_width_mm or 0.0)
    camera = camera.for_image(*photo.image.shape[:2])
    return f_number_for_bokeh_level(options.bokeh_level, camera, float(focus.plane[0]))
