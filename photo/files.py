"""Whole files: reading them with errors that name the file, replacing them all or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import FileError


def read_file(path: Path, limit: int = -1) -> bytes:
    """The bytes of a file, all or the first `limit`.

    Raises:
        FileError: the file is missing, not a file, unreadable or empty.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit)
    except FileNotFoundError:
        raise FileError(str(path), "a file that does not exist", "Check the path.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise FileError(
            str(path), f"an unreadable file ({error})", "Give a file that you may read."
        ) from error
    if not content:
        raise FileError(str(path), "an empty file", "Copy or download it again.")
    return content


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        FileError: the operating system refused.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            str(path),
            f"a folder that cannot be made ({error.strerror or error})",
            "Give another place to save to.",
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` if the block ends well.

    If the block fails, an older `path` stays as it was and the temporary file is removed.

    Raises:
        FileError: the operating system refused: no such folder, no permission, disk full.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with replacing(target) as temporary:
        ...     _ = temporary.write_text("focus")
        >>> target.read_text()
        'focus'
    """
    # Not the tempfile module: its files are private to the user, a saved photo should not be.
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise FileError(
            str(path),
            f"a place that cannot be written ({error.strerror or error})",
            "Check that the folder exists, is writable and has space left.",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
