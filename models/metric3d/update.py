"""Metric3D's decoder, second part: depth and normals are refined step by step.

As RAFT (Teed and Deng 2020) refines optical flow: recurrent units at three sizes (a quarter, a
seventh and a fourteenth of the picture) look at the present state and at features that do not
change, and give what to add to the state.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Channels of the state: depth, its confidence, normal x, y, z, and the normal's concentration.
STATE_CHANNELS = 6
# The state is kept at a quarter of the picture's size.
FACTOR = 4

# What a unit's update, reset and candidate gates get from the features, each [B,C,h,w].
Gates = list[Tensor]


class ContextEncoder(nn.Module):
    """Features to what the recurrent units start with, and to what they see at each step.

    Args:
        channels: of the features, from fine to coarse.
        hidden: channels of the recurrent units.
    """

    def __init__(self, channels: tuple[int, int, int], hidden: int) -> None:
        super().__init__()
        self.outputs04, self.outputs08, self.outputs16 = (
            nn.ModuleList(_branch(inputs, hidden) for _ in range(2)) for inputs in channels
        )

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """From fine to coarse: hidden states `[B,hidden,h,w]`, and context of the same shapes."""
        scales = (self.outputs04, self.outputs08, self.outputs16)
        pairs = [
            (start(level), context(level))
            for (start, context), level in zip(scales, features, strict=True)
        ]
        return [start.tanh() for start, _ in pairs], [context.relu() for _, context in pairs]


def _branch(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_ResidualBlock(inputs, outputs), nn.Conv2d(outputs, outputs, 3, padding=1))


class _ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm1 = _ChannelNorm(outputs)
        self.norm2 = _ChannelNorm(outputs)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1), _ChannelNorm(outputs))

    def forward(self, features: Tensor) -> Tensor:
        change = F.relu_(self.norm1(self.conv1(features)))
        change = F.relu_(self.norm2(self.conv2(change)))
        return F.relu_(self.downsample(features) + change)


class _ChannelNorm(nn.LayerNorm):
    """Normalises each pixel over its channels, `[B,C,H,W]`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (named as in the base class)
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class UpdateBlock(nn.Module):
    """One step: the recurrent units of three sizes, and what the finest says about the state.

    Args:
        hidden: channels of each recurrent unit.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.gru08 = _RecurrentUnit(hidden, STATE_CHANNELS + hidden)
        self.gru16 = _RecurrentUnit(hidden, 2 * hidden)
        self.gru32 = _RecurrentUnit(hidden, hidden)
        self.flow_head = _StateHead(hidden)
        self.mask = nn.Sequential(
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, 9 * FACTOR**2, 1),
        )

    def forward(
        self, hidden: list[Tensor], gates: list[Gates], state: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Advance the units, the coarse ones more often than the fine ones.

        Args:
            hidden: states of the units, from fine to coarse.
            gates: what the features give to each.
            state: `[B,6,H/4,W/4]`.

        Returns:
            The new states of the units, and what to add to the state.
        """
        fine, middle, coarse = hidden
        of_fine, of_middle, of_coarse = gates
        below, above = _halved(middle), _fitted(_halved(fine), middle)
        coarse = self.gru32(coarse, of_coarse, below)
        coarse = self.gru32(coarse, of_coarse, below)
        middle = self.gru16(middle, of_middle, above, _fitted(coarse, middle))
        coarse = self.gru32(coarse, of_coarse, _halved(middle))
        middle = self.gru16(middle, of_middle, above, _fitted(coarse, middle))
        fine = self.gru08(fine, of_fine, state, _fitted(middle, fine))
        return [fine, middle, coarse], self.flow_head(fine)

    def enlarged(self, state: Tensor, fine: Tensor) -> Tensor:
        """The state at the picture's size: means of its neighbours, weighed by the finest unit.

        Args:
            state: `[B,D,H/4,W/4]`.
            fine: state of the finest unit `[B,hidden,H/4,W/4]`.
        """
        # A quarter: the published network scales the logits to balance its gradients.
        return convex_enlarged(state, 0.25 * self.mask(fine))


class _RecurrentUnit(nn.Module):
    """A convolutional GRU whose gates get the features' share from outside."""

    def __init__(self, hidden: int, inputs: int) -> None:
        super().__init__()
        self.convz, self.convr, self.convq = (
            nn.Conv2d(hidden + inputs, hidden, 3, padding=1) for _ in range(3)
        )

    def forward(self, hidden: Tensor, gates: Gates, *inputs: Tensor) -> Tensor:
        update_share, reset_share, candidate_share = gates
        seen = torch.cat([hidden, *inputs], dim=1)
        update = torch.sigmoid(self.convz(seen) + update_share)
        reset = torch.sigmoid(self.convr(seen) + reset_share)
        seen = torch.cat([reset * hidden, *inputs], dim=1)
        candidate = torch.tanh(self.convq(seen) + candidate_share)
        return torch.lerp(hidden, candidate, update)


class _StateHead(nn.Module):
    """What to add to depth and confidence, and to normals and their concentration."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.conv1d = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.conv2d = nn.Conv2d(hidden, 2, 3, padding=1)
        self.conv1n = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.conv2n = nn.Conv2d(hidden, STATE_CHANNELS - 2, 3, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        depth = self.conv2d(F.relu_(self.conv1d(hidden)))
        normals = self.conv2n(F.relu_(self.conv1n(hidden)))
        return torch.cat([depth, normals], dim=1)


def convex_enlarged(values: Tensor, logits: Tensor) -> Tensor:
    """Enlarge by `FACTOR`: each new pixel is a weighted mean of nine old ones (RAFT, section 3.3).

    Args:
        values: `[B,D,h,w]`; zero is assumed beyond the borders.
        logits: of the weights, `[B,9·FACTOR²,h,w]`, neighbour by neighbour in reading order.

    Returns:
        `[B,D,FACTOR·h,FACTOR·w]`.
    """
    height, width = values.shape[-2:]
    weights = logits.unflatten(1, (9, FACTOR**2)).softmax(dim=1)
    padded = F.pad(values, (1, 1, 1, 1))
    total = values.new_zeros(*values.shape[:2], FACTOR**2, height, width)
    for index in range(9):
        top, left = divmod(index, 3)
        neighbour = padded[:, :, None, top : top + height, left : left + width]
        total.addcmul_(neighbour, weights[:, None, index])
    return F.pixel_shuffle(total.flatten(1, 2), FACTOR)


def _halved(features: Tensor) -> Tensor:
    return F.avg_pool2d(features, 3, stride=2, padding=1)


def _fitted(features: Tensor, like: Tensor) -> Tensor:
    size = [int(side) for side in like.shape[-2:]]
    return F.interpolate(features, size, mode="bilinear", align_corners=True)
