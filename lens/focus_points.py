"""Focus on several points at once: one is in the focus plane, all are sharp."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError
from .depth import Depth
from .focus import Focus, focus_on_point

Point = tuple[float, float]

FORM = "Write x,y pairs of fractions (0..1), separated by semicolons, such as 0.2,0.4; 0.7,0.5."


def focus_on_points(depth: Depth, points: Sequence[Point], width: float = 0.0) -> Focus:
    """Focus on the first point and keep what is at all the others sharp too.

    This is what the depth-of-field modes of autofocus cameras aim at, without their having to
    stop down: the sharp range reaches from the farthest to the nearest point.

    Args:
        depth: depth of each image.
        points: (x, y) as fractions of width and height, 0..1 from the top left; one or more.
        width: span of disparity that stays sharp around each point (1/m if the depth is metric,
            else 0..1).

    Raises:
        InputError: there is no point, or one is outside the image.
    """
    if not points:
        raise InputError("focus_point", "no point", "Give one or more.")
    first, *others = (focus_on_point(depth, x, y, width) for x, y in points)
    near, far = first.near, first.far
    for other in others:
        near, far = near.maximum(other.near), far.minimum(other.far)
    return Focus(first.plane, near, far, first.is_metric)


def points_from_text(text: str) -> list[Point]:
    """Points written as "0.2,0.4; 0.7,0.5"; none in an empty text.

    Raises:
        InputError: it is written otherwise, or a point is outside the image.
    """
    return [_point(pair) for pair in text.split(";") if pair.strip()]


def _point(pair: str) -> Point:
    try:
        x, y = (float(number) for number in pair.split(","))
    except ValueError:
        raise InputError("points", repr(pair.strip()), FORM) from None
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise InputError("points", repr(pair.strip()), FORM)
    return x, y
