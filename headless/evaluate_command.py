"""`focuspuller evaluate`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import InputError
from .evaluate import SHEETS, evaluate

EXAMPLES = """examples:
  focuspuller evaluate --list
  focuspuller evaluate truth --out out/truth
  focuspuller evaluate dpdd --data DPDD --pictures mine=out/deblurred --out out/dpdd
  focuspuller evaluate lf-bokeh --data LF-Bokeh --systems layered,bokehme --out out/lf
  focuspuller evaluate dpdd --data DPDD --systems deblurnet,input --set flux.base=flux1-dev.gguf \
      --out out/dpdd
  focuspuller evaluate lf-bokeh --data LF-Bokeh --systems bokehnet,bokehnet@mine \
      --set bokehnet@mine.bokeh_adapter=mine.safetensors --out out/lf
  focuspuller evaluate ebb-val294 --data EBB --depth EBB/depth --limit 20 --out out/ebb

A run that was interrupted goes on when it is started again with the same folders. Metrics and
systems whose weights are missing are left out, which is said. See docs/evaluation.md."""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        description="Run a benchmark: tables, plots and side-by-side sheets.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("benchmark", nargs="?", metavar="BENCHMARK", help="which, see --list")
    parser.add_argument(
        "--list", action="store_true", help="list benchmarks, systems and metrics, and stop"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the data")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the results")
    parser.add_argument(
        "--systems", type=_names, default=(), metavar="A,B", help="rows; default: all that can"
    )
    parser.add_argument(
        "--metrics", type=_names, default=(), metavar="A,B", help="figures; default: all"
    )
    parser.add_argument(
        "--pictures",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="a row of pictures that another program has made, DIR/SCENE/SHOT.png",
    )
    parser.add_argument("--depth", type=Path, metavar="DIR", help="depth maps that the data lacks")
    parser.add_argument(
        "--scenes", default="*", metavar="PATTERN", help="names of scenes, such as 'portrait*'"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="scenes at most")
    parser.add_argument(
        "--sheets", type=int, default=SHEETS, metavar="N", help="scenes that get a sheet"
    )
    parser.add_argument(
        *("--set", "-s"),
        action="append",
        default=[],
        metavar="SYSTEM.NAME=VALUE",
        dest="settings",
        help="weights and other settings of a system or of a family of them, see --list",
    )
    parser.add_argument("--device", help="cpu or cuda; by default what there is")
    parser.set_defaults(execute=_execute)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _execute(options: argparse.Namespace) -> None:
    if options.list:
        _print_list()
        return
    _check_named(options)
    if options.limit is not None and options.limit < 1:
        raise InputError("--limit", str(options.limit), "Give at least 1.")
    with tqdm(leave=False, disable=None, unit="picture") as bar:
        report = evaluate(
            options.benchmark,
            options.out,
            options.data,
            systems=options.systems,
            metrics=options.metrics,
            pictures=_folders(options.pictures),
            depth=options.depth,
            scenes=options.scenes,
            limit=options.limit,
            sheets=options.sheets,
            device=options.device,
            settings=options.settings,
            on_scene=lambda done, total, what: _show(bar, done, total, what),
        )
    print(report.markdown())
    print(f"written to {options.out}", file=sys.stderr)


def _check_named(options: argparse.Namespace) -> None:
    """Refuse a benchmark that is none, before anything else that is missing."""
    from ..training.evaluation.catalog import benchmark_called

    if options.benchmark is None:
        raise InputError("BENCHMARK", "none", "focuspuller evaluate --list shows them.")
    benchmark_called(options.benchmark)
    if options.out is None:
        raise InputError("--out", "none", "Give a folder for the results.")


def _show(bar: Any, done: int, total: int, what: str) -> None:
    bar.total, bar.n = total, done
    bar.set_description_str(what, refresh=False)
    bar.refresh()


def _folders(texts: Sequence[str]) -> dict[str, Path]:
    folders = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not equals or not name or not folder:
            raise InputError("--pictures", repr(text), "Give NAME=DIR.")
        folders[name] = Path(folder)
    return folders


def _print_list() -> None:
    from ..training.evaluation.catalog import BENCHMARKS
    from ..training.evaluation.metrics import METRICS
    from ..training.evaluation.systems import SYSTEMS

    print("benchmarks")
    for benchmark in BENCHMARKS.values():
        metrics = ", ".join(dict.fromkeys(column.metric for column in benchmark.columns))
        print(f"  {benchmark.name:<22}{benchmark.source}: {benchmark.summary}")
        print(f"  {'':<22}data: {benchmark.layout}")
        print(f"  {'':<22}metrics: {metrics}")
    print("\nsystems")
    for system in SYSTEMS.values():
        print(f"  {system.name:<25}{system.summary} ({', '.join(system.tasks)})")
        if system.settable:
            shared = f" or {system.family}.NAME=VALUE" if system.family else ""
            print(f"  {'':<25}--set {system.name}.NAME=VALUE{shared}: {', '.join(system.settable)}")
    print("\nmetrics")
    for metric in METRICS.values():
        print(f"  {metric.name:<20}{metric.arrow} {metric.summary}")
