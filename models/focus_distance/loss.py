"""What keeps the focus distance transformer near what VST finds while it is trained."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...lens.depth import Depth
from ...lens.focus import focus_on_mean
from ..vst.architecture import VST
from .architecture import FocusPrediction, predicted_saliency

# From this difference on (m) the loss grows linearly. The paper does not say where.
DELTA_M = 1.0


class FocusRegularization(nn.Module):
    """Huber loss between predicted focus distances and those of a frozen copy of VST.

    Fine-grained Defocus, section 3.2; weighted there by λ3 = 200 (appendix F.1).

    Args:
        vst: as it is before training. It is copied.
        delta_m: difference in metres from which on the loss grows linearly.
    """

    def __init__(self, vst: VST, delta_m: float = DELTA_M) -> None:
        super().__init__()
        self.vst = copy.deepcopy(vst).eval().requires_grad_(False)
        self.delta_m = delta_m

    def forward(self, prediction: FocusPrediction, image: Tensor, depth: Depth) -> Tensor:
        """The loss, a scalar in units of m².

        Args:
            prediction: of the network that is trained.
            image: `[B,3,H,W]` sRGB-coded 0..1.
            depth: metric.

        Raises:
            InputError: the depth is relative.
        """
        with torch.no_grad():
            _, saliency = predicted_saliency(self.vst, image, depth)
            reference = focus_on_mean(depth, saliency).distance_m
        return F.huber_loss(prediction.focus.distance_m, reference, delta=self.delta_m)
