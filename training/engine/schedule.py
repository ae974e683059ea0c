"""Learning rates by step."""

from __future__ import annotations

import math

from .config import Optimizer


def learning_rate(optimizer: Optimizer, step: int, steps: int) -> float:
    """Of a step, counted from 0.

    Args:
        optimizer: its settings.
        step: whose learning rate.
        steps: of the run.
    """
    rise = min(1.0, (step + 1) / (optimizer.warmup_steps + 1))
    if optimizer.schedule == "constant":
        return optimizer.learning_rate * rise
    left = max(1, steps - optimizer.warmup_steps)
    done = max(0, step - optimizer.warmup_steps) / left
    return optimizer.learning_rate * rise * 0.5 * (1.0 + math.cos(math.pi * done))
