"""Light of a foreground that is left beside its silhouette.

Edges in photographs are softer than in depth maps, and seldom just where those have them. Where the
foreground is blurred more than what is behind it, the light that it leaves there would stay as a
sharp outline of it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..dilation import dilated
from .edge_matte import WHITE

# Pixels this close (px) to a silhouette may hold light of the foreground.
FRINGE_REACH = 2
# Other pixels of their surface are looked for this far (px). Half as far finds too few colours to
# tell texture from fringes, and costs up to 1.5 dB with exact depth.
PURE_REACH = 8
# Surfaces whose blur radii differ by less (px) leave no outlines on each other.
LEAST_STEP = 2.0
# A foreground that is blurred by this many times more counts in full.
BLUR_RATIO = 3.0


def without_fringe(image: Tensor, radius: Tensor, is_edge: Tensor) -> Tensor:
    """Keep what is beside silhouettes within the colours that its surface has around there.

    Args:
        image: linear light `[B,C,H,W]`.
        radius: signed blur radius `[B,1,H,W]`, px.
        is_edge: `[B,1,H,W]` bool, depth edges.

    Returns:
        Linear light `[B,C,H,W]`. Lights stay, and what is blurred as much as the foreground.
    """
    silhouette = dilated(radius, FRINGE_REACH)
    is_beside = silhouette - radius > LEAST_STEP
    farthest = -dilated(-radius, PURE_REACH)
    is_pure = ~is_edge & ~is_beside & (radius - farthest < LEAST_STEP)
    high = dilated(torch.where(is_pure, image, -torch.inf), PURE_REACH)
    low = -dilated(torch.where(is_pure, -image, -torch.inf), PURE_REACH)
    is_fringe = is_beside & (image.amax(1, keepdim=True) < WHITE) & (high[:, :1] > -torch.inf)
    ratio = (1.0 + silhouette.abs()) / (1.0 + radius.abs())
    part = ((ratio - 1.0) / (BLUR_RATIO - 1.0)).clamp_(0.0, 1.0)
    return torch.where(is_fringe, torch.lerp(image, image.clamp(low, high), part), image)
