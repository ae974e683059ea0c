"""Focus that is found anew in every frame of a sequence: following subjects, pulling between them.

`pull_focus` knows all focus planes before it starts. Where subjects move, or where the frames
stream past and nobody has seen the last one yet, the places to focus on are known but not their
depth. A `FocusPath` names the places; a `FocusFollower` measures them in each frame as it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ..errors import InputError
from .depth import Depth
from .focus import Easing, Focus, check_easing, eased
from .focus_areas import Area, focus_on_area

# What to focus on in a frame: a point or a region, a focus that is known already, or a function
# that finds it in the frame's depth.
Place = Area | Focus | Callable[[Depth], Focus]

# Part of the way to its measured depth that a followed focus moves per frame: it settles within a
# few frames, and noise in the depth does not make it tremble.
FOLLOWING = 0.25


@dataclass(frozen=True)
class FocusPath:
    """Places to focus on, at frames.

    Between two keyframes the focus moves from one place to the other, evenly in disparity, both
    measured in the frame at hand. Before the first and after the last it holds.

    Args:
        keyframes: (frame index, place), in any order.
        easing: "smooth" starts and stops each move gently, "linear" does not.
        follows: measure the places in every frame; else once, in the first.
        width: span of disparity that stays sharp around a point or region.

    Raises:
        InputError: no keyframes, two on one frame, a frame before the first, or another easing.

    Example:
        >>> rack = FocusPath([(0, (0.4, 0.3)), (47, (0.8, 0.5))])
    """

    keyframes: Sequence[tuple[int, Place]]
    easing: Easing = "smooth"
    follows: bool = True
    width: float = 0.0

    def __post_init__(self) -> None:
        check_easing(self.easing)
        object.__setattr__(self, "keyframes", tuple(sorted(self.keyframes, key=lambda key: key[0])))
        frames = [frame for frame, _ in self.keyframes]
        if not frames:
            raise InputError("keyframes", "none", "Give at least one.")
        if len(set(frames)) != len(frames) or frames[0] < 0:
            raise InputError("keyframes", f"the frames {frames}", "Give each frame once, from 0.")

    def measured(self, depth: Depth) -> list[Focus]:
        """The focus at each keyframe's place, in the depth of one image."""
        return [self._found(place, depth) for _, place in self.keyframes]

    def _found(self, place: Place, depth: Depth) -> Focus:
        if isinstance(place, Focus):
            return place
        return place(depth) if callable(place) else focus_on_area(depth, place, self.width)


class FocusFollower:
    """The focus of one frame after the other, along a path."""

    def __init__(self, path: FocusPath) -> None:
        self._path = path
        self._index = -1
        self._found: list[Focus] = []

    def find(self, depth: Depth) -> Focus:
        """The focus of the next frame.

        Args:
            depth: of that frame, one image.

        Raises:
            InputError: metric and relative places are mixed, or a place is outside the image.
        """
        self._index += 1
        if not self._found:
            self._found = self._path.measured(depth)
            if len({focus.is_metric for focus in self._found}) > 1:
                raise InputError("keyframes", "metric and relative focus", "Use one kind for all.")
        elif self._path.follows:
            now = zip(self._found, self._path.measured(depth), strict=True)
            self._found = [_between(before, after, FOLLOWING) for before, after in now]
        return self._interpolated()

    def _interpolated(self) -> Focus:
        frames = [frame for frame, _ in self._path.keyframes]
        after = next((n for n, frame in enumerate(frames) if frame > self._index), len(frames))
        if after in (0, len(frames)):
            return self._found[max(0, after - 1)]
        start, end = frames[after - 1], frames[after]
        progress = torch.tensor((self._index - start) / (end - start))
        moved = float(eased(progress, self._path.easing))
        return _between(self._found[after - 1], self._found[after], moved)


def _between(start: Focus, end: Focus, moved: float) -> Focus:
    plane, near, far = (
        torch.lerp(a, b, moved)
        for a, b in ((start.plane, end.plane), (start.near, end.near), (start.far, end.far))
    )
    return Focus(plane, near, far, start.is_metric)
