"""Defocus, aperture and depth as the pictures that networks are shown. Training shows the same."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from ...lens.aperture import Aperture
from ...lens.blur_disc import BlurDisc
from ...lens.defocus import Defocus
from ...lens.depth import Depth

logger = logging.getLogger(__name__)

# The blur radius that is 1 in BokehNet's defocus map, px (MAX_COC in the published code).
LARGEST_RADIUS = 100.0
# Side of the picture of an aperture, px: 8×8 tokens.
APERTURE_SIDE = 128


def defocus_values(defocus: Defocus) -> Tensor:
    """BokehNet's defocus map, as its autoencoder is given it.

    |K (δ − δ_f)| / 100, at most 1 (eq. 2 and the published code). The values are not brought to
    -1..1, as pictures are. Radii count in px of the picture, at every size: the network sees it
    in tiles of the size that it was trained with.

    Args:
        defocus: at the picture's size; its sign is not shown.

    Returns:
        `[B,3,H,W]`, 0..1.
    """
    radius = defocus.radius.abs()
    largest = float(radius.amax())
    if largest > LARGEST_RADIUS:
        logger.warning(
            "BokehNet knows blur radii up to %.0f px; those up to %.0f px are shown to it as that.",
            LARGEST_RADIUS,
            largest,
        )
    return (radius / LARGEST_RADIUS).clamp(0.0, 1.0).expand(-1, 3, -1, -1)


def aperture_picture(aperture: Aperture) -> Tensor:
    """The blur disc of a point behind the focus, as large as it fits: `[1,3,128,128]`, 0..1.

    The middle of the field: what changes towards the corners is not shown.
    """
    radius = APERTURE_SIDE / 2 - 1.5
    disc = BlurDisc(aperture, edge="linear", weighting="energy").draw(radius)
    disc = disc / disc.amax()
    picture = torch.zeros(1, 3, APERTURE_SIDE, APERTURE_SIDE)
    top, left = ((APERTURE_SIDE - side) // 2 for side in disc.shape[-2:])
    picture[..., top : top + disc.shape[-2], left : left + disc.shape[-1]] = disc
    return picture


def depth_picture(depth: Depth | None, height: int, width: int) -> Tensor:
    """Relative disparity from 0, farthest, to 1, nearest, in each picture: `[B,3,H,W]`.

    Args:
        depth: metric or relative, of any size; None shows nothing, all zeros (DiffCamera's depth
            dropout, section 3.2).
        height: of the picture, px.
        width: px.
    """
    if depth is None:
        return torch.zeros(1, 3, height, width)
    disparity = depth.for_image(height, width).disparity.float()
    low, high = (edge(disparity, (-2, -1)) for edge in (torch.amin, torch.amax))
    low, high = low[..., None, None], high[..., None, None]
    # A flat scene has nothing to tell apart.
    spread = torch.where(high > low, high - low, torch.ones_like(high))
    return ((disparity - low) / spread).expand(-1, 3, -1, -1)
