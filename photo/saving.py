"""Saving pictures as photographs: the format by the name, EXIF and depth of the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import InputError
from ..lens.color import linear_to_srgb, srgb_to_linear
from ..lens.depth import Depth
from .embedded_depth import embed_depth
from .exif_writing import exif_with_new_focus
from .exr_picture import ExrBits, write_exr_picture
from .files import replacing
from .radiance import write_radiance

_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".exr": "EXR",
    ".hdr": "HDR",
}
# Names of files that `save_photo` writes.
WRITABLE_SUFFIXES = tuple(_FORMATS)
# Those of them that hold linear light without a limit.
HDR_SUFFIXES = (".exr", ".hdr")


def save_photo(
    path: str | Path,
    image: np.ndarray | torch.Tensor,
    exif: Image.Exif | bytes | None = None,
    f_number: float | None = None,
    subject_distance_m: float | None = None,
    depth: Depth | None = None,
    quality: int = 95,
    png_text: Mapping[str, str] | None = None,
    linear: bool = False,
    exr_bits: ExrBits = 16,
) -> None:
    """Save a picture with the EXIF of the photo it was made from.

    The file appears complete or not at all; if saving fails, an older file stays as it was.

    Args:
        path: `.jpg`, `.jpeg`, `.png`, `.webp`, `.tif` or `.tiff`: sRGB with 8 bits per colour;
            `.exr` and `.hdr`: linear light, not clipped.
        image: `[H,W,3]` or `[1,H,W,3]` float, sRGB-coded; values outside 0..1 are clipped, but not
            in an EXR; an HDR takes those above 1.
        exif: of the original, `Photo.exif`; see `exif_with_new_focus`.
        f_number: aperture of the picture; None: as in `exif`.
        subject_distance_m: focus distance in metres, may be infinity; None: as in `exif`.
        depth: depth of the picture to put into a JPEG, or as channel Z into an EXR (metric only).
        quality: of JPEG and WebP, 1 to 100.
        png_text: texts for a PNG, as ComfyUI stores workflows; other formats have no place for it.
        linear: `image` holds linear light instead.
        exr_bits: 16 or 32 per colour of an EXR; light above 65504 always gets 32. Of the EXIF, an
            EXR takes make, model, focal length, sensor size, f-number and distance, an HDR
            nothing.

    Raises:
        InputError: image or options have no meaning: shape, NaN, format, range.
        FileError: the file cannot be written.
        MissingDependencyError: EXR without OpenEXR.
    """
    path = Path(path)
    format_name = format_of(path)
    if depth is not None and format_name not in ("JPEG", "EXR"):
        raise InputError("depth", f"a {format_name} file", "Only JPEG and EXR can hold depth.")
    check_quality(quality)
    pixels = _checked_pixels(image)
    if format_name == "EXR":
        light = pixels if linear else srgb_to_linear(pixels)
        metres = _metres(depth, light.shape)
        write_exr_picture(path, light.numpy(), exif, f_number, subject_distance_m, metres, exr_bits)
        return
    if format_name == "HDR":
        _check_light(pixels)
        write_radiance(path, (pixels if linear else srgb_to_linear(pixels)).numpy())
        return
    coded = linear_to_srgb(pixels) if linear else pixels
    picture = Image.fromarray((coded.numpy().clip(0.0, 1.0) * 255.0).round().astype(np.uint8))
    new_exif = exif_with_new_focus(exif, f_number, subject_distance_m, picture.size)
    content = _encoded(picture, format_name, new_exif, quality, png_text or {})
    if depth is not None:
        content = embed_depth(content, depth)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def check_quality(quality: int) -> None:
    """Refuse a quality of JPEG and WebP that is not 1 to 100.

    Raises:
        InputError: it is not.
    """
    if not 1 <= quality <= 100:
        raise InputError("quality", repr(quality), "Give 1 to 100.")


def keeps_all_light(path: Path) -> bool:
    """Whether `save_photo` writes linear light that is not clipped at a name."""
    return path.suffix.lower() in HDR_SUFFIXES


def format_of(path: Path, subject: str = "path") -> str:
    """Format that `save_photo` writes for a name.

    Args:
        path: the name.
        subject: what the user calls it.

    Raises:
        InputError: there is none.
    """
    format_name = _FORMATS.get(path.suffix.lower())
    if format_name is None:
        raise InputError(subject, repr(path.name), f"End the name in one of {', '.join(_FORMATS)}.")
    return format_name


def _checked_pixels(image: np.ndarray | torch.Tensor) -> torch.Tensor:
    """`[H,W,3]` float32 or float64 on the CPU."""
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        # NumPy has no bfloat16.
        pixels = (image.float() if image.dtype == torch.bfloat16 else image).numpy()
    else:
        pixels = np.asarray(image)
    if pixels.ndim == 4 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise InputError("image", f"shape {list(pixels.shape)}", "Give one image [H,W,3].")
    if not np.issubdtype(pixels.dtype, np.floating):
        raise InputError("image", f"values of type {pixels.dtype}", "Give floats 0..1.")
    if np.isnan(pixels).any():
        raise InputError("image", "NaN in some pixels", "Find the step that divides by zero.")
    kind = np.float64 if pixels.dtype.itemsize > 4 else np.float32
    # PyTorch takes no flipped, read-only or byte-swapped arrays.
    return torch.from_numpy(np.require(pixels, kind, ["C", "W"]))


def _check_light(pixels: torch.Tensor) -> None:
    if not bool(torch.isfinite(pixels).all()):
        raise InputError("image", "infinite pixels", "Repair them before saving.")


def _metres(depth: Depth | None, shape: Sequence[int]) -> np.ndarray | None:
    """Depth `[H,W]` for the channel Z of a picture `[H,W,3]`."""
    if depth is None:
        return None
    if not depth.is_metric:
        advice = "An EXR holds metres: give the near and far distance when reading the depth."
        raise InputError("depth", "relative disparity", advice)
    return depth.for_image(*shape[:2]).metres[0, 0].detach().cpu().numpy()


def _encoded(
    picture: Image.Image, format_name: str, exif: bytes, quality: int, texts: Mapping[str, str]
) -> bytes:
    options: dict[str, object] = {"exif": exif} if exif else {}
    if format_name == "JPEG":
        options |= {"quality": quality, "subsampling": "4:4:4"}
    elif format_name == "WEBP":
        options |= {"quality": quality}
    elif format_name == "PNG":
        # As fast as ComfyUI's own, and a few percent larger than the best.
        options |= {"pnginfo": _png_info(texts), "compress_level": 4}
    # TIFF stays uncompressed: Pillow cannot write compressed TIFF with EXIF.
    buffer = BytesIO()
    try:
        picture.save(buffer, format_name, **options)
    except (OSError, ValueError) as error:
        size = f"{picture.width} × {picture.height} px"
        raise InputError(
            "image", f"{size}, which {format_name} cannot hold ({error})", "Save it as PNG."
        ) from error
    return buffer.getvalue()


def _png_info(texts: Mapping[str, str]) -> PngInfo:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    return info
