"""Photographs as files: pixels, camera and depth of one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import FileError, InputError
from ..lens.color import linear_to_srgb, srgb_to_linear
from ..lens.depth import Depth
from ..lens.optics import Camera
from .embedded_depth import depth_in_heif, depth_in_jpeg
from .exif import CameraData, camera_from, read_camera_data
from .exr import START_OF_EXR
from .exr_picture import read_exr_picture
from .files import read_file
from .jpeg import START_OF_IMAGE
from .pixels import DecodedImage, alpha_of, decode_image, srgb_pixels, upright
from .radiance import START_OF_RADIANCE, read_radiance
from .saving import WRITABLE_SUFFIXES

# Names of files that `load_photo` is likely to read.
PHOTO_SUFFIXES = (*WRITABLE_SUFFIXES, ".heic", ".heif")


@dataclass(frozen=True, eq=False)
class Photo:
    """A photograph and what its file tells of it.

    Args:
        path: where it was loaded from.
        image: `[H,W,3]` float32, sRGB-coded 0..1, upright. Of an EXR or a Radiance file, light
            above white continues the curve above 1.
        alpha: opacity `[H,W]` float32, 1 = opaque; None if the file has none. `image` holds the
            colours under it, unmixed.
        camera: None if the file does not tell enough; `camera_data.missing` says what.
        camera_data: all that EXIF tells of the camera.
        depth: the depth in the file, upright, of the size stored there; None if it has none.
        exif: the EXIF of the file, for `save_photo`; may be empty. Of an EXR, made from its header.
        problems: what was damaged or lost, in words.
        is_hdr: whether the file, EXR or Radiance, holds linear light without a limit.
    """

    path: Path
    image: np.ndarray
    alpha: np.ndarray | None
    camera: Camera | None
    camera_data: CameraData
    depth: Depth | None
    exif: bytes
    problems: tuple[str, ...]
    is_hdr: bool = False


def load_photo(path: str | Path, linear: bool = False) -> Photo:
    """Load a JPEG, PNG, TIFF, WebP, HEIC, EXR or Radiance (HDR) photograph.

    The picture is turned upright as EXIF says and its colours are converted to sRGB. 16 bits are
    kept, but not where a colour profile has to be converted. An EXR or HDR keeps its full range;
    the depth channel (Z) of an EXR is the photo's depth in metres; negative light is taken as none.

    Args:
        path: the file. The content decides on the format, not the name.
        linear: `Photo.image` shall hold linear light; of an EXR or HDR exactly as stored.

    Raises:
        FileError: the file is missing, damaged, of another kind, or an EXR with NaN or infinite
            pixels.
        MissingDependencyError: HEIC without pillow-heif, EXR without OpenEXR.
    """
    path = Path(path)
    start = read_file(path, len(START_OF_EXR))
    if start == START_OF_EXR:
        return _load_exr(path, linear)
    if start.startswith(START_OF_RADIANCE):
        return _load_radiance(path, linear)
    return decode_photo(read_file(path), path, linear)


def decode_photo(content: bytes, path: Path, linear: bool = False) -> Photo:
    """The photograph that the bytes of a file hold, as `load_photo` gives it; no EXR or HDR.

    Args:
        content: the bytes of the file.
        path: its name, for errors.
        linear: `Photo.image` shall hold linear light.

    Raises:
        FileError: the content is damaged, or of another kind.
        MissingDependencyError: HEIC without pillow-heif.
    """
    decoded = decode_image(content, path)
    camera_data = read_camera_data(decoded.exif, decoded.image.size)
    orientation = camera_data.orientation
    colours, colour_problems = srgb_pixels(decoded, path)
    image = np.ascontiguousarray(upright(colours, orientation))
    if linear:
        image = srgb_to_linear(torch.from_numpy(image)).numpy()
    alpha = alpha_of(decoded.image)
    if alpha is not None:
        alpha = np.ascontiguousarray(upright(alpha, orientation))
    depth, depth_problems = _embedded_depth(content, decoded, orientation, image.shape)
    problems = decoded.problems + camera_data.problems + colour_problems + depth_problems
    return Photo(
        path=path,
        image=image,
        alpha=alpha,
        camera=camera_from(camera_data),
        camera_data=camera_data,
        depth=depth,
        exif=_exif_bytes(decoded),
        problems=tuple(dict.fromkeys(problems)),
    )


def _load_exr(path: Path, linear: bool) -> Photo:
    picture = read_exr_picture(path)
    height, width = picture.light.shape[:2]
    camera_data = read_camera_data(picture.exif, (width, height))
    depth, problems = None, picture.problems + camera_data.problems
    if picture.metres is not None:
        try:
            depth = Depth.from_metres(torch.from_numpy(picture.metres)[None, None])
        except InputError as error:  # not one valid value
            problems = (*problems, f"The depth channel was left out: {error.received}.")
    light = torch.from_numpy(picture.light)
    return Photo(
        path=path,
        image=(light if linear else linear_to_srgb(light)).numpy(),
        alpha=picture.alpha,
        camera=camera_from(camera_data),
        camera_data=camera_data,
        depth=depth,
        exif=picture.exif.tobytes() if len(picture.exif) else b"",
        problems=problems,
        is_hdr=True,
    )


def _load_radiance(path: Path, linear: bool) -> Photo:
    light, problems = read_radiance(path)
    camera_data = CameraData()
    return Photo(
        path=path,
        image=light if linear else linear_to_srgb(torch.from_numpy(light)).numpy(),
        alpha=None,
        camera=camera_from(camera_data),
        camera_data=camera_data,
        depth=None,
        exif=b"",
        problems=problems,
        is_hdr=True,
    )


def _embedded_depth(
    content: bytes, decoded: DecodedImage, orientation: int, shape: tuple[int, ...]
) -> tuple[Depth | None, tuple[str, ...]]:
    try:
        if content.startswith(START_OF_IMAGE):
            depth = depth_in_jpeg(content, orientation)
        else:
            depth = depth_in_heif(decoded.image.info.get("depth_images", ()))
    except FileError as error:
        return None, (str(error),)
    if depth is not None and _is_turned(depth.size, shape):
        return None, ("The embedded depth is turned against the photo and was left out.",)
    return depth, ()


def _is_turned(depth_size: tuple[int, int], image_shape: tuple[int, ...]) -> bool:
    """Whether one is upright format and the other landscape."""
    depth_aspect = depth_size[0] / depth_size[1]
    image_aspect = image_shape[0] / image_shape[1]
    return min(depth_aspect, image_aspect) < 0.9 and max(depth_aspect, image_aspect) > 1 / 0.9


def _exif_bytes(decoded: DecodedImage) -> bytes:
    stored = decoded.image.info.get("exif", b"")
    if not stored and len(decoded.exif):
        # TIFF has no such block, its tags are those of the file itself; old PNGs keep it as text.
        with contextlib.suppress(Exception):
            stored = decoded.exif.tobytes()
    return stored
