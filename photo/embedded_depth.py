"""Depth inside photographs: what phones store with portraits, and writing it the same way.

- GDepth (Google 2014, https://developers.google.com/depthmap-metadata): the depth image as base64
  text in the XMP of a JPEG.
- Dynamic Depth 1.0 (Google 2019): the depth image appended to the JPEG, found through a directory
  in the XMP.
- HEIC: an auxiliary image, found by the library pillow-heif.

Both JPEG kinds code depth as a value v, 0 = near and 1 = far, between the distances n and f:
RangeInverse `z = f n / (f − v (f − n))`, linear in disparity, or RangeLinear `z = n + v (f − n)`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from ..errors import FileError, InputError
from ..lens.depth import Depth, Encoding, decode_depth
from ..lens.optics import relative_disparity
from . import jpeg as jpeg_file
from .pixels import grey_levels, upright
from .xmp import read_xmp, structures, with_xmp

if TYPE_CHECKING:
    from xml.etree import ElementTree

    from pillow_heif import HeifDepthImage

_GDEPTH = "http://ns.google.com/photos/1.0/depthmap/"
_DYNAMIC_DEPTH = "http://ns.google.com/photos/dd/1.0/depthmap/"
# Directories of appended files: that of Dynamic Depth, and its successor.
_ITEM_NAMESPACES = (
    "http://ns.google.com/photos/dd/1.0/item/",
    "http://ns.google.com/photos/1.0/container/item/",
)
_USUAL_URI = "android/depthmap"
_ENCODINGS: dict[str, Encoding] = {"rangeinverse": "disparity", "rangelinear": "depth"}
# Anything else, and also no unit, is not metric: Lens Blur wrote unscaled distances without one.
_METRES_PER_UNIT = {"m": 1.0, "meters": 1.0, "metres": 1.0, "mm": 0.001, "millimeters": 0.001}
_PIXEL_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
# Phones store a fraction of a megapixel, this project up to the photo's own size.
_MAX_PIXELS = 64_000_000
_UINT16_MAX = 65535
# libheif's heif_depth_representation_type: the values are linear in distance, not in its inverse.
_UNIFORM_Z = 2


def depth_in_jpeg(jpeg: bytes, orientation: int = 1) -> Depth | None:
    """The depth that a JPEG file holds as Dynamic Depth or GDepth.

    Args:
        jpeg: the whole file, with what follows the first image.
        orientation: EXIF orientation of the photo. Phones store depth as they store the pixels.

    Returns:
        `[1,1,H,W]` as stored, usually smaller than the photo; metric if the file gives near, far
        and the unit m or mm, else relative. None if there is no depth.

    Raises:
        FileError: there is depth, but it is damaged.
    """
    try:
        found = _find_in_jpeg(jpeg)
        if found is None:
            return None
        content, properties = found
        return _decode(upright(_depth_pixels(content), orientation), properties)
    # Damaged content can lead the decoders of XML, base64 and images to any exception.
    except Exception as error:
        raise _damaged(error) from error


def depth_in_heif(depth_images: Sequence[HeifDepthImage]) -> Depth | None:
    """The depth that a HEIC photo holds, as pillow-heif lists it in `info["depth_images"]`.

    Args:
        depth_images: from pillow-heif, which has turned them upright. The first is used.

    Returns:
        `[1,1,H,W]` as stored. Metric if the file gives z_near and z_far; relative if it does not
        or gives only d_min and d_max, as iPhones do: their disparity has no reliable scale.

    Raises:
        FileError: there is depth, but it is damaged.
    """
    if not depth_images:
        return None
    try:
        metadata = depth_images[0].info["metadata"]
        width, height = depth_images[0].size
        _check_size(width, height)
        codes = _as_batch(grey_levels(depth_images[0].to_pillow()))
        is_distance = metadata.get("representation_type") == _UNIFORM_Z
        near_m, far_m = _range(metadata.get("z_near"), metadata.get("z_far"))
        return decode_depth(
            codes, "depth" if is_distance else "disparity", not is_distance, near_m, far_m
        )
    except Exception as error:
        raise _damaged(error) from error


def embed_depth(jpeg: bytes, depth: Depth) -> bytes:
    """A JPEG file with depth in it, as GDepth: 16-bit PNG, linear in disparity.

    The format has no infinity: what is that far comes back 131,070 times as far as the nearest
    point, half a step of the 16 bits from infinity.

    Args:
        jpeg: the file. Its XMP, if any, is replaced; everything else stays.
        depth: `[1,1,H,W]` of any size; readers stretch it to the photo. In the position of the
            stored pixels, so the EXIF orientation should be 1.

    Raises:
        InputError: more than one depth map, or no JPEG file.
    """
    if depth.disparity.shape[0] != 1:
        raise InputError("depth", f"a batch of {depth.disparity.shape[0]}", "Save one at a time.")
    if not jpeg.startswith(jpeg_file.START_OF_IMAGE):
        raise InputError("jpeg", "no JPEG file", "Only JPEG can hold depth.")
    disparity = depth.disparity[0, 0].detach().cpu().double().numpy()
    near, far = _storable_range(disparity) if depth.is_metric else (1.0, 0.0)
    values = (near - disparity) / (near - far)
    codes = (values.clip(0.0, 1.0) * _UINT16_MAX).round().astype(np.uint16)
    properties = {"Format": "RangeInverse", "Mime": "image/png"}
    if depth.is_metric:
        properties |= {"Near": f"{1 / near:.9g}", "Far": f"{1 / far:.9g}", "Units": "m"}
    else:
        # Required by the format; without a unit they say nothing.
        properties |= {"Near": "1", "Far": "100"}
    png = base64.b64encode(_png(codes)).decode("ascii")
    return with_xmp(jpeg, "GDepth", _GDEPTH, properties, large=("Data", png))


def _storable_range(disparity: np.ndarray) -> tuple[float, float]:
    """Largest and smallest disparity in 1/m to store: above zero and different."""
    near = float(disparity.max()) or 1.0
    far = float(disparity.min())
    return near, max(far if far < near else 0.0, near / (2 * _UINT16_MAX))


def _png(codes: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(codes).save(buffer, "PNG")
    return buffer.getvalue()


def _find_in_jpeg(jpeg: bytes) -> tuple[bytes, Mapping[str, str]] | None:
    """The coded depth image and its properties (Format, Near, Far, Units)."""
    if not any(namespace.rstrip("/").encode() in jpeg for namespace in (_GDEPTH, _DYNAMIC_DEPTH)):
        return None  # The usual photo: whatever its XMP is like does not matter.
    documents = read_xmp(jpeg)
    for properties in structures(documents, _DYNAMIC_DEPTH):
        is_depth = properties.get("ItemSemantic", "Depth").lower() == "depth"
        if is_depth and "Format" in properties:
            items = _appended_items(documents)
            return _appended(jpeg, items, properties.get("DepthURI")), properties
    properties = {}
    for group in structures(documents, _GDEPTH):
        properties |= group
    if "Data" in properties:
        return base64.b64decode(properties["Data"]), properties
    if properties:
        raise ValueError("it is announced, but its data is missing")
    return None


def _appended_items(documents: list[ElementTree.Element]) -> Sequence[Mapping[str, str]]:
    for namespace in _ITEM_NAMESPACES:
        items = list(structures(documents, namespace))
        if items:
            return items
    raise ValueError("the directory of appended images is missing")


def _appended(jpeg: bytes, items: Sequence[Mapping[str, str]], uri: str | None) -> bytes:
    """The depth image out of the files appended to the first image, which is `items[0]`."""
    index = _depth_item(items, uri or _USUAL_URI)
    lengths = [int(item.get("Length", "0")) for item in items]
    before, length = sum(lengths[1:index]), lengths[index]
    # Some writers put more between the image and the appended files, others behind them.
    possible = [len(jpeg) - sum(lengths[1:])]
    if (end := jpeg_file.end_of_image(jpeg)) is not None:
        possible.insert(0, end + int(items[0].get("Padding", "0")))
    for first in possible:
        content = jpeg[max(first + before, 0) :][:length]
        if content.startswith(_PIXEL_SIGNATURES):
            return content
    raise ValueError("it is not where the directory says")


def _depth_item(items: Sequence[Mapping[str, str]], uri: str) -> int:
    for index, item in enumerate(items[1:], start=1):
        if item.get("DataURI") == uri or item.get("Semantic", "").lower() == "depth":
            return index
    raise ValueError("it is not in the directory of appended images")


def _depth_pixels(content: bytes) -> np.ndarray:
    """Values 0..1 `[H,W]` of a PNG or JPEG depth image."""
    image = Image.open(BytesIO(content), formats=("PNG", "JPEG"))
    _check_size(*image.size)
    return grey_levels(image)


def _check_size(width: int, height: int) -> None:
    if width * height > _MAX_PIXELS:
        raise ValueError(f"{width} × {height} px are too many")


def _decode(values: np.ndarray, properties: Mapping[str, str]) -> Depth:
    format_name = properties.get("Format", "RangeInverse")
    encoding = _ENCODINGS.get(format_name.lower())
    if encoding is None:
        raise ValueError(f"its format {format_name!r} is neither RangeInverse nor RangeLinear")
    codes = _as_batch(values)
    near, far = _range(properties.get("Near"), properties.get("Far"))
    if near is None or far is None:
        return decode_depth(codes, near_is_white=False)
    metres = _METRES_PER_UNIT.get(properties.get("Units", "").lower())
    depth = decode_depth(codes, encoding, False, near * (metres or 1.0), far * (metres or 1.0))
    if metres is not None:
        return depth
    unscaled = relative_disparity(depth.disparity, 1.0 / near, 1.0 / far)
    return Depth.from_relative(torch.as_tensor(unscaled))


def _range(near: object, far: object) -> tuple[float, float] | tuple[None, None]:
    """Near and far as numbers; both None if they are no range."""
    try:
        near_number, far_number = float(str(near)), float(str(far))
    except ValueError:
        return None, None
    if not 0.0 < near_number < far_number < math.inf:
        return None, None
    return near_number, far_number


def _as_batch(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))[None, None]  # [1,1,H,W]


def _damaged(error: Exception) -> FileError:
    reason = " ".join(str(error).split())
    return FileError(
        "embedded depth",
        f"damaged data ({reason})",
        "Estimate the depth of this photo, or load it from a file.",
    )
