"""Depth on the command line: where it comes from, and what is done to it before it is rendered."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..lens.color import displayed
from ..lens.depth import Depth
from ..lens.image import to_planar
from ..lens.optics import Camera
from ..models.places import AUTOMATIC
from ..photo.depth_files import load_depth
from ..photo.exif import CameraData
from ..photo.photo import Photo
from .aperture_options import grey
from .depth import estimate_depth, refine_depth, repair_depth
from .devices import working_device
from .shots import is_linear


def add_depth_options(parser: argparse.ArgumentParser) -> None:
    """Add to a command what tells where the depth is and how to read it."""
    group = parser.add_argument_group("depth (default: the depth inside the photo)")
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        "--depth",
        metavar="FILE",
        type=Path,
        help="8/16-bit image, .npy, .npz or .exr; of frames, "
        "a folder or pattern of them, a grey video, or one map for all",
    )
    add_model_options(group, source)
    group.add_argument(
        "--depth-encoding",
        choices=["depth", "disparity", "relative"],
        help="what the file's numbers are linear in (default: images hold disparity, "
        "number files metres)",
    )
    group.add_argument("--near", metavar="M", type=float, help="metres of the nearest value")
    group.add_argument("--far", metavar="M", type=float, help="metres of the farthest value")
    group.add_argument("--near-is-black", action="store_true", help="dark is near in the image")
    add_improvement_options(group)


def add_model_options(group: Any, source: Any) -> None:
    """Add `--depth-model` to `source`, the ways to get depth, and its details to `group`."""
    source.add_argument(
        "--depth-model",
        metavar="NAME|FILE",
        nargs="?",
        const=AUTOMATIC,
        help="estimate the depth with a network, such as depth-pro or depth-anything-v2-small, "
        "with a file or folder of its weights, or without NAME with the best one that is there "
        "('focuspuller models list')",
    )
    group.add_argument(
        "--depth-resolution",
        metavar="PX",
        type=int,
        help="of the photo's shorter side in Depth Anything (default: 518); more is finer",
    )


def check_depth_options(options: argparse.Namespace) -> None:
    """Refuse options that would do nothing.

    Raises:
        InputError: how a file is read, without a file; details of a network, with a file.
    """
    reading = {
        "--depth-encoding": options.depth_encoding,
        "--near": options.near,
        "--far": options.far,
        "--near-is-black": options.near_is_black or None,
    }
    for name, value in reading.items():
        if value is not None and options.depth is None:
            raise InputError(
                name,
                "no --depth FILE",
                "Give it, too, or leave this out: it says how the file is read.",
            )
    if options.depth_resolution is not None and options.depth is not None:
        advice = "Leave it out: it is of the network that estimates depth."
        raise InputError("--depth-resolution", "--depth beside it", advice)


def depth_of(options: argparse.Namespace, photo: Photo) -> Depth:
    """The depth from its file, from a network or from the photo."""
    linear = is_linear(options, photo)
    if options.depth is not None:
        near_is_white = not options.near_is_black
        depth = load_depth(
            options.depth, options.depth_encoding, near_is_white, options.near, options.far
        )
    elif options.depth_model is not None:
        depth = estimated_depth(options, photo.image, photo.camera_data, linear)
    elif photo.depth is not None:
        depth = photo.depth
    else:
        advice = "Give a depth map with --depth FILE, or a network with --depth-model."
        raise InputError("depth", f"none in {photo.path}", advice)
    return improved_depth(options, depth, photo.image, linear)


def estimated_depth(
    options: argparse.Namespace, image: np.ndarray, data: CameraData, linear: bool
) -> Depth:
    """The depth of a picture from the network that the options choose.

    Args:
        options: parsed, with --focal-length and --sensor-width.
        image: the picture `[H,W,3]`.
        data: what the picture tells of its camera. The options go before it.
        linear: it holds linear light.
    """
    return estimate_depth(
        image,
        options.depth_model,
        camera=_taken_with(options.focal_length, options.sensor_width, data),
        resolution=options.depth_resolution,
        linear=linear,
        device=options.device,
    )


def _taken_with(
    focal_length_mm: float | None, sensor_width_mm: float | None, data: CameraData
) -> Camera | None:
    """The camera of a picture, as far as depth depends on it; None where that is unknown."""
    focal_length_mm = data.focal_length_mm if focal_length_mm is None else focal_length_mm
    sensor_width_mm = data.sensor_width_mm if sensor_width_mm is None else sensor_width_mm
    if focal_length_mm is None or sensor_width_mm is None:
        return None
    return Camera(focal_length_mm, 1.0, sensor_width_mm)


def add_improvement_options(group: Any) -> None:
    """Add `--repair-depth`, and `--align-depth` or `--refine-depth`."""
    group.add_argument(
        "--repair-depth",
        action="store_true",
        help="fill holes (NaN, zero distance) from the side that the photo tells, and remove "
        "pixels that hang between two surfaces",
    )
    group.add_argument(
        "--depth-holes",
        metavar="FILE",
        type=Path,
        help="with --repair-depth: a picture that is white where the depth is not to be believed",
    )
    edges = group.add_mutually_exclusive_group()
    edges.add_argument(
        "--align-depth", action="store_true", help="pull depth edges onto those of the photo"
    )
    edges.add_argument(
        "--refine-depth",
        action="store_true",
        help="the same with a small network, for imperfect depth; exact depth stays as it is",
    )


def improves_depth(options: argparse.Namespace) -> bool:
    """Whether the options ask for it."""
    return options.repair_depth or options.align_depth or options.refine_depth


def improved_depth(
    options: argparse.Namespace, depth: Depth, image: np.ndarray, linear: bool
) -> Depth:
    """The depth repaired, aligned or refined, or as it is.

    Args:
        options: parsed.
        depth: of one picture.
        image: the picture `[H,W,3]`.
        linear: it holds linear light.

    Raises:
        InputError: holes without --repair-depth, and what repairing refuses.
    """
    if options.repair_depth:
        holes = None if options.depth_holes is None else grey(options.depth_holes)
        depth = repair_depth(depth, image, holes=holes, linear=linear)
    elif options.depth_holes is not None:
        raise InputError("--depth-holes", "no --repair-depth", "Give it, too, to fill them.")
    if options.align_depth:
        guide = to_planar(torch.from_numpy(image)[None])
        guide = displayed(guide) if linear else guide
        height, width = guide.shape[-2:]
        return depth.resized(height, width).aligned_to(guide)
    if options.refine_depth:
        device = working_device(options.device)
        return refine_depth(depth, image, linear=linear, device=device)
    return depth
