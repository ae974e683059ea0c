"""`focuspuller render`: a photo, frames or a video, refocused."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..errors import InputError
from ..lens.depth import Depth
from ..lens.drbokeh import DrBokehOptions
from ..lens.focus import Focus
from ..lens.focus_areas import Area
from ..lens.highlights import Highlights
from ..lens.optics import Camera, f_number_for_bokeh_level
from ..lens.render import DEFAULT_LENS, LENSES, Lens
from ..models.bokehdiff.handle import BOKEHDIFF_KIND, bokehdiff_lens
from ..models.bokehme.handle import bokehme_lens
from ..photo.depth_files import load_depth
from ..photo.exif import CameraData
from ..photo.exr import require_openexr
from ..photo.files import make_folder
from ..photo.photo import Photo, check_quality, format_of, keeps_all_light, load_photo, save_photo
from .aperture_options import add_aperture_options, aperture_from, grey
from .depth_options import (
    add_improvement_options,
    add_model_options,
    estimated_depth,
    improved_depth,
)
from .find_focus_options import add_find_focus_options, check_find_focus, found_focus
from .render import choose_focus, render
from .sequence_options import (
    add_sequence_options,
    area,
    check_single,
    is_sequence,
    keyframe,
    timeline,
)
from .settings import BOOLEANS

# Options that are files: networks, and Dr.Bokeh's pictures.
LENS_FILES = {
    "bokehme": ("arnet", "iunet"),
    "drbokeh": ("foreground", "background"),
    "bokehdiff": ("weights", "base"),
}
# Lenses that are nothing without a network, beside those of `LENSES`.
NETWORK_LENSES = {"bokehdiff": BOKEHDIFF_KIND}
ALL_LENSES = LENSES | NETWORK_LENSES
# Options that only Python can give.
NO_TEXT = {"scene", "memory"}

logger = logging.getLogger(__name__)

BAR = "{percentage:3.0f}%|{bar}|"

EXAMPLES = """examples:
  focuspuller render portrait.jpg --focus 0.4,0.3 --f-number 1.8 -o refocused.jpg
  focuspuller render street.png --depth street.npy --focus-distance 4 \\
      --f-number 2 --focal-length 35 --sensor-width 36 -o near.png
  focuspuller render street.jpg --depth disparity.png --focus 0.5,0.8 --bokeh-level 24 -o soft.jpg
  focuspuller render group.jpg --find-focus --f-number 2 -o shallow.jpg
  focuspuller render holiday.jpg --depth-model --focus 0.5,0.8 --bokeh-level 30 -o soft.jpg
  focuspuller render night.jpg --focus 0.5,0.6 --f-number 1.4 --highlights 3 -o lights.jpg
  focuspuller render blender.exr --focus 0.5,0.5 --f-number 2 --focal-length 50 \\
      --sensor-width 36 -o shallow.exr
  focuspuller render photo.jpg --frames 48 --focus 0.2,0.7 --focus-to 0.6,0.2 -o pull/%03d.jpg
  focuspuller render shot.mp4 --depth depth.mp4 --focus 0.5,0.5 --bokeh-level 30 -o refocused.mp4
  focuspuller render frames/%04d.png --depth maps/ --focus-key 0:0.2,0.7 --focus-key 96:0.6,0.2 \\
      --bokeh-level 30 --resume -o out/%04d.png
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "render",
        description="Refocus an all-in-focus photo, or the frames of a folder, a pattern such as "
        "frames/%04d.png or a video, with their depth. The paths of the results are printed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "photo",
        metavar="PHOTO",
        type=Path,
        help="JPEG, PNG, TIFF, WebP, HEIC, EXR or HDR; or a folder, a pattern or a video",
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        type=Path,
        required=True,
        help=".jpg, .png, .webp, .tif, or .exr and .hdr for linear light that is not clipped; of "
        "frames, a folder, a pattern such as %%04d.png, or a video",
    )
    add_depth_options(parser)
    places = add_focus_options(parser, required=True)
    add_find_focus_options(parser, places)
    places.add_argument(
        "--focus-key",
        metavar="FRAME:PLACE",
        type=keyframe,
        action="append",
        help="of several frames: a place at a frame, counted from 0, such as 24:0.4,0.3 or "
        "24:2.5m; repeated, the focus moves from one to the next",
    )
    places.add_argument(
        "--timeline",
        metavar="KEYFRAMES",
        type=timeline,
        help="of several frames: focus and f-number over them, such as "
        '"0: 2m f/2; 24: 0.7m linear"',
    )
    add_camera_options(parser)
    _add_lens_options(parser)
    _add_highlight_options(parser)
    _add_file_options(parser)
    add_sequence_options(parser)
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> None:
    """Refocus the photo or the frames and print the paths of the results."""
    check_find_focus(options)
    if is_sequence(options):
        from .sequence_command import Look, render_sequence

        look = Look(
            _lens(options),
            aperture_from(options),
            _highlights(options),
            partial(camera_of, options),
            focus_place(options),
        )
        render_sequence(options, look)
        return
    check_single(options)
    _check_out(options)
    photo = open_photo(options.photo)
    depth = depth_of(options, photo).for_image(*photo.image.shape[:2])
    camera = camera_of(options, photo.camera_data)
    is_linear = options.linear and not photo.is_hdr
    if options.find_focus:
        focus, focus_scale = found_focus(options, photo.image, depth, is_linear)
    else:
        focus, focus_scale = focus_place(options)(depth), 1.0
    to_hdr = keeps_all_light(options.out)
    with tqdm(total=1.0, delay=1.0, leave=False, disable=None, bar_format=BAR) as bar:
        rendered = render(
            photo.image,
            depth,
            focus=focus,
            camera=camera,
            bokeh_level=options.bokeh_level,
            focus_scale=focus_scale,
            lens=_lens(options),
            aperture=aperture_from(options),
            highlights=_highlights(options),
            roll_off=not to_hdr,
            linear=is_linear,
            device=options.device or ("cuda" if torch.cuda.is_available() else None),
            on_progress=lambda fraction: show(bar, fraction),
        )
    make_folder(options.out.parent)
    save_photo(
        options.out,
        rendered,
        exif=photo.exif,
        f_number=camera.f_number if camera else _equivalent_f_number(options, photo, focus),
        subject_distance_m=float(focus.distance_m[0]) if focus.is_metric else None,
        quality=options.quality,
        linear=is_linear and to_hdr,
        exr_bits=options.exr_bits,
    )
    print(options.out)


