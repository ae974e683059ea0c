"""Pixels of image files: decoding, turning upright, converting to sRGB."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageFile

from ..errors import FileError, MissingDependencyError
from .exif_tags import exif_of, noting_warnings

# No others: some of Pillow's readers start programs or open further files.
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

# Floating point, and colour spaces that Pillow does not convert to RGB.
_NO_PHOTO_MODES = ("F", "LAB", "HSV")

# Where each EXIF orientation's picture is stored: (transposed, upside down, mirrored), to be undone
# in this order.
_TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


@dataclass(frozen=True)
class DecodedImage:
    """A decoded picture.

    Args:
        image: the Pillow image, loaded, with the metadata of the file.
        exif: its EXIF tags; empty if damaged. The orientation in them is still to be applied: the
            readers of TIFF and HEIC, which turn pictures upright themselves, reset it.
        problems: what was lost, in words.
        low_bytes: of colours with 16 bits, of which `image` holds the high bytes: an image of the
            same kind; else None.
    """

    image: Image.Image
    exif: Image.Exif
    problems: tuple[str, ...]
    low_bytes: Image.Image | None = None


def decode_image(content: bytes, path: Path) -> DecodedImage:
    """Decode a JPEG, PNG, TIFF, WebP or HEIC file.

    Args:
        content: the bytes of the file.
        path: its name, for errors.

    Raises:
        FileError: not such a file, damaged, or too large.
        MissingDependencyError: HEIC without pillow-heif.
    """
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS:
        return _decode_heif(content, path)
    problems: list[str] = []
    with noting_warnings(problems):
        image = _open(content, path)
        has_deep_colour = ";16" in str(image.tile) and not is_deep_grey(image)
        low_bytes = _low_bytes(content, path) if has_deep_colour else None
        _load(image, path)
    exif = exif_of(image, problems)
    if has_deep_colour and low_bytes is None:
        problems.append("16 bits per colour were read as 8, all that Pillow can.")
    return DecodedImage(image, exif, tuple(problems), low_bytes)


def _low_bytes(content: bytes, path: Path) -> Image.Image | None:
    """The low bytes of 16-bit colours; None if the file has none.

    Pillow keeps the high byte of each value. In the other byte order that is the low one.
    """
    image = _open(content, path)
    tiles: Any = image.tile
    if not all(_raw_mode(tile)[:-1] in ("RGB;16", "RGBA;16") for tile in tiles):
        return None
    image.tile = [_in_other_byte_order(tile) for tile in tiles]
    _load(image, path)
    return image


def _raw_mode(tile: Any) -> str:
    """How a tile's pixels are stored, such as "RGB;16B"."""
    arguments = tile[3]
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _in_other_byte_order(tile: Any) -> Any:
    mode = _raw_mode(tile)
    native = "L" if sys.byteorder == "little" else "B"
    swapped = mode[:-1] + ("L" if mode[-1].replace("N", native) == "B" else "B")
    arguments = (swapped, *tile[3][1:]) if isinstance(tile[3], tuple) else swapped
    # Plain tuples before Pillow 11.1.
    replace = getattr(tile, "_replace", None)
    return replace(args=arguments) if replace else (*tile[:3], arguments)


def _load(image: ImageFile.ImageFile, path: Path) -> None:
    try:
        image.load()
    # A damaged file can lead a decoder to any exception at all.
    except Exception as error:
        raise FileError(
            str(path), f"a damaged image ({error})", "Copy it again, or export it again."
        ) from error
    if image.mode == "I" and not _is_within_16_bits(image):
        raise FileError(str(path), "a 32-bit image", "Save it with 8 or 16 bits.")


def _is_within_16_bits(image: Image.Image) -> bool:
    values = np.asarray(image)
    return bool(values.min() >= 0 and values.max() <= 65535)


