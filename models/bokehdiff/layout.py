"""BokehDiff's published files: an adapter of SDXL's UNet, and trained parts of its VAE."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ...errors import FileError
from ..layout import Findings, compared, not_finite, shapes_of
from ..sdxl.base import require_diffusers
from ..sdxl.config import SDXL, SdxlConfig
from ..sdxl.lora import DOWN, UP, lora_shapes, merge_lora
from ..sdxl.published import SDXL_BASE
from ..state_dict import StateDict, read_metadata, read_state_dict
from .published import BOKEHDIFF

# The adapter's layers, in all blocks of the UNet. Its alpha is its rank, so that its scale is 1.
LORA_TARGETS = (
    *("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"),
    *("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv"),
    "time_emb_proj",
)
# The published adapter has none of these before its names; others' tools write them.
LORA_PREFIXES = ("unet.", "base_model.model.")
VAE_PARTS = ("encoder.conv_in.", "encoder.mid_block.", "encoder.conv_out.")
LORA_FILE, VAE_FILE = BOKEHDIFF.files
VAE_FILES = (VAE_FILE, "vae.safetensors")


def files_of(path: Path) -> tuple[Path, Path]:
    """The adapter's file and that of the VAE's parts.

    Args:
        path: the folder with both, or the adapter's file, beside which the other is.

    Raises:
        FileError: one of them is missing.
    """
    folder = path if path.is_dir() else path.parent
    lora = path / LORA_FILE if path.is_dir() else path
    vae = next((folder / name for name in VAE_FILES if (folder / name).is_file()), None)
    if not lora.is_file() or vae is None:
        missing = LORA_FILE if not lora.is_file() else VAE_FILE
        advice = f"Put {LORA_FILE} and {VAE_FILE} of {BOKEHDIFF.source} into one folder."
        raise FileError(str(folder), f"a folder without {missing}", advice)
    return lora, vae


def check(path: Path) -> Findings:
    """What does not fit in a folder of BokehDiff's weights.

    Of our own for another base model than SDXL, which their header names, the sizes are taken from
    the files.
    """
    lora_file, vae_file = files_of(path)
    lora, vae = read_lora(lora_file), read_state_dict(vae_file)
    base = read_metadata(lora_file).get("base_model", SDXL_BASE.file)
    config = SDXL if base == SDXL_BASE.file else _config_in(lora, vae)
    unet, autoencoder = _empty_networks(config)
    return _lora_findings(lora, unet) + _vae_findings(vae, autoencoder)


def _config_in(lora: StateDict, vae: StateDict) -> SdxlConfig:
    """The sizes of the base model that an adapter was trained for; SDXL's for what it lacks."""
    widths, depths = list(SDXL.unet["block_out_channels"]), []
    for block, width in enumerate(widths):
        down = f"down_blocks.{block}"
        widths[block] = _rows(lora, f"{down}.resnets.0.conv1{UP}", width)
        transformers = {
            int(name.removeprefix(f"{down}.attentions.0.transformer_blocks.").partition(".")[0])
            for name in lora
            if name.startswith(f"{down}.attentions.0.transformer_blocks.")
        }
        # A block without attention has a depth all the same, which nothing depends on.
        depths.append(1 + max(transformers, default=0))
    prompt = lora.get(f"mid_block.attentions.0.transformer_blocks.0.attn2.to_k{DOWN}")
    sides = SDXL.vae["block_out_channels"]
    outer = _rows(vae, "encoder.conv_in.weight", sides[0])
    inner = _rows(vae, "encoder.mid_block.resnets.0.conv1.weight", sides[-1])
    unet = {
        **SDXL.unet,
        "block_out_channels": tuple(widths),
        "transformer_layers_per_block": tuple(depths),
        "attention_head_dim": (1,) * len(widths),
        "norm_num_groups": 1,
        "cross_attention_dim": SDXL.unet["cross_attention_dim"]
        if prompt is None
        else prompt.shape[1],
    }
    channels = (outer, *sides[1:-1], inner)
    return SdxlConfig(unet, {**SDXL.vae, "block_out_channels": channels, "norm_num_groups": 1})


def _rows(state: StateDict, name: str, otherwise: int) -> int:
    return len(state[name]) if name in state else otherwise


def adapt(unet: nn.Module, vae: nn.Module, path: Path) -> None:
    """Make BokehDiff of SDXL's networks.

    Args:
        unet: on the CPU; the adapter is added to its weights.
        vae: on the CPU; parts of its encoder are replaced.
        path: as in `files_of`.

    Raises:
        FileError: a file is missing or unreadable, or a tensor has no place or a place no tensor.
    """
    lora_file, vae_file = files_of(path)
    lora, parts = read_lora(lora_file), read_state_dict(vae_file)
    for file, problems in (
        (lora_file, _lora_findings(lora, unet)),
        (vae_file, _vae_findings(parts, vae)),
    ):
        if problems:
            received = f"weights that do not fit {BOKEHDIFF.network} ({problems})"
            raise FileError(str(file), received, f"Give {file.name} of {BOKEHDIFF.source}.")
    merge_lora(unet, lora)
    vae.load_state_dict(parts, strict=False)


def read_lora(path: Path) -> StateDict:
    """An adapter's tensors by the UNet's own names.

    Raises:
        FileError: the file is missing, unreadable or could run code.
    """
    state = read_state_dict(path)
    for prefix in LORA_PREFIXES:
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _lora_findings(lora: StateDict, unet: nn.Module) -> Findings:
    # The published rank is 8; another one needs no other code.
    rank = next((len(tensor) for name, tensor in lora.items() if name.endswith(DOWN)), 0)
    return compared(shapes_of(lora), lora_shapes(unet, LORA_TARGETS, rank)) + not_finite(lora)


def _vae_findings(parts: StateDict, vae: nn.Module) -> Findings:
    wanted = shapes_of(vae.state_dict())
    trained = {name: shape for name, shape in wanted.items() if name.startswith(VAE_PARTS)}
    return compared(shapes_of(parts), trained) + not_finite(parts)


def _empty_networks(config: SdxlConfig) -> tuple[nn.Module, nn.Module]:
    diffusers = require_diffusers()
    with torch.device("meta"):
        return (
            diffusers.UNet2DConditionModel.from_config(config.unet),
            diffusers.AutoencoderKL.from_config(config.vae),
        )
