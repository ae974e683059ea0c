"""Depth Anything (Yang et al. 2024), V1 and V2: relative disparity, or metres in or outdoors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ...lens.depth import Depth
from ..lending import lent
from .estimator import DepthEstimator
from .pixels import network_size, prepared, restored, scaled_to_unit

# Of the shorter side, px; as published.
RESOLUTION = 518
# ImageNet's, on which DINOv2 was trained.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


class DepthAnything(DepthEstimator):
    """The network with what goes before and after it.

    Args:
        network: `DepthAnythingForDepthEstimation` of transformers.
        resolution: of the shorter side, px. More shows finer things, and takes time and memory with
            its fourth power.
    """

    def __init__(self, network: nn.Module, resolution: int | None = None) -> None:
        settings: Any = network.config
        super().__init__("Depth Anything", is_metric=settings.depth_estimation_type == "metric")
        self.network = network
        self.resolution = resolution or RESOLUTION
        self._patch_px = int(settings.patch_size)

    def estimate_one(
        self, picture: Tensor, focal_length_px: float | None, device: torch.device
    ) -> Depth:
        """See `DepthEstimator`. The focal length changes nothing, it is handed on."""
        height, width = picture.shape[-2:]
        size = network_size(height, width, self.resolution, self._patch_px)
        pixels = prepared(picture, size, MEAN, DEVIATION)
        with lent(self.network, device), torch.inference_mode():
            dtype = next(self.network.parameters()).dtype
            values = self.network(pixels.to(device, dtype)).predicted_depth[:, None]
        values = restored(values.to(picture.device), height, width)
        if self.is_metric:
            depth = Depth.from_metres(values)
        else:
            depth = Depth.from_relative(scaled_to_unit(values))
        return replace(depth, focal_length_px=focal_length_px)
