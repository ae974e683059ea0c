"""What goes along a VIDEO link: the part of ComfyUI's videos that Focus Puller uses."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor


class VideoFromFile:
    """A video in a file.

    Args:
        file: its path.
    """

    def __init__(self, file: str | Path) -> None:
        self._file = str(file)

    def get_stream_source(self) -> str:
        """Where it can be read frame by frame."""
        return self._file


class VideoComponents(NamedTuple):
    """What a video is made of.

    Args:
        images: `[B,H,W,C]`, 0..1.
        frame_rate: frames per second.
        audio: its sound, always none here.
    """

    images: Tensor
    frame_rate: Fraction
    audio: Any = None


class VideoFromComponents(VideoFromFile):
    """A video that was never a file."""

    def __init__(self, components: VideoComponents) -> None:
        super().__init__("")
        self._components = components

    def get_components(self) -> VideoComponents:
        """Its images and how fast they follow."""
        return self._components
