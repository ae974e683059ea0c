"""The command line: `focuspuller COMMAND`, a module `*_command` for each.

Exit codes: 0 done, 1 something about the input is wrong (said on stderr), 2 wrong usage,
130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from ..errors import FocusPullerError

# Modules, in the order of the help text. What they import takes seconds, so that the one that is
# meant is imported alone.
COMMANDS = {
    "render": "render_command",
    "refocus": "refocus_command",
    "deblur": "deblur_command",
    "generate": "generate_command",
    "fit": "fit_command",
    "depth": "depth_command",
    "mask": "mask_command",
    "run": "run_command",
    "aperture": "aperture_command",
    "models": "models_command",
    "flux-prompts": "flux_prompts_command",
    "curate": "curate_command",
    "label": "label_command",
    "simulate": "simulate_command",
    "pack": "pack_command",
    "train": "train_command",
    "evaluate": "evaluate_command",
}
FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        _end_as_by_interrupt()
        options = _parser(words).parse_args(words)
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


def _end_as_by_interrupt() -> None:
    """Let SIGTERM, too, unwind the program, so that unfinished files are removed."""
    is_default = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if is_default and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _is_out_of_memory(error: Exception) -> bool:
    # PyTorch has no type of its own for this on the CPU.
    texts = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(text in str(error) for text in texts)


class _Parser(argparse.ArgumentParser):
    """Shows what a command needs when it is used wrongly; --help shows all its options."""

    def error(self, message: str) -> NoReturn:
        """End with the mistake and the shortest usage."""
        formatter = self.formatter_class(prog=self.prog)
        formatter.add_usage(None, [action for action in self._actions if action.required], [])
        advice = f"'{self.prog} --help' explains it."
        self.exit(WRONG_USAGE, f"{formatter.format_help()}{self.prog}: {message}. {advice}\n")


def _parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="focuspuller",
        description="Give images a real camera's focus and aperture.",
        epilog="'focuspuller COMMAND --help' explains a command and shows examples.",
    )
    parser.add_argument("--version", action="version", version=f"focuspuller {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    meant = [name for name in words[:1] if name in COMMANDS] or COMMANDS
    for name in meant:
        import_module(f".{COMMANDS[name]}", __package__).add_to(commands)
    return parser


def _version() -> str:
    try:
        return version("focuspuller")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
