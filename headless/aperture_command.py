"""`focuspuller aperture`: what an aperture makes of points of light, as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ..lens.aperture import Aperture
from ..lens.bokeh_preview import bokeh_preview as preview_planar
from ..lens.image import to_interleaved
from ..photo.files import make_folder
from ..photo.saving import format_of, save_photo
from .aperture_options import add_aperture_options, aperture_from
from .outputs import check_no_input

EXAMPLES = """examples:
  focuspuller aperture --blades 7 --cats-eye 0.8 -o kernels.png
  focuspuller aperture --aperture-image heart.png --spherical-aberration -0.6 --radius 40 -o h.png
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "aperture",
        description="Show points of light all over the picture through an aperture: behind the "
        "focus above, in front of it below. The path of the result is printed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-o", "--out", metavar="OUT", type=Path, required=True, help=".jpg, .png, .webp or .tif"
    )
    parser.add_argument("--radius", metavar="PX", type=float, default=24.0, help="blur radius")
    parser.add_argument(
        "--size", metavar="WxH", type=_size, default=(960, 640), help="of the picture, in px"
    )
    add_aperture_options(parser.add_argument_group("aperture"))
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> None:
    """Draw the picture and print its path."""
    format_of(options.out, "--out")
    check_no_input("--out", [options.out], [options.aperture_image])
    width, height = options.size
    behind, in_front = bokeh_preview(aperture_from(options), options.radius, width, height)
    make_folder(options.out.parent)
    save_photo(options.out, np.concatenate([behind, in_front]))
    print(options.out)


def bokeh_preview(
    aperture: Aperture, radius: float = 24.0, width: int = 960, height: int = 640
) -> np.ndarray:
    """Points of light on a grid over the picture, far behind and far in front of the focus.

    Args:
        aperture: whose discs.
        radius: blur radius, px.
        width: of the picture, px.
        height: px.

    Returns:
        `[2,height,width,3]` float32, sRGB-coded 0..1: behind the focus, in front of it.

    Raises:
        InputError: a radius below 1 px or too large for the picture, a picture without pixels.

    Example:
        >>> bokeh_preview(Aperture(cats_eye=0.8), radius=12.0, width=180, height=120).shape
        (2, 120, 180, 3)
    """
    return to_interleaved(preview_planar(aperture, radius, height, width)).numpy()


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not WxH, such as 960x640") from None
    return width, height
