"""The command line: `focuspuller COMMAND`, a module `*_command` for each.

Exit codes: 0 done, 1 something about the input is wrong (said on stderr), 2 wrong usage,
130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from ..errors import FocusPullerError
from . import (
    aperture_command,
    curate_command,
    deblur_command,
    depth_command,
    evaluate_command,
    fit_command,
    flux_prompts_command,
    generate_command,
    label_command,
    mask_command,
    models_command,
    pack_command,
    refocus_command,
    render_command,
    run_command,
    simulate_command,
    train_command,
)

# In the order of the help text.
COMMANDS = (
    render_command,
    refocus_command,
    deblur_command,
    generate_command,
    fit_command,
    depth_command,
    mask_command,
    run_command,
    aperture_command,
    models_command,
    flux_prompts_command,
    curate_command,
    label_command,
    simulate_command,
    pack_command,
    train_command,
    evaluate_command,
)
FAILED = 1
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        options.execute(options)
    except FocusPullerError as error:
        print(f"focuspuller: {error}", file=sys.stderr)
        return FAILED
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        print("focuspuller: out of memory. Scale the photo down, or blur less.", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("focuspuller: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _is_out_of_memory(error: Exception) -> bool:
    # PyTorch has no type of its own for this on the CPU.
    texts = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(text in str(error) for text in texts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="focuspuller",
        description="Give images a real camera's focus and aperture.",
        epilog="'focuspuller COMMAND --help' explains a command and shows examples.",
    )
    parser.add_argument("--version", action="version", version=f"focuspuller {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return parser


def _version() -> str:
    try:
        return version("focuspuller")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
