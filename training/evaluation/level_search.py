"""The bokeh level at which a system comes closest to a photograph.

Benchmarks without known levels compare every system at its own best one, found by the SSIM with the
target (Generative Refocusing section 4.1.4, after BokehMe).
"""

from __future__ import annotations

import math
from collections.abc import Callable

# Factor between the levels of the first look, and how exactly the best is found, as a factor.
SCAN_RATIO = 2.0
PRECISION = 1.05
GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def best_level(
    likeness: Callable[[float], float], lowest: float, highest: float, precision: float = PRECISION
) -> float:
    """The level of the highest likeness.

    Levels by factors of two from the lowest on until likeness has fallen twice in a row, then a
    golden section over the logarithm around the best of them. About 15 pictures.

    Args:
        likeness: of the system's picture at a level to the target.
        lowest, highest: levels to search between, > 0.
        precision: factor within which the best is found.
    """
    known: dict[float, float] = {}

    def at(log_level: float) -> float:
        if log_level not in known:
            known[log_level] = likeness(math.exp(log_level))
        return known[log_level]

    low, high, step = math.log(lowest), math.log(highest), math.log(SCAN_RATIO)
    scanned: list[float] = []
    place = low
    while place < high and not _fell_twice(scanned):
        scanned.append(at(place))
        place += step
    if not _fell_twice(scanned):
        at(high)
    best = max(known, key=known.__getitem__)
    return math.exp(_golden(at, max(low, best - step), min(high, best + step), precision, known))


def _fell_twice(values: list[float]) -> bool:
    return len(values) >= 3 and values[-3] > values[-2] > values[-1]


def _golden(
    at: Callable[[float], float],
    low: float,
    high: float,
    precision: float,
    known: dict[float, float],
) -> float:
    inner = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)]
    while high - low > math.log(precision):
        if at(inner[0]) >= at(inner[1]):
            high = inner[1]
            inner = [high - GOLDEN * (high - low), inner[0]]
        else:
            low = inner[0]
            inner = [inner[1], low + GOLDEN * (high - low)]
    return max(known, key=known.__getitem__)
