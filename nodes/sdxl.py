"""An SDXL checkpoint as an input of a node: a single file, or a folder in diffusers' layout."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

from ..models.loaded import stamp_of
from ..models.places import folders_for
from ..models.sdxl.base import base_of
from ..models.sdxl.published import SDXL_BASE
from ..models.weights import Weights
from .comfy import io
from .weights import AUTOMATIC, weights_fingerprint, weights_input, weights_path

Bases = Weights | Sequence[Weights]


def base_input(name: str, tooltip: str, bases: Bases = SDXL_BASE) -> io.Combo.Input:
    """A choice of SDXL checkpoints: "automatic", files, and folders of diffusers.

    Args:
        name: of the input.
        tooltip: what the checkpoint is.
        bases: what "automatic" looks for, best first.
    """
    port = weights_input(name, bases, tooltip)
    files = [option for option in port.options or [] if option not in (AUTOMATIC, *_inner_files())]
    options = [AUTOMATIC, *files, *_folders()]
    return io.Combo.Input(
        name, options=options, default=AUTOMATIC, optional=True, tooltip=port.tooltip
    )


def base_path(name: str, bases: Bases = SDXL_BASE) -> Path:
    """The checkpoint that a choice of `base_input` means.

    Raises:
        FileError: there is none.
    """
    folder = _folders().get(name)
    path = folder or weights_path(name, bases)
    assert path is not None  # "none" is not offered.
    return base_of(path)


def base_fingerprint(name: str, bases: Bases = SDXL_BASE) -> Hashable:
    """For `fingerprint_inputs`: changes when the choice or the checkpoint does."""
    folder = _folders().get(name)
    return (name, stamp_of(folder)) if folder else weights_fingerprint(name, bases)


def _folders() -> dict[str, Path]:
    """Folders in diffusers' layout by their names."""
    return {
        config.parents[1].name: config.parents[1]
        for kind in folders_for(SDXL_BASE)
        for config in sorted(kind.glob("*/unet/config.json"))
    }


def _inner_files() -> set[str]:
    """Files in those folders, as lists of files name them: the folder stands for them."""
    return {
        path.relative_to(folder.parent).as_posix()
        for folder in _folders().values()
        for path in folder.rglob("*")
    }
