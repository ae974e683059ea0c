"""DiffCamera's stacking constraint: two focuses of one view have to add up to a sharp picture.

DiffCamera, section 3.2 and appendix C. Of two pictures focused on different planes, M marks where
the first one is sharper. With the same noise for both, the velocities of the stacked picture are
M·E₁ + (1 − M)·E₂ (eq. 4), and so should be those that the model predicts for the two (eq. 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...lens.color import luminance
from ...models.flux.base import DOWNSCALING
from ...models.flux.camera import CameraProjection
from ...models.flux.tokens import PATCH, packed
from ..engine.task import Batch
from .flow import FlowTrainee

LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


def sharper(first: Tensor, second: Tensor) -> Tensor:
    """1 where the first of two pictures `[B,3,H,W]` is sharper, else 0: `[B,1,H,W]`."""
    one, other = (_laplacian(luminance(image)).abs() for image in (first, second))
    return (one > other).to(first)


def stack_mask(first: Tensor, second: Tensor, size: tuple[int, int], channels: int) -> Tensor:
    """`sharper` as tokens.

    Args:
        first, second: pictures `[B,3,H,W]`.
        size: of the latent; the mask is scaled down to it bilinearly.
        channels: of the latent.

    Returns:
        `[B,T,4·channels]`, 0..1.
    """
    small = F.interpolate(sharper(first, second), size, mode="bilinear", antialias=True)
    return packed(small.expand(-1, channels, -1, -1))


def stacking_loss(
    mask: Tensor, velocities: tuple[Tensor, Tensor], predicted: tuple[Tensor, Tensor]
) -> Tensor:
    """Mean squared error of the stacked velocity (eq. 5).

    Args:
        mask: M, `[B,T,C]`.
        velocities: E₁ and E₂.
        predicted: of the model, for the two.
    """
    truth, made = (torch.lerp(second, first, mask) for first, second in (velocities, predicted))
    return (made - truth).square().mean()


class StackingTrainee(FlowTrainee):
    """DiffCamera: an adapter, and the projection of camera settings to a token.

    Args:
        others: as for `FlowTrainee`.
        stacking_weight: of the stacking constraint, λ.
    """

    def __init__(self, *others: Any, stacking_weight: float) -> None:
        super().__init__(*others)
        self.stacking_weight = stacking_weight
        self.camera = CameraProjection(self.model.shape.width)

    def forward(self, phase: str, batch: Batch) -> dict[str, Tensor]:
        """Errors of the velocity, of both pictures of an example and of the two stacked."""
        del phase
        first, second = batch["target"], batch["other"]
        # Both in one pass.
        twice = {name: torch.cat([one, one]) for name, one in batch.items()}
        twice["camera"] = torch.cat([batch["camera"], batch["other_camera"]])
        clean = self.encoder.picture(torch.cat([first, second]))
        noise = torch.randn_like(clean.values[: len(first)])
        sigma = self.sigmas(len(noise), noise.device)
        noise, sigma = torch.cat([noise, noise]), torch.cat([sigma, sigma])
        predicted = self.velocity(clean, noise, sigma, self.show(self, twice))
        velocity = noise - clean.values
        flow = (predicted - velocity).square().mean()
        stacking = stacking_loss(self._mask(first, second), _halves(velocity), _halves(predicted))
        loss = flow + self.stacking_weight * stacking
        return {"loss": loss, "flow": flow, "stacking": stacking}

    def camera_of(self, weights: Mapping[str, Tensor]) -> CameraProjection:
        """The trained projection."""
        camera = CameraProjection(self.model.shape.width)
        prefix = "camera."
        camera.load_state_dict(
            {
                name.removeprefix(prefix): one
                for name, one in weights.items()
                if name.startswith(prefix)
            }
        )
        return camera

    def _mask(self, first: Tensor, second: Tensor) -> Tensor:
        height, width = first.shape[-2:]
        size = height // DOWNSCALING, width // DOWNSCALING
        return stack_mask(first, second, size, self.model.shape.channels // PATCH**2)


def _halves(values: Tensor) -> tuple[Tensor, Tensor]:
    one, other = values.chunk(2)
    return one, other


def _laplacian(image: Tensor) -> Tensor:
    kernel = image.new_tensor(LAPLACIAN)[None, None]
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), kernel)
