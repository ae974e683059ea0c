"""`focuspuller fit`: which focus and f-number a photo was taken with."""

from __future__ import annotations

import argparse
import json
import logging
import math
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import InputError
from ..lens.depth import Depth
from ..lens.fitting.fit import FIT_LENS, fit_picture
from ..lens.fitting.fitted_lens import FittedLens
from ..lens.focus import Focus
from ..lens.image import to_interleaved
from ..lens.optics import Camera
from ..lens.render import LENSES, Lens
from ..photo.files import make_folder
from ..photo.photo import Photo
from ..photo.saving import format_of, save_photo
from .counting import BAR, show
from .depth_options import add_depth_options, check_depth_options, depth_of
from .devices import working_device
from .fit import fit_bokeh_level, fit_camera, light_of
from .focus_options import add_focus_options, focus_place
from .outputs import check_no_input
from .shots import open_photo

logger = logging.getLogger(__name__)

EXAMPLES = """examples:
  focuspuller fit sharp.png photo.jpg --depth metres.npy
  focuspuller fit sharp.png photo.png --depth metres.npy --focal-length 85 --sensor-width 36
  focuspuller fit sharp.png photo.png --depth disparity.png --focus-mask subject.png --json
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "fit",
        description="Find focus and strength of the blur in a photo, from an all-in-focus picture "
        "of the same view and its depth. With metric depth and a focal length: focus distance and "
        "f-number. Otherwise: bokeh level and focus disparity. In brackets: from where to where "
        "the mismatch is at most a tenth above the best.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sharp", metavar="SHARP", type=Path, help="the all-in-focus picture")
    parser.add_argument("photo", metavar="PHOTO", type=Path, help="the same view and size, blurred")
    add_depth_options(parser)
    add_focus_options(parser, required=False)
    _add_camera_options(parser)
    group = parser.add_argument_group("more")
    group.add_argument(
        "--lens",
        choices=LENSES,
        default=FIT_LENS,
        help="renderer for the bokeh level and the preview",
    )
    group.add_argument("--linear", action="store_true", help="the pictures hold linear light")
    group.add_argument("--device", help="where to compute, such as cpu or cuda:1")
    group.add_argument("--json", action="store_true", help="print JSON")
    group.add_argument(
        "--preview",
        metavar="OUT",
        type=Path,
        help="save a rendering with the fitted values, the photo, and their difference times 4",
    )
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> None:
    """Fit and print what was found."""
    _check_preview(options)
    check_depth_options(options)
    sharp, photo = open_photo(options.sharp), open_photo(options.photo)
    # A network sees more in the sharp picture.
    is_sharp = options.depth_model is not None or sharp.depth is not None
    depth = depth_of(options, sharp if is_sharp else photo)
    focus = _focus(options, depth)
    camera = _camera(options, photo, sharp, depth)
    chosen: dict[str, Any] = {
        "focus": focus,
        "lens": options.lens,
        "linear": options.linear,
        "device": working_device(options.device),
    }
    with tqdm(total=1.0, delay=1.0, leave=False, disable=None, bar_format=BAR) as bar:
        chosen["on_progress"] = lambda fraction: show(bar, fraction)
        if camera is None:
            fitted = fit_bokeh_level(sharp.image, photo.image, depth, **chosen)
        else:
            unknown = "focus_scale" if options.focus_scale else "f_number"
            fitted = fit_camera(sharp.image, photo.image, depth, camera, unknown=unknown, **chosen)
    for problem in fitted.problems:
        logger.warning("%s", problem)
    if options.preview is not None:
        _save_preview(options, sharp, photo, depth, fitted)
    values = _values(fitted)
    print(json.dumps(values, indent=2) if options.json else _table(values))


def _check_preview(options: argparse.Namespace) -> None:
    """Find out before fitting what would make saving fail."""
    if options.preview is None:
        return
    format_of(options.preview, "--preview")
    inputs = (options.sharp, options.photo, options.depth, options.focus_mask)
    check_no_input("--preview", [options.preview], inputs)


def _add_camera_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("camera (default: that of the photos' EXIF)")
    group.add_argument("--focal-length", metavar="MM", type=float, help="real, not equivalent")
    group.add_argument("--sensor-width", metavar="MM", type=float, help="long side of the sensor")
    group.add_argument(
        "--focus-scale",
        action="store_true",
        help="fit the focus scale of Fine-grained Defocus instead of the f-number",
    )
    group.add_argument("--f-number", metavar="N", type=float, help="for --focus-scale")


def _focus(options: argparse.Namespace, depth: Depth) -> Focus | None:
    places = (options.focus, options.focus_mask, options.focus_distance, options.focus_disparity)
    return None if all(place is None for place in places) else focus_place(options)(depth)


def _camera(options: argparse.Namespace, photo: Photo, sharp: Photo, depth: Depth) -> Camera | None:
    """What options and EXIF tell of the camera; None where there are no metres or no camera."""
    data = [photo.camera_data, sharp.camera_data]

    def known(given: float | None, name: str) -> float | None:
        told = (getattr(each, name) for each in data)
        return given or next((value for value in told if value), None)

    focal_length = known(options.focal_length, "focal_length_mm")
    sensor_width = known(options.sensor_width, "sensor_width_mm")
    f_number = options.f_number or photo.camera_data.f_number
    asked = options.focal_length or options.sensor_width or options.focus_scale
    missing = [
        name
        for name, value in (
            ("--focal-length", focal_length),
            ("--sensor-width", sensor_width),
            ("--f-number", f_number or not options.focus_scale),
        )
        if not value
    ]
    if asked and not depth.is_metric:
        raise InputError("camera", "a camera with relative depth", "Give --near and --far, too.")
    if asked and missing:
        raise InputError("camera", "a photo without all its data", f"Give {', '.join(missing)}.")
    if missing or not depth.is_metric:
        return None
    return Camera(focal_length or 0.0, f_number or 1.0, sensor_width or 0.0)


def _values(fitted: FittedLens) -> dict[str, Any]:
    """Everything that was found, as numbers that JSON knows: infinity is null."""
    values: dict[str, Any] = {
        "bokeh_level": fitted.bokeh_level,
        "bokeh_level_interval": fitted.bokeh_level_interval,
        "focus_disparity": float(fitted.focus.plane[0]),
        "focus_disparity_interval": fitted.focus_interval,
    }
    if fitted.focus.is_metric:
        values["focus_distance_m"] = fitted.focus_distance_m
        values["focus_distance_interval_m"] = fitted.focus_distance_interval_m
    if fitted.camera is not None:
        values["f_number"] = fitted.f_number
        if fitted.f_number_interval is not None:
            values["f_number_interval"] = fitted.f_number_interval
        else:
            values["focus_scale"] = fitted.focus_scale
    values |= {"loss": fitted.loss, "sharp_loss": fitted.sharp_loss, "problems": fitted.problems}
    return {name: _finite(value) for name, value in values.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(values: dict[str, Any]) -> str:
    """A line for each value, with its interval."""
    focus = ("focus distance", "focus_distance{}_m", " m")
    if "focus_distance_m" not in values:
        focus = ("focus disparity", "focus_disparity{}", "")
    lines = []
    for title, name, unit in (
        ("f-number", "f_number{}", ""),
        focus,
        ("bokeh level", "bokeh_level{}", " px"),
        ("focus scale", "focus_scale{}", ""),
    ):
        if name.format("") not in values:
            continue
        line = f"{title}: {_number(values[name.format('')])}{unit}"
        low, high = values.get(name.format("_interval"), (0.0, 0.0))
        if low != high:
            line += f" ({_number(low)} to {_number(high)})"
        lines.append(line)
    lines.append(f"mismatch: {values['loss']:.3g}, without blur {values['sharp_loss']:.3g}")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "infinity" if value is None else f"{value:.4g}"


def _save_preview(
    options: argparse.Namespace, sharp: Photo, photo: Photo, depth: Depth, fitted: FittedLens
) -> None:
    light, photo_light = (light_of(each.image, options.linear) for each in (sharp, photo))
    picture = fit_picture(light, photo_light, depth, fitted, Lens(options.lens))
    make_folder(options.preview.parent)
    save_photo(options.preview, to_interleaved(picture))
