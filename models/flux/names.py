"""The names under which adapters write the layers of FLUX, brought to diffusers' ones.

People have LoRA files as diffusers, peft, kohya's scripts and ComfyUI's tools save them; the latter
two may use Black Forest Labs' names, where several layers of diffusers are one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

from .adapters import EMBEDDER, FluxShape

PREFIXES = ("base_model.model.", "transformer.", "diffusion_model.", "model.")
# Prefixes of names that have underscores in place of dots.
FLAT_PREFIXES = ("lora_unet_", "lora_transformer_")
PARAMETER = re.compile(
    r"(?P<layer>.+)\.(?:lora[._](?P<side>A|B|down|up)(?:\.(?!weight$)\w+)?\.weight|(?P<alpha>alpha))"
)
DOWN = ("A", "down")

# Layers of Black Forest Labs' FLUX, and those of diffusers that they hold, one below the other,
# with their channels in widths of the transformer.
Split = tuple[tuple[str, int], ...]
DOUBLE_LAYERS: dict[str, Split] = {
    "img_mod.lin": (("norm1.linear", 6),),
    "img_attn.qkv": (("attn.to_q", 1), ("attn.to_k", 1), ("attn.to_v", 1)),
    "img_attn.proj": (("attn.to_out.0", 1),),
    "img_mlp.2": (("ff.net.2", 1),),
}
SINGLE_LAYERS: dict[str, Split] = {
    "modulation.lin": (("norm.linear", 3),),
    "linear1": (("attn.to_q", 1), ("attn.to_k", 1), ("attn.to_v", 1), ("proj_mlp", 4)),
    "linear2": (("proj_out", 1),),
}


@dataclass
class Update:
    """A low-rank update as a file has it; parts may be missing.

    Args:
        down: lora_A, `[rank,in]`.
        up: lora_B, `[out,rank]`.
        alpha: the update is scaled by alpha / rank; by 1 if there is none.
    """

    down: Tensor | None = None
    up: Tensor | None = None
    alpha: float | None = None


def updates_in(
    state: dict[str, Tensor], layers: list[str], shape: FluxShape
) -> tuple[dict[str, Update], list[str]]:
    """Updates by diffusers' names of their layers.

    Args:
        state: a file's tensors.
        layers: diffusers' names of the layers that are known.
        shape: of the base model.

    Returns:
        The updates, and names in the file that are of no update.
    """
    native = native_layers(shape)
    flat = {name.replace(".", "_"): name for name in [*layers, *native]}
    found: dict[str, Update] = {}
    strange = []
    for name, tensor in state.items():
        match = PARAMETER.fullmatch(name)
        if match is None:
            strange.append(name)
            continue
        update = found.setdefault(_layer(match["layer"], flat), Update())
        if match["alpha"]:
            update.alpha = float(tensor)
        elif match["side"] in DOWN:
            update.down = tensor
        else:
            update.up = tensor
    return _split(found, native, shape.width), strange


def native_layers(shape: FluxShape) -> dict[str, Split]:
    """Black Forest Labs' layers that adapters change, and what diffusers calls their parts."""
    layers: dict[str, Split] = {"img_in": ((EMBEDDER, 1),)}
    families = (
        ("double_blocks", "transformer_blocks", shape.double_blocks, DOUBLE_LAYERS),
        ("single_blocks", "single_transformer_blocks", shape.single_blocks, SINGLE_LAYERS),
    )
    for native, ours, count, splits in families:
        for index in range(count):
            for name, split in splits.items():
                parts = tuple((f"{ours}.{index}.{part}", widths) for part, widths in split)
                layers[f"{native}.{index}.{name}"] = parts
    return layers


def _layer(name: str, flat: dict[str, str]) -> str:
    """A layer's name without prefixes."""
    for prefix in FLAT_PREFIXES:
        if name.startswith(prefix):
            return flat.get(name.removeprefix(prefix), name)
    stripped = True
    while stripped:
        stripped = False
        for prefix in PREFIXES:
            if name.startswith(prefix):
                name, stripped = name.removeprefix(prefix), True
    return name


def _split(found: dict[str, Update], native: dict[str, Split], width: int) -> dict[str, Update]:
    """Updates of joined layers as updates of their parts, which share the first factor."""
    result: dict[str, Update] = {}
    for layer, update in found.items():
        parts = native.get(layer)
        heights = [widths * width for _, widths in parts or ()]
        if parts is None or update.up is None or sum(heights) != len(update.up):
            result[parts[0][0] if parts and len(parts) == 1 else layer] = update
            continue
        for (name, _), up in zip(parts, update.up.split(heights), strict=True):
            result[name] = Update(update.down, up, update.alpha)
    return result
