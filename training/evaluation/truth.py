"""Path-traced scenes: what a thin lens really makes of them.

A scene is an `.npz` of `tests/truth/make_scenes.py` or `benchmarks/truth_scenes.py`:

    all_in_focus, defocused    [H,W,3]  linear light
    depth                      [H,W]    metres
    focal_length_mm, f_number, sensor_width_mm, focus_distance (m), max_radius_px
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import FileError
from ...lens.depth import Depth
from ...lens.focus import Focus
from ...lens.optics import Camera
from .. import degradation
from .benchmark import Options
from .scene import Scene, SceneFile, Shot

# Where the small scenes of the tests are, in a checkout of the repository.
SHIPPED = Path(__file__).parents[2] / "tests" / "truth"
PICTURES = ("all_in_focus", "defocused")
NUMBERS = ("focal_length_mm", "f_number", "sensor_width_mm", "focus_distance", "max_radius_px")

# BokehDiff Fig. 7 shows errors of the disparity's edges, BokehMe the same; what files and depth
# networks do beside that is blurred and quantised. Strengths are px, px and levels.
SIZES = (1, 2, 4, 6, 8)
DEPTHS = (
    ("exact", 0),
    *(("eroded", size) for size in SIZES),
    *(("dilated", size) for size in SIZES),
    *(("blurred", sigma) for sigma in (1, 2, 4)),
    *(("quantised", levels) for levels in (256, 64, 16)),
)


def truth_files(options: Options) -> list[SceneFile]:
    """The scenes of a folder, sorted by name.

    Raises:
        FileError: there are none.
    """
    paths = sorted(options.folder.glob("*.npz"))
    if not paths:
        raise FileError(
            str(options.folder),
            "a folder without path-traced scenes (.npz)",
            "Make them with benchmarks/truth_scenes.py, or give tests/truth of the repository.",
        )
    return [SceneFile(path.stem, partial(load_truth, path), {"scene": path.stem}) for path in paths]


def degraded_files(options: Options) -> list[SceneFile]:
    """Every scene with every kind of imperfect depth."""
    return [
        SceneFile(
            f"{file.name}@{depth_name(kind, size)}",
            partial(_degraded, file, kind, size),
            {"depth": depth_name(kind, size)},
        )
        for kind, size in DEPTHS
        for file in truth_files(options)
    ]


def depth_name(kind: str, size: int) -> str:
    """Such as "dilated 2 px"."""
    unit = "levels" if kind == "quantised" else "px"
    return kind if kind == "exact" else f"{kind} {size} {unit}"


def _degraded(file: SceneFile, kind: str, size: int) -> Scene:
    scene = file.load()
    assert scene.depth is not None
    disparity = degrade(scene.depth.disparity, kind, size)
    depth = replace(scene.depth, disparity=disparity)
    return replace(scene, name=f"{scene.name}@{depth_name(kind, size)}", depth=depth)


def degrade(disparity: Tensor, kind: str, size: int) -> Tensor:
    """Disparity `[B,1,H,W]` made worse in one of the ways of `DEPTHS`."""
    if kind == "exact":
        return disparity
    procedures = {
        "eroded": degradation.eroded,
        "dilated": degradation.dilated,
        "blurred": degradation.blurred,
        "quantised": degradation.quantised,
    }
    return procedures[kind](disparity, size)


def load_truth(path: Path) -> Scene:
    """A scene.

    Raises:
        FileError: the file is missing, damaged or holds something else.
    """
    stored = _read(path)
    image, truth = (_planar(stored[name]) for name in PICTURES)
    if image.shape != truth.shape or stored["depth"].shape != image.shape[-2:]:
        sizes = [tuple(stored[name].shape) for name in (*PICTURES, "depth")]
        raise FileError(str(path), f"arrays of different size {sizes}", "Make the scene again.")
    focal_length, f_number, sensor_width, focus, radius = (float(stored[name]) for name in NUMBERS)
    return Scene(
        path.stem,
        image,
        (Shot(f"f{f_number:g}", truth),),
        Depth.from_metric_disparity(torch.from_numpy(1.0 / stored["depth"]).float()[None, None]),
        Focus.at_distance(focus),
        Camera(focal_length, f_number, sensor_width, image.shape[-1]),
        math.ceil(radius),
    )


def _read(path: Path) -> dict[str, NDArray]:
    wanted: Sequence[str] = (*PICTURES, "depth", *NUMBERS)
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in wanted if name not in file]
            stored = {} if missing else {name: file[name] for name in wanted}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise FileError(str(path), f"an unreadable file ({error})", "Make it again.") from error
    if missing:
        raise FileError(
            str(path), f"a file without {', '.join(missing)}", "Give scenes of truth_scenes.py."
        )
    return stored


def _planar(pixels: NDArray) -> Tensor:
    light = torch.from_numpy(pixels.astype(np.float32))
    return light.permute(2, 0, 1)[None].contiguous()
