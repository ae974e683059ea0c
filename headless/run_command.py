"""`focuspuller run`: a workflow file, embedded or on a ComfyUI server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FileError, FocusPullerError, WorkflowError
from .progress import ProgressBar
from .settings import UnknownTargetError, parse_settings
from .workflow_file import InvalidWorkflowError

if TYPE_CHECKING:
    from .batch import BatchFile

EXAMPLES = """examples:
  focuspuller run refocus.json
  focuspuller run refocus.json --set FocusPullerCamera.f_number=1.4 --set 3.x=0.2 --out pictures
  focuspuller run refocus.json --server http://127.0.0.1:8188
  focuspuller run refocus.json --each "Load Photo.photo=portraits" \\
      --set "Save Photo.filename_prefix={name}" --out refocused
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "run",
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
        "--each",
        metavar="NODE.input=FOLDER",
        help="run once for every photo of a folder, or of a pattern such as 'shots/*.jpg'; {name} "
        "in the values of --set becomes the photo's name. One that fails does not stop the rest",
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
    for folder in options.input:
        if not Path(folder).is_dir():
            raise FileError(
                "--input", f"{folder}, which is no folder", "Give one, or leave it out."
            )
    settings = parse_settings(options.set)
    if options.each is None:
        run_once(options, settings, options.input)
        return
    from .batch import chosen_files

    files = chosen_files(options.each)
    failed = sum(not run_for(file, options, settings) for file in files)
    if failed:
        raise WorkflowError(
            "--each", f"{failed} of {len(files)} photos that failed", "See above what they lack."
        )


def run_for(file: BatchFile, options: argparse.Namespace, settings: dict[str, str]) -> bool:
    """Run the workflow for one of many files, and whether that went well.

    Raises:
        UnknownTargetError: a setting that no file can have.
    """
    try:
        run_once(options, file.settings(settings), [file.path.parent, *options.input])
    except UnknownTargetError:
        raise
    except FocusPullerError as error:
        print(f"{file.path}: {error}", file=sys.stderr)
        return False
    return True


def run_once(
    options: argparse.Namespace, settings: dict[str, str], input_dirs: Sequence[Path | str]
) -> None:
    """Run the workflow and print the paths of what it saved.

    Raises:
        FocusPullerError: it cannot run, it fails, or it saves nothing that it should.
    """
    with ProgressBar() as bar:
        common = {
            "out_dir": Path(options.out),
            "input_dirs": input_dirs,
            "settings": settings,
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
