"""`focuspuller pack`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .counting import Counter
from .dataset_options import add_companion_options, add_dataset_options, dataset_from

EXAMPLES = """examples:
  focuspuller pack data/night --out shards/night
  focuspuller pack DPDD --layout dpdd --split train --scenes-per-shard 50 --out shards/dpdd
  focuspuller pack RealBokeh --layout realbokeh --split train --depth depth --labels labels.jsonl \\
      --out shards/realbokeh

Shards are tar files that webdataset reads, each with an index beside it. A packing that was
interrupted goes on when it is started again."""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "pack",
        description="Pack a dataset into shards, large files that network disks like.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_dataset_options(parser, "scenes")
    add_companion_options(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="of focuspuller label; pairs without one are left out",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the shards")
    parser.add_argument("--scenes-per-shard", type=int, default=1000, help="at most (1000)")
    parser.set_defaults(execute=_execute)


def _execute(options: argparse.Namespace) -> None:
    from ..training.data.labels import with_labels
    from ..training.data.records import scenes_of
    from ..training.data.shards import write_shards

    source = dataset_from(options)
    if options.labels is not None:
        source = with_labels(source, options.labels)
    scenes = len(scenes_of(source))
    with Counter(scenes, "scenes") as counter:
        shards = write_shards(source, options.out, options.scenes_per_shard, counter.reach)
    print(f"{options.out}: {scenes} scenes, {len(source)} pairs in {len(shards)} shards")
