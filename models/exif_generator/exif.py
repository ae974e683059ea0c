"""EXIF as a condition of SDXL: aperture and focal length, added to the time embedding.

Fine-grained Defocus, appendix F.3: sinusoidal embeddings of both tags, side by side, through two
projection layers. Scales and widths are not given there; those here are ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...lens.optics import Camera

# Both tags are counted in stops, 2 log2: photographers' steps of light, and equal steps of blur.
# From the finest wave, of which a third of a stop is a third, to one that is longer than all
# lenses: f/1 to f/128 are 14 stops, 4 mm to 2000 mm are 18.
SHORTEST_WAVE, LONGEST_WAVE = 1.0, 64.0
# Numbers in the embedding of one tag, as many as SDXL has for each number that it is told.
WIDTH = 256
# SDXL's time embedding.
TIME_EMBEDDING = 1280


@dataclass(frozen=True)
class Exif:
    """What the generator is told of the camera.

    Args:
        f_number: `[B]`.
        focal_length_mm: `[B]`, real ones, not the 35 mm equivalent: as EXIF has it.
    """

    f_number: Tensor
    focal_length_mm: Tensor

    @classmethod
    def of(cls, camera: Camera) -> Exif:
        """That of a camera, for all pictures of a batch."""
        numbers = (camera.f_number, camera.focal_length_mm)
        return cls(*(torch.as_tensor(one, dtype=torch.float32).reshape(-1) for one in numbers))

    def to(self, device: torch.device) -> Exif:
        """The same on a device."""
        return Exif(self.f_number.to(device), self.focal_length_mm.to(device))


def stops(values: Tensor) -> Tensor:
    """Positive numbers in steps of the square root of two.

    Example:
        >>> stops(torch.tensor([1.0, 2.0, 16.0])).tolist()
        [0.0, 2.0, 8.0]
    """
    return 2.0 * values.float().log2()


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Sines and cosines with wavelengths in geometric progression.

    Args:
        positions: `[B]`, stops.
        width: of the result, even.

    Returns:
        `[B,width]`, sines first.
    """
    steps = torch.linspace(0.0, 1.0, width // 2, device=positions.device)
    waves = SHORTEST_WAVE * (LONGEST_WAVE / SHORTEST_WAVE) ** steps
    phases = 2.0 * math.pi * positions[:, None] / waves
    return torch.cat([phases.sin(), phases.cos()], dim=-1)


class ExifProjection(nn.Module):
    """What is added to the time embedding.

    The last layer is zero at first, so that an untrained projection changes nothing.

    Args:
        width: of the embedding of one tag.
        hidden: between the two layers.
        outputs: of the UNet's time embedding.
    """

    def __init__(
        self, width: int = WIDTH, hidden: int = TIME_EMBEDDING, outputs: int = TIME_EMBEDDING
    ) -> None:
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(2 * width, hidden)
        self.linear_2 = nn.Linear(hidden, outputs)
        nn.init.zeros_(self.linear_2.weight)
        nn.init.zeros_(self.linear_2.bias)

    def forward(self, exif: Exif) -> Tensor:
        """`[B,outputs]`, float32."""
        tags = (exif.f_number, exif.focal_length_mm)
        embedded = torch.cat([sinusoids(stops(tag), self.width) for tag in tags], dim=-1)
        return self.linear_2(F.silu(self.linear_1(embedded)))


@contextmanager
def exif_conditioned(unet: Any, projection: ExifProjection, exif: Exif) -> Iterator[None]:
    """Tell a UNet the EXIF of its pictures for a while.

    Gradients flow into the projection.

    Args:
        unet: diffusers' `UNet2DConditionModel`.
        projection: on the same device.
        exif: of each picture, or one for all. Of a batch that holds every picture several times,
            as guidance has it, the EXIF repeats with the pictures.
    """

    def add(module: nn.Module, arguments: Any, embedding: Tensor) -> Tensor:
        told = projection(exif.to(embedding.device)).to(embedding)
        return embedding + told.repeat(len(embedding) // len(told), 1)

    hook = unet.time_embedding.register_forward_hook(add)
    try:
        yield
    finally:
        hook.remove()
