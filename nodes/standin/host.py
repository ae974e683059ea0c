"""What ComfyUI does around a node, without ComfyUI: folders, file names, device, progress.

Whoever runs nodes installs a `Host`; without one, files are read from and written to the current
directory.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import NamedTuple

import torch

from ...errors import InputError
from ...models.places import default_model_roots
from ...photo.files import make_folder

# "photo.png [output]" is a file in the output folder.
ANNOTATION = re.compile(r"\s*\[(input|output|temp)\]$")


class OutputTarget(NamedTuple):
    """Where the next picture goes: `folder / f"{stem}_{counter:05}_.png"`.

    `subfolder` is `folder` relative to the output folder.
    """

    folder: Path
    stem: str
    counter: int
    subfolder: str


@dataclass(frozen=True)
class Host:
    """The surroundings of a running node.

    Args:
        input_dirs: searched in order for input files.
        output_dir: where pictures go, previews too.
        device: where to render; None picks CUDA if there is one.
        preview_prefix: file names of previews begin with it.
        keeps_previews: whether previews are written at all.
        has_browser: whether somebody looks through a browser, which wants more than pictures.
        on_step: called with (steps done, steps in all) while a node works.
        temp_dir: for what is handed on as a file.
        model_roots: have a folder for each kind of weights, like ComfyUI's `models`.
    """

    input_dirs: Sequence[Path] = (Path(),)
    output_dir: Path = Path()
    device: torch.device | None = None
    preview_prefix: str = "preview"
    keeps_previews: bool = True
    has_browser: bool = False
    on_step: Callable[[int, int], None] | None = None
    temp_dir: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    model_roots: Sequence[Path] = field(default_factory=default_model_roots)

    def input_files(self, extensions: Sequence[str]) -> list[str]:
        """Sorted names of the files right in the input folders with one of `extensions`."""
        folders = [folder for folder in self.input_dirs if folder.is_dir()]
        return sorted(
            {
                path.name
                for folder in folders
                for path in folder.iterdir()
                if path.suffix.lower() in extensions and path.is_file()
            }
        )

    def input_path(self, name: str) -> Path:
        """The file a node means by `name`; absolute paths are taken as they are.

        Where it is in none of the folders, the path in the first one, so that a message can say
        where it was expected.
        """
        annotation = ANNOTATION.search(name)
        bare = ANNOTATION.sub("", name)
        if annotation and annotation[1] != "input":
            return self.output_dir / bare
        candidates = [folder / bare for folder in self.input_dirs] or [Path(bare)]
        return next((path for path in candidates if path.is_file()), candidates[0])

    def model_folders(self, kind: str) -> list[Path]:
        """The folders of a kind of weights, in the order of search."""
        return [root / kind for root in self.model_roots]

    def model_files(self, folder: str, extensions: Sequence[str]) -> list[str]:
        """Sorted names of the weights in and below a folder of models."""
        return sorted(
            {
                path.relative_to(place).as_posix()
                for place in self.model_folders(folder)
                for path in place.rglob("*")
                if path.suffix.lower() in extensions and path.is_file()
            }
        )

    def model_path(self, folder: str, name: str) -> Path:
        """The file that a folder of models holds under a name; in the first if in none."""
        candidates = [place / name for place in self.model_folders(folder)]
        return next((path for path in candidates if path.is_file()), candidates[0])

    def output_target(self, filename_prefix: str, width: int, height: int) -> OutputTarget:
        """Folder and next free number for pictures called `filename_prefix`.

        Args:
            filename_prefix: may hold a subfolder, `%width%`, `%height%` and parts of the date.
            width: px.
            height: px.

        Raises:
            InputError: the prefix leads outside the output folder.
            FileError: the folder cannot be made.
        """
        prefix = PurePath(_expanded(filename_prefix, width, height))
        folder = self.output_dir / prefix.parent
        if not folder.resolve().is_relative_to(self.output_dir.resolve()):
            raise InputError(
                "filename_prefix",
                f"{filename_prefix!r}, which leads outside the output folder",
                "Give a name, or a path below the output folder.",
            )
        make_folder(folder)
        subfolder = "" if prefix.parent == PurePath() else prefix.parent.as_posix()
        return OutputTarget(folder, prefix.name, _next_counter(folder, prefix.name), subfolder)

    def render_device(self) -> torch.device:
        """Where to compute."""
        return self.device or torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def step(self, done: int, total: int) -> None:
        """Report progress of the node that runs."""
        if self.on_step is not None:
            self.on_step(done, total)


def _expanded(prefix: str, width: int, height: int) -> str:
    now = time.localtime()
    values = {
        "width": str(width),
        "height": str(height),
        "year": str(now.tm_year),
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }
    return re.sub(r"%(\w+)%", lambda match: values.get(match[1], match[0]), prefix)


def _next_counter(folder: Path, stem: str) -> int:
    """One more than the largest number that follows `stem_` in the folder, whatever the format."""
    pattern = re.compile(re.escape(stem) + r"_(\d+)(?:_|\.|$)")
    matches = (pattern.match(path.name) for path in folder.iterdir())
    return max((int(match[1]) for match in matches if match), default=0) + 1


_installed: ContextVar[Host | None] = ContextVar("focuspuller_host", default=None)


def current_host() -> Host:
    """The installed host, or one that works in the current directory."""
    return _installed.get() or Host()


@contextmanager
def installed_host(host: Host) -> Iterator[Host]:
    """Run nodes within `host`."""
    token = _installed.set(host)
    try:
        yield host
    finally:
        _installed.reset(token)
