"""What goes along a VIDEO link: the part of ComfyUI's `VideoFromFile` that Focus Puller uses."""

from __future__ import annotations

from pathlib import Path


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
