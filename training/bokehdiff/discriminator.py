"""BokehDiff's discriminator: a small head on features of a frozen ConvNeXt (section 3.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import FileError
from ...models.sdxl.base import require_transformers

HIDDEN = 256
SLOPE = 0.2


class SpectralConv(nn.Conv2d):
    """A 1×1 convolution whose matrix is divided by its largest singular value (Miyato et al. 2018).

    Computed exactly each time, so that it has no state beside its weights.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, kernel_size=1)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as in nn.Conv2d
        """Features `[B,C,h,w]`."""
        matrix = self.weight.float().flatten(1)
        norm = torch.linalg.matrix_norm(matrix, ord=2).to(self.weight)
        return F.conv2d(input, self.weight / norm, self.bias)


class Discriminator(nn.Module):
    """Says of each place of a picture whether it is real.

    Args:
        backbone: transformers' `ConvNextModel`; it is frozen.
    """

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone.eval().requires_grad_(False)
        width = backbone.config.hidden_sizes[-1]
        self.head = nn.Sequential(
            SpectralConv(width, HIDDEN), nn.LeakyReLU(SLOPE), SpectralConv(HIDDEN, 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Logits `[B,1,h,w]` of pictures -1..1; as published, features see them as 0..1."""
        features = self.backbone(image.clamp(-1.0, 1.0) / 2.0 + 0.5).last_hidden_state
        return self.head(features)


def discriminator_loss(real: Tensor, made: Tensor) -> Tensor:
    """Eq. 11, from logits: to be minimised, so with its sign turned."""
    return F.softplus(-real).mean() + F.softplus(made).mean()


def adversarial_loss(made: Tensor) -> Tensor:
    """What the generator pays where it is found out: −log D."""
    return F.softplus(-made).mean()


def load_backbone(folder: Path) -> Any:
    """ConvNeXt of a folder of transformers, such as facebook/convnext-base-224-22k.

    Raises:
        FileError: it is none.
        MissingDependencyError: transformers is not installed.
    """
    transformers = require_transformers()
    try:
        return transformers.ConvNextModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        received = f"no folder of a ConvNeXt ({reason})"
        advice = "Give one with config.json and model.safetensors."
        raise FileError(str(folder), received, advice) from error


def tiny_backbone() -> Any:
    """A random one, to try things out."""
    transformers = require_transformers()
    sizes = transformers.ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.ConvNextModel(sizes)
