"""Semantic segmentation for Content Consistency: SegFormer with the 150 classes of ADE20K.

Fine-grained Defocus uses Semantic Segment Anything, a chain of five networks with open classes;
this stands in for it.
"""

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
from .published import SEGFORMER

# ImageNet's, of sRGB 0..1.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Fine-grained Defocus F.2.
TOP = 3
# The network's edge in px, by both edges.
SIDE = 640


def segmenter() -> nn.Module:
    """SegFormer, on the CPU until it is lent.

    Raises:
        FileError: weights are missing or do not fit.
        MissingDependencyError: transformers is not installed.
    """
    return loaded(load_segmenter, located(SEGFORMER))


def load_segmenter(folder: Path) -> nn.Module:
    """SegFormer of a folder of transformers'."""
    try:
        from transformers import SegformerConfig, SegformerForSemanticSegmentation
    except ImportError as error:
        raise MissingDependencyError(
            "Content Consistency",
            "no transformers",
            "Install it with: pip install 'focuspuller[networks]'.",
        ) from error
    file = folder / "config.json"
    try:
        config = SegformerConfig.from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise FileError(
            str(file), f"no settings of SegFormer ({error})", "Fetch it again."
        ) from error
    weights = folder / SEGFORMER.file
    return load_network(lambda: SegformerForSemanticSegmentation(config), weights, SEGFORMER)


def top_classes(network: Any, image: Tensor) -> Tensor:
    """The three most likely classes of every pixel, `[3,h,w]`, of a picture `[1,3,H,W]`.

    h and w are a quarter of the network's size, as it gives them.
    """
    scaled = F.interpolate(image, (SIDE, SIDE), mode="bilinear", antialias=True)
    mean, std = (image.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    logits = network(pixel_values=(scaled - mean) / std).logits
    return logits[0].topk(min(TOP, logits.shape[1]), dim=0).indices
