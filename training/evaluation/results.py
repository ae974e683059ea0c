"""What an evaluation has found so far, in its folder: one file for each system and scene.

```
OUT/run.json                          what was evaluated
OUT/results/SYSTEM/SCENE.json         figures of every picture
OUT/features/SYSTEM/SCENE.npz         features of the metrics that compare sets
OUT/pictures/SYSTEM/SCENE/SHOT.png    as compared; SYSTEM is also "given" and "target"
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import InputError
from ...photo.files import make_folder, replacing

GIVEN, TARGET = "given", "target"
RUN = "run.json"


@dataclass(frozen=True)
class SceneResult:
    """What a system reached on a scene.

    Args:
        figures: by column, one for each picture, or one for a series.
        features: by column, `[D]` of each picture.
        levels: bokeh levels that were searched, by shot.
        seconds: it took for a picture, in the mean.
    """

    figures: Mapping[str, list[float]]
    features: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0


class Store:
    """The folder of an evaluation.

    Args:
        folder: made if missing.
        settings: what the results depend on.

    Raises:
        InputError: it holds an evaluation with other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        make_folder(folder)
        file = folder / RUN
        if file.is_file():
            before = _read_json(file)
            changed = [
                name for name in settings if before.get(name, settings[name]) != settings[name]
            ]
            if changed:
                raise InputError(
                    "out",
                    f"{folder}, with an evaluation that differs in {', '.join(changed)}",
                    "Give another folder, or the same settings to go on.",
                )
            settings = {**before, **settings}
        _write_json(file, dict(settings))

    def result(self, system: str, scene: str, columns: set[str]) -> SceneResult | None:
        """What is known of a system and a scene, if it has all columns."""
        file = self._file("results", system, scene, ".json")
        if not file.is_file():
            return None
        try:
            stored = _read_json(file)
            features = self._features(system, scene)
            result = SceneResult(
                stored["figures"], features, stored["levels"], float(stored["seconds"])
            )
        except (ValueError, KeyError, OSError):
            return None  # Written by another version: done again.
        return result if columns <= set(result.figures) | set(features) else None

    def keep(self, system: str, scene: str, result: SceneResult) -> None:
        """Remember a result. The file appears when it is complete."""
        if result.features:
            file = self._file("features", system, scene, ".npz")
            make_folder(file.parent)
            with replacing(file) as unfinished, unfinished.open("wb") as stream:
                np.savez(stream, **dict[str, Any](result.features))
        stored = asdict(result)
        del stored["features"]
        _write_json(self._file("results", system, scene, ".json"), stored)

    def _features(self, system: str, scene: str) -> dict[str, NDArray[np.float64]]:
        file = self._file("features", system, scene, ".npz")
        if not file.is_file():
            return {}
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored}

    def keep_picture(self, system: str, scene: str, shot: str, shown: Tensor) -> None:
        """Save a picture `[1,3,H,W]`, coded 0..1."""
        from PIL import Image

        file = picture_file(self.folder, system, scene, shot)
        make_folder(file.parent)
        levels = (255 * shown[0].clamp(0, 1)).round().to(torch.uint8).permute(1, 2, 0)
        with replacing(file) as unfinished:
            Image.fromarray(levels.cpu().numpy()).save(unfinished, "PNG")

    def _file(self, kind: str, system: str, scene: str, suffix: str) -> Path:
        return self.folder / kind / system / f"{scene}{suffix}"


def picture_file(folder: Path, system: str, scene: str, shot: str) -> Path:
    """Where a picture is in the folder of an evaluation, or would be."""
    return folder / "pictures" / system / scene / f"{shot}.png"


def _read_json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    make_folder(file.parent)
    with replacing(file) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
