"""Rack focus from keyframes that people write: focus distance and f-number over the frames.

    0: 2m f/1.8; 24: 2m; 48: 0.7m f/4 linear

The two are tracks of their own: a keyframe may set one, or both. Each moves from one of its
keyframes to the next, the focus evenly in disparity as a focus ring does, the f-number evenly in
stops. Before the first and after the last they hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from ..errors import InputError
from .focus import Easing, Focus, eased
from .optics import Camera

FORM = (
    'Write FRAME: DISTANCE f/N, with a semicolon or a new line between, such as "0: 2m f/2; '
    '24: 0.7m linear". A distance is metres (2m, inf) or relative disparity (0.4; 1 is nearest).'
)
MAX_FRAMES = 10000
# Frame, value, and the easing of the move to it.
_Key = tuple[int, float, Easing]
_NUMBER = r"(?:\d+\.?\d*|\.\d+)"
_KEYFRAME = re.compile(
    rf"(?P<frame>\d+)\s*:(?:\s*(?:(?P<metres>{_NUMBER})\s*m|(?P<infinite>inf)|(?P<disparity>{_NUMBER}))"
    rf"(?=\s|$))?(?:\s*f/(?P<f_number>{_NUMBER})(?=\s|$))?(?:\s*(?P<easing>smooth|linear))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Keyframe:
    """What is set at one frame.

    Args:
        frame: its index, from 0.
        focus: of one image; None leaves the focus to the keyframes beside.
        f_number: None leaves it to the keyframes beside.
        easing: of the moves that end here.
    """

    frame: int
    focus: Focus | None = None
    f_number: float | None = None
    easing: Easing = "smooth"


@dataclass(frozen=True)
class RackFocus:
    """Focus and f-number over the frames.

    Args:
        keyframes: one or more, in any order.

    Raises:
        InputError: there is none with a focus, two are on one frame, or metric and relative focus
            are mixed.

    Example:
        >>> rack = RackFocus.from_text("0: 2m f/2; 48: 0.5m f/4")
        >>> rack.focus(49).distance_m[24]
        tensor(0.8000)
    """

    keyframes: Sequence[Keyframe]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.keyframes, key=lambda keyframe: keyframe.frame))
        object.__setattr__(self, "keyframes", ordered)
        frames = [keyframe.frame for keyframe in ordered]
        kinds = {keyframe.focus.is_metric for keyframe in ordered if keyframe.focus}
        if not kinds:
            raise InputError("keyframes", "no distance", FORM)
        if len(kinds) > 1:
            raise InputError("keyframes", "metric and relative focus", "Use one kind for all.")
        if len(set(frames)) < len(frames) or not 0 <= frames[0] <= frames[-1] < MAX_FRAMES:
            advice = f"Give each frame once, from 0 to {MAX_FRAMES - 1}."
            raise InputError("keyframes", f"the frames {frames}", advice)

    @classmethod
    def from_text(cls, text: str) -> RackFocus:
        """Keyframes as in the example at the top of this module.

        Raises:
            InputError: it is written otherwise, and as above.
        """
        entries = [entry.strip() for entry in re.split(r"[;\n]", text)]
        return cls([_keyframe(entry) for entry in entries if entry])

    @property
    def length(self) -> int:
        """How many frames it takes to come to the last keyframe."""
        return self.keyframes[-1].frame + 1

    @property
    def has_f_numbers(self) -> bool:
        """Whether the f-number is set anywhere."""
        return self.first_f_number is not None

    @property
    def first_f_number(self) -> float | None:
        """What the f-number is set to first; None where it is set nowhere."""
        return next((key.f_number for key in self.keyframes if key.f_number is not None), None)

    def focus(self, frames: int) -> Focus:
        """The focus of each of the first `frames` frames."""
        is_metric = any(key.focus.is_metric for key in self.keyframes if key.focus)
        track: list[_Key] = [
            (key.frame, float(key.focus.plane[0]), key.easing)
            for key in self.keyframes
            if key.focus
        ]
        return Focus.at_disparity(_track(track, frames), is_metric)

    def cameras(self, camera: Camera, frames: int) -> list[Camera]:
        """The camera of each of the first `frames` frames: `camera` with the f-numbers."""
        stops: list[_Key] = [
            (key.frame, math.log2(key.f_number), key.easing)
            for key in self.keyframes
            if key.f_number is not None
        ]
        if not stops:
            return [camera] * frames
        return [replace(camera, f_number=2.0**stop) for stop in _track(stops, frames)]


def _keyframe(entry: str) -> Keyframe:
    found = _KEYFRAME.fullmatch(entry)
    if found is None:
        raise InputError("keyframes", repr(entry), FORM)
    f_number = found["f_number"] and float(found["f_number"])
    focus = _focus(found)
    if f_number == 0 or (focus is None and f_number is None):
        raise InputError("keyframes", repr(entry), FORM)
    easing: Easing = "linear" if (found["easing"] or "").lower() == "linear" else "smooth"
    return Keyframe(int(found["frame"]), focus, f_number or None, easing)


def _focus(found: re.Match[str]) -> Focus | None:
    if found["infinite"]:
        return Focus.at_disparity(0.0, is_metric=True)
    if found["metres"]:
        return Focus.at_distance(float(found["metres"]))
    if found["disparity"]:
        return Focus.at_disparity(float(found["disparity"]), is_metric=False)
    return None


def _track(keys: Sequence[_Key], frames: int) -> list[float]:
    """A value for each frame; between two keys it moves with the easing of the later one."""
    values = torch.full((frames,), keys[-1][1], dtype=torch.float64)
    values[: keys[0][0]] = keys[0][1]
    for (start, before, _), (end, after, easing) in pairwise(keys):
        here = torch.arange(start, max(start, min(end, frames)), dtype=torch.float64)
        moved = eased((here - start) / (end - start), easing)
        values[start : start + len(here)] = before + (after - before) * moved
    return values.tolist()
