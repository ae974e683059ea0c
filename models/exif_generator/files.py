"""Files of the EXIF-conditioned generator: one .safetensors with all weights and what they need.

The projection is under `exif_projection.`. A student that was trained with it can be in the same
file, under `student.`: a whole UNet or a LoRA, with diffusers' names. The metadata says what the
weights cannot: see `ExifMetadata`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import FileError
from ...lens.optics import Camera
from ..state_dict import (
    StateDict,
    below,
    load_network,
    read_metadata,
    read_state_dict,
    write_weights,
)
from .exif import ExifProjection
from .published import EXIF_GENERATOR
from .sampling import FOUR_STEPS

FORMAT, FORMAT_VERSION = "focus-puller/exif-generator", "1"
PROJECTION, STUDENT = "exif_projection.", "student."

Range = tuple[float, float]


@dataclass(frozen=True)
class ExifMetadata:
    """What a file says beside its tensors.

    Args:
        base: the checkpoint or student that the training started from.
        licence: of the weights.
        f_numbers: least and largest seen in training.
        focal_lengths_mm: the same.
        timesteps: of the student.
        unet: in what the student's UNet differs from SDXL's, as diffusers calls it; empty if it
            is one of SDXL.
    """

    base: str
    licence: str
    f_numbers: Range
    focal_lengths_mm: Range
    timesteps: tuple[int, ...] = FOUR_STEPS
    unet: Mapping[str, Any] = field(default_factory=dict)

    def outside(self, camera: Camera) -> str:
        """What of a camera was not seen in training, as a sentence; empty if all of it was."""
        strange = [
            f"{name} {value:g} (seen: {least:g} to {largest:g})"
            for name, value, (least, largest) in (
                ("f/", camera.f_number, self.f_numbers),
                ("focal length in mm", camera.focal_length_mm, self.focal_lengths_mm),
            )
            if not least <= value <= largest
        ]
        return f"Not seen in training: {', '.join(strange)}." if strange else ""


def save_exif_generator(
    path: Path,
    projection: ExifProjection,
    metadata: ExifMetadata,
    student: Mapping[str, Tensor] | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a file that `load_projection` and `student.load_student` read.

    Args:
        path: `.safetensors`; an older one is replaced whole.
        projection: what to save.
        metadata: what to say of it.
        student: a UNet's state dict, or a LoRA as `sdxl.lora.lora_shapes` has it.
        notes: what else the header shall say, such as how it was trained.

    Raises:
        FileError: another suffix, or the operating system refused.
    """
    state = {PROJECTION + name: one for name, one in projection.state_dict().items()}
    state |= {STUDENT + name: one for name, one in (student or {}).items()}
    said = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "base": metadata.base,
        "licence": metadata.licence,
        "f_numbers": _listed(metadata.f_numbers),
        "focal_lengths_mm": _listed(metadata.focal_lengths_mm),
        "timesteps": _listed(metadata.timesteps),
        "unet": json.dumps(dict(metadata.unet)),
    }
    write_weights(path, state, {**(notes or {}), **said})


def load_projection(path: Path, outputs: int | None = None) -> ExifProjection:
    """The projection of a file, on the CPU in float32, without gradients.

    Args:
        path: what `save_exif_generator` wrote.
        outputs: of the time embedding of the UNet that it is for.

    Raises:
        FileError: the file is missing, unreadable, of a later format, or for another network.
    """
    if exif_metadata(path) is None:
        read_state_dict(path)  # What cannot be read at all says so itself.
        received = f"a file whose metadata do not say that its format is {FORMAT}"
        advice = "Give a file with a trained EXIF projection."
        raise FileError(str(path), received, advice)
    make = projection_maker(projection_of(read_state_dict(path)), path)
    projection = load_network(make, path, EXIF_GENERATOR, convert=projection_of)
    found = projection.linear_2.out_features
    if outputs not in (None, found):
        received = f"an EXIF projection to {found} numbers, for a UNet that wants {outputs}"
        raise FileError(str(path), received, "Give the base checkpoint that it was trained with.")
    return projection


def exif_metadata(path: Path) -> ExifMetadata | None:
    """What a file says beside its tensors; None if it is no file of the EXIF generator.

    Raises:
        FileError: it is damaged, or of a format that this version does not know.
    """
    found = read_metadata(path)
    if found.get("format") != FORMAT:
        return None
    version = found.get("format_version")
    if version != FORMAT_VERSION:
        received = f"an EXIF generator with unknown format version {version!r}"
        raise FileError(str(path), received, "Use the version of Focus Puller that it is for.")
    f_numbers, focal_lengths, timesteps = (
        _numbers(path, name, found.get(name, ""))
        for name in ("f_numbers", "focal_lengths_mm", "timesteps")
    )
    if len(f_numbers) != 2 or len(focal_lengths) != 2 or not _are_timesteps(timesteps):
        received = "metadata with other than two ends of a range, or without falling timesteps"
        raise FileError(str(path), received, "Save it again.")
    return ExifMetadata(
        found.get("base", ""),
        found.get("licence", ""),
        (f_numbers[0], f_numbers[1]),
        (focal_lengths[0], focal_lengths[1]),
        tuple(int(one) for one in timesteps),
        _settings(path, "unet", found.get("unet", "{}")),
    )


def projection_of(state: Mapping[str, Tensor]) -> StateDict:
    """The tensors of the projection under its own names."""
    return below(state, PROJECTION)


def student_of(state: Mapping[str, Tensor]) -> StateDict:
    """The tensors of the student, without the prefix."""
    return below(state, STUDENT)


def projection_maker(state: Mapping[str, Tensor], path: Path) -> partial[ExifProjection]:
    """Makes a projection of the sizes that a file has."""
    first, second = (state.get(f"linear_{number}.weight") for number in (1, 2))
    if first is None or second is None or first.ndim != 2 or first.shape[1] % 4:
        received = "a file without the weights of an EXIF projection"
        raise FileError(str(path), received, "Give a file with a trained EXIF projection.")
    return partial(ExifProjection, first.shape[1] // 2, first.shape[0], second.shape[0])


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _numbers(path: Path, name: str, text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = (math.nan,)
    if not torch.tensor(values).isfinite().all():
        received = f"metadata in which {name} is {text!r}"
        raise FileError(str(path), received, "Save it again.")
    return values


def _settings(path: Path, name: str, text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise FileError(str(path), f"metadata in which {name} is {text!r}", "Save it again.")
    return values


def _are_timesteps(values: tuple[float, ...]) -> bool:
    falling = all(later < earlier for earlier, later in pairwise(values))
    return falling and all(0 <= value < 1000 and value.is_integer() for value in values)
