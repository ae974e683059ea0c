"""Metric3D v2 with a vision transformer, with the published parameter names.

Hu et al., "Metric3D v2", 2024: an encoder (`vit`), maps of features and a first guess
(`features`), and steps that refine it (`update`). It sees every picture as if taken by one
canonical camera; `processing` translates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .features import MapFusion, TokensToMaps
from .update import ContextEncoder, Gates, UpdateBlock
from .vit import PATCH_PX, OnStep, VisionTransformer

# Heights and widths of pictures are multiples of this: of patches, and of two of them so that
# maps of a quarter and of a seventh of the size fit each other.
SIZE_STEP_PX = 2 * PATCH_PX
# Depths that the network can tell (m), as of the canonical camera.
NEAREST_M, FARTHEST_M = 0.1, 200.0
# The first guess is a mean of so many depths, evenly spaced in their logarithm.
BINS = 256
# The state holds (depth − FARTHEST_M) / STATE_UNIT_M.
STATE_UNIT_M = 100.0
NORMAL_CHANNELS = 128
LEAST_CONCENTRATION = 0.01


@dataclass(frozen=True)
class Variant:
    """Which of the published networks, or any in between.

    Args:
        width: channels of a token, a multiple of 64.
        depth: blocks of the encoder.
        iterations: steps of the decoder.
        is_giant: blocks with gated linear units, read at four depths.
    """

    width: int
    depth: int
    iterations: int
    is_giant: bool = False


SMALL = Variant(width=384, depth=12, iterations=4)
LARGE = Variant(width=1024, depth=24, iterations=8)
GIANT = Variant(width=1536, depth=40, iterations=8, is_giant=True)


class Prediction(NamedTuple):
    """What the network says of each pixel.

    Args:
        depth: `[B,1,H,W]`, metres as of the canonical camera.
        confidence: `[B,1,H,W]`, trained to be 1 minus the relative error of depth; may leave 0..1.
        normals: `[B,3,H,W]`, unit length, of the side that is seen: x right, y down, z forward.
        concentration: `[B,1,H,W]` of the normals (kappa), above 0; the larger the surer.
    """

    depth: Tensor
    confidence: Tensor
    normals: Tensor
    concentration: Tensor


class Metric3D(nn.Module):
    """Picture to depth and normals."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.depth_model = _Halves(variant)  # All published names begin with it.

    @property
    def steps(self) -> int:
        """How often `forward` calls `on_step`."""
        return self.variant.depth + self.variant.iterations

    def forward(self, image: Tensor, on_step: OnStep | None = None) -> Prediction:
        """Predict.

        The encoder may be in half precision, the decoder is in float32.

        Args:
            image: `[B,3,H,W]`, normalised; H and W multiples of `SIZE_STEP_PX`.
            on_step: called after each block of the encoder and each step of the decoder.
        """
        height, width = image.shape[-2:]
        assert height % SIZE_STEP_PX == width % SIZE_STEP_PX == 0
        encoder, decoder = self.depth_model.encoder, self.depth_model.decoder
        tokens = encoder(image, on_step)
        return read_state(decoder(tokens, height // PATCH_PX, width // PATCH_PX, on_step))


class _Halves(nn.Module):
    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.encoder = VisionTransformer(variant.width, variant.depth, variant.is_giant)
        self.decoder = Decoder(variant.width, variant.iterations)


class Decoder(nn.Module):
    """Tokens to the state of each pixel: depth, confidence, normal and concentration.

    Args:
        width: channels of a token.
        iterations: number of steps.
    """

    def __init__(self, width: int, iterations: int) -> None:
        super().__init__()
        self.iterations = iterations
        fine, middle, hidden = width // 4, width // 2, width // 8
        self.token2feature = TokensToMaps(width)
        self.decoder_mono = MapFusion(width)
        self.depth_regressor = nn.Sequential(
            nn.Conv2d(fine, BINS, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(BINS, BINS, 1),
        )
        self.normal_predictor = nn.Sequential(
            nn.Conv2d(fine, NORMAL_CHANNELS, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(NORMAL_CHANNELS, NORMAL_CHANNELS, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(NORMAL_CHANNELS, NORMAL_CHANNELS, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(NORMAL_CHANNELS, 3, 1),
        )
        self.context_feature_encoder = ContextEncoder((fine, middle, width), hidden)
        self.context_zqr_convs = nn.ModuleList(
            nn.Conv2d(hidden, 3 * hidden, 3, padding=1) for _ in range(3)
        )
        self.update_block = UpdateBlock(hidden)

    def forward(
        self, tokens: list[Tensor], rows: int, columns: int, on_step: OnStep | None = None
    ) -> Tensor:
        """`[B,6,14·rows,14·columns]`: what `read_state` reads.

        Args:
            tokens: of four depths, `[B,5+rows·columns,C]`.
            rows, columns: size of the grid of patches, both even.
            on_step: called after each step.
        """
        fine, middle, coarse, coarsest = self.token2feature(tokens, rows, columns)
        # In the published network the fusion rectifies these three in place, and so the context
        # encoder sees them rectified, but not the finest.
        middle, coarse, coarsest = (F.relu_(features) for features in (middle, coarse, coarsest))
        state = self._first_guess(self.decoder_mono(coarsest, coarse, middle))
        hidden, gates = self._context([fine, middle, coarse])
        for _ in range(self.iterations):
            hidden, change = self.update_block(hidden, gates, state)
            state = state + change
            if on_step:
                on_step()
        return self.update_block.enlarged(state, hidden[0])

    def _first_guess(self, fused: Tensor) -> Tensor:
        """The state to start with, `[B,6,H/4,W/4]`."""
        features, confidence, concentration = fused.split([fused.shape[1] - 2, 1, 1], dim=1)
        depth = expected_depth(self.depth_regressor(features))
        depth = (depth.clamp(NEAREST_M, FARTHEST_M) - FARTHEST_M) / STATE_UNIT_M
        normals = self.normal_predictor(features)
        return torch.cat([depth, confidence, *_read_normals(normals, concentration)], dim=1)

    def _context(self, features: list[Tensor]) -> tuple[list[Tensor], list[Gates]]:
        """What the recurrent units start with, and the features' share in their gates."""
        hidden, context = self.context_feature_encoder(features)
        gates = [
            list(convolution(level).chunk(3, dim=1))
            for convolution, level in zip(self.context_zqr_convs, context, strict=True)
        ]
        return hidden, gates


def expected_depth(logits: Tensor) -> Tensor:
    """Mean of the bins' depths (m), `[B,1,h,w]`, weighed by logits `[B,BINS,h,w]`."""
    ends = math.log(NEAREST_M), math.log(FARTHEST_M)
    depths = torch.linspace(*ends, BINS, dtype=logits.dtype, device=logits.device).exp()
    return torch.einsum("bnhw,n->bhw", logits.softmax(dim=1), depths)[:, None]


def read_state(state: Tensor) -> Prediction:
    """What the decoder's state `[B,6,H,W]` means."""
    depth, confidence, normals, concentration = state.split([1, 1, 3, 1], dim=1)
    depth = (depth * STATE_UNIT_M + FARTHEST_M).clamp(NEAREST_M, FARTHEST_M)
    return Prediction(depth, confidence, *_read_normals(normals, concentration))


def _read_normals(normals: Tensor, concentration: Tensor) -> tuple[Tensor, Tensor]:
    """Unit length, and a concentration above zero."""
    return F.normalize(normals, eps=1e-10), F.elu(concentration) + 1.0 + LEAST_CONCENTRATION
