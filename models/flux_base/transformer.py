"""The transformer of a base model from a file or folder, whatever its layout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import FileError, MissingDependencyError
from ..flux.adapters import FLUX_DEV, FluxShape
from ..flux.transformer import ConditionedFlux
from ..layout import Findings
from .original import transformer_in
from .reading import findings_between, fitted, other_model, read_weights
from .stored import fill, true_shape

ADVICE = "Give FLUX.1-dev, such as flux1-dev.safetensors."
# Of a head, and those of them that frame, row and column turn.
HEAD_CHANNELS, AXES = 128, (16, 56, 56)
# Of FLUX.2 and Chroma, whose other names are the same.
RELATIVES = ("double_stream_modulation_img", "distilled_guidance_layer")
_NUMBER = re.compile(r"^(single_)?transformer_blocks\.(\d+)\.")


def load_transformer(path: Path, dtype: torch.dtype) -> ConditionedFlux:
    """A FLUX transformer on the CPU; its weights stay as they are stored where that saves memory.

    Args:
        path: `.safetensors` or `.gguf` in diffusers' or the original names, alone or among other
            models, in 16 or 8 bits; or diffusers' folder.
        dtype: that it computes in.

    Raises:
        FileError: the file is missing, damaged, or of another model.
        MissingDependencyError: without the libraries of the extra "diffusion", or "gguf".
    """
    state = _transformer_state(path)
    config = _config(state)
    _require_pictures(path, config)
    network = fitted(path, state, lambda: _made(path, config), "FLUX.1", ADVICE)
    fill(network, state, dtype)
    return ConditionedFlux(network).requires_grad_(False)


def check_transformer(path: Path) -> Findings:
    """What does not fit in a file or folder of FLUX.1-dev's transformer."""
    state = _transformer_state(path)
    config = _config(state)
    _require_pictures(path, config)
    with torch.device("meta"):
        findings = findings_between(state, _made(path, config))
    if not findings and FluxShape.of(config) != FLUX_DEV:
        findings += Findings(other=(f"sizes are {FluxShape.of(config)} instead of {FLUX_DEV}",))
    if not config["guidance_embeds"]:
        findings += Findings(other=("it takes no guidance scale: FLUX.1-schnell, not -dev",))
    return findings


def _transformer_state(path: Path) -> dict[str, Tensor]:
    own = path / "transformer" if (path / "transformer").is_dir() else path
    everything = read_weights(own)
    state = transformer_in(everything)
    if state is None:
        raise other_model(own, everything, "FLUX' transformer", ADVICE)
    if any(name.startswith(RELATIVES) for name in state):
        raise other_model(own, everything, "FLUX.1's transformer", ADVICE)
    return state


def _config(state: dict[str, Tensor]) -> dict[str, Any]:
    """diffusers' configuration, from the shapes alone; 0 for what cannot be told."""
    counts = [0, 0]
    for name in state:
        match = _NUMBER.match(name)
        if match:
            single = match[1] is not None
            counts[single] = max(counts[single], int(match[2]) + 1)
    embedder = _shape(state, "x_embedder.weight")
    return {
        "patch_size": 1,
        "in_channels": embedder[1],
        "out_channels": _shape(state, "proj_out.weight")[0],
        "num_layers": counts[0],
        "num_single_layers": counts[1],
        "attention_head_dim": HEAD_CHANNELS,
        "num_attention_heads": embedder[0] // HEAD_CHANNELS,
        "joint_attention_dim": _shape(state, "context_embedder.weight")[1],
        "pooled_projection_dim": _shape(state, "time_text_embed.text_embedder.linear_1.weight")[1],
        "guidance_embeds": "time_text_embed.guidance_embedder.linear_1.weight" in state,
        "axes_dims_rope": AXES,
    }


def _shape(state: dict[str, Tensor], name: str) -> tuple[int, ...]:
    shape = true_shape(state[name]) if name in state else ()
    return shape if len(shape) == 2 else (0, 0)


def _require_pictures(path: Path, config: dict[str, Any]) -> None:
    channels, predicted = config["in_channels"], config["out_channels"]
    if channels > predicted > 0:
        received = (
            f"a FLUX that reads {channels} channels instead of {predicted}, as Fill, Depth and "
            "Canny do"
        )
        raise FileError(str(path), received, ADVICE)


def _made(path: Path, config: dict[str, Any]) -> nn.Module:
    try:
        from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
    except ImportError as error:
        raise MissingDependencyError(
            str(path),
            "a FLUX model, and the library diffusers is not installed",
            "Run `pip install focuspuller[diffusion]`.",
        ) from error
    return FluxTransformer2DModel(**config)
