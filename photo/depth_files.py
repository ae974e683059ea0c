"""Depth maps as files: images, NumPy arrays and EXR.

The same parameters read every kind of file. Two things have to be known: what the stored numbers
are linear in (`encoding`), and between which distances they lie (`near_m`, `far_m`).

| stored | without a range | with a range |
|---|---|---|
| 8 or 16-bit values: images, uint8 and uint16 arrays | codes 0..1, relative | codes 0..1, metric |
| floats, encoding "depth" | metres, inf = infinitely far | codes 0..1, metric |
| floats, encoding "disparity" | 1/m, 0 = infinitely far | codes 0..1, metric |
| floats, encoding "relative" | relative disparity on any scale | – |

`.npz` and `.exr` also hold what else is known of a depth map: `focal_length_px` (an array, an
attribute of the header) and `confidence` (an array, a channel).
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image

from ..errors import FileError, InputError
from ..lens.depth import Depth, decode_depth
from .exif import read_camera_data
from .exr import depth_channel, read_exr, write_exr
from .files import read_file, replacing
from .pixels import decode_image, deep_colours, grey_levels, upright

logger = logging.getLogger(__name__)

DepthEncoding = Literal["depth", "disparity", "relative"]

_IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp")
# Names of files that `load_depth` reads.
DEPTH_SUFFIXES = (*_IMAGE_SUFFIXES, ".npy", ".npz", ".exr")
# Names of files that `save_depth` writes.
WRITABLE_DEPTH_SUFFIXES = (".npz", ".npy", ".png", ".exr")
# How far rounding in a JPEG may pull the channels of a grey picture apart, of 255.
_GREY_TOLERANCE = 3
_UINT16_MAX = 65535
# Arrays of an .npz that are not the map itself.
_OTHERS = ("focal_length_px", "confidence")


class _Stored(NamedTuple):
    """What a file holds.

    Args:
        values: `[H,W]` float32.
        is_coded: whether they are codes 0..1 rather than measures.
        encoding: what they are linear in, if the file tells.
        focal_length_px: of the image that the depth belongs to, if the file tells.
        confidence: `[H,W]` float32, if the file tells.
    """

    values: np.ndarray
    is_coded: bool
    encoding: DepthEncoding | None = None
    focal_length_px: float | None = None
    confidence: np.ndarray | None = None

    def attached_to(self, depth: Depth, path: Path) -> Depth:
        """The depth made of the values, with what else the file at `path` tells."""
        focal_length, sure = self.focal_length_px, self.confidence
        if focal_length is not None and not 0 < focal_length < math.inf:
            received = f"a focal length of {focal_length:g} px"
            raise FileError(str(path), received, "Save it with one above zero, or without.")
        if sure is not None and sure.shape != self.values.shape:
            received = f"depth {list(self.values.shape)} with confidence {list(sure.shape)}"
            raise FileError(str(path), received, "Save both in the same size.")
        confidence = None if sure is None else torch.from_numpy(sure)[None, None].nan_to_num(0.0)
        return replace(
            depth,
            focal_length_px=focal_length,
            confidence=None if confidence is None else confidence.clamp(0.0, 1.0),
        )


def load_depth(
    path: str | Path,
    encoding: DepthEncoding | None = None,
    near_is_white: bool = True,
    near_m: float | None = None,
    far_m: float | None = None,
) -> Depth:
    """Load a depth map.

    Args:
        path: `.png`, `.tif`, `.jpg`, `.webp`, `.npy`, `.npz` or `.exr`. Of an `.npz`, the array
            `depth`, `disparity` or `relative` is read, or its only one; of an `.exr`, the channel
            Z or depth of any layer, else Y or R. Shapes `[H,W]`, `[1,H,W]`, `[H,W,1]`, and
            `[H,W,3]` if grey.
        encoding: what the numbers are linear in, see the table of the module. None: an `.npz`
            array's name says it, else "disparity" for codes and "depth" for other numbers.
        near_is_white: whether the largest code or relative value is the nearest point. Metres and
            1/m need no telling.
        near_m, far_m: the distances in metres of the nearest and farthest code; both or neither.

    Returns:
        `[1,1,H,W]` float32.

    Raises:
        FileError: the file is missing, damaged or holds no depth map.
        InputError: encoding and range do not go together.
        MissingDependencyError: EXR without OpenEXR.
    """
    path = Path(path)
    _check_range(encoding, near_m, far_m)
    _check_suffix(path)
    if path.suffix.lower() == ".exr":
        stored = _read_exr(path)
    else:
        stored = _read(read_file(path), path, encoding)
    return _depth_of(stored, path, encoding, near_is_white, near_m, far_m)


def decode_depth_file(
    content: bytes,
    path: Path,
    encoding: DepthEncoding | None = None,
    near_is_white: bool = True,
    near_m: float | None = None,
    far_m: float | None = None,
) -> Depth:
    """The depth map that the bytes of a file hold, as `load_depth` gives it; no EXR.

    Args:
        content: the bytes of the file.
        path: its name, whose suffix says what they are.
        encoding, near_is_white, near_m, far_m: as of `load_depth`.

    Raises:
        FileError: the content is damaged or holds no depth map.
        InputError: encoding and range do not go together.
    """
    _check_range(encoding, near_m, far_m)
    _check_suffix(path)
    stored = _read(content, path, encoding)
    return _depth_of(stored, path, encoding, near_is_white, near_m, far_m)


def _check_range(encoding: DepthEncoding | None, near_m: float | None, far_m: float | None) -> None:
    if encoding == "relative" and not (near_m is None and far_m is None):
        raise InputError("encoding", "'relative' with a range", "Say depth or disparity instead.")


def _depth_of(
    stored: _Stored,
    path: Path,
    encoding: DepthEncoding | None,
    near_is_white: bool,
    near_m: float | None,
    far_m: float | None,
) -> Depth:
    has_range = near_m is not None or far_m is not None
    values = torch.from_numpy(stored.values)[None, None]  # [1,1,H,W]
    encoding = encoding or stored.encoding
    if stored.is_coded or has_range:
        _check_codes(stored.values, path)
        coded_as = "depth" if encoding == "depth" else "disparity"
        decoded = decode_depth(values, coded_as, near_is_white, near_m, far_m)
        return stored.attached_to(decoded, path)
    try:
        return stored.attached_to(_measured(values, encoding, near_is_white), path)
    except InputError as error:  # Not one valid value: no fault of the options.
        raise FileError(str(path), error.received, error.advice) from error


def _measured(values: torch.Tensor, encoding: DepthEncoding | None, near_is_white: bool) -> Depth:
    if encoding == "relative":
        return Depth.from_relative(values if near_is_white else 1.0 - values)
    if encoding == "disparity":
        return Depth.from_metric_disparity(values)
    return Depth.from_metres(values)


def save_depth(path: str | Path, depth: Depth) -> tuple[float, float] | None:
    """Save one depth map.

    Args:
        path: `.npz` and `.exr` (channel Z) take everything, as metres, or as relative disparity
            if the depth is relative; `.npy` the same without focal length and confidence; `.png`
            takes disparity with 16 bits, white = near.
        depth: `[1,1,H,W]`.

    Returns:
        For a metric PNG the range `(near_m, far_m)` with which `load_depth` reads it again, far_m
        may be infinity; else None.

    Raises:
        InputError: several depth maps, or another kind of file.
        FileError: the file cannot be written.
        MissingDependencyError: EXR without OpenEXR.
    """
    path = Path(path)
    if depth.disparity.shape[0] != 1:
        raise InputError("depth", f"a batch of {depth.disparity.shape[0]}", "Save one at a time.")
    suffix = path.suffix.lower()
    if suffix == ".png":
        return _save_png(path, depth)
    measures = depth.metres if depth.is_metric else depth.disparity
    values = measures[0, 0].detach().cpu().float().numpy()
    if suffix == ".npy":
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, values, allow_pickle=False)
    elif suffix == ".npz":
        arrays = {"depth" if depth.is_metric else "relative": values, **_confidence(depth)}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays, **_focal_length(depth))
    elif suffix == ".exr":
        write_exr(path, {"Z": values, **_confidence(depth)}, _focal_length(depth))
    else:
        raise InputError("path", repr(path.name), "End the name in .npz, .npy, .png or .exr.")
    return None


def _focal_length(depth: Depth) -> dict[str, Any]:
    value = depth.focal_length_px
    return {} if value is None else {"focal_length_px": float(value)}


def _confidence(depth: Depth) -> dict[str, np.ndarray]:
    if depth.confidence is None:
        return {}
    return {"confidence": depth.confidence[0, 0].detach().cpu().float().numpy()}


def _save_png(path: Path, depth: Depth) -> tuple[float, float] | None:
    disparity = depth.disparity[0, 0].detach().cpu().double().numpy()
    near, far = 1.0, 0.0
    if depth.is_metric:
        # A range needs two ends, and a near one that is not at infinity.
        near = float(disparity.max()) or near
        far = float(disparity.min()) if disparity.min() < near else far
    codes = ((disparity - far) / (near - far) * _UINT16_MAX).round().astype(np.uint16)
    with replacing(path) as temporary:
        Image.fromarray(codes).save(temporary, "PNG")
    if not depth.is_metric:
        return None
    return 1.0 / near, 1.0 / far if far > 0 else math.inf


def _check_suffix(path: Path) -> None:
    if path.is_dir():
        raise FileError(str(path), "a folder for a single picture", "Give one of its files.")
    suffix = path.suffix.lower()
    if suffix not in DEPTH_SUFFIXES:
        known = ", ".join(DEPTH_SUFFIXES)
        raise FileError(str(path), f"a file of kind {suffix!r}", f"Give one of {known}.")


def _read(content: bytes, path: Path, encoding: DepthEncoding | None) -> _Stored:
    if path.suffix.lower() in (".npy", ".npz"):
        return _read_array(content, path, encoding)
    return _read_image(content, path)


def _read_image(content: bytes, path: Path) -> _Stored:
    decoded = decode_image(content, path)
    for problem in decoded.problems:
        logger.warning("%s: %s", path, problem)
    image = decoded.image
    if image.mode == "F":
        values, is_coded = np.array(image, np.float32), False
    else:
        _check_grey(image, path)
        low_bytes = decoded.low_bytes
        deep = None if low_bytes is None else deep_colours(image, low_bytes)[..., 0]
        values, is_coded = grey_levels(image) if deep is None else deep, True
    orientation = read_camera_data(decoded.exif).orientation
    return _Stored(np.ascontiguousarray(upright(values, orientation)), is_coded)


def _check_grey(image: Image.Image, path: Path) -> None:
    if image.mode in ("L", "LA", "1") or image.mode.startswith("I"):
        return
    channels = np.asarray(image.convert("RGB"), np.int16)
    if np.ptp(channels, axis=2).max() > _GREY_TOLERANCE:
        raise FileError(
            str(path),
            "a colour picture",
            "Give depth as grey values; colour maps cannot be turned back into depth.",
        )


def _read_exr(path: Path) -> _Stored:
    file = read_exr(path)
    values = depth_channel(file, path)
    sure = file.channels.get("confidence")
    return _Stored(values, False, None, file.header.get("focal_length_px"), sure)


def _read_array(content: bytes, path: Path, encoding: DepthEncoding | None) -> _Stored:
    others: dict[str, np.ndarray] = {}
    try:
        loaded = np.load(BytesIO(content), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            name, array = None, loaded
        else:
            name = _chosen_name(loaded.files, encoding, path)
            array = loaded[name]
            others = {key: loaded[key] for key in _OTHERS if key in loaded.files}
    except FileError:
        raise
    # Damaged files lead NumPy and zipfile to any exception.
    except Exception as error:
        raise FileError(
            str(path), f"a damaged or pickled array ({error})", "Save it with numpy.save."
        ) from error
    own_encoding: DepthEncoding | None = name if name in ("disparity", "relative") else None
    values = _as_map(array, path)
    is_coded = array.dtype in (np.uint8, np.uint16)
    if is_coded:
        values = values / np.float32(np.iinfo(array.dtype).max)
    focal_length, sure = others.get("focal_length_px"), others.get("confidence")
    return _Stored(
        values,
        is_coded,
        own_encoding,
        None if focal_length is None else float(focal_length),
        None if sure is None else _as_map(sure, path),
    )


def _chosen_name(names: list[str], encoding: DepthEncoding | None, path: Path) -> str:
    for name in (encoding, "depth", "disparity", "relative"):
        if name in names:
            return str(name)
    candidates = [name for name in names if name not in _OTHERS]
    if len(candidates) == 1:
        return candidates[0]
    listed = ", ".join(names) or "none"
    raise FileError(str(path), f"the arrays {listed}", "Name one of them depth or disparity.")


def _as_map(array: np.ndarray, path: Path) -> np.ndarray:
    """`[H,W]` float32 of an array in one of the shapes that depth maps have."""
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise FileError(str(path), f"values of type {array.dtype}", "Give floats or integers.")
    shape = array.shape
    if len(shape) == 3 and shape[0] == 1:
        array = array[0]
    elif len(shape) == 3 and (shape[2] == 1 or (shape[2] == 3 and _is_grey(array))):
        array = array[..., 0]
    if array.ndim != 2 or 0 in array.shape:
        raise FileError(str(path), f"an array of shape {list(shape)}", "Give one map [H,W].")
    return np.ascontiguousarray(array, np.float32)


def _is_grey(array: np.ndarray) -> bool:
    return np.array_equal(array, np.repeat(array[..., :1], 3, axis=2), equal_nan=True)


def _check_codes(values: np.ndarray, path: Path) -> None:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0.0 and high <= 1.0):
        raise FileError(
            str(path),
            f"values {low:g}..{high:g} with near_m and far_m",
            "A range is for codes 0..1; leave it out if these are metres or 1/m.",
        )
