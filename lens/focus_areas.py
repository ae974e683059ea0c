"""Focus on several areas at once, points or rectangular regions: one is in the focus plane, all are
sharp."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import InputError
from .depth import Depth
from .focus import Focus, focus_on_point

# Places as fractions of width and height, from the top left.
Point = tuple[float, float]
# Left, top, right and bottom, in the same fractions.
Region = tuple[float, float, float, float]
Area = Point | Region

FORM = (
    "Write points x,y and regions left,top,right,bottom as fractions (0..1), separated by "
    "semicolons, such as 0.2,0.4; 0.6,0.3,0.8,0.5."
)
REGION_FORM = "Give left, top, right and bottom as fractions, 0..1, such as 0.6,0.3,0.8,0.5."


def focus_on_areas(depth: Depth, areas: Sequence[Area], width: float = 0.0) -> Focus:
    """Focus on the first area and keep what is at all the others sharp too.

    This is what the depth-of-field modes of autofocus cameras aim at, without their having to
    stop down: the sharp range reaches from the farthest to the nearest area.

    Args:
        depth: depth of each image.
        areas: points (x, y) and regions (left, top, right, bottom), as fractions of width and
            height, 0..1 from the top left; one or more.
        width: span of disparity that stays sharp around each area (1/m if the depth is metric,
            else 0..1).

    Raises:
        InputError: there is no area, or one is outside the image.
    """
    if not areas:
        raise InputError("focus_point", "no point", "Give one or more.")
    first, *others = (focus_on_area(depth, area, width) for area in areas)
    near, far = first.near, first.far
    for other in others:
        near, far = near.maximum(other.near), far.minimum(other.far)
    return Focus(first.plane, near, far, first.is_metric)


def focus_on_area(depth: Depth, area: Area, width: float = 0.0) -> Focus:
    """Focus on what is at a point or in a region; see `focus_on_point` and `focus_on_region`."""
    if len(area) == 2:
        return focus_on_point(depth, *area, width)
    return focus_on_region(depth, area, width)


def focus_on_region(depth: Depth, region: Region, width: float = 0.0) -> Focus:
    """Focus on what a rectangle shows most of: the median depth in it, as in that of a mask.

    Args:
        depth: depth of each image.
        region: left, top, right and bottom as fractions, 0..1 from the top left. Pixels count
            whose middle is in it, or the one in its own middle where there are none.
        width: span of disparity that stays sharp.

    Raises:
        InputError: it is empty, or not inside the image.
    """
    if not _is_region(region):
        raise InputError("focus_region", f"({', '.join(f'{n:g}' for n in region)})", REGION_FORM)
    left, top, right, bottom = region
    rows, columns = depth.size
    window = depth.disparity[:, 0, _covered(top, bottom, rows), _covered(left, right, columns)]
    return Focus.at_disparity(window.flatten(1).median(dim=1).values, depth.is_metric, width)


def areas_from_text(text: str, subject: str) -> list[Area]:
    """Points and regions written as "0.2,0.4; 0.6,0.3,0.8,0.5"; none in an empty text.

    Args:
        text: written so.
        subject: what errors call it.

    Raises:
        InputError: it is written otherwise, or an area is outside the image.
    """
    return [_area(part.strip(), subject) for part in text.split(";") if part.strip()]


def region_from_text(text: str, subject: str) -> Region | None:
    """The region written as "0.6,0.3,0.8,0.5"; None in an empty text. Errors as above."""
    match areas_from_text(text, subject):
        case []:
            return None
        case [(left, top, right, bottom)]:
            return left, top, right, bottom
    raise InputError(subject, repr(text.strip()), REGION_FORM)


def _area(text: str, subject: str) -> Area:
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        raise InputError(subject, repr(text), FORM) from None
    match numbers:
        case [x, y] if _is_point((x, y)):
            return x, y
        case [left, top, right, bottom] if _is_region((left, top, right, bottom)):
            return left, top, right, bottom
    raise InputError(subject, repr(text), FORM)


def _is_point(point: Point) -> bool:
    return all(0 <= number <= 1 for number in point)


def _is_region(region: Region) -> bool:
    left, top, right, bottom = region
    return 0 <= left < right <= 1 and 0 <= top < bottom <= 1


def _covered(start: float, end: float, count: int) -> slice:
    """The rows or columns whose middle is between two fractions, at least one."""
    first, stop = math.ceil(start * count - 0.5), math.ceil(end * count - 0.5)
    if first < stop:
        return slice(first, stop)
    middle = min(int((start + end) / 2 * count), count - 1)
    return slice(middle, middle + 1)
