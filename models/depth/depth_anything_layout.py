"""Depth Anything as its own repositories publish it.

`depth_anything_v2_vits.pth` is the second version, `depth_anything_vits14.pth` the first. Both have
the same parameters, but the first takes features after other blocks, which only its name tells.
"""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path
from typing import Any

from ...errors import FileError
from ..state_dict import StateDict
from .checkpoint import Checkpoint
from .dinov2 import Rules, converted, dinov2_config, dinov2_rules

_MARK = "depth_head.scratch.output_conv1.weight"
_FIRST_VERSION = re.compile(r"vit[sbl]14")
# The largest distance of the metric networks, by what their files are called.
_MAX_DEPTH_M = {"hypersim": 20, "indoor": 20, "vkitti": 80, "outdoor": 80}

# Refinenet 4 comes first, and is the first layer of the fusion stage.
_RULES: Rules = (
    *dinov2_rules("pretrained.", "backbone."),
    (r"depth_head\.projects\.(\d)\.(\w+)", r"neck.reassemble_stage.layers.\1.projection.\2"),
    (r"depth_head\.resize_layers\.(\d)\.(\w+)", r"neck.reassemble_stage.layers.\1.resize.\2"),
    (
        r"depth_head\.scratch\.layer(\d)_rn\.weight",
        lambda found: f"neck.convs.{int(found[1]) - 1}.weight",
    ),
    (
        r"depth_head\.scratch\.refinenet(\d)\.out_conv\.(\w+)",
        lambda found: f"neck.fusion_stage.layers.{4 - int(found[1])}.projection.{found[2]}",
    ),
    (
        r"depth_head\.scratch\.refinenet(\d)\.resConfUnit(\d)\.conv(\d)\.(\w+)",
        lambda found: (
            f"neck.fusion_stage.layers.{4 - int(found[1])}"
            f".residual_layer{found[2]}.convolution{found[3]}.{found[4]}"
        ),
    ),
    (r"depth_head\.scratch\.output_conv1\.(\w+)", r"head.conv1.\1"),
    (r"depth_head\.scratch\.output_conv2\.0\.(\w+)", r"head.conv2.\1"),
    (r"depth_head\.scratch\.output_conv2\.2\.(\w+)", r"head.conv3.\1"),
)


def is_original(names: Container[str]) -> bool:
    """Whether parameters of these names are Depth Anything's, as its own repository has them."""
    return _MARK in names


def from_original(state: StateDict, path: Path) -> Checkpoint:
    """A network from the parameters as Depth Anything's own repository has them.

    The sizes follow from the parameters. Metric networks have the same ones as relative ones, and
    the first version as the second: which it is, and up to what distance, only the published name
    of the file tells. Other names stand for the second version.

    Raises:
        FileError: parameters are missing, or it is a metric network whose name does not say for
            which distances.
    """
    try:
        config = _config(state, is_first_version(path))
    except KeyError as error:
        received = f"weights of Depth Anything without {error.args[0]}"
        advice = "Copy or download the published file again."
        raise FileError(str(path), received, advice) from error
    return Checkpoint(config | _range_of(path), converted(state, _RULES), path)


def is_first_version(path: Path) -> bool:
    """Whether a file has a name of the first version's."""
    name = path.name.lower()
    return "v2" not in name and _FIRST_VERSION.search(name) is not None


def _config(state: StateDict, is_first: bool) -> dict[str, Any]:
    backbone = dinov2_config(state, "pretrained.")
    take = _last_blocks if is_first else _spread_blocks
    return {
        "model_type": "depth_anything",
        "backbone_config": {
            **backbone,
            "out_indices": take(backbone["num_hidden_layers"]),
            "apply_layernorm": True,
            "reshape_hidden_states": False,
        },
        "patch_size": backbone["patch_size"],
        "reassemble_hidden_size": backbone["hidden_size"],
        "neck_hidden_sizes": [
            state[f"depth_head.projects.{level}.weight"].shape[0] for level in range(4)
        ],
        "fusion_hidden_size": state[_MARK].shape[1],
        "head_hidden_size": state["depth_head.scratch.output_conv2.0.weight"].shape[0],
    }


def _last_blocks(blocks: int) -> list[int]:
    """After which blocks the first version takes features."""
    return list(range(blocks - 3, blocks + 1))


def _spread_blocks(blocks: int) -> list[int]:
    """The same of the second version: every quarter, but for the large network."""
    return [5, 12, 18, 24] if blocks == 24 else [blocks * part // 4 for part in (1, 2, 3, 4)]


def _range_of(path: Path) -> dict[str, Any]:
    name = path.name.lower()
    if "metric" not in name:
        return {"depth_estimation_type": "relative", "max_depth": 1}
    for place, metres in _MAX_DEPTH_M.items():
        if place in name:
            return {"depth_estimation_type": "metric", "max_depth": metres}
    raise FileError(
        str(path),
        "a metric network that may be for rooms or for streets",
        "Give it its published name: with hypersim for indoors, with vkitti for outdoors.",
    )
