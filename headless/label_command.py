"""`focuspuller label`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError
from .counting import Counter
from .dataset_options import add_companion_options, add_dataset_options, dataset_from

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
        description="Find how real photographs are blurred, to train with them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_dataset_options(parser, "folders")
    add_companion_options(parser)
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
    source = dataset_from(options)
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
