"""What physics-inspired self-attention knows of the scene, for pictures and for tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError
from .light_paths import LightPaths
from .token_scene import TokenScene

# Unit of blur radii and distances: px of the picture.
PX_PER_UNIT = 10.0
# A token's side in px: the attention works at a sixteenth of the picture's size.
PX_PER_TOKEN = 16
# The model was trained on pictures of 32 × 32 tokens, 51.2 units wide, of which the first and the
# last token's centres were taken as the edges. So a token is 1.65 units wide instead of 1.6.
TRAINED_TOKENS = 32
TOKEN_STEP = TRAINED_TOKENS * PX_PER_TOKEN / PX_PER_UNIT / (TRAINED_TOKENS - 1)

# Sharpness of the mask's soft edge: it starts at 3 in training and ends at 1e7.
TRAINED_HARDNESS = 1e7
# Below this hardness no source is hidden completely, so that training sees a gradient.
HARD = 1e6
LEAST_VISIBILITY = 0.01
# As published for inference.
SEGMENTS = 7
SUPERSAMPLES = 5
# Finer grid in which rays look for what hides a source.
RAY_GRID = 3


@dataclass(frozen=True)
class PisaCondition:
    """Disparity and blur of a picture, and how finely the attention looks at them.

    Everything that follows from it is computed once for each size of token grid, and shared by all
    layers that are given the same condition.

    Args:
        disparity: `[B,1,H,W]`, 0..1 with 1 = nearest.
        radius: blur radius `[B,1,H,W]`, >= 0, in units of 10 px.
        hardness: sharpness of the edge of the circle of confusion; its logarithm is the slope.
        segments: points on each ray from a source, where something may hide it; 0 hides nothing.
        supersamples: rays for each pair of tokens. The first goes through the centres, the others
            through fixed places beside it. The published code draws them at random.
        token_step: distance of neighbouring tokens, (rows, columns), in units of 10 px.

    Raises:
        InputError: shapes do not fit, or a number is out of range.
    """

    disparity: Tensor
    radius: Tensor
    hardness: float = TRAINED_HARDNESS
    segments: int = SEGMENTS
    supersamples: int = SUPERSAMPLES
    token_step: tuple[float, float] = (TOKEN_STEP, TOKEN_STEP)
    _paths: dict[int, LightPaths] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        shape = self.disparity.shape
        if len(shape) != 4 or shape[1] != 1 or self.radius.shape != shape:
            received = f"disparity {list(shape)} and radius {list(self.radius.shape)}"
            raise InputError("condition", received, "Give two maps [B,1,H,W] of the same size.")
        if not (self.hardness > 1 and self.segments >= 0 and self.supersamples >= 1):
            received = f"hardness {self.hardness:g}, {self.segments} segments, "
            received += f"{self.supersamples} supersamples"
            raise InputError("condition", received, "They must be > 1, >= 0 and >= 1.")

    def for_tokens(self, count: int) -> LightPaths:
        """Where light can go among `count` tokens in rows.

        Raises:
            InputError: no grid of so many tokens has the picture's shape.
        """
        if count not in self._paths:
            self._paths[count] = LightPaths(self._scene(count))
        return self._paths[count]

    def _scene(self, count: int) -> TokenScene:
        height, width = self.disparity.shape[-2:]
        side = max(math.isqrt(height * width // count), 1)
        rows, columns = height // side, width // side
        if rows * columns != count:
            received = f"{count} tokens for a picture of {width}×{height} px"
            advice = f"Give width and height in multiples of {PX_PER_TOKEN} px."
            raise InputError("condition", received, advice)

        def small(values: Tensor, factor: int = 1) -> Tensor:
            size = (factor * rows, factor * columns)
            # Without antialiasing, as the model was trained.
            return F.interpolate(values.detach(), size, mode="bilinear", align_corners=False)

        return TokenScene(
            small(self.disparity)[:, 0],
            small(self.radius)[:, 0],
            small(self.disparity, RAY_GRID),
            math.log(self.hardness),
            self.segments,
            self.supersamples,
            LEAST_VISIBILITY if self.hardness < HARD else 0.0,
            self.token_step,
        )
