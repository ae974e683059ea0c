"""Scenes whose targets a renderer makes, or that have none: sharp pictures with depth.

```
DIR/pictures/NAME.jpg     all in focus
DIR/depth/NAME.npy        any file that load_depth reads
DIR/points.json           {"NAME": [[x, y], [x, y]]}: points to focus on, as fractions
```

Without `points.json` the first plane is that of the nearest quarter of the picture, the second that
of the farthest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import FileError
from ...lens.defocus import defocus_from_bokeh_level
from ...lens.depth import Depth
from ...lens.focus import Focus
from ...lens.render import Lens, render
from ..data.readers.folders import pictures
from ..data.records import Picture, records_of
from .benchmark import Options
from .photographs import depth_beside, light_of, quantile
from .scene import Scene, SceneFile, Shot

# DiffCamera simulates with BokehMe. Levels in px of a picture with this longest edge.
SIMULATOR = "bokehme"
LEVELS = (5.0, 10.0, 15.0, 20.0)
LEVEL_EDGE = 512
# Fine-grained Defocus section 4.1.
F_NUMBERS = (1.8, 2.8, 4.0, 5.6, 8.0, 11.0, 16.0, 22.0)
# Largest blur radius at f/1.8 as a share of the longest edge.
WIDEST_SHARE = 0.03


@dataclass(frozen=True, eq=False)
class Sharp:
    """A sharp picture with its geometry.

    Args:
        image: linear light `[1,3,H,W]`.
        depth: of its size.
        focuses: two planes.
    """

    image: Tensor
    depth: Depth
    focuses: tuple[Focus, Focus]

    @property
    def scale(self) -> float:
        """Px per px of a picture of `LEVEL_EDGE`, per unit of disparity."""
        low, high = torch.aminmax(self.depth.disparity)
        span = float(high - low) if self.depth.is_metric else 1.0
        return max(self.image.shape[-2:]) / LEVEL_EDGE / max(span, 1e-9)

    def blurred(self, focus: Focus, level: float) -> Tensor:
        """What the simulator makes of it."""
        defocus = defocus_from_bokeh_level(self.depth, focus, level)
        with torch.inference_mode():
            return render(self.image, defocus, Lens(SIMULATOR)).clone()


def added_bokeh(options: Options) -> list[SceneFile]:
    """DiffCamera's task 2: one focus, four bokeh levels."""
    return _files(options, _added)


def removed_bokeh(options: Options) -> list[SceneFile]:
    """DiffCamera's task 3: the same pictures, to be made sharp."""
    return _files(options, _removed)


def refocused(options: Options) -> list[SceneFile]:
    """DiffCamera's task 1: two pictures with a focus and a level each, from one to the other."""
    return _files(options, _refocused)


def apertures(options: Options) -> list[SceneFile]:
    """Fine-grained Defocus: a picture at eight f-numbers."""
    return _files(options, _apertures)


def _added(name: str, sharp: Sharp) -> Scene:
    focus = sharp.focuses[0]
    shots = tuple(
        Shot(f"level{level:g}", sharp.blurred(focus, level * sharp.scale), level * sharp.scale)
        for level in LEVELS
    )
    return Scene(name, sharp.image, shots, sharp.depth, focus)


def _removed(name: str, sharp: Sharp) -> Scene:
    shots = tuple(
        Shot(
            f"level{level:g}",
            sharp.image,
            source=sharp.blurred(sharp.focuses[0], level * sharp.scale),
        )
        for level in LEVELS
    )
    return Scene(name, sharp.image, shots, sharp.depth)


def _refocused(name: str, sharp: Sharp) -> Scene:
    levels = [level * sharp.scale for level in (LEVELS[1], LEVELS[3])]
    ends = [sharp.blurred(focus, level) for focus, level in zip(sharp.focuses, levels, strict=True)]
    shots = tuple(
        Shot(
            f"to_{'second' if target else 'first'}",
            ends[target],
            levels[target],
            focus=sharp.focuses[target],
            source=ends[1 - target],
        )
        for target in (1, 0)
    )
    return Scene(name, sharp.image, shots, sharp.depth, sharp.focuses[0])


def _apertures(name: str, sharp: Sharp) -> Scene:
    focus = sharp.focuses[0]
    farthest = float((sharp.depth.disparity - focus.plane[0]).abs().amax())
    widest = WIDEST_SHARE * max(sharp.image.shape[-2:]) / max(farthest, 1e-9)
    shots = tuple(
        Shot(f"f{f_number:g}", level=widest * F_NUMBERS[0] / f_number, f_number=f_number)
        for f_number in F_NUMBERS
    )
    return Scene(name, sharp.image, shots, sharp.depth, focus)


def _files(options: Options, make: Any) -> list[SceneFile]:
    pairs = list(records_of(pictures(options.folder / "pictures")))
    points = _points(options.folder / "points.json")
    depth = options.depth or options.folder / "depth"
    return [
        SceneFile(pair.name, partial(_load, make, pair.name, pair.all_in_focus, depth, points))
        for pair in pairs
    ]


def _load(make: Any, name: str, picture: Picture | None, depth_folder: Path, points: Any) -> Scene:
    assert picture is not None
    image = light_of(picture)
    depth = depth_beside(name, depth_folder)
    assert depth is not None
    depth = depth.resized(*image.shape[-2:])
    return make(name, Sharp(image, depth, _focuses(depth, points.get(name))))


def _focuses(depth: Depth, points: Any) -> tuple[Focus, Focus]:
    if points is None:
        planes = [quantile(depth.disparity, share) for share in (0.875, 0.125)]
    else:
        height, width = depth.size
        places = [
            (min(int(y * height), height - 1), min(int(x * width), width - 1)) for x, y in points
        ]
        planes = [depth.disparity[0, 0, row, column] for row, column in places]
    first, second = (Focus.at_disparity(plane, depth.is_metric) for plane in planes)
    return first, second


def _points(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        points = json.loads(file.read_text(encoding="utf-8"))
        for name, places in points.items():
            (x, y), (u, v) = places
            if not all(0 <= value <= 1 for value in (x, y, u, v)):
                raise ValueError(f"{name} lies outside of the picture")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise FileError(
            str(file),
            f"no points to focus on ({error})",
            'Give {"NAME": [[x, y], [x, y]]}, fractions of width and height.',
        ) from error
    return points
