"""The command line: `focuspuller COMMAND`, a module `*_command` for each.

Exit codes: 0 done, 1 something about the input is wrong (said on stderr), 2 wrong usage,
130 interrupted, 141 the reader of what is printed has gone (as in `| head -1`).
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple, NoReturn

from ..errors import FocusPullerError


class Command(NamedTuple):
    """A command of the command line.

    Args:
        module: of this package, with `add_to(commands)`.
        summary: what the list of commands says of it.
    """

    module: str
    summary: str


# In the order of the help text. What the modules import takes seconds, so that the one that is
# meant is imported alone.
COMMANDS = {
    "render": Command("render_command", "refocus a photo, frames or a video"),
    "refocus": Command("refocus_command", "give any photo another focus and aperture, with FLUX"),
    "deblur": Command("deblur_command", "make a photo sharp from front to back, with FLUX"),
    "generate": Command("generate_command", "generate a picture, and focus it"),
    "fit": Command("fit_command", "find the focus and the f-number of a photo"),
    "depth": Command("depth_command", "estimate the depth of a photo, frames or a video"),
    "mask": Command("mask_command", "find the subject of a photo, or refine a mask"),
    "run": Command("run_command", "run a workflow file without ComfyUI, or on its server"),
    "aperture": Command("aperture_command", "show an aperture's bokeh"),
    "models": Command("models_command", "list, verify and fetch the weights of networks"),
    "flux-prompts": Command("flux_prompts_command", "encode the prompts of the FLUX networks once"),
    "curate": Command("curate_command", "list the photographs that are fit to train with"),
    "label": Command("label_command", "find bokeh level and focus plane of real photographs"),
    "simulate": Command(
        "simulate_command",
        "make blurred pictures with known depth, focus and strength, to train with",
    ),
    "pack": Command("pack_command", "pack a dataset into shards"),
    "train": Command("train_command", "train the networks that the nodes load"),
    "evaluate": Command(
        "evaluate_command", "compare lenses and networks in the tables of the literature"
    ),
}
# Those that read a folder, a pattern or a video in place of a photo.
TAKE_FRAMES = ("render", "refocus", "deblur", "depth")
NEGATIVE_POINT = re.compile(r"-[\d.]+,")
FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130
# As a program that ends by SIGPIPE.
UNHEARD = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        _end_as_by_interrupt()
        options = _parsed(words)
        options.execute(options)
        sys.stdout.flush()
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
    except BrokenPipeError:
        _write_no_more()
        return UNHEARD
    return 0


def _end_as_by_interrupt() -> None:
    """Let SIGTERM, too, unwind the program, so that unfinished files are removed."""
    is_default = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if is_default and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _write_no_more() -> None:
    """Let what is still to be printed go nowhere, so that the end of Python does not try again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


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
        mistake = f"{self.prog}: {message.rstrip('.')}. '{self.prog} --help' explains it."
        self.exit(WRONG_USAGE, f"{formatter.format_help()}{mistake}\n")


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    parser = _parser(words)
    options, unknown = parser.parse_known_args(_with_points(words))
    if unknown:
        mistake = f"unrecognized arguments: {' '.join(unknown)}"
        # A shell makes many words of a pattern.
        if words[0] in TAKE_FRAMES and not unknown[0].startswith("-"):
            mistake += ". Give several photos as a folder, or as a pattern in quotes"
        parser.error(mistake)
    return options


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="focuspuller",
        description="Give images a real camera's focus and aperture.",
        epilog="'focuspuller COMMAND --help' explains a command and shows examples.",
    )
    parser.add_argument("--version", action="version", version=f"focuspuller {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    if words and words[0] in COMMANDS:
        import_module(f".{COMMANDS[words[0]].module}", __package__).add_to(commands)
    else:
        for name, command in COMMANDS.items():
            commands.add_parser(name, help=command.summary)
    return parser


def _with_points(words: Sequence[str]) -> list[str]:
    """Words in which a point left of the picture, "-0.1,0.5", is not mistaken for an option."""
    joined: list[str] = []
    for word in words:
        if NEGATIVE_POINT.match(word) and joined and joined[-1].startswith("--"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _version() -> str:
    try:
        return version("focuspuller")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
