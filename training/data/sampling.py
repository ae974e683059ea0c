"""Which pair an example is made of: drawn from one source or several, as the step decides.

Examples are drawn with the generator that the engine gives for each of them, so that the order
follows from the seed and the number of the example alone: a training that goes on, or one on more
processes, sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from .records import Pair, Source


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


@dataclass(frozen=True)
class Mixture:
    """Pairs of several sources.

    Args:
        sources: none of them empty.
        ramp: the share of each, by step; None draws every pair alike.

    Raises:
        InputError: a source is empty, or there are not as many shares.
    """

    sources: tuple[Source, ...]
    ramp: Ramp | None = None

    def __post_init__(self) -> None:
        if not self.sources or any(len(source) == 0 for source in self.sources):
            raise InputError("sources", "none, or an empty one", "Give sources that have pairs.")
        if self.ramp is not None and len(self.ramp.before) != len(self.sources):
            received = f"{len(self.ramp.before)} for {len(self.sources)} sources"
            raise InputError("shares", received, "Give one for each source.")

    def draw(self, step: int, random: np.random.Generator) -> Pair:
        """The pair of an example: the same for the same step and state of the generator."""
        source = self.sources[int(random.choice(len(self.sources), p=self._shares(step)))]
        return source.record(int(random.integers(len(source))))

    def _shares(self, step: int) -> Sequence[float] | np.ndarray:
        if self.ramp is not None:
            return self.ramp.shares(step)
        sizes = np.array([len(source) for source in self.sources], np.float64)
        return sizes / sizes.sum()
