"""Files that nodes read: whether they are there, whether they changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def file_check(subject: str, name: str | None, find: Callable[[str], Path]) -> bool | str:
    """For a node's `validate_inputs`: True, or what is wrong with a file's name.

    Args:
        subject: the input.
        name: of the file; None where it comes through a link.
        find: where a file of that name has to be.
    """
    if name is None or find(name).is_file():
        return True
    return (
        f"{subject}: received {name!r}, which is no file. Put it into the input folder and refresh."
    )


def file_fingerprint(path: Path | None) -> tuple[int, int]:
    """For a node's `fingerprint_inputs`: changes when the file does. None: not known yet."""
    if path is None or not path.is_file():
        return (0, 0)
    status = path.stat()
    return (status.st_mtime_ns, status.st_size)
