"""Students: SDXL distilled to a few steps, as whole UNets and as adapters (LoRA)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from ...errors import FileError
from ..layout import Findings, compared, not_finite, shapes_of
from ..sdxl.base import load_other_unet, load_unet, unet_names, unet_part
from ..sdxl.config import SDXL, SdxlConfig
from ..sdxl.lora import merge_lora, read_lora
from ..state_dict import StateDict, read_state_dict
from .files import exif_metadata, student_of
from .published import DMD2_LORA, DMD2_UNET
from .sampling import FOUR_STEPS, ONE_STEP

# The layers that DMD2's LoRA adapts.
LORA_TARGETS = (
    *("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"),
    *("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv"),
    "time_emb_proj",
)
# How published names tell students of one step ("dmd2_sdxl_1step_unet_fp16.bin").
IS_ONE_STEP = re.compile(r"(?:^|[^0-9])1[-_ ]?step", re.IGNORECASE)


def load_student(path: Path, base: Path, dtype: torch.dtype, config: SdxlConfig = SDXL) -> Any:
    """A student's `UNet2DConditionModel`, on the CPU.

    Args:
        path: a whole UNet with diffusers' names or ComfyUI's, a LoRA for SDXL's UNet, or a file of
            ours with either in it.
        base: SDXL checkpoint: gives the shapes, and the weights that a LoRA adapts.
        dtype: of its weights.
        config: of a single-file base.

    Raises:
        FileError: the file is missing, unreadable, or for another network.
        MissingDependencyError: diffusers is not installed.
    """
    if not is_lora(_tensors(read_state_dict(path))):
        return load_other_unet(path, base, DMD2_UNET, dtype, config, _tensors)
    unet = load_unet(base, dtype, config)
    adapter, problems = read_lora(_tensors(read_state_dict(path)), unet)
    problems += Findings() if problems else not_finite(adapter)
    if problems:
        received = f"an adapter that does not fit SDXL's UNet ({problems})"
        advice = f"Give one for SDXL, such as {DMD2_LORA.file} of {DMD2_LORA.source}."
        raise FileError(str(path), received, advice)
    merge_lora(unet, adapter)
    return unet


def holds_student(path: Path) -> bool:
    """Whether a file of the EXIF generator brings its own student."""
    return exif_metadata(path) is not None and bool(student_of(read_state_dict(path)))


def timesteps_of(path: Path) -> tuple[int, ...]:
    """With which timesteps a student was trained, from its metadata or its name."""
    metadata = exif_metadata(path)
    if metadata is not None:
        return metadata.timesteps
    return ONE_STEP if IS_ONE_STEP.search(path.name) else FOUR_STEPS


def is_lora(state: StateDict) -> bool:
    """Whether tensors are those of an adapter."""
    return any(".lora_" in name or ".lora." in name for name in state)


def check_unet(path: Path) -> Findings:
    """What does not fit in a file of SDXL's UNet."""
    return _unet_findings(read_state_dict(path), SDXL)


def check_lora(path: Path) -> Findings:
    """What does not fit in a file of an adapter for SDXL's UNet."""
    return _lora_findings(read_state_dict(path), SDXL)


def student_findings(state: StateDict, config: SdxlConfig) -> Findings:
    """What does not fit in a student's tensors, a UNet's or an adapter's."""
    return _lora_findings(state, config) if is_lora(state) else _unet_findings(state, config)


def _unet_findings(state: StateDict, config: SdxlConfig) -> Findings:
    part = unet_part(config)
    named = unet_names(state, part)
    with torch.device("meta"):
        wanted = shapes_of(part.make(part.config).state_dict())
    return compared(shapes_of(named), wanted) + not_finite(named)


def _lora_findings(state: StateDict, config: SdxlConfig) -> Findings:
    part = unet_part(config)
    with torch.device("meta"):
        network = part.make(part.config)
    return read_lora(state, network)[1] + not_finite(state)


def _tensors(state: StateDict) -> StateDict:
    """A student's tensors: all of a file, or those that ours say are its student's."""
    return student_of(state) or state
