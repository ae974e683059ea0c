"""`focuspuller run`: a workflow file, embedded or on a ComfyUI server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from .progress import ProgressBar
from .settings import parse_settings
from .workflow_file import InvalidWorkflowError

EXAMPLES = """examples:
  focuspuller run refocus.json
  focuspuller run refocus.json --set FocusPullerCamera.f_number=1.4 --set 3.x=0.2 --out pictures
  focuspuller run refocus.json --server http://127.0.0.1:8188
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "run",
        help="run a workflow file without ComfyUI, or on its server",
        description="Run a workflow that ComfyUI saved or exported, or a PNG with one in it. "
        "Output nodes that cannot run are named and left out. The paths of the saved pictures are "
        "printed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workflow", metavar="WORKFLOW", help="JSON or PNG file")
    parser.add_argument(
        "--set",
        metavar="NODE.input=value",
        action="append",
        default=[],
        help="replace a value; NODE is the node's number, title or type; may be repeated",
    )
    parser.add_argument(
        "--out", metavar="DIR", default="output", help="where pictures go (default: output)"
    )
    parser.add_argument(
        "--input",
        metavar="DIR",
        action="append",
        default=[],
        help="where input files are looked for first; may be repeated",
    )
    parser.add_argument(
        "--previews", action="store_true", help="also keep the pictures that nodes show on the way"
    )
    parser.add_argument(
        "--server", metavar="URL", help="run on this ComfyUI instead, such as http://127.0.0.1:8188"
    )
    parser.add_argument(
        "--device", help="where to render, such as cpu or cuda:1; not used with --server"
    )
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> None:
    """Run the workflow and print the paths of what it saved."""
    with ProgressBar() as bar:
        common = {
            "out_dir": Path(options.out),
            "input_dirs": options.input,
            "settings": parse_settings(options.set),
            "all_previews": options.previews,
            "progress": bar,
        }
        if options.server:
            from .server import submit_workflow

            result = submit_workflow(options.server, options.workflow, **common)
        else:
            from .runner import run_workflow

            result = run_workflow(options.workflow, device=options.device, **common)
    if result.left_out and not result.files:
        raise InvalidWorkflowError(result.left_out, "Repair these; nothing was saved.")
    for path in result.files:
        print(path)
    for path in result.previews:
        print(f"preview: {path}", file=sys.stderr)
