"""Metric3D's decoder, first part: tokens to maps of features, and maps fused from coarse to fine.

After DPT (Ranftl et al. 2021). The finest map has a quarter of the picture's size, the others a
seventh and a fourteenth, which is that of the patches.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .vit import LEADING_TOKENS


class TokensToMaps(nn.Module):
    """Four readers of tokens.

    Args:
        width: channels of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read_3 = _Reader(width)
        self.read_2 = _Reader(width)
        self.read_1 = _Reader(width, nn.ConvTranspose2d(width, width // 2, 2, stride=2))
        self.read_0 = _Reader(width, nn.Sequential(nn.Conv2d(width, width // 4, 1)))

    def forward(
        self, tokens: list[Tensor], rows: int, columns: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Maps with C/4 channels at 1/4 size, C/2 at 1/7, and twice C at 1/14.

        Args:
            tokens: for each map, `[B,5+rows·columns,C]`.
            rows, columns: size of the grid of patches.
        """
        finest = self.read_0(tokens[0], rows, columns)
        # Enlarged after the 1×1 convolution, which is the same for a twelfth of the work.
        finest = F.interpolate(finest, scale_factor=3.5, mode="nearest")
        seventh = self.read_1(tokens[1], rows, columns)
        fourteenth = self.read_2(tokens[2], rows, columns)
        return finest, seventh, fourteenth, self.read_3(tokens[3], rows, columns)


class _Reader(nn.Module):
    """Patches, each with what the leading tokens say, as a map of features."""

    def __init__(self, width: int, sample: nn.Module | None = None) -> None:
        super().__init__()
        self.readoper = nn.ModuleDict(
            {
                "project_patch": nn.Linear(width, width),
                "project_learn": nn.Linear(LEADING_TOKENS * width, width, bias=False),
            }
        )
        self.sample = sample or nn.Identity()

    def forward(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        leading, patches = tokens[:, :LEADING_TOKENS], tokens[:, LEADING_TOKENS:]
        context = self.readoper["project_learn"](leading.flatten(1))
        features = F.gelu(self.readoper["project_patch"](patches) + context[:, None])
        return self.sample(features.transpose(1, 2).unflatten(2, (rows, columns)))


class MapFusion(nn.Module):
    """Maps of features fused from coarse to fine, up to a quarter of the picture's size.

    Args:
        width: channels of the coarsest maps.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.upconv_3 = _Fusion(width, width)
        self.upconv_2 = _Fusion(width, width // 2, has_branch=True)
        # Two channels more: how sure depth and normals are.
        self.upconv_1 = _Fusion(width // 2, width // 4 + 2, has_branch=True)

    def forward(self, coarsest: Tensor, fourteenth: Tensor, seventh: Tensor) -> Tensor:
        """`[B,C/4+2,H/4,W/4]` from maps that are rectified already."""
        fused = self.upconv_2(self.upconv_3(coarsest), fourteenth)
        fused = self.upconv_1(_enlarged(fused, 2, 1), seventh)
        return _enlarged(fused, 7, 4)


class _Fusion(nn.Module):
    def __init__(self, inputs: int, outputs: int, has_branch: bool = False) -> None:
        super().__init__()
        self.way_trunk = _Residual(inputs)
        if has_branch:
            self.way_branch = _Residual(inputs)
        self.out_conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, trunk: Tensor, branch: Tensor | None = None) -> Tensor:
        if branch is not None:
            trunk = trunk + self.way_branch(branch)
        # The published network enlarges before this 1×1 convolution: the same for more work.
        return self.out_conv(self.way_trunk(trunk))


class _Residual(nn.Module):
    """Two convolutions added to their rectified input (the published ones rectify in place)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        features = F.relu(features)
        return features + self.conv2(F.relu_(self.conv1(features)))


def _enlarged(features: Tensor, numerator: int, denominator: int) -> Tensor:
    size = [side * numerator // denominator for side in features.shape[-2:]]
    return F.interpolate(features, size, mode="bilinear", align_corners=True)
