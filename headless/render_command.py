"""`focuspuller render`: a photo, frames or a video, refocused."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import InputError
from ..photo.exr import require_openexr
from ..photo.files import make_folder
from ..photo.saving import check_quality, format_of, keeps_all_light, save_photo
from .aperture_options import aperture_from
from .camera_options import add_camera_options, camera_of, equivalent_f_number
from .counting import BAR, show
from .depth_options import add_depth_options, check_depth_options, depth_of
from .devices import working_device
from .find_focus_options import add_find_focus_options, check_find_focus, found_focus
from .focus_options import add_focus_options, focus_place
from .highlight_options import add_highlight_options, highlights_from
from .lens_options import add_lens_options, lens_from
from .outputs import check_no_input, files_given
from .render import render
from .resume import tell_left_out
from .sequence_options import add_sequence_options, check_single, is_sequence, keyframe, timeline
from .shots import is_linear, open_photo

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
    add_lens_options(parser)
    add_highlight_options(parser)
    _add_file_options(parser)
    add_sequence_options(parser)
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> None:
    """Refocus the photo or the frames and print the paths of the results."""
    check_find_focus(options)
    check_depth_options(options)
    if is_sequence(options):
        from .sequence_command import Look, render_sequence

        look = Look(
            lens_from(options),
            aperture_from(options),
            highlights_from(options),
            partial(camera_of, options),
            focus_place(options),
        )
        render_sequence(options, look)
        return
    check_single(options)
    _check_out(options)
    if options.resume and options.out.exists():
        tell_left_out(1)
        return
    photo = open_photo(options.photo)
    depth = depth_of(options, photo).for_image(*photo.image.shape[:2])
    camera = camera_of(options, photo.camera_data)
    linear = is_linear(options, photo)
    if options.find_focus:
        focus, focus_scale = found_focus(options, photo.image, depth, linear)
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
            lens=lens_from(options),
            aperture=aperture_from(options),
            highlights=highlights_from(options),
            roll_off=not to_hdr,
            linear=linear,
            device=working_device(options.device),
            on_progress=lambda fraction: show(bar, fraction),
        )
    make_folder(options.out.parent)
    save_photo(
        options.out,
        rendered,
        exif=photo.exif,
        f_number=camera.f_number if camera else equivalent_f_number(options, photo, focus),
        subject_distance_m=float(focus.distance_m[0]) if focus.is_metric else None,
        quality=options.quality,
        linear=linear and to_hdr,
        exr_bits=options.exr_bits,
    )
    print(options.out)


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


def _check_out(options: argparse.Namespace) -> None:
    """Find out before rendering what would make saving fail."""
    if options.out.is_dir():
        raise InputError("--out", f"{options.out}, a folder", "Add a file name.")
    if format_of(options.out, "--out") == "EXR":
        require_openexr(options.out)
    check_quality(options.quality)
    check_no_input("--out", [options.out], files_given(options))
