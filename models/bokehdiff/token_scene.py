"""A scene as the tokens of an attention see it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenScene:
    """A condition on a grid of R × C = N tokens, numbered row by row.

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
        """Centres of the tokens `[N,2]` as (x, y), -1..1 between the picture's edges."""
        size = torch.tensor([self.columns, self.rows], dtype=torch.float64)
        centres = (2.0 * self._numbers().flip(-1) + 1.0) / size - 1.0
        return centres.to(self.disparity)

    @cached_property
    def places(self) -> Tensor:
        """Where the tokens lie, `[N,2]` as (row, column), in units of the radius."""
        return (self._numbers() * torch.tensor(self.token_step)).to(self.radius)

    def _numbers(self) -> Tensor:
        """Row and column of every token, `[N,2]` float64."""
        rows, columns = (
            torch.arange(count, dtype=torch.float64) for count in (self.rows, self.columns)
        )
        return torch.cartesian_prod(rows, columns)