def show(bar: tqdm[Any], fraction: float) -> None:
    """Move a bar to the finished fraction."""
    bar.update(fraction - bar.n)


def add_depth_options(parser: argparse.ArgumentParser) -> None:
    """Add to a command what tells where the depth is and how to read it."""
    group = parser.add_argument_group("depth (default: the depth inside the photo)")
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        "--depth",
        metavar="FILE",
        type=Path,
        help="8/16-bit image, .npy, .npz or .exr; of frames, "
        "a folder or pattern of them, a grey video, or one map for all",
    )
    add_model_options(group, source)
    group.add_argument(
        "--depth-encoding",
        choices=["depth", "disparity", "relative"],
        help="what the file's numbers are linear in (default: images hold disparity, "
        "number files metres)",
    )
    group.add_argument("--near", metavar="M", type=float, help="metres of the nearest value")
    group.add_argument("--far", metavar="M", type=float, help="metres of the farthest value")
    group.add_argument("--near-is-black", action="store_true", help="dark is near in the image")
    add_improvement_options(group)


def add_focus_options(parser: argparse.ArgumentParser, required: bool) -> Any:
    """Add the places that can be focused on to a command, exactly one or at most one.

    Returns:
        The group of them, to add further places to.
    """
    title = "focus (exactly one place)" if required else "focus (where it is known)"
    group = parser.add_argument_group(title)
    places = group.add_mutually_exclusive_group(required=required)
    places.add_argument(
        "--focus",
        metavar="X,Y",
        type=_areas,
        help="a point, as fractions from the top left, or a region LEFT,TOP,RIGHT,BOTTOM, whose "
        'median depth counts; more that shall be sharp too after semicolons, "0.3,0.4; 0.6,0.5"',
    )
    places.add_argument("--focus-mask", metavar="FILE", type=Path, help="a subject, white in FILE")
    places.add_argument("--focus-distance", metavar="M", type=float, help="metres")
    places.add_argument(
        "--focus-disparity",
        metavar="D",
        type=float,
        help="1/m for metric depth, 0..1 (1 = nearest) for relative",
    )
    group.add_argument(
        "--focus-range",
        metavar="R",
        type=float,
        default=0.0,
        help="how much depth stays sharp: metres with --focus-distance, else disparity",
    )
    return places


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


