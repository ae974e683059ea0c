"""`focuspuller mask`: a mask of a photo's subject, with the soft outline that the photo has."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ..models.birefnet.handle import RESOLUTION
from ..photo.files import make_folder
from ..photo.photo import load_photo
from ..photo.saving import format_of, save_photo
from .aperture_options import grey
from .devices import working_device
from .mask import refine_mask, subject_mask
from .outputs import check_no_input
from .shots import is_linear

# Of the refinement of a given mask, px.
RADIUS = 10

EXAMPLES = """examples:
  focuspuller mask portrait.jpg -o subject.png
  focuspuller mask portrait.jpg --radius 20 -o subject.png
  focuspuller mask portrait.jpg --mask rough.png --radius 40 -o hair.png
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "mask",
        description="Find the subject of a photo with BiRefNet, whose weights are on this machine, "
        "or take a mask, and make its outline as soft as hair, fur and blurred edges are in the "
        "photo. The path of the result is printed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photo", metavar="PHOTO", type=Path, help="the picture")
    parser.add_argument(
        "--mask", metavar="FILE", type=Path, help="refine this one; white is inside"
    )
    parser.add_argument(
        "--radius",
        metavar="PX",
        type=int,
        help="how far from the outline the mask is made anew (default: 10 with --mask, else not)",
    )
    parser.add_argument("--model", metavar="FILE", type=Path, help="the network's weights")
    parser.add_argument(
        "--resolution",
        metavar="PX",
        type=int,
        default=RESOLUTION,
        help=f"in which the network sees the photo, a multiple of 32 (default: {RESOLUTION})",
    )
    parser.add_argument("-o", "--out", metavar="OUT", type=Path, required=True, help=".png or .tif")
    parser.add_argument("--linear", action="store_true", help="the photo holds linear light")
    parser.add_argument("--device", help="where to compute, such as cpu or cuda:1")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> None:
    """Make the mask and print the path of the result."""
    format_of(options.out, "--out")
    check_no_input("--out", [options.out], (options.photo, options.mask))
    photo = load_photo(options.photo)
    device = working_device(options.device)
    linear = is_linear(options, photo)
    if options.mask is None:
        mask = subject_mask(
            photo.image, options.model, resolution=options.resolution, linear=linear, device=device
        )
    else:
        mask = grey(options.mask)[0]
    radius = options.radius if options.radius is not None or options.mask is None else RADIUS
    if radius is not None:
        mask = refine_mask(mask, photo.image, radius, linear=linear, device=device)
    make_folder(options.out.parent)
    save_photo(options.out, np.repeat(mask.cpu().numpy()[..., None], 3, axis=2))
    print(options.out)
