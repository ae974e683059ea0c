"""DINOv2 (Oquab et al. 2023), the encoder of all depth networks here: sizes and parameter names.

The networks come from the library transformers, weights also in the layout of the papers' own
repositories. The names that parameters are given here are those under which transformers' weights
are published; newer versions of the library call some of them otherwise and rename them while
loading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ..state_dict import StateDict

# A pattern for a whole name, and the new name: a template or a function of the match.
Rule = tuple[str, str | Callable[[re.Match[str]], str]]
Rules = tuple[Rule, ...]

_HEAD_WIDTH = 64  # channels per attention head, in every DINOv2

# DINOv2, from below the prefix of its repository; the projections of attention are split besides.
_DINOV2: tuple[tuple[str, str], ...] = (
    (r"(cls_token|mask_token)", r"embeddings.\1"),
    (r"pos_embed", "embeddings.position_embeddings"),
    (r"patch_embed\.proj\.(\w+)", r"embeddings.patch_embeddings.projection.\1"),
    (r"blocks\.(\d+)\.(norm\d\.\w+)", r"encoder.layer.\1.\2"),
    (
        r"blocks\.(\d+)\.attn\.(query|key|value)\.(\w+)",
        r"encoder.layer.\1.attention.attention.\2.\3",
    ),
    (r"blocks\.(\d+)\.attn\.proj\.(\w+)", r"encoder.layer.\1.attention.output.dense.\2"),
    (r"blocks\.(\d+)\.ls(\d)\.gamma", r"encoder.layer.\1.layer_scale\2.lambda1"),
    (r"blocks\.(\d+)\.mlp\.(fc\d\.\w+)", r"encoder.layer.\1.mlp.\2"),
    (r"blocks\.(\d+)\.mlp\.w12\.(\w+)", r"encoder.layer.\1.mlp.weights_in.\2"),
    (r"blocks\.(\d+)\.mlp\.w3\.(\w+)", r"encoder.layer.\1.mlp.weights_out.\2"),
    (r"norm\.(\w+)", r"layernorm.\1"),
)


def dinov2_rules(prefix: str, new_prefix: str) -> Rules:
    """Rules for a DINOv2 whose names begin with `prefix`, and shall begin with `new_prefix`."""
    return tuple((re.escape(prefix) + pattern, new_prefix + name) for pattern, name in _DINOV2)


def dinov2_config(state: Mapping[str, Tensor], prefix: str) -> dict[str, Any]:
    """transformers' settings of a DINOv2, from the shapes of its parameters.

    Args:
        state: under the names of DINOv2's own repository.
        prefix: which all of them have, with a dot.
    """
    inside = f"{prefix}blocks."
    blocks = {name.removeprefix(inside).split(".")[0] for name in state if name.startswith(inside)}
    patch_px = state[f"{prefix}patch_embed.proj.weight"].shape[-1]
    positions = state[f"{prefix}pos_embed"].shape[1] - 1  # One more is the class token's.
    width = state[f"{prefix}cls_token"].shape[-1]
    return {
        "model_type": "dinov2",
        "image_size": round(positions**0.5) * patch_px,
        "patch_size": patch_px,
        "hidden_size": width,
        "num_hidden_layers": len(blocks),
        "num_attention_heads": width // _HEAD_WIDTH,
        "use_swiglu_ffn": f"{inside}0.mlp.w12.weight" in state,
        "use_mask_token": f"{prefix}mask_token" in state,
    }


def converted(state: Mapping[str, Tensor], rules: Rules) -> StateDict:
    """The parameters under transformers' names.

    Args:
        state: tensors under the names of the paper's repository.
        rules: of the network.

    Returns:
        The same values; names that no rule knows stay as they are, for the check of the layout.
    """
    return {_renamed(name, rules): tensor for name, tensor in _with_split_attention(state).items()}


def _with_split_attention(state: Mapping[str, Tensor]) -> StateDict:
    """DINOv2 keeps query, key and value in one matrix, in this order."""
    result: StateDict = {}
    for name, tensor in state.items():
        if ".attn.qkv." not in name:
            result[name] = tensor
            continue
        for part, values in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
            result[name.replace(".qkv.", f".{part}.")] = values
    return result


def _renamed(name: str, rules: Rules) -> str:
    for pattern, new_name in rules:
        found = re.fullmatch(pattern, name)
        if found:
            return found.expand(new_name) if isinstance(new_name, str) else new_name(found)
    return name
