"""Scenes that are nothing but a text and a camera, for systems that generate pictures.

```
DIR/prompts.json    {"NAME": {"prompt": "a dog", "focal_length_mm": 85, "seed": 3}}
```

A text alone in place of the braces is taken with 50 mm. Without seeds all have 0.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import FileError, InputError
from ...lens.optics import Camera
from .benchmark import Options
from .scene import NOTHING, Scene, SceneFile, Shot
from .simulated import F_NUMBERS

FOCAL_LENGTH_MM = 50.0
KNOWN = {"prompt", "focal_length_mm", "seed"}


def prompt_files(options: Options) -> list[SceneFile]:
    """Each prompt at the eight f-numbers of Fine-grained Defocus."""
    file = options.folder / "prompts.json"
    if not file.is_file():
        raise FileError(str(options.folder), "no prompts.json", 'Write {"NAME": "TEXT"} into it.')
    return [SceneFile(name, partial(_scene, name, said)) for name, said in _read(file).items()]


def _scene(name: str, said: dict[str, Any]) -> Scene:
    camera = Camera(said.get("focal_length_mm", FOCAL_LENGTH_MM), F_NUMBERS[0])
    shots = tuple(Shot(f"f{f_number:g}", f_number=f_number) for f_number in F_NUMBERS)
    return Scene(
        name, NOTHING, shots, camera=camera, prompt=said["prompt"], seed=said.get("seed", 0)
    )


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        prompts = json.loads(file.read_text(encoding="utf-8"))
        return {name: _checked(name, said) for name, said in prompts.items()}
    except (OSError, ValueError, AttributeError, InputError) as error:
        advice = 'Give {"NAME": {"prompt": "a dog", "focal_length_mm": 85, "seed": 3}}.'
        raise FileError(str(file), f"no prompts ({error})", advice) from error


def _checked(name: str, said: Any) -> dict[str, Any]:
    known = {"prompt": said} if isinstance(said, str) else dict(said)
    if not isinstance(known.get("prompt"), str) or set(known) - KNOWN:
        raise ValueError(f"{name} has not just {', '.join(sorted(KNOWN))}")
    Camera(float(known.get("focal_length_mm", FOCAL_LENGTH_MM)), F_NUMBERS[0])
    if not isinstance(known.get("seed", 0), int):
        raise ValueError(f"{name} has a seed that is no whole number")
    return known
