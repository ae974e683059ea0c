"""`--resume`: a run that was interrupted goes on with the frames that are missing.

Files appear complete or not at all, so what is there is finished.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError
from .sequence_options import is_video

logger = logging.getLogger(__name__)

T = TypeVar("T")


def check_resume(options: argparse.Namespace) -> None:
    """Refuse to resume a video.

    Raises:
        InputError: so it is.
    """
    if options.resume and is_video(options.out):
        raise InputError("--resume", "a video", "A video is written anew; frames can be resumed.")


def tell_left_out(count: int) -> None:
    """Say how many frames are not made, as they exist."""
    logger.warning("%s there already.", "1 frame was" if count == 1 else f"{count} frames were")


def missing(
    targets: Iterable[Path],
    frames: Iterable[T],
    resume: bool,
    pass_over: Callable[[T], Any] = lambda frame: None,
) -> Iterator[tuple[Path, T]]:
    """The frames that are to be made, and where each goes.

    Args:
        targets: of all frames.
        frames: each is asked for when it is its turn.
        resume: leave out those whose target exists.
        pass_over: looks at one that is left out, where others follow from it.
    """
    left_out = 0
    for path, frame in zip(targets, frames, strict=True):
        if resume and path.exists():
            left_out += 1
            pass_over(frame)
        else:
            yield path, frame
    if left_out:
        tell_left_out(left_out)
