"""Folders of files, in an order that is the same on every machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ....errors import FileError
from ....photo.depth_files import DEPTH_SUFFIXES
from ....photo.photo import PHOTO_SUFFIXES

# As many missing files as an error names.
NAMED = 3


def folder_at(root: Path, *names: str, dataset: str) -> Path:
    """The first folder of these names below a dataset's folder.

    Raises:
        FileError: there is none.
    """
    found = [root / name for name in names if (root / name).is_dir()]
    if not found:
        wanted = " or ".join(f"{name}/" for name in names)
        raise FileError(
            str(root),
            "no folder" if not root.is_dir() else f"a folder without {wanted}",
            f"Give the folder of {dataset} as docs/data.md shows it.",
        )
    return found[0]


def pictures_in(folder: Path, dataset: str) -> list[Path]:
    """The pictures in a folder, in natural order: 2.jpg before 10.jpg.

    Raises:
        FileError: there are none.
    """
    pictures = files_in(folder, PHOTO_SUFFIXES)
    if not pictures:
        raise FileError(
            str(folder),
            "a folder without pictures",
            f"Copy the pictures of {dataset} there, as docs/data.md shows.",
        )
    return pictures


def files_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files of some kinds in a folder, in natural order; hidden ones are left out."""
    return sorted(
        (
            path
            for path in folder.iterdir()
            if path.suffix.lower() in suffixes and path.name[0] != "." and path.is_file()
        ),
        key=lambda path: natural(path.name),
    )


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts numbers in names by their value."""
    parts = re.split(r"(\d+)", name)
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def depth_files_in(folder: Path | None) -> dict[str, Path]:
    """Depth maps of a folder by name without suffix; None has none."""
    if folder is None or not folder.is_dir():
        return {}
    return {path.stem: path for path in files_in(folder, DEPTH_SUFFIXES)}


def check_complete(folder: Path, missing: Sequence[str], dataset: str) -> None:
    """Refuse a folder that lacks files.

    Args:
        folder: where they should be.
        missing: their names.
        dataset: its name.

    Raises:
        FileError: files are missing; names the first of them.
    """
    if missing:
        named = ", ".join(missing[:NAMED]) + (", …" if len(missing) > NAMED else "")
        raise FileError(
            str(folder),
            f"a folder that lacks {len(missing)} of its files ({named})",
            f"Copy {dataset} again, or remove the other half of these pairs.",
        )
