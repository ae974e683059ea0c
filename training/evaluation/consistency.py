"""Content Consistency: whether things stay what they are while blur changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from torch import Tensor


def content_consistency(classes: Sequence[Tensor]) -> float:
    """Percentage of pixels that keep a semantic class.

    Fine-grained Defocus, section 4.1 and F.2: a pixel keeps its class between two pictures if any
    of its most likely classes is the same. Taken over all pairs of the series.

    Args:
        classes: of each picture the `[K,H,W]` most likely classes of every pixel, two or more.
    """
    kept = [_kept(one, other) for one, other in combinations(classes, 2)]
    return 100.0 * sum(kept) / len(kept)


def _kept(one: Tensor, other: Tensor) -> float:
    same = (one[:, None] == other[None]).flatten(0, 1).any(0)  # [H,W]
    return float(same.double().mean())
