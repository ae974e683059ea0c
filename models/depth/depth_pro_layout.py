"""Depth Pro's weights as its own repository publishes them: `depth_pro.pt`."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path
from typing import Any

from ...errors import FileError
from ..state_dict import StateDict
from .checkpoint import Checkpoint
from .dinov2 import Rules, converted, dinov2_config, dinov2_rules

_MARK = "encoder.patch_encoder.cls_token"


def _depth_pro_fusion(found: re.Match[str]) -> str:
    """The decoder's fusion 4 comes first; 0 is the last one, which does not enlarge."""
    index = int(found[1])
    return "fusion_stage.final." if index == 0 else f"fusion_stage.intermediate.{4 - index}."


_UPSAMPLE = "depth_pro.neck.feature_upsample."

# Levels count from the finest there, from the coarsest here.
_RULES: Rules = (
    *dinov2_rules("encoder.patch_encoder.", "depth_pro.encoder.patch_encoder.model."),
    *dinov2_rules("encoder.image_encoder.", "depth_pro.encoder.image_encoder.model."),
    *dinov2_rules("fov.encoder.0.", "fov_model.fov_encoder.model."),
    (r"encoder\.upsample_lowres\.(\w+)", rf"{_UPSAMPLE}image_block.layers.0.\1"),
    (
        r"encoder\.upsample_latent(\d)\.(\d)\.weight",
        lambda found: f"{_UPSAMPLE}intermediate.{1 - int(found[1])}.layers.{found[2]}.weight",
    ),
    (
        r"encoder\.upsample(\d)\.(\d)\.weight",
        lambda found: f"{_UPSAMPLE}scaled_images.{2 - int(found[1])}.layers.{found[2]}.weight",
    ),
    (r"encoder\.fuse_lowres\.(\w+)", r"depth_pro.neck.fuse_image_with_low_res.\1"),
    (
        r"decoder\.convs\.(\d)\.weight",
        lambda found: f"depth_pro.neck.feature_projection.projections.{4 - int(found[1])}.weight",
    ),
    (
        r"decoder\.fusions\.(\d)\.resnet(\d)\.residual\.([13])\.(\w+)",
        lambda found: (
            f"{_depth_pro_fusion(found)}residual_layer{found[2]}"
            f".convolution{(int(found[3]) + 1) // 2}.{found[4]}"
        ),
    ),
    (
        r"decoder\.fusions\.(\d)\.out_conv\.(\w+)",
        lambda found: f"{_depth_pro_fusion(found)}projection.{found[2]}",
    ),
    (
        r"decoder\.fusions\.(\d)\.deconv\.(\w+)",
        lambda found: f"{_depth_pro_fusion(found)}deconv.{found[2]}",
    ),
    (r"head\.(\d)\.(\w+)", r"head.layers.\1.\2"),
    (r"fov\.encoder\.1\.(\w+)", r"fov_model.fov_encoder.neck.\1"),
    (r"fov\.downsample\.0\.(\w+)", r"fov_model.conv.\1"),
    (r"fov\.head\.(\d)\.(\w+)", r"fov_model.head.layers.\1.\2"),
)


def is_original(names: Container[str]) -> bool:
    """Whether parameters of these names are Depth Pro's, as its own repository has them."""
    return _MARK in names


def from_original(state: StateDict, path: Path) -> Checkpoint:
    """A network from the parameters as Depth Pro's own repository has them.

    The sizes follow from the parameters.

    Raises:
        FileError: parameters are missing.
    """
    try:
        return Checkpoint(_config(state), converted(state, _RULES), path)
    except KeyError as error:
        received = f"weights of Depth Pro without {error.args[0]}"
        advice = "Copy or download the published file again."
        raise FileError(str(path), received, advice) from error


def _config(state: StateDict) -> dict[str, Any]:
    patches = dinov2_config(state, "encoder.patch_encoder.")
    blocks = patches["num_hidden_layers"]
    return {
        "model_type": "depth_pro",
        "patch_size": patches["image_size"],
        "patch_model_config": patches,
        "image_model_config": dinov2_config(state, "encoder.image_encoder."),
        "fov_model_config": dinov2_config(state, "fov.encoder.0."),
        "fusion_hidden_size": state["head.0.weight"].shape[1],
        "intermediate_hook_ids": [blocks // 2 - 1, blocks // 4 - 1],  # 11 and 5 of 24
        "intermediate_feature_dims": [
            state["encoder.upsample_latent1.2.weight"].shape[1],
            state["encoder.upsample_latent0.3.weight"].shape[1],
        ],
        "scaled_images_feature_dims": [
            state[f"encoder.upsample{level}.1.weight"].shape[1] for level in (2, 1, 0)
        ],
        "use_fov_model": True,
    }
