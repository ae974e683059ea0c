"""The adapters of a refocus model, from given files and those that are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from ...errors import FileError
from ..flux.adapters import FluxShape
from ..flux.layout import AdapterFile, load_adapter
from ..flux.networks import Kind
from ..flux.published import GENFOCUS_BOKEH, GENFOCUS_DEBLUR, GENFOCUS_PRE_DEBLUR
from ..flux_base.files import BaseFiles
from ..flux_base.loading import load_base
from ..loaded import loaded
from ..places import AUTOMATIC, found
from ..weights import Weights
from .model import RefocusModel


@dataclass(frozen=True)
class Slot:
    """A place for an adapter among those that work together.

    Args:
        kinds: what an adapter here can be for; a file that does not say is for the first.
        published: what is taken without being named, if it is there.
    """

    kinds: tuple[Kind, ...]
    published: tuple[Weights, ...] = ()


# By the names that users give.
SLOTS = {
    "deblur": Slot((Kind.DEBLUR, Kind.PRE_DEBLUR), (GENFOCUS_DEBLUR, GENFOCUS_PRE_DEBLUR)),
    "bokeh": Slot((Kind.BOKEH,), (GENFOCUS_BOKEH,)),
    "aperture": Slot((Kind.APERTURE,)),
    "diffcamera": Slot((Kind.DIFFCAMERA,)),
}


def open_model(
    files: BaseFiles,
    adapters: Mapping[str, Path | str | None],
    device: torch.device | str,
    dtype: torch.dtype | None = None,
    sparing: bool = False,
) -> RefocusModel:
    """A base model with adapters.

    Args:
        files: of the base model.
        adapters: as for `adapter_paths`.
        device, dtype, sparing: as for `load_base`.

    Raises:
        FileError: a file is nowhere, damaged or of another model.
        MissingDependencyError: a library of the extras "diffusion" or "gguf" is missing.
    """
    paths = adapter_paths(adapters)
    base = load_base(files, device, dtype, sparing)
    return RefocusModel(base, load_adapters(paths, base.shape))


def adapter_paths(given: Mapping[str, Path | str | None]) -> dict[str, list[Path]]:
    """The files of adapters by slot.

    Args:
        given: a path, "automatic" for the published ones that are there, or None for none; slots
            that are not named are empty.

    Raises:
        FileError: a given path does not exist.
    """
    return {name: _paths(SLOTS[name], choice) for name, choice in given.items()}


def load_adapters(paths: Mapping[str, list[Path]], shape: FluxShape) -> dict[Kind, AdapterFile]:
    """Adapters by what they are for.

    Args:
        paths: see `adapter_paths`.
        shape: of the base model.

    Raises:
        FileError: a file is damaged, or its adapter is for something else or for another model.
    """
    adapters: dict[Kind, AdapterFile] = {}
    for name, files in paths.items():
        for path in files:
            adapter = _loaded(path, shape, SLOTS[name].kinds)
            assert adapter.info.kind is not None
            adapters[adapter.info.kind] = adapter
    return adapters


def _paths(slot: Slot, choice: Path | str | None) -> list[Path]:
    if choice is None:
        return []
    if choice == AUTOMATIC:
        return [place for weights in slot.published if (place := found(weights))]
    if not Path(choice).is_file():
        raise FileError(str(choice), "a file that does not exist", "Check the path.")
    return [Path(choice)]


def _loaded(path: Path, shape: FluxShape, kinds: tuple[Kind, ...]) -> AdapterFile:
    adapter = loaded(load_adapter, path, shape)
    if adapter.info.kind in kinds:
        return adapter
    # Says what is wrong, unless the file does not say what it is for.
    return loaded(load_adapter, path, shape, kinds[0])
