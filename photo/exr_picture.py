"""Pictures in EXR files: linear light, its colour space, its camera, and depth beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from ..errors import FileError, InputError
from .exif import read_camera_data
from .exif_tags import INFINITE_DISTANCE
from .exif_writing import exif_with_new_focus
from .exr import depth_name, read_exr, split_name, write_exr
from .primaries import REC_709, in_rec_709

Tag = ExifTags.Base
ExrBits = Literal[16, 32]

# What 16 bits hold at most.
_HALF_MAX = 65504.0
# Names of the layer that is the picture, best first; before them a layer without a name.
_PICTURE_LAYERS = ("combined", "rgba", "rgb", "beauty", "image", "composite")
# Below this opacity nothing is left of a colour that was multiplied by it.
_LEAST_ALPHA = 1 / 255


@dataclass(frozen=True, eq=False)
class ExrPicture:
    """A picture in an EXR file.

    Args:
        light: linear light, primaries of sRGB, `[H,W,3]` float32, >= 0; white is 1.
        alpha: opacity `[H,W]` float32 0..1; None if the file has none. `light` holds the colours
            under it, unmixed.
        metres: the depth channel `[H,W]` float32; None if there is none.
        exif: what the header tells of the camera.
        problems: what was lost, in words.
    """

    light: np.ndarray
    alpha: np.ndarray | None
    metres: np.ndarray | None
    exif: Image.Exif
    problems: tuple[str, ...]


def read_exr_picture(path: Path) -> ExrPicture:
    """The picture of an EXR file: R, G and B of the first layer that is one, or the grey Y.

    Raises:
        FileError: the file is missing, damaged, holds no picture, or NaN and infinite pixels.
        MissingDependencyError: OpenEXR is not installed.
    """
    file = read_exr(path)
    problems: list[str] = []
    light, alpha = _picture(file.channels, path, problems)
    _check_finite(light, path)
    if alpha is not None:
        alpha = np.nan_to_num(alpha).clip(0.0, 1.0)
        light = light / np.where(alpha > _LEAST_ALPHA, alpha, 1.0)[..., None]
    light = in_rec_709(light, file.header.get("chromaticities"))
    if (negative := int((light < 0).any(axis=-1).sum())) > 0:
        problems.append(f"Negative light in {negative} pixels is taken as none.")
    if abs(_number(file.header, "pixelAspectRatio", 1.0) - 1.0) > 0.01:
        problems.append("The pixels are not square; the picture is shown squeezed, as stored.")
    depth = depth_name(file.channels)
    return ExrPicture(
        light=np.ascontiguousarray(light.clip(min=0.0), np.float32),
        alpha=alpha,
        metres=None if depth is None else file.channels[depth],
        exif=_exif_of(file.header, light.shape),
        problems=tuple(problems),
    )


def write_exr_picture(
    path: Path,
    light: np.ndarray,
    exif: Image.Exif | bytes | None = None,
    f_number: float | None = None,
    subject_distance_m: float | None = None,
    metres: np.ndarray | None = None,
    bits: ExrBits = 16,
) -> None:
    """Write linear light as R, G and B, and depth as Z.

    Args:
        path: the file.
        light: `[H,W,3]` float, primaries of sRGB.
        exif: of the original; make, model, focal length and sensor go into the header.
        f_number: of the picture; None: as in `exif`.
        subject_distance_m: focus distance in metres, may be infinity; None: as in `exif`.
        metres: depth `[H,W]`, 32 bits.
        bits: per colour; light beyond what 16 bits hold is written with 32.

    Raises:
        InputError: NaN or infinite light, no such number of bits.
        FileError: the file cannot be written.
        MissingDependencyError: OpenEXR is not installed.
    """
    if bits not in (16, 32):
        raise InputError("exr_bits", repr(bits), "Give 16 or 32.")
    if not np.isfinite(light).all():
        raise InputError("image", "NaN or infinite pixels", "Repair them before saving.")
    fits = bits == 16 and np.abs(light).max() <= _HALF_MAX
    pixels = light.astype(np.float16 if fits else np.float32)
    channels = {name: pixels[..., index] for index, name in enumerate("RGB")}
    if metres is not None:
        channels["Z"] = metres.astype(np.float32)
    size = (light.shape[1], light.shape[0])
    new_exif = exif_with_new_focus(exif, f_number, subject_distance_m, size)
    write_exr(path, channels, {"chromaticities": REC_709} | _attributes_of(new_exif, size))


def _picture(
    channels: Mapping[str, np.ndarray], path: Path, problems: list[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Colours `[H,W,3]` and opacity, as stored."""
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, pixels in channels.items():
        layer, channel = split_name(name)
        layers.setdefault(layer, {})[channel.upper()] = pixels
    for layer in sorted(layers, key=_picture_rank):
        found = layers[layer]
        if all(color in found for color in "RGB"):
            return np.stack([found[color] for color in "RGB"], axis=-1), found.get("A")
    for layer in sorted(layers, key=_picture_rank):
        found = layers[layer]
        if "Y" in found and "X" not in found:
            if "RY" in found or "BY" in found or len(channels) == 1:
                problems.append("The picture is read as grey, from the channel Y.")
            return np.repeat(found["Y"][..., None], 3, axis=-1), found.get("A")
    listed = ", ".join(channels)
    raise FileError(
        str(path),
        f"an EXR file without a picture (channels: {listed})",
        "Export R, G and B; as depth, give it to Load Depth or --depth.",
    )


