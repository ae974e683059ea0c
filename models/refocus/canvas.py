"""Pictures of any size on the grid of the network: extended, and cut back to what they were.

A pixel of the user's is never resampled; the published code resizes instead.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

# Pixels along the side of a token: 8 of a latent's pixel, 2 of these a token.
TOKEN_PX = 16


def whole_tokens(side: int) -> int:
    """A side, px, made as long as the next whole number of tokens."""
    return -(-side // TOKEN_PX) * TOKEN_PX


def extended(pictures: Tensor) -> Tensor:
    """Pictures made as large as the next whole number of tokens, to the right and below.

    What is added mirrors the picture, or repeats its last row or column where it is too small for
    that: nothing that the network could take for an edge.

    Args:
        pictures: `[B,C,H,W]`.

    Returns:
        `[B,C,H',W']`, the picture in its upper left corner.
    """
    height, width = pictures.shape[-2:]
    right, below = whole_tokens(width) - width, whole_tokens(height) - height
    across = F.pad(pictures, (0, right, 0, 0), mode="reflect" if right < width else "replicate")
    return F.pad(across, (0, 0, 0, below), mode="reflect" if below < height else "replicate")


def cut_back(pictures: Tensor, height: int, width: int) -> Tensor:
    """What `extended` was given the size of."""
    return pictures[..., :height, :width]
