"""Files of VST: recognising the published layout and reading the network's sizes from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from math import isqrt
from pathlib import Path

from torch import Tensor

from ..layout import Findings, findings
from ..state_dict import read_state_dict
from .architecture import VST
from .sizes import STRIDE, VstSizes

# Training on several GPUs leaves it on all names.
PARALLEL_PREFIX = "module."
# What tells the sizes, and that it is VST for image and depth.
TELLING = (
    "rgb_backbone.pos_embed",
    "rgb_backbone.head.weight",
    "rgb_backbone.blocks.0.mlp.fc1.weight",
    "depth_backbone.pos_embed",
    "token_trans.saliency_token",
    "decoder.pre_1_1.weight",
)


def published_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names that `VST` gives them."""
    if all(name.startswith(PARALLEL_PREFIX) for name in state):
        return {name.removeprefix(PARALLEL_PREFIX): tensor for name, tensor in state.items()}
    return dict(state)


def is_vst(state: Mapping[str, Tensor]) -> bool:
    """Whether the tensors, under published names, are those of a VST for image and depth."""
    return all(name in state for name in TELLING)


def check(path: Path) -> Findings:
    """What does not fit in a file of VST's weights."""
    state = published_names(read_state_dict(path))
    return findings(state, partial(VST, sizes_of(state)))


def sizes_of(state: Mapping[str, Tensor]) -> VstSizes:
    """The sizes of the network that the tensors belong to, if they are a VST's.

    Args:
        state: under published names. Where it `is_vst` not, the published sizes are taken, so that
            a comparison with them says what is missing.
    """
    if not is_vst(state):
        return VstSizes()
    width = state["token_trans.saliency_token"].shape[-1]
    positions = state["rgb_backbone.pos_embed"].shape[1] - 1  # one is of the class token
    return VstSizes(
        image=STRIDE * isqrt(positions),
        width=width,
        token_width=state["decoder.pre_1_1.weight"].shape[-1],
        backbone_blocks=_count(state, "rgb_backbone.blocks"),
        convertor_blocks=_count(state, "transformer.encoderlayer.blocks"),
        token_blocks=_count(state, "token_trans.encoderlayer.blocks"),
        decoder_blocks=_count(state, "decoder.token_pre_1_8.encoderlayer.blocks"),
        mlp_ratio=len(state["rgb_backbone.blocks.0.mlp.fc1.weight"]) // width,
        classes=len(state["rgb_backbone.head.weight"]),
    )


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered modules there are below a name."""
    numbered = re.compile(rf"{re.escape(prefix)}\.(\d+)\.")
    return len({match[1] for name in state if (match := numbered.match(name))})
