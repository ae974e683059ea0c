"""Checkpoints: folders that are either whole or not there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import FileError

WEIGHTS, AVERAGE, OPTIMIZERS, STATE = (
    "weights.safetensors",
    "average.safetensors",
    "optimizers.pt",
    "state.json",
)
PREFIX, UNFINISHED = "step_", ".unfinished_"


@dataclass(frozen=True)
class Checkpoint:
    """A training between two steps.

    Args:
        step: how many are done.
        weights: of all that is trained, by name.
        optimizers: state of each phase's optimizer.
        average: moving average of the weights.
    """

    step: int
    weights: Mapping[str, Tensor]
    optimizers: Mapping[str, Any]
    average: Mapping[str, Tensor] | None = None


def save(checkpoint: Checkpoint, folder: Path, keep: int) -> None:
    """Write a checkpoint into a folder of them and drop all but the newest.

    A process that dies at any point leaves the checkpoints before.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder)
    unfinished = folder / f"{UNFINISHED}{checkpoint.step}"
    unfinished.mkdir()
    save_file(_own(checkpoint.weights), unfinished / WEIGHTS)
    if checkpoint.average is not None:
        save_file(_own(checkpoint.average), unfinished / AVERAGE)
    torch.save(dict(checkpoint.optimizers), unfinished / OPTIMIZERS)
    (unfinished / STATE).write_text(json.dumps({"step": checkpoint.step}), encoding="utf-8")
    for file in unfinished.iterdir():
        _to_disk(file)
    finished = folder / f"{PREFIX}{checkpoint.step:08}"
    if finished.exists():
        shutil.rmtree(finished)
    unfinished.rename(finished)
    _to_disk(folder)
    for old in _all(folder)[:-keep]:
        shutil.rmtree(old)


def load_newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint, on the CPU; None if there is none.

    Raises:
        FileError: it cannot be read.
    """
    from safetensors.torch import load_file

    places = _all(folder)
    if not places:
        return None
    place = places[-1]
    try:
        step = json.loads((place / STATE).read_text(encoding="utf-8"))["step"]
        average = load_file(place / AVERAGE) if (place / AVERAGE).is_file() else None
        optimizers = torch.load(place / OPTIMIZERS, map_location="cpu", weights_only=True)
        return Checkpoint(step, load_file(place / WEIGHTS), optimizers, average)
    except Exception as error:  # A damaged file can raise anything.
        reason = str(error).partition("\n")[0]
        raise FileError(
            str(place), f"a checkpoint that cannot be read ({reason})", "Remove this folder."
        ) from error


def remove_unfinished(folder: Path) -> None:
    """Clear what a killed process left."""
    for place in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(place)


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*"))


def _own(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that share no memory, as safetensors wants them."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _to_disk(path: Path) -> None:
    """Have the system write what it holds back; a folder's renames too."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders.
    # Windows flushes only what is open for writing; folders open for reading alone.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
