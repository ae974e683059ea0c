"""What a latent looks like, without decoding it: to watch a picture come into being."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Keeps channels that say nothing about colour from being believed.
RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class LatentColors:
    """Colours as a linear function of a latent's channels.

    The function is fitted to a picture and its latent. The pictures that are watched are of the
    same scene, so it fits them, whatever autoencoder is at work.

    Args:
        matrix: `[C+1,3]`; the last row is added.
    """

    matrix: Tensor

    @classmethod
    def fitted(cls, latents: Tensor, picture: Tensor) -> LatentColors:
        """From a picture `[1,3,H,W]` and its latent `[1,C,h,w]`."""
        height, width = latents.shape[-2:]
        small = F.adaptive_avg_pool2d(picture, (height, width))
        channels, colors = _rows(latents), _rows(small)[:, :3].to(latents.device)
        ridge = RIDGE * len(channels) * torch.eye(channels.shape[1], device=latents.device)
        return cls(torch.linalg.solve(channels.T @ channels + ridge, channels.T @ colors))

    def picture(self, latents: Tensor) -> Tensor:
        """sRGB `[1,3,h,w]` in 0..1 of a latent `[1,C,h,w]`."""
        colors = _rows(latents) @ self.matrix
        return colors.T.reshape(1, 3, *latents.shape[-2:]).clamp(0.0, 1.0)


def _rows(values: Tensor) -> Tensor:
    """`[h·w, C+1]` of `[1,C,h,w]`; the last column is 1."""
    rows = values[0].float().flatten(1).T
    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
