"""A scene as the tokens of an attention see it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenScene:
    """A condition on a grid of R × C tokens.

    Args:
        disparity: `[B,R,C]`.
        radius: `[B,R,C]`.
        fine_disparity: `[B,1,3R,3C]`.
        slope: of the soft edge, per unit of distance.
        segments: as in `PisaCondition`.
        supersamples: as in `PisaCondition`.
        least_visibility: of what is hidden.
        token_step: as in `PisaCondition`.
    """

    disparity: Tensor
    radius: Tensor
    fine_disparity: Tensor
    slope: float
    segments: int
    supersamples: int
    least_visibility: float
    token_step: tuple[float, float]

    @property
    def rows(self) -> int:
        """R."""
        return self.disparity.shape[1]

    @property
    def columns(self) -> int:
        """C."""
        return self.disparity.shape[2]

    @cached_property
    def positions(self) -> Tensor:
        """Centres of the tokens `[R,C,2]` as (x, y), -1..1 between the picture's edges."""
        y, x = (
            (torch.arange(count, device=self.radius.device, dtype=torch.float64) * 2 + 1) / count
            - 1
            for count in (self.rows, self.columns)
        )
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
        return grid.to(self.disparity.dtype)
