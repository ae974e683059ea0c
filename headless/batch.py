"""One workflow for many files, as in `--each "Load Photo.photo=portraits"`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import FileError
from ..photo.photo import PHOTO_SUFFIXES
from .settings import parse_settings

NAME = "{name}"


@dataclass(frozen=True)
class BatchFile:
    """A file that a workflow runs for.

    Args:
        target: the input that gets it, `NODE.input`.
        path: of the file.
    """

    target: str
    path: Path

    def settings(self, common: Mapping[str, str]) -> dict[str, str]:
        """The settings of this run: the common ones with the file's name in them, and the file."""
        named = {target: value.replace(NAME, self.path.stem) for target, value in common.items()}
        return named | {self.target: self.path.name}


def chosen_files(text: str) -> list[BatchFile]:
    """The files that `NODE.input=FOLDER` or `NODE.input=PATTERN` stands for, by name.

    Of a folder these are the photos, of a pattern all that match.

    Raises:
        WorkflowError: the text has another form.
        FileError: there are none.
    """
    ((target, place),) = parse_settings([text]).items()
    if Path(place).is_dir():
        found = [path for path in Path(place).iterdir() if path.suffix.lower() in PHOTO_SUFFIXES]
    else:
        found = list(Path(place).parent.glob(Path(place).name))
    files = sorted(path for path in found if path.is_file())
    if not files:
        raise FileError(place, "no photos", "Give a folder with photos, or a pattern in quotes.")
    return [BatchFile(target, path) for path in files]
