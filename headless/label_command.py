"""`focuspuller label`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .counting import Counter
from .dataset_options import add_dataset_options, add_depth_options, depth_coding

if TYPE_CHECKING:
    from ..training.data.records import Source

EXAMPLES = """examples:
  focuspuller label RealBokeh --layout realbokeh --split train --depth depth --masks masks \\
      --out realbokeh.jsonl
  focuspuller label photos --by exif --depth depth --masks masks --out photos.jsonl

Depth maps are named after the scenes and masks after the pictures: depth/train/9.npy and
masks/train/9_f2.0.png. A run that was interrupted goes on when it is started again."""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "label",
        help="find bokeh level and focus plane of real photographs",
        description="Find how real photographs are blurred, to train with them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_dataset_options(parser, "folders")
    add_depth_options(parser)
    parser.add_argument("--masks", type=Path, metavar="DIR", help="white where it is in focus")
    parser.add_argument(
        "--by",
        choices=("rendering", "exif"),
        default="rendering",
        help="the level whose rendering is most alike, or what the camera says (rendering)",
    )
    parser.add_argument("--least-ssim", type=float, default=0.8, help="of a rendering (0.8)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="labels, .jsonl")
    parser.add_argument("--workers", type=int, default=1, help="processes at once (1)")
    parser.add_argument("--ray", metavar="ADDRESS", help="work on a Ray cluster")
    parser.set_defaults(execute=_execute)


def _execute(options: argparse.Namespace) -> None:
    from ..training.data.labelling import label_all

    if options.out.suffix != ".jsonl":
        raise InputError("--out", repr(options.out.name), "End the name in .jsonl.")
    source = _source(options)
    with Counter(len(source), "pairs") as counter:
        labels = label_all(
            source,
            options.out,
            options.by,
            options.least_ssim,
            options.workers,
            options.ray,
            counter.step,
        )
    found = sum(label.blur is not None for label in labels)
    print(f"{options.out}: {found} of {len(labels)} pairs have a label")


def _source(options: argparse.Namespace) -> Source:
    from ..training.data.companions import with_depth, with_masks
    from ..training.data.readers.catalog import open_dataset

    source = open_dataset(options.layout, options.dataset, options.split)
    if options.depth is not None:
        source = with_depth(source, options.depth, depth_coding(options))
    return source if options.masks is None else with_masks(source, options.masks)