def _picture_rank(layer: str) -> int:
    last = split_name(layer.lower())[1]
    if not last:
        return 0
    return 1 + (_PICTURE_LAYERS.index(last) if last in _PICTURE_LAYERS else len(_PICTURE_LAYERS))


def _check_finite(light: np.ndarray, path: Path) -> None:
    bad = int((~np.isfinite(light)).any(axis=-1).sum())
    if bad:
        raise FileError(
            str(path),
            f"{bad} NaN or infinite pixels of {light.shape[0] * light.shape[1]}",
            "Repair them in the program that made the file: clamp its light, or remove fireflies.",
        )


def _exif_of(header: Mapping[str, Any], shape: tuple[int, ...]) -> Image.Exif:
    """The header's camera in EXIF, in which all of this package speaks of cameras."""
    photo: dict[int, Any] = {}
    for tag, name in ((Tag.FNumber, "aperture"), (Tag.FocalLength, "nominalFocalLength")):
        if (value := _number(header, name)) > 0:
            photo[tag] = IFDRational(value)
    if (distance := _number(header, "focus", infinity=True)) > 0:
        photo[Tag.SubjectDistance] = IFDRational(min(distance, INFINITE_DISTANCE))
    if (sensor_mm := _sensor_long_side(header)) > 0:
        size = {Tag.ExifImageWidth: shape[1], Tag.ExifImageHeight: shape[0]}
        per_cm = IFDRational(10.0 * max(shape[:2]) / sensor_mm)
        photo |= size | {Tag.FocalPlaneXResolution: per_cm, Tag.FocalPlaneResolutionUnit: 3}
    exif = Image.Exif()
    for tag, name in ((Tag.Make, "cameraMake"), (Tag.Model, "cameraModel")):
        if isinstance(header.get(name), str):
            exif[tag] = header[name]
    if photo:
        exif[ExifTags.IFD.Exif] = photo
    return exif


def _attributes_of(exif: bytes, size: tuple[int, int]) -> dict[str, Any]:
    """OpenEXR's standard attributes for what EXIF tells of the camera."""
    loaded = Image.Exif()
    loaded.load(exif)
    data = read_camera_data(loaded, size)
    attributes: dict[str, Any] = {
        "cameraMake": data.make,
        "cameraModel": data.model,
        "nominalFocalLength": data.focal_length_mm,
        "aperture": data.f_number,
        "focus": data.subject_distance_m,
    }
    if data.sensor_width_mm is not None:
        sides = np.array(size, np.float32) * (data.sensor_width_mm / max(size))
        attributes["sensorOverallDimensions"] = sides.astype(np.float32)
    return {name: value for name, value in attributes.items() if value is not None}


def _number(
    header: Mapping[str, Any], name: str, default: float = 0.0, infinity: bool = False
) -> float:
    value = header.get(name)
    if not isinstance(value, (int, float, np.floating)):
        return default
    is_meant = math.isfinite(value) or (infinity and value == math.inf)
    # The shortest decimal that the stored 32 bits mean: 1.4, not 1.399999976158142.
    return float(str(np.float32(value))) if is_meant else default


def _sensor_long_side(header: Mapping[str, Any]) -> float:
    """Long side of the sensor in mm; 0 if unknown."""
    sides = header.get("sensorOverallDimensions")
    if not isinstance(sides, np.ndarray) or sides.shape != (2,) or not np.isfinite(sides).all():
        return 0.0
    return float(sides.max())
