"""Depth Pro (Bochkovskii et al. 2024): metres, and the focal length, from one picture."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ...lens.depth import Depth
from ..lending import lent
from .estimator import DepthEstimator
from .pixels import prepared, restored

# The network sees the picture four patches wide and high, whatever its shape.
PATCHES = 4
MEAN = DEVIATION = (0.5, 0.5, 0.5)
# Disparity (1/m) stays within these, as published.
NEAREST, FARTHEST = 1e4, 1e-4


class DepthPro(DepthEstimator):
    """The network with what goes before and after it.

    Args:
        network: `DepthProForDepthEstimation` of transformers.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__("Depth Pro", is_metric=True)
        self.network = network
        settings: Any = network.config
        self._side_px = PATCHES * int(settings.patch_size)

    def estimate_one(
        self, picture: Tensor, focal_length_px: float | None, device: torch.device
    ) -> Depth:
        """See `DepthEstimator`. Without a focal length the network's own estimate is used."""
        height, width = picture.shape[-2:]
        size = (self._side_px, self._side_px)
        pixels = prepared(picture, size, MEAN, DEVIATION, "bilinear", antialias=False)
        with lent(self.network, device), torch.inference_mode():
            dtype = next(self.network.parameters()).dtype
            output = self.network(pixels.to(device, dtype))
        if focal_length_px is None:
            focal_length_px = focal_length_of_view(float(output.field_of_view), width)
        canonical = output.predicted_depth[:, None].to(picture.device)
        disparity = metric_disparity(restored(canonical, height, width), focal_length_px)
        depth = Depth.from_metric_disparity(disparity)
        return replace(depth, focal_length_px=focal_length_px)


def metric_disparity(canonical: Tensor, focal_length_px: float) -> Tensor:
    """Disparity in 1/m of the network's canonical inverse depth (section 3.2 of the paper).

    Args:
        canonical: C `[B,1,H,W]`, in units of the picture's width: disparity is `C · width / f`.
        focal_length_px: f of the picture, px.
    """
    width = canonical.shape[-1]
    return (canonical * (width / focal_length_px)).clamp(FARTHEST, NEAREST)


def focal_length_of_view(degrees: float, width: int) -> float:
    """Focal length in px of a horizontal field of view.

    Example:
        >>> round(focal_length_of_view(90.0, 1000))
        500
    """
    # What the network gives for abstract pictures may be no angle of a lens at all.
    angle = math.radians(min(max(degrees, 1.0), 170.0))
    return 0.5 * width / math.tan(0.5 * angle)
