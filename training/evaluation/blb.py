"""BLB, the Blender renderings that BokehMe and BokehDiff are tested on.

```
DIR/277/image.exr            all in focus, linear light
DIR/277/depth.exr            scene units; 65504 where there is nothing
DIR/277/info.json            {"blur_parameters": [K, …], "focus_distances": [z, …]}
DIR/277/bokeh_04_07.exr      blur parameter 04 (from 0), focus distance 07
```
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ...errors import FileError
from ...lens.focus import Focus
from ...photo.depth_files import load_depth
from ...photo.photo import load_photo
from .benchmark import Options
from .scene import Scene, SceneFile, Shot

NAME = re.compile(r"bokeh_(\d+)_(\d+)\.exr")


def blb_files(level: int, options: Options) -> list[SceneFile]:
    """The scenes with their renderings at one of five blur parameters.

    Args:
        level: 1 to 5, as the papers count.
        options: the folder of the data.

    Raises:
        FileError: there are none.
    """
    folders = sorted(path for path in options.folder.glob("*") if (path / "info.json").is_file())
    if not folders:
        raise FileError(
            str(options.folder),
            "a folder without scenes (NUMBER/info.json)",
            "Give the folder of BLB that holds the numbered scenes.",
        )
    return [SceneFile(folder.name, partial(_scene, folder, level)) for folder in folders]


def _scene(folder: Path, level: int) -> Scene:
    levels, distances = _info(folder / "info.json")
    image = _light(folder / "image.exr")
    depth = load_depth(folder / "depth.exr", "depth")
    shots = []
    for path in sorted(folder.glob(f"bokeh_{level - 1:02}_*.exr")):
        match = NAME.fullmatch(path.name)
        if match is None or int(match[2]) >= len(distances):
            continue
        target = _light(path)
        if target.shape != image.shape:
            raise FileError(
                str(path), f"a picture of {tuple(target.shape[-2:])} px", "Copy BLB again."
            )
        focus = Focus.at_distance(distances[int(match[2])])
        shots.append(Shot(path.stem, target, levels[level - 1], focus=focus))
    if not shots:
        raise FileError(str(folder), f"no bokeh_{level - 1:02}_*.exr", "Copy BLB again.")
    depth = depth.resized(*image.shape[-2:])
    return Scene(folder.name, image, tuple(shots), depth, shots[0].focus)


def _info(file: Path) -> tuple[list[float], list[float]]:
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
        levels = [float(value) for value in info["blur_parameters"]]
        distances = [float(value) for value in info["focus_distances"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(
            str(file), f"no blur_parameters and focus_distances ({error})", "Copy BLB again."
        ) from error
    return levels, distances


def _light(path: Path) -> Tensor:
    return torch.from_numpy(load_photo(path, linear=True).image).permute(2, 0, 1)[None]
