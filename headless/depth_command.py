"""`focuspuller depth`: depth maps of a photo, frames or a video."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..errors import InputError
from ..lens.depth import Depth
from ..lens.depth_sequence import DepthStabilizer
from ..lens.image import to_planar
from ..models.places import AUTOMATIC
from ..photo.depth_files import WRITABLE_DEPTH_SUFFIXES, save_depth
from ..photo.files import make_folder
from ..photo.frames import check_distinct, frame_path, frames_text, has_number
from .depth_options import add_improvement_options, estimated_depth, improved_depth
from .outputs import check_no_input
from .shots import Shot, is_linear, open_shot

logger = logging.getLogger(__name__)

BAR = "{percentage:3.0f}%|{bar}| picture {n}/{total} [{elapsed}<{remaining}]"

EXAMPLES = """examples:
  focuspuller depth photo.jpg -o depth.png
  focuspuller depth photo.jpg --model depth-pro --focal-length 35 --sensor-width 23.5 -o depth.exr
  focuspuller depth photo.jpg --model depth_anything_v2_vitl_fp32.safetensors --refine-depth \\
      -o depth.npz
  focuspuller depth shot.mp4 --model depth-anything-v2-small -o maps/%05d.png
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "depth",
        description="Estimate depth with a network whose weights are on this machine "
        "('focuspuller models list'). The paths of the results are printed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "photo",
        metavar="PHOTO",
        type=Path,
        help="JPEG, PNG, TIFF, WebP, HEIC or EXR; or a folder, a pattern or a video",
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        type=Path,
        required=True,
        help=".npz or .exr for all that is known; .npy; or .png with 16 bits, white is near. Of "
        "frames, a pattern such as maps/%%05d.png",
    )
    parser.add_argument(
        "--model",
        dest="depth_model",
        metavar="NAME|FILE",
        default=AUTOMATIC,
        help="such as depth-pro, metric3d-vit-small or depth-anything-v2-small, or a file or "
        "folder of weights (default: the best that is there)",
    )
    parser.add_argument(
        "--resolution",
        dest="depth_resolution",
        metavar="PX",
        type=int,
        help="of the photo's shorter side in Depth Anything (default: 518); more is finer",
    )
    parser.add_argument(
        "--focal-length",
        metavar="MM",
        type=float,
        help="real, not equivalent (default: that in the photo's EXIF, else the network's)",
    )
    parser.add_argument("--sensor-width", metavar="MM", type=float, help="long side of the sensor")
    parser.add_argument("--linear", action="store_true", help="the photo holds linear light")
    parser.add_argument("--device", help="where to compute, such as cpu or cuda:1")
    add_improvement_options(parser)
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> None:
    """Estimate the depth and print the paths of the results."""
    shot = open_shot(options.photo)
    targets = _targets(options, shot)
    with tqdm(total=shot.count, delay=1.0, leave=False, disable=None, bar_format=BAR) as bar:
        for path, depth in zip(targets, _depths(options, shot), strict=False):
            make_folder(path.parent)
            _save(path, depth, shot.count)
            bar.update()
            print(path)
            sys.stdout.flush()


def _save(path: Path, depth: Depth, count: int) -> None:
    if depth.is_metric and count > 1 and path.suffix.lower() == ".png":
        advice = "Give .npz, .npy or .exr: every PNG would have a range of its own."
        raise InputError("--out", f"{path} for metric depth of several frames", advice)
    limits = save_depth(path, depth)
    if limits is not None:
        logger.warning("%s is read with --near %g --far %g.", path, *limits)


def _depths(options: argparse.Namespace, shot: Shot) -> Iterator[Depth]:
    """The depth of each frame; relative depth of several on a common scale."""
    stabilizer = DepthStabilizer()
    for picture in shot.pictures():
        linear = is_linear(options, picture.photo)
        data = picture.photo.camera_data if picture.photo else shot.camera_data
        depth = estimated_depth(options, picture.image, data, linear)
        if shot.count > 1:
            depth = stabilizer.stabilized(depth, to_planar(torch.from_numpy(picture.image)[None]))
        yield improved_depth(options, depth, picture.image, linear)


def _targets(options: argparse.Namespace, shot: Shot) -> list[Path]:
    """Where each map goes, checked before anything is computed."""
    out = options.out
    if out.suffix.lower() not in WRITABLE_DEPTH_SUFFIXES:
        names = ", ".join(WRITABLE_DEPTH_SUFFIXES)
        raise InputError("--out", str(out), f"End the name in one of {names}.")
    if shot.count > 1 and not has_number(out):
        advice = "Give a pattern such as maps/%05d.png."
        raise InputError("--out", f"{out} for {frames_text(shot.count)}", advice)
    files = shot.files or [None] * shot.count
    suffixes = WRITABLE_DEPTH_SUFFIXES
    numbered = [frame_path(out, file, index, suffixes) for index, file in enumerate(files)]
    targets = numbered if has_number(out) else [out]
    check_distinct(targets)
    check_no_input("--out", targets, (options.photo, *shot.files))
    return targets