def _add_lens_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("lens")
    group.add_argument(
        "--lens",
        choices=ALL_LENSES,
        default=DEFAULT_LENS,
        help="; ".join(f"{name}: {kind.summary}" for name, kind in ALL_LENSES.items()),
    )
    group.add_argument(
        "--lens-option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="option of the lens, such as gamma=4, weighting=energy or layers=2; for BokehMe's "
        "networks arnet=FILE and iunet=FILE; for Dr.Bokeh foreground=FILE (a mask) and "
        "background=FILE (the picture without it); for BokehDiff weights=FOLDER and base=FILE or "
        "FOLDER (an SDXL checkpoint), unless they are where models are kept; may be repeated",
    )
    add_aperture_options(group)
    group.add_argument("--device", help="where to render, such as cpu or cuda:1")


def _add_highlight_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("highlights (default: as they are)")
    group.add_argument(
        "--highlights",
        metavar="STOPS",
        type=float,
        help="take clipped lights to be so much brighter than white that they become bright discs; "
        "3 is a good start. A JPEG gets them rolled off softly, an EXR keeps all of their light",
    )
    group.add_argument(
        "--highlight-threshold",
        metavar="V",
        type=float,
        help="brightness from which on a pixel counts as clipped in part, 0..1 (default: "
        f"{Highlights.threshold:g})",
    )
    group.add_argument(
        "--halo-color",
        metavar="SHARE",
        type=float,
        help="how much of the light takes the colour of its halo, 0..1 (default: 0)",
    )


def _add_file_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files")
    group.add_argument(
        "--linear",
        action="store_true",
        help="the photo holds linear light, and so shall the result (an EXR or HDR always does)",
    )
    group.add_argument("--quality", type=int, default=95, help="of JPEG and WebP, 1..100")
    group.add_argument(
        "--exr-bits", type=int, choices=[16, 32], default=16, help="per colour of an EXR"
    )


def _areas(text: str) -> list[Area]:
    return [area(part) for part in text.split(";")]


def open_photo(path: Path) -> Photo:
    """Load the photo and say what is wrong with it."""
    photo = load_photo(path)
    for problem in photo.problems:
        logger.warning("%s: %s", path, problem)
    if photo.alpha is not None and photo.alpha.min() < 1:
        logger.warning("%s: its transparency is dropped.", path)
    return photo


def _check_out(options: argparse.Namespace) -> None:
    """Find out before rendering what would make saving fail."""
    if options.out.is_dir():
        raise InputError("--out", f"{options.out}, a folder", "Add a file name.")
    if format_of(options.out, "--out") == "EXR":
        require_openexr(options.out)
    check_quality(options.quality)
    given = (
        options.photo,
        options.depth,
        options.focus_mask,
        options.aperture_image,
        options.depth_holes,
    )
    for path in (*given, *_files_of_lens(options)):
        if path and path.exists() and options.out.exists() and options.out.samefile(path):
            raise InputError("--out", f"{path}, an input", "Give another name, to keep it.")


def _files_of_lens(options: argparse.Namespace) -> list[Path]:
    named = (text.partition("=") for text in options.lens_option)
    files = LENS_FILES.get(options.lens, ())
    return [Path(value) for name, _, value in named if name in files]


