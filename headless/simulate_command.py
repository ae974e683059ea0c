"""`focuspuller simulate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FileError, InputError
from .counting import Counter
from .dataset_options import add_depth_options, depth_coding
from .devices import device_called

if TYPE_CHECKING:
    from ..training.data.records import Source
    from ..training.data.simulate.run import Outcome

EXAMPLES = """examples:
  focuspuller simulate --list
  focuspuller simulate point-lights --count 1000 --out data/night
  focuspuller simulate diffcamera --images photos --depth depth --count 500 --out data/planes
  focuspuller simulate genrefocus --images photos --depth depth --near 0.5 --far inf \\
      --set shots=4 --set lens=bokehme --count 10000 --workers 8 --out data/random
  focuspuller simulate bokehdiff --images photos --foregrounds cutouts --count 2000 \\
      --ray auto --out data/layers

Images and depth maps have the same names. A run that was interrupted goes on when it is started
again with the same settings and folder. docs/data.md describes what is written."""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "simulate",
        description="Make a dataset of blurred pictures, from sharp ones or from nothing.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", nargs="?", metavar="KIND", help="what to make, see --list")
    parser.add_argument("--list", action="store_true", help="list the kinds and stop")
    parser.add_argument("--images", type=Path, metavar="DIR", help="sharp pictures")
    parser.add_argument("--foregrounds", type=Path, metavar="DIR", help="cut-outs with alpha")
    add_depth_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the dataset")
    parser.add_argument("--count", type=int, default=100, help="scenes in all (100)")
    parser.add_argument("--seed", type=int, default=0, help="decides everything (0)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings that change, as YAML")
    parser.add_argument(
        *("--set", "-s"),
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="changes",
        help="change one setting, such as size_px=768",
    )
    parser.add_argument("--print-config", action="store_true", help="print all settings and stop")
    parser.add_argument("--workers", type=int, default=1, help="processes at once (1)")
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="work on a Ray cluster; auto for this machine's"
    )
    parser.add_argument("--device", help="cpu or cuda; the CPU by default")
    parser.set_defaults(execute=_execute)


def _pictures(folder: Path | None, options: argparse.Namespace) -> Source | None:
    """The pictures of a folder with the depth that the options name."""
    from ..training.data.readers.folders import pictures

    return None if folder is None else pictures(folder, options.depth, depth_coding(options))


def _execute(options: argparse.Namespace) -> None:
    from ..training.data.simulate.catalog import KINDS, kind_called
    from ..training.engine.config import as_yaml, config_from

    if options.list:
        for name, kind in KINDS.items():
            print(f"{name:<14}{kind.summary}")
        return
    if options.kind is None:
        raise InputError("kind", "none", "Give one; focuspuller simulate --list shows them.")
    defaults = kind_called(options.kind).settings
    settings = config_from(type(defaults), defaults, options.config, options.changes)
    if options.print_config:
        print(as_yaml(settings), end="")
        return
    if options.out is None:
        raise InputError("--out", "none", "Give the folder of the dataset.")
    _report(_simulated(options, settings), options.out)


def _simulated(options: argparse.Namespace, settings: Any) -> Outcome:
    from ..training.data.readers.folders import pictures
    from ..training.data.records import digest_of
    from ..training.data.simulate.catalog import Ingredients
    from ..training.data.simulate.run import Plan, simulate

    images = _pictures(options.images, options)
    foregrounds = None if options.foregrounds is None else pictures(options.foregrounds)
    given = Ingredients(images, foregrounds, device_called(options.device))
    inputs = {
        "images": None if images is None else digest_of(images),
        "foregrounds": None if foregrounds is None else digest_of(foregrounds),
    }
    plan = Plan(options.kind, settings, given, options.out, options.count, options.seed, inputs)
    with Counter(options.count, "scenes") as counter:
        return simulate(plan, options.workers, options.ray, lambda finished: counter.step())


def _report(outcome: Outcome, folder: Path) -> None:
    kept = f", {outcome.kept} were there" if outcome.kept else ""
    print(f"{folder}: {outcome.scenes} scenes, {outcome.pictures} pictures made{kept}")
    if outcome.problems:
        number, problem = min(outcome.problems.items())
        raise FileError(
            f"{len(outcome.problems)} scenes",
            f"what no scene can be made of; scene {number}: {problem}",
            "Repair or remove these pictures and start again.",
        )
