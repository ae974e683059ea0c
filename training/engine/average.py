"""The exponential moving average of what is trained."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """Copies of the trained parameters that follow them slowly, in float32.

    Args:
        network: whose parameters; those without gradient are left out.
        decay: share of the average that stays in a step.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._blend = get_ema_multi_avg_fn(decay)
        self._trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self._copies = {name: p.detach().float().clone() for name, p in self._trained.items()}

    @torch.no_grad()
    def follow(self) -> None:
        """Move towards the parameters as they are now."""
        current = [parameter.detach().float() for parameter in self._trained.values()]
        self._blend(list(self._copies.values()), current, 0)

    def state(self) -> dict[str, Tensor]:
        """The average by name of the parameter."""
        return dict(self._copies)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        for name, copy in self._copies.items():
            copy.copy_(state[name])
