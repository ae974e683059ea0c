"""Metric3D as one of the depth estimators."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...lens.depth import Depth
from ...lens.progress import OnProgress
from ..metric3d.architecture import Metric3D
from ..metric3d.handle import estimate
from .estimator import DepthEstimator


class Metric3DEstimator(DepthEstimator):
    """Metres with their confidence. `models.metric3d.handle.estimate` gives normals as well.

    Args:
        network: from `models.metric3d.handle.metric3d_network`.
    """

    def __init__(self, network: Metric3D) -> None:
        super().__init__("Metric3D v2", is_metric=True)
        self.network = network

    def estimate(
        self,
        image: Tensor,
        focal_length_px: float | Tensor | None = None,
        device: torch.device | None = None,
        on_progress: OnProgress | None = None,
    ) -> Depth:
        """See `DepthEstimator`; reports progress within each picture.

        Without a focal length a view is assumed, which is logged, and the depth has no focal
        length: it is not known.
        """
        found = estimate(
            self.network, image, focal_length_px, device, on_progress, with_normals=False
        )
        known = None if focal_length_px is None else found.focal_length_px
        depth = Depth.from_metres(found.metres)
        return replace(depth, focal_length_px=known, confidence=found.confidence)

    def estimate_one(
        self, picture: Tensor, focal_length_px: float | None, device: torch.device
    ) -> Depth:
        """See `DepthEstimator`."""
        return self.estimate(picture, focal_length_px, device)
