"""The networks of DMD2's training: teacher, student and fake score, all from one SDXL."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import FileError, InputError
from ...models.exif_generator.exif import ExifProjection
from ...models.exif_generator.files import exif_metadata, load_projection, student_of
from ...models.exif_generator.student import LORA_TARGETS, is_lora
from ...models.layout import compared, shapes_of
from ...models.sdxl.base import load_text_encoders, load_unet, load_vae, unet_names, unet_part
from ...models.sdxl.config import SDXL
from ...models.sdxl.lora import UP, merge_lora, read_lora
from ...models.state_dict import StateDict, read_state_dict
from ..sdxl_adapter import ADAPTER, adapter_state, add_adapter

STUDENT, PROJECTION = "student.", "projection."


@dataclass(frozen=True, eq=False)
class Networks:
    """SDXL three times, and what it works with.

    Args:
        teacher: as it is; frozen.
        student: to be trained, whole or by an adapter.
        fake: to be trained, whole.
        vae: frozen.
        encoders: both text encoders; frozen.
        projection: of the student's EXIF.
    """

    teacher: Any
    student: Any
    fake: Any
    vae: Any
    encoders: tuple[Any, Any]
    projection: ExifProjection


def load_networks(
    base: Path, start: Path | None, rank: int, alpha: float, frozen_dtype: torch.dtype
) -> Networks:
    """Networks of a checkpoint, on the CPU.

    Args:
        base: SDXL.
        start: student to go on from, a UNet or an adapter; None: SDXL itself.
        rank, alpha: of the student's adapter; rank 0 trains all weights.
        frozen_dtype: of the teacher and the text encoders.

    Raises:
        FileError: a file is missing, unreadable or for another network.
        InputError: an adapter shall go on from what it cannot.
    """
    vae = load_vae(base)
    vae.disable_tiling()
    encoders = load_text_encoders(base, frozen_dtype)
    unet = load_unet(base, torch.float32)
    return prepared(unet, vae, encoders, start, rank, alpha, frozen_dtype)


def prepared(
    unet: Any,
    vae: Any,
    encoders: tuple[Any, Any],
    start: Path | None = None,
    rank: int = 0,
    alpha: float = 8.0,
    frozen_dtype: torch.dtype = torch.float32,
) -> Networks:
    """The networks of a training, from those of SDXL; see `load_networks`."""
    teacher = copy.deepcopy(unet)
    if teacher.dtype != frozen_dtype:
        teacher.to(frozen_dtype)
    for network in (teacher, vae, *encoders):
        network.eval().requires_grad_(False)
    student = copy.deepcopy(unet).requires_grad_(True)
    found = None if start is None else read_state_dict(start)
    state = found and (student_of(found) or found)
    if rank > 0:
        _adapt(student, rank, alpha, start, state)
    elif state:
        _become(student, start, state)
    projection = _projection(unet, start)
    return Networks(teacher, student, unet.requires_grad_(True), vae, encoders, projection)


def _become(student: Any, start: Path | None, state: StateDict) -> None:
    """Make SDXL's UNet the student that it goes on from."""
    if is_lora(state):
        merge_lora(student, _fitting_adapter(student, start, state))
        return
    named = unet_names(state, unet_part())
    problems = compared(shapes_of(named), shapes_of(student.state_dict()))
    if problems:
        raise _misfit(start, problems)
    student.load_state_dict(named)


def _adapt(student: Any, rank: int, alpha: float, start: Path | None, state: StateDict | None):
    """Give the student an adapter, which goes on from one if there is a start."""
    if state and not is_lora(state):
        received = f"{start}, a whole UNet, for an adapter of rank {rank}"
        raise InputError("start", received, "Set rank to 0, or give an adapter.")
    begun = _fitting_adapter(student, start, state) if state else {}
    add_adapter(student, LORA_TARGETS, rank, alpha)
    parameters = dict(student.named_parameters())
    for name, tensor in begun.items():
        own = parameters.get(name.removesuffix("weight") + ADAPTER.strip(".") + ".weight")
        if own is None or own.shape != tensor.shape:
            raise _misfit(start, f"{name} {list(tensor.shape)}")
        factor = rank / alpha if name.endswith(UP) else 1.0
        own.data.copy_(factor * tensor)


def _fitting_adapter(student: Any, start: Path | None, state: StateDict) -> StateDict:
    adapter, problems = read_lora(state, student)
    if problems:
        raise _misfit(start, problems)
    return adapter


def _misfit(start: Path | None, problems: object) -> FileError:
    received = f"a student that does not fit ({problems})"
    return FileError(str(start), received, "Give one for this base, an adapter of this rank.")


def _projection(unet: Any, start: Path | None) -> ExifProjection:
    width = unet.time_embedding.linear_2.out_features
    if start is not None and exif_metadata(start) is not None:
        return load_projection(start, width).requires_grad_(True).train()
    return ExifProjection(outputs=width)


def student_state(weights: Mapping[str, Tensor], rank: int, alpha: float) -> dict[str, Tensor]:
    """The student's tensors as its file has them.

    Args:
        weights: all that was trained, by name of the parameter.
        rank, alpha: of its adapter; with rank 0 it is a whole UNet, in half precision as DMD2's.
    """
    if rank == 0:
        return {
            name.removeprefix(STUDENT): one.half()
            for name, one in weights.items()
            if name.startswith(STUDENT)
        }
    state = adapter_state(weights, STUDENT)
    # Files without alpha count their update once.
    return {name: one * (alpha / rank if name.endswith(UP) else 1.0) for name, one in state.items()}


def projection_with(weights: Mapping[str, Tensor], like: ExifProjection) -> ExifProjection:
    """The EXIF projection with trained weights."""
    projection = copy.deepcopy(like).cpu()
    own = {name: one for name, one in weights.items() if name.startswith(PROJECTION)}
    projection.load_state_dict({name.removeprefix(PROJECTION): one for name, one in own.items()})
    return projection


def differences(unet: nn.Module) -> dict[str, Any]:
    """In what a UNet's configuration differs from SDXL's."""
    part = unet_part()
    with torch.device("meta"):
        known = _plain(part.make(SDXL.unet).config)
    return {name: value for name, value in _plain(unet.config).items() if value != known.get(name)}


def _plain(config: Any) -> dict[str, Any]:
    """As JSON has it, where tuples are lists."""
    values = {name: value for name, value in dict(config).items() if not name.startswith("_")}
    return json.loads(json.dumps(values))
