"""How far a piece of work has got."""

from __future__ import annotations

from collections.abc import Callable

# Called with the finished fraction, 0..1. What it raises ends the work.
OnProgress = Callable[[float], None]


def part_of(on_progress: OnProgress | None, index: int, count: int) -> OnProgress | None:
    """Progress of one of `count` parts as progress of the whole."""
    if on_progress is None:
        return None
    return lambda fraction: on_progress((index + fraction) / count)
