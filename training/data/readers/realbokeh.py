"""RealBokeh (Seizinger et al., Bokehlicious, ICCV 2025), also in 3 MP: aperture series.

```
DIR/train/metadata/1.json        what belongs together
DIR/train/in/1_f22.JPG           all in focus
DIR/train/gt/1/1_f2.0.JPG        blurred, one or more of each scene
DIR/validation/… DIR/test/…      likewise
```

The metadata name the files, their f-numbers (`target_avs`), the focal length in mm and the distance
of the focus plane in metres. The lens, 28–70 mm f/2, is one for full frame: the sensor is taken to
be 36 mm wide.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....errors import FileError
from ....lens.optics import Camera
from ..records import Pair, PairList, Picture
from .files import check_complete, files_in, folder_at

SPLITS = ("train", "validation", "test")


def read(root: Path, split: str) -> PairList:
    """The pairs of a split, one for each f-number of each scene.

    Args:
        root: holds `train`, `validation` or `test`.
        split: one of these.

    Raises:
        FileError: folders, metadata or pictures are missing.
    """
    folder = folder_at(root, split, dataset="RealBokeh")
    metadata = folder_at(folder, "metadata", dataset="RealBokeh")
    files = files_in(metadata, (".json",))
    check_complete(metadata, [] if files else ["NUMBER.json"], "RealBokeh")
    pairs = tuple(pair for file in files for pair in _scene(file, folder, split))
    places = {pair.all_in_focus: None for pair in pairs} | {pair.bokeh: None for pair in pairs}
    paths = [picture.place for picture in places if picture and isinstance(picture.place, Path)]
    missing = [str(path.relative_to(folder)) for path in paths if not path.is_file()]
    check_complete(folder, missing, "RealBokeh")
    return PairList(pairs)


def _scene(file: Path, folder: Path, split: str) -> list[Pair]:
    try:
        scene = json.loads(file.read_text(encoding="utf-8"))
        sharp = Picture(folder / scene["source_image"])
        shots = list(zip(scene["target_images"], scene["target_avs"], strict=True))
        return [
            Pair(
                name=f"{split}/{Path(name).stem}",
                scene=f"{split}/{scene['id']}",
                all_in_focus=sharp,
                bokeh=Picture(folder / name),
                f_number=float(f_number),
                camera=_camera(scene, float(f_number)),
                focus_distance_m=_distance(scene),
            )
            for name, f_number in shots
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(
            str(file), f"metadata that cannot be used ({error!r})", "Copy RealBokeh again."
        ) from error


def _camera(scene: Mapping[str, Any], f_number: float) -> Camera | None:
    focal_length = scene.get("focal_length")
    return Camera(float(focal_length), f_number) if focal_length else None


def _distance(scene: Mapping[str, Any]) -> float | None:
    distance = scene.get("focus_plane_distance")
    return float(distance) if distance and distance > 0 else None
