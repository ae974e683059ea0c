"""Channels of EXR files, in and out (the optional library OpenEXR)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError, MissingDependencyError
from .files import read_file, replacing

START_OF_EXR = b"\x76\x2f\x31\x01"

# How renderers call the layer of a depth pass, and its channel: Z, depth.Z, ViewLayer.Depth.Z.
_DEPTH_LAYERS = ("depth", "z", "zdepth")
_DEPTH_NAMES = ("z", "depth")
# Channels with that name that are something else.
_NO_DEPTH_LAYERS = ("mist",)


@dataclass(frozen=True, eq=False)
class ExrFile:
    """What an EXR file holds.

    Args:
        channels: `[H,W]` float32 of the display window by name, `layer.channel` or `channel`; where
            there are no pixels 0. In a file of several parts the name of the part comes first.
        header: attributes of the first part.
    """

    channels: Mapping[str, np.ndarray]
    header: Mapping[str, Any]


def require_openexr(path: Path) -> Any:
    """The library OpenEXR.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import OpenEXR
    except ImportError as error:
        raise MissingDependencyError(
            str(path),
            "an EXR file, but OpenEXR is not installed",
            "Run `pip install focuspuller[exr]`, or use another format.",
        ) from error
    return OpenEXR


def read_exr(path: Path) -> ExrFile:
    """All channels of an EXR file.

    Raises:
        FileError: the file is missing, damaged, or has no such channels.
        MissingDependencyError: OpenEXR is not installed.
    """
    library = require_openexr(path)
    read_file(path, 1)  # for its errors: OpenEXR only says that it failed
    try:
        # It prints warnings of damage to where programs expect results.
        with redirect_stdout(sys.stderr), library.File(str(path), separate_channels=True) as file:
            header = dict(file.parts[0].header)
            channels = _displayed_channels(file.parts)
    except Exception as error:  # of OpenEXR, or of what it read in part: its own reason is printed
        raise FileError(str(path), "a damaged EXR file", "Export it again.") from error
    if not channels:  # OpenEXR prints what failed and goes on without them
        raise FileError(str(path), "an EXR file without a readable channel", "Export it again.")
    return ExrFile(channels, header)


def write_exr(path: Path, channels: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Write channels `[H,W]`, float16 or float32, losslessly compressed.

    Raises:
        FileError: the file cannot be written.
        MissingDependencyError: OpenEXR is not installed.
    """
    library = require_openexr(path)
    storage = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    contiguous = {name: np.ascontiguousarray(pixels) for name, pixels in channels.items()}
    with replacing(path) as temporary, library.File(storage | dict(header), contiguous) as file:
        try:
            file.write(str(temporary))
        except RuntimeError as error:  # OpenEXR's own for what is an OSError elsewhere
            raise OSError(str(error)) from error


def depth_channel(file: ExrFile, path: Path) -> np.ndarray:
    """The depth channel of an EXR file `[H,W]` float32, in whatever unit it has.

    Raises:
        FileError: the file, at `path`, has no such channel.
    """
    channels = file.channels
    name = depth_name(channels)
    # Some programs put depth into a picture's brightness or its first colour.
    others = [own for end in ("y", "r") for own in channels if split_name(own)[1].lower() == end]
    if name is None and not others:
        listed = ", ".join(channels)
        raise FileError(str(path), f"the channels {listed}", "Export depth as the channel Z.")
    if name is None and _is_coloured(channels, others[0]):
        raise FileError(str(path), "a colour picture", "Export depth as the channel Z.")
    return channels[name or others[0]]


def _is_coloured(channels: Mapping[str, np.ndarray], red: str) -> bool:
    """Whether green and blue beside a red channel hold a picture of their own."""
    layer = split_name(red)[0].lower()
    lower = {name.lower(): pixels for name, pixels in channels.items()}
    others = [lower.get(f"{layer}.{colour}" if layer else colour) for colour in ("g", "b")]
    return all(
        other is not None and np.ptp(other) > 0 and not np.array_equal(other, channels[red])
        for other in others
    )


def depth_name(names: Iterable[str]) -> str | None:
    """Which of a file's channels is depth; None if none is.

    The Z of a layer with X is a coordinate of vectors: normals, positions, motion.

    Example:
        >>> depth_name(["ViewLayer.Depth.Z", "ViewLayer.Normal.X", "ViewLayer.Normal.Z"])
        'ViewLayer.Depth.Z'
    """
    split = {name: split_name(name.lower()) for name in names}
    with_vectors = {layer for layer, channel in split.values() if channel == "x"}
    single = {name: parts for name, parts in split.items() if parts[0] not in with_vectors}
    for name, (layer, channel) in single.items():
        if not layer and channel in _DEPTH_NAMES:
            return name
    for name, (layer, channel) in single.items():
        if split_name(layer)[1] in _DEPTH_LAYERS and channel in (*_DEPTH_NAMES, "v", "y", "r"):
            return name
    for name, (layer, channel) in single.items():
        if channel in _DEPTH_NAMES and split_name(layer)[1] not in _NO_DEPTH_LAYERS:
            return name
    return None


def split_name(name: str) -> tuple[str, str]:
    """Layer and channel of a channel's name.

    Example:
        >>> split_name("ViewLayer.Combined.R")
        ('ViewLayer.Combined', 'R')
    """
    layer, _, channel = name.rpartition(".")
    return layer, channel


def _displayed_channels(parts: list[Any]) -> dict[str, np.ndarray]:
    channels = {}
    for part in parts:
        prefix = f"{part.name()}." if len(parts) > 1 and part.name() else ""
        for name, channel in part.channels.items():
            pixels = _displayed(np.array(channel.pixels, np.float32), part.header, parts[0].header)
            if pixels is not None:
                channels.setdefault(prefix + name, pixels)
    return channels


def _displayed(
    pixels: np.ndarray, header: Mapping[str, Any], first_header: Mapping[str, Any]
) -> np.ndarray | None:
    """The display window: files may store less than it, or a margin around it.

    None for deep pixels, and for colours that are stored with fewer pixels than the picture has.
    """
    stored_from, stored_to = (np.asarray(corner)[::-1] for corner in header["dataWindow"])
    shown_from, shown_to = (np.asarray(corner)[::-1] for corner in first_header["displayWindow"])
    if pixels.shape != tuple(stored_to - stored_from + 1):
        return None
    if np.array_equal(stored_from, shown_from) and np.array_equal(stored_to, shown_to):
        return pixels
    shown = np.zeros(tuple(shown_to - shown_from + 1), np.float32)
    low, high = np.maximum(stored_from, shown_from), np.minimum(stored_to, shown_to) + 1
    if (high > low).all():
        (top, left), (bottom, right) = low - shown_from, high - shown_from
        (first_row, first_column), (end_row, end_column) = low - stored_from, high - stored_from
        shown[top:bottom, left:right] = pixels[first_row:end_row, first_column:end_column]
    return shown