def _open(content: bytes, path: Path) -> ImageFile.ImageFile:
    try:
        return Image.open(BytesIO(content), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise FileError(
            str(path), f"an image of too many pixels ({error})", "Scale it down first."
        ) from error
    except Exception as error:
        raise FileError(
            str(path),
            "no image that can be read",
            "Give an undamaged JPEG, PNG, WebP, HEIC or TIFF (8 or 16 bits); convert others first.",
        ) from error


def _decode_heif(content: bytes, path: Path) -> DecodedImage:
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingDependencyError(
            str(path),
            "a HEIC photo, but pillow-heif is not installed",
            "Run `pip install focuspuller[heif]`, or convert the photo to JPEG.",
        ) from error
    try:
        image = pillow_heif.open_heif(BytesIO(content)).to_pillow()
    except Exception as error:
        raise FileError(
            str(path), f"a damaged HEIC photo ({error})", "Copy it again, or export it as JPEG."
        ) from error
    problems: list[str] = []
    exif = exif_of(image, problems)
    return DecodedImage(image, exif, tuple(problems))


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a picture as its EXIF orientation says.

    Args:
        pixels: `[H,W]` or `[H,W,C]`, as stored.
        orientation: 1 to 8.

    Returns:
        A view, `[W,H,...]` for orientations 5 to 8.

    Example:
        >>> upright(np.array([[1, 2]]), 6).tolist()
        [[1], [2]]
    """
    transposed, upside_down, mirrored = _TURNS[orientation]
    if transposed:
        pixels = pixels.swapaxes(0, 1)
    if upside_down:
        pixels = pixels[::-1]
    if mirrored:
        pixels = pixels[:, ::-1]
    return pixels


def srgb_pixels(decoded: DecodedImage, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """sRGB-coded colours of any image, alpha left out.

    A colour profile that differs from sRGB is converted (relative colorimetric with black point
    compensation), with 8 bits; colours outside sRGB are clipped.

    Args:
        decoded: of `decode_image`.
        path: its name, for errors.

    Returns:
        `[H,W,3]` float32 0..1, and problems in words.

    Raises:
        FileError: colours that are not those of a photograph, such as floating-point values.
    """
    image = decoded.image
    if image.mode in _NO_PHOTO_MODES:
        raise FileError(
            str(path), f"an image of mode {image.mode}", "Save it as RGB with 8 or 16 bits."
        )
    if is_deep_grey(image):
        grey = grey_levels(image)
        return np.repeat(grey[..., None], 3, axis=2), ()
    problems: tuple[str, ...] = ()
    colours = _without_alpha(image)
    stored = colours
    profile = image.info.get("icc_profile")
    if profile:
        try:
            colours = _to_srgb(colours, profile)
        # ImageCms raises its own errors, littleCMS and Pillow many others.
        except Exception as error:
            problems = (f"The colour profile cannot be used, colours may be off ({error}).",)
    if decoded.low_bytes is not None:
        if colours is stored:
            return deep_colours(image, decoded.low_bytes), problems
        problems = ("16 bits per colour became 8, as the colour profile was converted to sRGB.",)
    return np.asarray(colours.convert("RGB"), np.float32) / 255.0, problems


def deep_colours(high: Image.Image, low: Image.Image) -> np.ndarray:
    """`[H,W,3]` float32 0..1 of the two bytes of each 16-bit colour."""
    high_bytes, low_bytes = (np.asarray(image)[..., :3].astype(np.float32) for image in (high, low))
    return (high_bytes * 256.0 + low_bytes) / 65535.0


def alpha_of(image: Image.Image) -> np.ndarray | None:
    """Opacity `[H,W]` float32 0..1, 1 = opaque; None if the image has no transparency."""
    if not image.has_transparency_data:
        return None
    return np.asarray(image.convert("RGBA").getchannel("A"), np.float32) / 255.0


def is_deep_grey(image: Image.Image) -> bool:
    """Whether the image is grey with more than 8 bits."""
    return image.mode == "I" or image.mode.startswith("I;16")


def grey_levels(image: Image.Image) -> np.ndarray:
    """Brightness `[H,W]` float32 0..1 of the codes, without colour management; 8 or 16 bit."""
    if is_deep_grey(image):
        return np.asarray(image, np.float32) / 65535.0
    return np.asarray(_without_alpha(image).convert("L"), np.float32) / 255.0


def _without_alpha(image: Image.Image) -> Image.Image:
    """The colours as they are under the transparency, not mixed with a background."""
    if image.mode == "P":
        return image.convert("RGBA").convert("RGB")
    opaque_mode = {"RGBA": "RGB", "RGBa": "RGBA", "LA": "L", "La": "LA", "PA": "RGBA", "1": "L"}
    if image.mode in opaque_mode:
        return _without_alpha(image.convert(opaque_mode[image.mode]))
    return image


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.getOpenProfile(BytesIO(profile))
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        image.mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if image.mode == "RGB" and _changes_nothing(transform):
        return image
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # None only for a conversion in place
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a transform from RGB keeps all of 4,096 colours spread over the cube."""
    levels = np.linspace(0, 255, 16).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(64, 64, 3)
    converted = ImageCms.applyTransform(Image.fromarray(cube), transform)
    difference = np.abs(np.asarray(converted, np.int16) - cube)
    return int(difference.max()) <= 1
