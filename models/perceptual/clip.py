"""CLIP-I: whether two pictures show the same, by CLIP's image embeddings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import FileError, MissingDependencyError
from ..loaded import loaded
from ..places import located
from ..state_dict import load_network
from .published import CLIP_VIT

# Of sRGB 0..1.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def clip_vision() -> nn.Module:
    """CLIP's vision transformer with its projection, on the CPU until it is lent.

    Raises:
        FileError: weights are missing or do not fit.
        MissingDependencyError: transformers is not installed.
    """
    return loaded(load_clip_vision, located(CLIP_VIT))


def load_clip_vision(folder: Path) -> nn.Module:
    """The vision part of a folder of transformers' CLIP."""
    config = vision_config(folder)
    from transformers import CLIPVisionModelWithProjection

    return load_network(
        lambda: CLIPVisionModelWithProjection(config),
        folder / CLIP_VIT.file,
        CLIP_VIT,
        convert=vision_part,
    )


def vision_config(folder: Path) -> Any:
    """What `config.json` of a folder says of the vision part.

    Raises:
        FileError: it is missing or no CLIP's.
        MissingDependencyError: transformers is not installed.
    """
    try:
        from transformers import CLIPConfig
    except ImportError as error:
        raise MissingDependencyError(
            "CLIP-I", "no transformers", "Install it with: pip install 'focuspuller[networks]'."
        ) from error
    file = folder / "config.json"
    try:
        config: Any = CLIPConfig.from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise FileError(str(file), f"no settings of CLIP ({error})", "Fetch it again.") from error
    config.vision_config.projection_dim = config.projection_dim
    return config.vision_config


def vision_part(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without text, and without tables that are computed."""
    return {
        name: tensor
        for name, tensor in state.items()
        if name.startswith("vision_model.") and not name.endswith("position_ids")
    } | {name: tensor for name, tensor in state.items() if name == "visual_projection.weight"}


def clip_features(network: Any, image: Tensor) -> Tensor:
    """Embeddings `[B,D]` of pictures `[B,3,H,W]`, sRGB-coded 0..1.

    As CLIP's processor: the shorter edge scaled to the network's, the middle cut out.
    """
    side = network.config.image_size
    scale = side / min(image.shape[-2:])
    size = [max(side, round(edge * scale)) for edge in image.shape[-2:]]
    scaled = F.interpolate(image, size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    cut = scaled[..., top : top + side, left : left + side]
    mean, std = (image.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return network(pixel_values=(cut - mean) / std).image_embeds
