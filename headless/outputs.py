"""Where commands write: never over what they read."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError
from .lens_options import files_of_lens


def check_no_input(option: str, targets: Iterable[Path], inputs: Iterable[Path | None]) -> None:
    """Refuse to replace a file that is read, by whatever name.

    Args:
        option: what the targets were given with, for the error.
        targets: files that will be written.
        inputs: files that are read; None where an option was not given.

    Raises:
        InputError: a target is an input.
    """
    read = {_identity(path): path for path in inputs if path is not None and path.exists()}
    for target in targets:
        if target.exists() and (path := read.get(_identity(target))):
            raise InputError(option, f"{path}, an input", "Give another name, to keep it.")


def files_given(options: argparse.Namespace) -> list[Path]:
    """The files that the options of `focuspuller render` name."""
    given = (
        options.photo,
        options.depth,
        options.focus_mask,
        options.aperture_image,
        options.depth_holes,
        *files_of_lens(options),
    )
    return [path for path in given if path is not None]


def _identity(path: Path) -> tuple[int, int]:
    """The same for all names of a file."""
    status = path.stat()
    return status.st_dev, status.st_ino
