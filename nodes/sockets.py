"""The links between Focus Puller's nodes, and the check on what arrives through them.

Other packs may use the same names for their links, so what arrives is never trusted.
"""

from __future__ import annotations

from typing import TypeVar

from ..errors import InputError
from .comfy import io

DepthSocket = io.Custom("DEPTH")
FocusSocket = io.Custom("FOCUS")
CameraSocket = io.Custom("CAMERA")
ApertureSocket = io.Custom("APERTURE")
DefocusSocket = io.Custom("DEFOCUS")
LensSocket = io.Custom("LENS")
HighlightsSocket = io.Custom("HIGHLIGHTS")
PhotoSocket = io.Custom("PHOTO")
RefocusModelSocket = io.Custom("REFOCUS_MODEL")

T = TypeVar("T")


def expect(value: object, kind: type[T], subject: str, advice: str) -> T:
    """`value`, if it is of the kind that Focus Puller's nodes exchange.

    Args:
        value: what arrived; None where an earlier node had nothing to give.
        kind: the class it has to be.
        subject: the input.
        advice: which node to connect.

    Raises:
        InputError: it is nothing, or another pack's object.
    """
    if isinstance(value, kind):
        return value
    received = "nothing" if value is None else f"a {type(value).__name__} of another node pack"
    raise InputError(subject, received, advice)


def expect_if_given(value: object, kind: type[T], subject: str, advice: str) -> T | None:
    """As `expect`, for an optional input: None stays None."""
    return None if value is None else expect(value, kind, subject, advice)
