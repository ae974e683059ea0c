"""DiffCamera's camera token: where to focus and how much to blur, as one token.

DiffCamera (SIGGRAPH Asia 2025, section 3.2) maps focus point and bokeh level linearly to one token
as wide as the transformer. It was published without code or weights, so the units are our own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

# A bokeh level of 20, the strongest of DiffCamera's training, at 1024 px becomes 1.
STRONGEST = 20.0 / 1024.0


@dataclass(frozen=True)
class CameraSetting:
    """What the camera token says.

    Args:
        x: focus point, 0 at the left edge to 1 at the right one.
        y: 0 at the top to 1 at the bottom.
        level: bokeh level K over the longer side of the picture: blur radius in sides per unit of
            relative disparity, so that a setting means the same at every size.
    """

    x: float
    y: float
    level: float

    def vector(self) -> Tensor:
        """What the projection gets, `[3]`: place from -1 to 1, level 1 at `STRONGEST`."""
        return torch.tensor([2.0 * self.x - 1.0, 2.0 * self.y - 1.0, self.level / STRONGEST])


class CameraProjection(nn.Linear):
    """Camera settings `[B,3]` to tokens of the transformer's width, `[B,1,C]`.

    Its parameters stand in adapter files as `camera.weight` `[C,3]` and `camera.bias` `[C]`.

    Args:
        width: of the transformer.
    """

    def __init__(self, width: int) -> None:
        super().__init__(3, width)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as in nn.Linear
        """One token each."""
        return super().forward(input)[:, None]
