"""Black Forest Labs' names of FLUX' transformer and autoencoder, brought to diffusers'.

Single files, as ComfyUI and GGUF tools have them, use the former. Some of their layers are several
of diffusers', one below the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import torch
from torch import Tensor

from ..flux.names import DOUBLE_LAYERS, SINGLE_LAYERS, Split

# Under which files that hold more than the transformer keep it.
TRANSFORMER_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "")
# By which its tensors are recognised.
ORIGINAL_MARK, DIFFUSERS_MARK = "double_blocks.0.", "transformer_blocks.0."

_DOUBLE: dict[str, Split] = {
    **DOUBLE_LAYERS,
    "img_mlp.0": (("ff.net.0.proj", 4),),
    "txt_mod.lin": (("norm1_context.linear", 6),),
    "txt_attn.qkv": (("attn.add_q_proj", 1), ("attn.add_k_proj", 1), ("attn.add_v_proj", 1)),
    "txt_attn.proj": (("attn.to_add_out", 1),),
    "txt_mlp.0": (("ff_context.net.0.proj", 4),),
    "txt_mlp.2": (("ff_context.net.2", 1),),
}
_DOUBLE_NORMS = {
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
}
_SINGLE_NORMS = {"norm.query_norm": "attn.norm_q", "norm.key_norm": "attn.norm_k"}
_OUTSIDE = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "final_layer.linear": "proj_out",
}
LAST_MODULATION = "final_layer.adaLN_modulation.1"
_BLOCK = re.compile(r"(?P<family>double|single)_blocks\.(?P<index>\d+)\.(?P<layer>.+)")
_FAMILIES = {
    "double": ("transformer_blocks", _DOUBLE, _DOUBLE_NORMS),
    "single": ("single_transformer_blocks", SINGLE_LAYERS, _SINGLE_NORMS),
}


def transformer_in(state: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """The transformer's tensors by diffusers' names, from any file that holds it; else None."""
    for prefix in TRANSFORMER_PREFIXES:
        own = without_prefix(state, prefix)
        if any(name.startswith(DIFFUSERS_MARK) for name in own):
            return own
        if any(name.startswith(ORIGINAL_MARK) for name in own):
            return _converted(own)
    return None


def without_prefix(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Tensors whose names begin with a prefix, without it."""
    return {name[len(prefix) :]: one for name, one in state.items() if name.startswith(prefix)}


def _converted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """By diffusers' names; names that mean nothing here stay as they are."""
    converted = {}
    for name, tensor in state.items():
        layer, _, parameter = name.rpartition(".")
        for part, value in _parts(layer, tensor):
            # The scale of RMS normalization: others call it weight.
            own = "weight" if parameter == "scale" else parameter
            converted[f"{part}.{own}" if part else name] = value
    return converted


def _parts(layer: str, tensor: Tensor) -> Iterable[tuple[str, Tensor]]:
    if layer == LAST_MODULATION:
        return [("norm_out.linear", _halves_swapped(tensor))]
    match = _BLOCK.fullmatch(layer)
    if match is None:
        return [(_OUTSIDE.get(layer, layer), tensor)]
    family, splits, norms = _FAMILIES[match["family"]]
    place = f"{family}.{match['index']}"
    split = splits.get(match["layer"])
    if split is None:
        own = norms.get(match["layer"], "")
        return [(f"{place}.{own}" if own else layer, tensor)]
    names = [f"{place}.{part}" for part, _ in split]
    if len(split) == 1 or tensor.numel() == 1:  # One number is the scale of all parts.
        return [(name, tensor) for name in names]
    widths = [width for _, width in split]
    heights = [len(tensor) * width // sum(widths) for width in widths]
    return zip(names, tensor.split(heights), strict=True) if sum(heights) == len(tensor) else []


def _halves_swapped(tensor: Tensor) -> Tensor:
    """Shift and scale stand the other way round in diffusers."""
    return tensor if tensor.ndim == 0 else torch.cat(list(tensor.chunk(2))[::-1])


# The autoencoder, by the order of application; names that fit nothing stay as they are.
_AUTOENCODER = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^(encoder)\.down\.(\d+)\.block\.", r"\1.down_blocks.\2.resnets."),
        (r"^(encoder)\.down\.(\d+)\.downsample\.", r"\1.down_blocks.\2.downsamplers.0."),
        (r"^(decoder)\.up\.(\d+)\.block\.", r"\1.up_blocks.\2.resnets."),
        (r"^(decoder)\.up\.(\d+)\.upsample\.", r"\1.up_blocks.\2.upsamplers.0."),
        (r"\.mid\.block_1\.", ".mid_block.resnets.0."),
        (r"\.mid\.block_2\.", ".mid_block.resnets.1."),
        (r"\.mid\.attn_1\.norm\.", ".mid_block.attentions.0.group_norm."),
        (r"\.mid\.attn_1\.proj_out\.", ".mid_block.attentions.0.to_out.0."),
        (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."),
        (r"\.nin_shortcut\.", ".conv_shortcut."),
        (r"\.norm_out\.", ".conv_norm_out."),
    )
)
_UP = re.compile(r"decoder\.up\.(\d+)\.")
AUTOENCODER_PREFIXES = ("vae.", "first_stage_model.", "")
AUTOENCODER_MARKS = ("encoder.down.0.", "encoder.down_blocks.0.")


def autoencoder_in(state: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """The autoencoder's tensors by diffusers' names, from any file that holds it; else None."""
    for prefix in AUTOENCODER_PREFIXES:
        own = without_prefix(state, prefix)
        if any(name.startswith(AUTOENCODER_MARKS) for name in own):
            return _diffusers_autoencoder(own)
    return None


def _diffusers_autoencoder(state: dict[str, Tensor]) -> dict[str, Tensor]:
    # The original counts the blocks on the way up from the end.
    last = max((int(match[1]) for name in state if (match := _UP.match(name))), default=0)
    converted = {}
    for name, tensor in state.items():
        own = _UP.sub(lambda match: f"decoder.up.{last - int(match[1])}.", name)
        for pattern, replacement in _AUTOENCODER:
            own = pattern.sub(replacement, own)
        # Attention's layers are convolutions of one pixel there.
        linear = ".attentions." in own and tensor.ndim == 4
        converted[own] = tensor[..., 0, 0] if linear else tensor
    return converted
