"""How far a long job is, and how fast."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

BAR = "{percentage:3.0f}%|{bar}|"


class Counter:
    """A bar with the rate on a terminal; elsewhere a line now and then, which reads well in a log.

    Example:
        >>> with Counter(200, "scenes") as counter:
        ...     counter.step()
    """

    def __init__(self, total: int, unit: str) -> None:
        seconds = 0.1 if sys.stderr.isatty() else 60.0
        self._bar = tqdm(total=total, unit=f" {unit}", mininterval=seconds, maxinterval=seconds)

    def step(self) -> None:
        """One more is done."""
        self._bar.update()

    def reach(self, done: int) -> None:
        """So many are done."""
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> Counter:
        return self

    def __exit__(self, *reason: object) -> None:
        self._bar.close()


def show(bar: tqdm[Any], fraction: float) -> None:
    """Move a bar to the finished fraction."""
    bar.update(fraction - bar.n)
