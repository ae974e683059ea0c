"""`focuspuller models`: which weights there are, whether they fit, and fetching them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import FileError, InputError
from ..models.places import found
from ..models.registry import ALL_WEIGHTS, weights_called
from ..models.weights import Weights
from .weights import (
    Download,
    ModelState,
    Verdict,
    fetched,
    list_models,
    planned,
    verdict_on,
    verify_model,
)

EXAMPLES = """examples:
  focuspuller models list
  focuspuller models verify metric3d
  focuspuller models verify downloads/arnet.pth
  focuspuller models fetch depth-anything-v2-small

Folders of models are below those that the environment variable FOCUSPULLER_MODELS names, else
below the models of the ComfyUI in whose custom_nodes this package is, else below ./models."""

# How many names of each kind of mismatch are listed.
NAMES_LISTED = 20


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "models",
        description="Weights that Focus Puller can use but does not bring.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="what there is, where, under which licence")
    listing.add_argument("--json", action="store_true", help="for programs")
    listing.set_defaults(execute=execute_list)
    verifying = actions.add_parser("verify", help="whether files are complete and undamaged")
    verifying.add_argument(
        "models", metavar="NAME|FILE", nargs="*", help="by default all that are found"
    )
    verifying.set_defaults(execute=execute_verify)
    fetching = actions.add_parser("fetch", help="download weights from where they were published")
    fetching.add_argument("name", metavar="NAME", help="of the list, or a group such as metric3d")
    fetching.add_argument("--yes", action="store_true", help="do not ask; accepts the licence")
    fetching.add_argument(
        "--to", metavar="DIR", type=Path, help="by default the first folder of the list"
    )
    fetching.set_defaults(execute=execute_fetch)


def execute_list(options: argparse.Namespace) -> None:
    """Print all weights."""
    states = list_models()
    if options.json:
        print(json.dumps([_as_json(state) for state in states], indent=2))
        return
    for state in states:
        weights = state.weights
        print(f"{weights.name}: {weights.network}")
        print(f"    {state.path or f'not found; {weights.title} belongs in {state.folder}'}")
        print(f"    licence: {weights.licence}")


def execute_verify(options: argparse.Namespace) -> None:
    """Print what is wrong with weights; fail if anything is."""
    if options.models:
        verdicts = [verdict for model in options.models for verdict in verify_model(model)]
    else:
        places = [(weights, found(weights)) for weights in ALL_WEIGHTS]
        verdicts = [verdict_on(weights, place) for weights, place in places if place]
    for verdict in verdicts:
        print(_verdict_text(verdict))
    bad = [verdict for verdict in verdicts if not verdict.fits]
    if bad:
        paths = ", ".join(str(verdict.path) for verdict in bad)
        raise FileError(paths, "weights that do not fit", "Fetch them again.")


def execute_fetch(options: argparse.Namespace) -> None:
    """Show what would be fetched, ask, fetch, and print the paths."""
    plans = [(weights, planned(weights, options.to)) for weights in weights_called(options.name)]
    wanted = [(weights, plan) for weights, plan in plans if plan]
    if not wanted:
        print(f"{options.name}: all files are there already", file=sys.stderr)
        return
    for weights, plan in wanted:
        print(_plan_text(weights, plan), file=sys.stderr)
    if not (options.yes or _agreed()):
        print("nothing was fetched", file=sys.stderr)
        return
    for _, plan in wanted:
        for one in plan:
            _fetch(one)


def _fetch(one: Download) -> None:
    with tqdm(
        total=one.remote.size, unit="B", unit_scale=True, desc=one.file, disable=None, leave=False
    ) as bar:
        (path,) = fetched([one], lambda there, _: _show(bar, there))
    print(path)


def _show(bar: Any, there: int) -> None:
    bar.n = there
    bar.refresh()


def _agreed() -> bool:
    if not sys.stdin.isatty():
        advice = "Add --yes if you accept the licence."
        raise InputError("models fetch", "no terminal to ask on", advice)
    print("Download? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _plan_text(weights: Weights, plan: list[Download]) -> str:
    lines = [
        f"{weights.network}",
        f"  source: {weights.source}",
        f"  licence: {weights.licence}",
    ]
    for one in plan:
        size = "of unknown size" if one.remote.size is None else f"{one.remote.size / 1e6:,.1f} MB"
        lines += [f"  {one.file}, {size}, into {one.target.parent}", f"    {_digest_text(one)}"]
    return "\n".join(lines)


def _digest_text(one: Download) -> str:
    if one.sha256:
        return f"sha256 {one.sha256}"
    if one.remote.sha256:
        return f"sha256 as its page states: {one.remote.sha256}; we have seen no copy to compare"
    return "sha256 unknown: neither we nor its page can tell"


def _verdict_text(verdict: Verdict) -> str:
    if verdict.fits:
        checked = "" if verdict.weights.check else " as far as can be told without a layout"
        return f"{verdict.path}: fits {verdict.weights.network}{checked}"
    lines = [f"{verdict.path}: does not fit {verdict.weights.network}"]
    for kind, names in verdict.findings.kinds():
        lines += [f"    {kind}: {name}" for name in names[:NAMES_LISTED]]
        if len(names) > NAMES_LISTED:
            lines.append(f"    {kind}: and {len(names) - NAMES_LISTED} more")
    return "\n".join(lines)


def _as_json(state: ModelState) -> dict[str, Any]:
    weights = state.weights
    return {
        "name": weights.name,
        "network": weights.network,
        "files": list(weights.files),
        "path": None if state.path is None else str(state.path),
        "folder": None if state.folder is None else str(state.folder),
        "source": weights.source,
        "licence": weights.licence,
    }
