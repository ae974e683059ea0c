"""Datasets that `focuspuller simulate` writes: a folder of scenes.

```
DIR/dataset.json                   what made it
DIR/00000/00000012.json            one of each scene: what is in its pictures
DIR/00000/00000012.aif.png         everything sharp
DIR/00000/00000012.depth.png       disparity, 16 bits
DIR/00000/00000012.bokeh000.png    blurred, one or more
```
"""

from __future__ import annotations

import json
from pathlib import Path

from ....errors import FileError
from ..records import Pair, PairList
from ..scene_json import JSON, pairs_in

SPLITS = ("all",)


def read(root: Path, split: str = "all") -> PairList:
    """All pairs of the scenes that are complete, in the order of their numbers.

    Args:
        root: the dataset's folder.
        split: there is only "all".

    Raises:
        FileError: there are no scenes, or one is damaged.
    """
    del split
    files = sorted(root.glob(f"*/*.{JSON}")) if root.is_dir() else []
    if not files:
        raise FileError(
            str(root),
            "a folder without scenes" if root.is_dir() else "no folder",
            "Give a folder that focuspuller simulate has written.",
        )
    return PairList(tuple(pair for file in files for pair in read_scene(file)))


def read_scene(file: Path) -> tuple[Pair, ...]:
    """The pairs of one scene.

    Args:
        file: its JSON.

    Raises:
        FileError: it is damaged.
    """
    try:
        scene = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileError(
            str(file), f"a scene that cannot be read ({error})", "Make the dataset again."
        ) from error
    return pairs_in(scene, lambda extension: file.with_suffix(f".{extension}"), str(file))
