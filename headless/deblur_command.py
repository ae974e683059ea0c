"""`focuspuller deblur`: photos sharp from front to back, by DeblurNet."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..lens.progress import OnProgress
from ..photo.frames import frames_text
from ..photo.photo import load_photo
from .refocus import deblur
from .refocus_options import (
    Work,
    add_model_options,
    add_photo_options,
    add_sampling_options,
    check_out,
    model_from,
    sampling_from,
    written,
)
from .shots import Picture, is_linear, open_shot

EXAMPLES = """examples:
  focuspuller deblur portrait.jpg -o sharp.png
  focuspuller deblur portrait.jpg --base flux1-dev-Q8_0.gguf --steps 12 -o sharp.png
  focuspuller deblur portrait.jpg --pre-deblurred restored.png -o sharp.png
  focuspuller deblur frames/%04d.png --seed 7 --resume -o sharp/%04d.png
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "deblur",
        description="Make a photo, or the frames of a folder, a pattern or a video, sharp from "
        "front to back with DeblurNet on FLUX.1-dev, whose weights are on this machine "
        "('focuspuller models list'). The paths of the results are printed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_photo_options(parser)
    parser.add_argument(
        "--pre-deblurred",
        metavar="FILE",
        type=Path,
        help="a careful restoration of the photo by another network, for the variant of DeblurNet "
        "that was trained with one",
    )
    parser.add_argument(
        "--guidance", type=float, metavar="G", help="FLUX' guidance scale (default: 3.5)"
    )
    add_model_options(parser, "deblur")
    add_sampling_options(parser)
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> None:
    """Deblur the photo or the frames and print the paths of the results."""
    shot = open_shot(options.photo)
    targets = check_out(options, shot, options.pre_deblurred)
    restored = _restoration(options, shot.count)
    settings = sampling_from(options)
    model = model_from(options, "deblur")

    def render(picture: Picture, on_progress: OnProgress) -> np.ndarray:
        return deblur(
            picture.image,
            model,
            pre_deblurred=restored,
            guidance=options.guidance,
            linear=is_linear(options, picture.photo),
            on_progress=on_progress,
            **settings,
        )

    for path in written(options, shot, targets, Work(render)):
        print(path, flush=True)


def _restoration(options: argparse.Namespace, count: int) -> np.ndarray | None:
    if options.pre_deblurred is None:
        return None
    if count > 1:
        received = f"one restoration for {frames_text(count)}"
        raise InputError("--pre-deblurred", received, "Deblur the photos one by one.")
    return load_photo(options.pre_deblurred).image
