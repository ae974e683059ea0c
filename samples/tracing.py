"""Scenes traced with Mitsuba: the camera, the picture, its exact depth.

Runs Mitsuba's `llvm_ad_rgb`, which needs libLLVM 16 or newer (`DRJIT_LIBLLVM_PATH`).

World: x right, y up, z towards the camera, metres. The camera stands above the origin, so that what
is at z = -1 is about a metre away.
"""

from __future__ import annotations

import math

import mitsuba as mi
import numpy as np
from PIL import ExifTags, Image

mi.set_variant("llvm_ad_rgb")
from mitsuba import ScalarTransform4f as Transform  # noqa: E402 (exists once a variant is set)

Array = np.ndarray

WIDTH, HEIGHT = 1080, 720
HALF_WIDTH = 36 / (2 * 50)  # of the view at 1 m
CAMERA, TARGET = np.array((0, 0.22, 0)), np.array((0, 0.22 - math.tan(math.radians(7.5)), -1))
SAMPLES_PER_PASS = 64


def assembled(shapes: list) -> mi.Scene:
    """A scene to trace paths in."""
    integrator = {"type": "path", "max_depth": 7}
    named = {f"shape{index}": shape for index, shape in enumerate(shapes)}
    return mi.load_dict({"type": "scene", "integrator": integrator} | named)


def camera(position: Array = CAMERA, target: Array = TARGET) -> mi.Sensor:
    """A pinhole that sees what a 50 mm lens sees on a 36 mm wide sensor."""
    film = {"type": "hdrfilm", "width": WIDTH, "height": HEIGHT, "rfilter": {"type": "gaussian"}}
    return mi.load_dict(
        {
            "type": "perspective",
            "fov_axis": "x",
            "fov": math.degrees(2 * math.atan(HALF_WIDTH)),
            "to_world": Transform().look_at(position.tolist(), target.tolist(), [0, 1, 0]),
            "film": film,
            "sampler": {"type": "multijitter"},
        }
    )


def render(
    scene: mi.Scene, sensor: mi.Sensor, samples: int, at_once: int = SAMPLES_PER_PASS
) -> Array:
    """Linear light [H,W,3], in passes to bound memory and to find specks.

    A path that meets a light by rare chance leaves a bright speck in one pass: no pass may be much
    brighter than what the passes agree on.
    """
    passes = []
    for seed in range(max(1, round(samples / at_once))):
        image = mi.render(scene, sensor=sensor, spp=min(samples, at_once), seed=seed)
        passes.append(image.numpy())
        print(f"pass {seed + 1}", end="\r", flush=True)
    return np.minimum(passes, 1.4 * np.median(passes, axis=0) + 0.005).mean(axis=0)


def depth_map(scene: mi.Scene, sensor: mi.Sensor) -> Array:
    """Metres along the optical axis at the centre of every pixel, [H,W].

    The median of three rays, because one can slip through the seam between two triangles or along
    a hair.
    """
    to_camera = np.linalg.inv(np.array(sensor.world_transform().matrix, float).reshape(4, 4))
    depths = []
    for shift in (-0.01, 0, 0.01):
        row, column = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5 + shift
        x, y = column.ravel() / WIDTH, row.ravel() / HEIGHT
        position = mi.Point2f(mi.Float(x), mi.Float(y))
        ray, _ = sensor.sample_ray(0.0, 0.5, position, mi.Point2f(0.5))
        hit = scene.ray_intersect(ray)
        along = to_camera[2, :3] @ hit.p.numpy() + to_camera[2, 3]
        depths.append(np.where(hit.is_valid().numpy(), along, np.nan))
    median = np.nanmedian(depths, axis=0).reshape(HEIGHT, WIDTH).astype(np.float32)
    assert np.isfinite(median).all(), "the scene does not fill the view"
    return median


def code_srgb(linear: Array) -> Array:
    """Linear light 0..1 to sRGB."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def exif(model: str) -> Image.Exif:
    """What a camera with this view says of itself."""
    tags = Image.Exif()
    tags[ExifTags.Base.Make] = "Focus Puller"
    tags[ExifTags.Base.Model] = model
    shot = tags.get_ifd(ExifTags.IFD.Exif)
    shot[ExifTags.Base.FocalLength] = 50.0
    shot[ExifTags.Base.FocalLengthIn35mmFilm] = 50
    shot[ExifTags.Base.FNumber] = 22.0
    return tags
