"""`focuspuller curate`."""

from __future__ import annotations

import argparse
from collections import Counter as Tally
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .counting import Counter

if TYPE_CHECKING:
    from ..training.data.curation.criteria import Criteria

EXAMPLES = """examples:
  focuspuller curate photos --for shallow --out shallow.jsonl
  focuspuller curate photos --for deep --out deep.jsonl --classifier my_blur:classify
  focuspuller curate photos --for all-in-focus --sharpest 3000 --out sharp.jsonl --workers 8

The list has a line for every photograph: what was measured, whether it is kept, and why not. With
another purpose and the same list nothing is measured again. A classifier is a function of a module
that Python can import: from a picture, a tensor [3,H,W] of sRGB values 0..1, to "none", "desirable"
or "undesirable". Without one, the blur itself is not judged."""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "curate",
        description="Look at photographs and list which to train with, and why not the others.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="photographs, also below it")
    parser.add_argument(
        "--for",
        dest="purpose",
        required=True,
        choices=("shallow", "deep", "all-in-focus"),
        help="what the photographs shall show",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="list, .jsonl")
    parser.add_argument("--classifier", metavar="MODULE:FUNCTION", help="judges the blur")
    parser.add_argument("--least-sharpness", type=float, metavar="V", help="variance of Laplacian")
    parser.add_argument("--sharpest", type=int, metavar="N", help="keep the N sharpest")
    parser.add_argument("--least-px", type=int, default=0, metavar="PX", help="of the shorter edge")
    parser.add_argument("--workers", type=int, default=1, help="processes at once (1)")
    parser.add_argument("--ray", metavar="ADDRESS", help="work on a Ray cluster")
    parser.set_defaults(execute=_execute)


def _execute(options: argparse.Namespace) -> None:
    from ..training.data.curation.facts import classifier_called
    from ..training.data.curation.run import curate, photographs_in

    if options.out.suffix != ".jsonl":
        raise InputError("--out", repr(options.out.name), "End the name in .jsonl.")
    criteria = _criteria(options)
    classifier = None if options.classifier is None else classifier_called(options.classifier)
    with Counter(len(photographs_in(options.folder)), "photographs") as counter:
        curated = curate(
            options.folder,
            criteria,
            options.out,
            classifier,
            options.workers,
            options.ray,
            counter.step,
        )
    kept = sum(one.is_kept for one in curated)
    print(f"{options.out}: {kept} of {len(curated)} photographs are kept")
    for reason, count in Tally(reason for one in curated for reason in one.reasons).most_common():
        print(f"  {count:>6}  {reason}")


def _criteria(options: argparse.Namespace) -> Criteria:
    from ..training.data.curation.criteria import PURPOSES

    _, criteria = PURPOSES[options.purpose]
    changes = {
        name: getattr(options, name)
        for name in ("least_sharpness", "sharpest", "least_px")
        if getattr(options, name)
    }
    return replace(criteria, **changes)