def depth_of(options: argparse.Namespace, photo: Photo) -> Depth:
    """The depth from its file, from a network or from the photo."""
    is_linear = options.linear and not photo.is_hdr
    if options.depth is not None:
        near_is_white = not options.near_is_black
        depth = load_depth(
            options.depth, options.depth_encoding, near_is_white, options.near, options.far
        )
    elif options.depth_model is not None:
        depth = estimated_depth(options, photo.image, photo.camera_data, is_linear)
    elif photo.depth is not None:
        depth = photo.depth
    else:
        advice = "Give a depth map with --depth FILE, or a network with --depth-model."
        raise InputError("depth", f"none in {photo.path}", advice)
    return improved_depth(options, depth, photo.image, is_linear)


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


def _equivalent_f_number(options: argparse.Namespace, photo: Photo, focus: Focus) -> float | None:
    """The f-number at which the photo's camera has the bokeh level; None where that is unknown."""
    data = photo.camera_data
    known = focus.is_metric and data.focal_length_mm and data.sensor_width_mm
    if not known or not options.bokeh_level:
        return None
    camera = Camera(data.focal_length_mm or 0.0, 1.0, data.sensor_width_mm or 0.0)
    camera = camera.for_image(*photo.image.shape[:2])
    return f_number_for_bokeh_level(options.bokeh_level, camera, float(focus.plane[0]))


def _highlights(options: argparse.Namespace) -> Highlights | None:
    details = {"threshold": options.highlight_threshold, "halo_color": options.halo_color}
    given = {name: value for name, value in details.items() if value is not None}
    if options.highlights is None:
        if given:
            advice = "Give --highlights STOPS, too, such as 3."
            raise InputError("--highlights", "only details of how to recover them", advice)
        return None
    return Highlights(options.highlights, **given)


def focus_place(options: argparse.Namespace) -> Callable[[Depth], Focus]:
    """What finds the focus that the options ask for in a depth map."""
    return partial(
        choose_focus,
        focus_point=options.focus,
        focus_mask=_focus_mask(options),
        focus_distance=options.focus_distance,
        focus_disparity=options.focus_disparity,
        focus_range=options.focus_range,
    )


def _focus_mask(options: argparse.Namespace) -> torch.Tensor | None:
    return None if options.focus_mask is None else grey(options.focus_mask)


def _lens(options: argparse.Namespace) -> Lens:
    kind = ALL_LENSES[options.lens].options
    names_of_files = LENS_FILES.get(options.lens, ())
    types = {
        field.name: str(field.type)
        for field in dataclasses.fields(kind)
        if field.name not in (*names_of_files, *NO_TEXT)
    }
    chosen: dict[str, Any] = {}
    files: dict[str, str] = {}
    for text in options.lens_option:
        name, separator, value = text.partition("=")
        if not separator or name not in (*types, *names_of_files):
            known = ", ".join([*types, *names_of_files]) or "none"
            raise InputError("--lens-option", repr(text), f"Options of {options.lens}: {known}.")
        if name in names_of_files:
            files[name] = value
        else:
            chosen[name] = _option(name, value, types[name])
    if options.lens == "bokehme":
        return bokehme_lens(kind(**chosen), **files)
    if options.lens == "drbokeh":
        return _drbokeh_lens(chosen, files, options.linear)
    if options.lens == "bokehdiff":
        return bokehdiff_lens(**files, **chosen)
    return Lens(options.lens, kind(**chosen))


def _drbokeh_lens(chosen: dict[str, Any], files: dict[str, str], linear: bool) -> Lens:
    mask = grey(Path(files["foreground"])) if "foreground" in files else None
    plate = load_photo(Path(files["background"])) if "background" in files else None
    if plate is not None:
        chosen.setdefault("linear", linear and not plate.is_hdr)
    picture = None if plate is None else plate.image
    return Lens("drbokeh", DrBokehOptions.from_arrays(mask, picture, **chosen))


def _option(name: str, text: str, kind: str) -> float | bool | str:
    """The value that `text` means for an option of this type."""
    if kind.startswith("bool"):
        if text.lower() not in BOOLEANS:
            raise InputError("--lens-option", repr(f"{name}={text}"), f"Give {name}=on or off.")
        return BOOLEANS[text.lower()]
    value = _number_or_text(text)
    if kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and kind.startswith(("float", "int")):
        raise InputError("--lens-option", repr(f"{name}={text}"), f"Give a number for {name}.")
    return value


def _number_or_text(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text
