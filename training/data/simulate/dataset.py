"""Simulated scenes as files: written one by one, so that an interrupted run goes on.

The layout is that of `readers.scenes`. A scene's JSON is written last: what has none is made again,
but for the pictures that are already there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from ....errors import FileError, InputError
from ....photo.depth_files import save_depth
from ....photo.files import make_folder, replacing
from ....photo.saving import save_photo
from ..scene_json import JSON, plain_number, without_none
from .catalog import Simulator
from .scene import Shot, SimulatedScene
from .shapes import picture_of

DATASET = "dataset.json"
SCENES_PER_FOLDER = 1000


def claim(folder: Path, kind: str, settings: Any, seed: int, inputs: Mapping[str, Any]) -> None:
    """Make a dataset's folder, or see that it is of these settings.

    Args:
        folder: of the dataset.
        kind: of the simulation.
        settings: its dataclass.
        seed: of everything.
        inputs: what else the scenes follow from.

    Raises:
        InputError: it holds a dataset of other settings.
        FileError: it cannot be written.
    """
    made_by = {"kind": kind, "seed": seed, "settings": asdict(settings), **inputs}
    text, file = json.dumps(made_by, indent=2) + "\n", folder / DATASET
    make_folder(folder)
    if file.is_file():
        before = _read(file)
        if before != json.loads(text):
            changed = sorted(
                name
                for name in made_by.keys() | before.keys()
                if made_by.get(name) != before.get(name)
            )
            raise InputError(
                "--out",
                f"{folder}, where a dataset was made otherwise ({', '.join(changed)})",
                "Give another folder, or the same settings to go on.",
            )
        return
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileError(str(file), f"a damaged file ({error})", "Give another folder.") from error
    return content if isinstance(content, dict) else {}


def scene_file(folder: Path, index: int) -> Path:
    """The JSON of a scene."""
    return folder / f"{index // SCENES_PER_FOLDER:05d}" / f"{index:08d}.{JSON}"


def is_done(folder: Path, index: int) -> bool:
    """Whether a scene is complete."""
    return scene_file(folder, index).is_file()


def write_scene(folder: Path, simulator: Simulator, index: int) -> int:
    """Make one scene and write it, unless it is there.

    Args:
        folder: of the dataset.
        simulator: makes the scenes.
        index: number of the scene.

    Returns:
        How many pictures were made.

    Raises:
        FileError: what it is made of cannot be used, or the files cannot be written.
    """
    if is_done(folder, index):
        return 0
    file, scene = scene_file(folder, index), simulator.scene(index)
    make_folder(file.parent)
    content = {
        "scene": f"{index:08d}",
        "source": scene.source,
        "all_in_focus": "aif.png",
        "depth": _write_depth(file, scene),
    }
    _write_picture(file.with_suffix(".aif.png"), scene.all_in_focus)
    written = [_write_shot(file, scene, number) for number in range(len(scene.shots))]
    content["shots"] = [shot for shot, _ in written]
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")
    return sum(is_new for _, is_new in written)


def _write_depth(file: Path, scene: SimulatedScene) -> dict[str, Any]:
    limits = save_depth(file.with_suffix(".depth.png"), scene.depth)
    near, far = limits or (None, None)
    values = {"file": "depth.png", "near_m": plain_number(near), "far_m": plain_number(far)}
    return without_none(values)


def _write_shot(file: Path, scene: SimulatedScene, number: int) -> tuple[dict[str, Any], bool]:
    """The description of a shot, and whether its picture was made now."""
    shot, bokeh = scene.shots[number], f"bokeh{number:03d}.png"
    path = file.with_suffix(f".{bokeh}")
    is_new = not path.is_file()
    content = {
        "name": f"{file.stem}/{number:03d}",
        "bokeh": bokeh,
        "blur": vars(shot.blur),
        "focus_point": shot.focus_point,
        "aperture": _write_aperture(file, shot, number),
    }
    if is_new:
        _write_picture(path, scene.photograph(shot))
    return without_none(content), is_new


def _write_aperture(file: Path, shot: Shot, number: int) -> str | None:
    if shot.aperture.is_circle:
        return None
    name = f"aperture{number:03d}.png"
    _write_picture(file.with_suffix(f".{name}"), picture_of(shot.aperture).expand(3, -1, -1))
    return name


def _write_picture(path: Path, image: Tensor) -> None:
    save_photo(path, image.movedim(0, -1))
