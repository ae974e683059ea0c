"""One channel out of an EXR file, and into one (the optional library OpenEXR)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError, MissingDependencyError
from .files import read_file, replacing

# Names of depth channels, best first, in any layer: renderers write Z or Layer.Depth.Z, others put
# depth into a picture's brightness or its first colour.
_DEPTH_CHANNELS = ("z", "depth", "y", "r")


def read_depth_channel(path: Path) -> np.ndarray:
    """The depth channel of an EXR file `[H,W]` float32, in whatever unit it has.

    Raises:
        FileError: the file is missing, damaged, or has no such channel.
        MissingDependencyError: OpenEXR is not installed.
    """
    library = _library(path)
    read_file(path, 1)  # for its errors: OpenEXR only says that it failed
    try:
        with library.File(str(path), separate_channels=True) as file:
            channels = {
                name: np.array(channel.pixels, np.float32)
                for part in file.parts
                for name, channel in part.channels.items()
            }
    except Exception as error:
        raise FileError(str(path), f"a damaged EXR file ({error})", "Export it again.") from error
    if not channels:  # OpenEXR prints what failed and goes on without them
        raise FileError(str(path), "an EXR file without a readable channel", "Export it again.")
    for wanted in _DEPTH_CHANNELS:
        for name, pixels in channels.items():
            if name.lower().rpartition(".")[2] == wanted:
                return pixels
    listed = ", ".join(channels)
    raise FileError(str(path), f"the channels {listed}", "Export depth as the channel Z.")


def write_depth_channel(path: Path, values: np.ndarray) -> None:
    """Write `[H,W]` float32 as the channel Z of an EXR file.

    Raises:
        FileError: the file cannot be written.
        MissingDependencyError: OpenEXR is not installed.
    """
    library = _library(path)
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    with replacing(path) as temporary, library.File(header, {"Z": values}) as file:
        try:
            file.write(str(temporary))
        except RuntimeError as error:  # OpenEXR's own for what is an OSError elsewhere
            raise OSError(str(error)) from error


def _library(path: Path) -> Any:
    try:
        import OpenEXR
    except ImportError as error:
        raise MissingDependencyError(
            str(path),
            "an EXR file, but OpenEXR is not installed",
            "Run `pip install focuspuller[exr]`, or use .npy.",
        ) from error
    return OpenEXR
