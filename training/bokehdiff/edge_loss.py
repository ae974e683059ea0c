"""BokehDiff's multi-scale edge loss: errors count more where there are edges.

Section 3.4, eq. 10, in the form of the published code. For the scales l = 1, 2, 3, with ∂ the
difference of neighbours along an axis of the picture at 1/l of its size:

    Σ_l Σ_axis mean( |∂Î − ∂I_b| · (1 + max(|∂I_b|, |∂I_f|)) ) / l
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SCALES = (1, 2, 3)


def edge_loss(made: Tensor, bokeh: Tensor, all_in_focus: Tensor) -> Tensor:
    """The loss, a scalar.

    Args:
        made: the network's picture, `[B,3,H,W]`; what lies outside of -1..1 counts as its end.
        bokeh: the target, -1..1.
        all_in_focus: the network's input, -1..1.
    """
    made = made.clamp(-1.0, 1.0)
    addends = [edge_loss_at(made, bokeh, all_in_focus, scale) for scale in SCALES]
    return torch.stack(addends).sum()


def edge_loss_at(made: Tensor, bokeh: Tensor, all_in_focus: Tensor, scale: int) -> Tensor:
    """The addend of one scale."""
    small = [_smaller(image, scale) for image in (made, bokeh, all_in_focus)]
    total = made.new_zeros(())
    for axis in (-1, -2):
        edges, true, sharp = (image.diff(dim=axis) for image in small)
        weight = 1.0 + torch.maximum(true.abs(), sharp.abs())
        total = total + ((edges - true).abs() * weight).mean() / scale
    return total


def _smaller(image: Tensor, scale: int) -> Tensor:
    return image if scale == 1 else F.interpolate(image, scale_factor=1.0 / scale, mode="area")
