"""How likely examples of each kind are, as the step decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import InputError


@dataclass(frozen=True)
class Ramp:
    """Shares that change evenly between two steps.

    DiffCamera (appendix D) draws photographs and generated pictures alike for 1000 steps, and from
    step 2500 on only generated ones: `Ramp((1, 1), (0, 1), 1000, 2500)`.

    Args:
        before: shares up to the first step, on any scale.
        after: shares from the last step on.
        first_step, last_step: between which they change.

    Raises:
        InputError: shares are negative, all zero or not as many; steps are not in order.
    """

    before: tuple[float, ...]
    after: tuple[float, ...]
    first_step: int = 0
    last_step: int = 0

    def __post_init__(self) -> None:
        for shares in (self.before, self.after):
            if not shares or min(shares) < 0 or sum(shares) <= 0:
                raise InputError("shares", str(shares), "Give numbers, zero or more, not all zero.")
        if len(self.before) != len(self.after):
            raise InputError("shares", f"{self.before} and {self.after}", "Give as many of both.")
        if self.first_step > self.last_step:
            steps = f"{self.first_step} to {self.last_step}"
            raise InputError("steps", steps, "Give them in order.")

    def shares(self, step: int) -> np.ndarray:
        """Shares at a step, adding up to 1."""
        before, after = (np.array(one) / sum(one) for one in (self.before, self.after))
        length = self.last_step - self.first_step
        progress = (step - self.first_step) / length if length else float(step >= self.last_step)
        return before + (after - before) * min(max(progress, 0.0), 1.0)
