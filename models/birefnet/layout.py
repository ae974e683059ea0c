"""BiRefNet's published files: which encoder they have, and whether they fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ...errors import FileError
from ..layout import Findings, findings
from ..state_dict import StateDict, read_state_dict
from .architecture import BiRefNet, Variant
from .swin import window_of

_BLOCK = re.compile(r"bb\.layers\.(\d)\.blocks\.(\d+)\.attn\.relative_position_bias_table")
# What distributed and compiled training put before every name.
_WRAPPERS = re.compile(r"^(module\.|_orig_mod\.)+")


def converted(state: Mapping[str, Tensor]) -> StateDict:
    """The parameters under their own names."""
    return {_WRAPPERS.sub("", name): tensor for name, tensor in state.items()}


def variant_of(state: Mapping[str, Tensor], path: Path) -> Variant:
    """Which encoder the parameters are for, from names and shapes.

    Raises:
        FileError: they are for none.
    """
    tables = {
        (int(found[1]), int(found[2])): tensor
        for name, tensor in state.items()
        if (found := _BLOCK.fullmatch(name))
    }
    patches = state.get("bb.patch_embed.proj.weight")
    if patches is None or {stage for stage, _ in tables} != {0, 1, 2, 3}:
        raise FileError(
            str(path),
            "weights that are not those of a BiRefNet with a Swin transformer",
            "Give model.safetensors of https://huggingface.co/ZhengPeng7/BiRefNet.",
        )
    stages = range(4)
    return Variant(
        width=patches.shape[0],
        depths=tuple(sum(own == stage for own, _ in tables) for stage in stages),
        heads=tuple(tables[stage, 0].shape[1] for stage in stages),
        window=window_of(tables[0, 0]),
    )


def check(path: Path) -> Findings:
    """What does not fit in a file."""
    state = converted(read_state_dict(path))
    variant = variant_of(state, path)
    return findings(state, lambda: BiRefNet(variant))
