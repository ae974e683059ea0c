"""What the browser asks for before anything has run: what is in a photo's file.

    GET /focuspuller/photos/{sample|input}/{picture|depth|facts}?name=NAME

`name` is the value of Sample Photo or Load Photo. Only what these nodes would load is answered, and
only from ComfyUI's input, output and temp folders; everything else is "not found". A photo without
depth is answered with "no content". The facts are camera and sizes as JSON, null where unknown.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from ..errors import FocusPullerError
from ..lens.depth import Depth
from ..photo.photo import PHOTO_SUFFIXES, Photo, load_photo
from .comfy import input_path, serve, shared_folders
from .photo import SAMPLES, sample_path
from .previews import packed_numbers

if TYPE_CHECKING:
    from aiohttp import web

PATH = "/focuspuller/photos/{source}/{part}"
# How the browser learns what the numbers in a depth picture mean.
CODING_HEADER = "Focus-Puller-Depth"
LONGEST_SIDE_PX = 1600


class Part(NamedTuple):
    """An answer: a picture file, and what is to be said about it."""

    body: bytes
    content_type: str
    headers: dict[str, str]


def register_routes() -> None:
    """Let ComfyUI's server answer."""
    serve(PATH, photo_part)


async def photo_part(request: web.Request) -> web.Response:
    """Answer a request with a part of a photo."""
    from aiohttp import web

    path = _photo_path(request.match_info["source"], request.query.get("name", ""))
    part = PARTS.get(request.match_info["part"])
    if path is None or part is None:
        raise web.HTTPNotFound
    try:
        found = part(await asyncio.to_thread(load_photo, path))
    except FocusPullerError:
        raise web.HTTPNotFound from None  # the node says why when it runs
    if found is None:
        return web.Response(status=204)
    headers = {"Cache-Control": "no-cache", **found.headers}
    return web.Response(body=found.body, content_type=found.content_type, headers=headers)


def _photo_path(source: str, name: str) -> Path | None:
    """The file that a node would load, if the browser may see it."""
    if source == "sample":
        path, folders = sample_path(name), [SAMPLES]
    elif source == "input" and "\0" not in name:
        path, folders = input_path(name), shared_folders()
    else:
        return None
    path = path.resolve()
    is_shared = any(path.is_relative_to(folder.resolve()) for folder in folders)
    is_photo = path.suffix.lower() in PHOTO_SUFFIXES and path.is_file()
    return path if is_shared and is_photo else None


def _picture(photo: Photo) -> Part:
    pixels = (photo.image.clip(0.0, 1.0) * 255).round().astype(np.uint8)
    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
    return Part(_encoded(image, "JPEG"), "image/jpeg", {})


def _depth(photo: Photo) -> Part | None:
    depth: Depth | None = photo.depth
    if depth is None:
        return None
    packed, low, high = packed_numbers(depth.disparity)
    image = Image.fromarray(packed[0].movedim(0, -1).byte().numpy())
    coding = {"low": low, "high": high, "is_metric": depth.is_metric}
    return Part(_encoded(image, "PNG"), "image/png", {CODING_HEADER: json.dumps(coding)})


def _facts(photo: Photo) -> Part:
    camera, depth = photo.camera_data, photo.depth
    facts = {
        "longest_edge": max(photo.image.shape[:2]),
        "depth_longest_edge": None if depth is None else max(depth.size),
        "focal_length_mm": camera.focal_length_mm,
        "f_number": camera.f_number,
        "sensor_width_mm": camera.sensor_width_mm,
    }
    return Part(json.dumps(facts).encode(), "application/json", {})


PARTS: dict[str, Callable[[Photo], Part | None]] = {
    "picture": _picture,
    "depth": _depth,
    "facts": _facts,
}


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, quality=90)
    return buffer.getvalue()
