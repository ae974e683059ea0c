"""What lies beside the pictures of a scene: a JSON that names them and says how they are blurred.

Simulated datasets and shards store scenes in the same way: files `KEY.EXTENSION`, of which
`KEY.json` names the others by their extensions. docs/data.md describes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import FileError
from ...lens.optics import Camera
from .records import Blur, DepthMap, Pair, Picture, Place

JSON = "json"
# From the extension of a file to where it is.
Locate = Callable[[str], Place]


def pairs_in(scene: Mapping[str, Any], locate: Locate, source: str) -> tuple[Pair, ...]:
    """The pairs of a scene.

    Args:
        scene: the content of its JSON.
        locate: where its files are.
        source: of the JSON, for errors.

    Raises:
        FileError: the JSON lacks something.
    """
    try:
        return tuple(_pair(scene, shot, locate) for shot in scene["shots"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(
            source, f"a scene that cannot be read ({error!r})", "Make the dataset again."
        ) from error


def _pair(scene: Mapping[str, Any], shot: Mapping[str, Any], locate: Locate) -> Pair:
    def picture(content: Mapping[str, Any], name: str) -> Picture | None:
        return Picture(locate(content[name])) if name in content else None

    depth, point = scene.get("depth"), shot.get("focus_point")
    return Pair(
        name=str(shot["name"]),
        scene=str(scene["scene"]),
        all_in_focus=picture(scene, "all_in_focus"),
        bokeh=picture(shot, "bokeh"),
        depth=None if depth is None else _depth(depth, locate),
        mask=picture(shot, "mask"),
        blur=Blur(**shot["blur"]) if "blur" in shot else None,
        f_number=shot.get("f_number"),
        camera=Camera(**shot["camera"]) if "camera" in shot else None,
        focus_distance_m=_number(shot.get("focus_distance_m")),
        focus_point=None if point is None else (float(point[0]), float(point[1])),
        aperture=picture(shot, "aperture"),
    )


def _depth(depth: Mapping[str, Any], locate: Locate) -> DepthMap:
    return DepthMap(
        locate(depth["file"]),
        depth.get("encoding"),
        depth.get("near_is_white", True),
        _number(depth.get("near_m")),
        _number(depth.get("far_m")),
    )


def _number(value: Any) -> float | None:
    """JSON has no infinity: it is written as "inf"."""
    return None if value is None else float(value)


def plain_number(value: float | None) -> float | str | None:
    """A number as JSON has it."""
    return "inf" if value == float("inf") else value


def scene_of(pairs: Sequence[Pair]) -> tuple[dict[str, Any], dict[str, Place]]:
    """The JSON of a scene, and its files by extension.

    Args:
        pairs: all of one scene.
    """
    first, files = pairs[0], _Files()
    scene: dict[str, Any] = {"scene": first.scene}
    if first.all_in_focus is not None:
        scene["all_in_focus"] = files.add("aif", first.all_in_focus.place)
    if first.depth is not None:
        depth = first.depth
        values = {
            "file": files.add("depth", depth.place),
            "encoding": depth.encoding,
            "near_is_white": depth.near_is_white,
            "near_m": plain_number(depth.near_m),
            "far_m": plain_number(depth.far_m),
        }
        scene["depth"] = without_none(values)
    scene["shots"] = [_shot(pair, number, files) for number, pair in enumerate(pairs)]
    return scene, files.places


def _shot(pair: Pair, number: int, files: _Files) -> dict[str, Any]:
    shot: dict[str, Any] = {"name": pair.name}
    for kind in ("bokeh", "mask", "aperture"):
        picture = getattr(pair, kind)
        if picture is not None:
            shot[kind] = files.add(f"{kind}{number:03d}", picture.place)
    for kind in ("blur", "camera"):
        values = getattr(pair, kind)
        if values is not None:
            shot[kind] = without_none(vars(values))
    shot |= {
        "f_number": pair.f_number,
        "focus_distance_m": plain_number(pair.focus_distance_m),
        "focus_point": pair.focus_point,
    }
    return without_none(shot)


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in values.items() if value is not None}


class _Files:
    """Files of a scene by extension; one that several shots share is there once."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}

    def add(self, kind: str, place: Place) -> str:
        """The extension that a file gets."""
        for extension, known in self.places.items():
            if known == place:
                return extension
        extension = kind + Path(place.name).suffix.lower()
        self.places[extension] = place
        return extension
