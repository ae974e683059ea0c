"""Plain folders: pictures that belong together have the same name.

```
DIR/all_in_focus/NAME.png   everything sharp
DIR/bokeh/NAME.png          blurred; or several of a scene as DIR/bokeh/NAME/ANY.png
DIR/depth/NAME.npy          any file that load_depth reads
DIR/mask/NAME.png           white where the blurred picture is in focus
```

`all_in_focus/` or `bokeh/` may be missing, and so may `depth/` and `mask/`; where a folder exists,
it is complete. A folder that holds pictures itself is one of pictures alone, all in focus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ....errors import FileError
from ....photo.depth_files import DepthEncoding
from ....photo.photo import PHOTO_SUFFIXES
from ..records import DepthMap, Pair, PairList, Picture
from .files import check_complete, depth_files_in, files_in, natural, pictures_in

SPLITS = ("all",)
NAME = "the folders"


@dataclass(frozen=True)
class DepthCoding:
    """What the depth files of a folder hold; the arguments are those of `load_depth`."""

    encoding: DepthEncoding | None = None
    near_is_white: bool = True
    near_m: float | None = None
    far_m: float | None = None

    def map_of(self, path: Path) -> DepthMap:
        """A file that holds depth in this way."""
        return DepthMap(path, self.encoding, self.near_is_white, self.near_m, self.far_m)


def read(root: Path, split: str = "all", coding: DepthCoding | None = None) -> PairList:
    """All pairs.

    Args:
        root: holds `all_in_focus`, `bokeh` or both.
        split: there is only "all".
        coding: of the depth files.

    Raises:
        FileError: folders or pictures are missing.
    """
    del split
    sharp, bokeh = _by_name(root / "all_in_focus"), _shots(root / "bokeh")
    if not sharp and not bokeh:
        raise FileError(
            str(root),
            "a folder without pictures in all_in_focus/ or bokeh/",
            "Give a folder as docs/data.md shows it.",
        )
    if sharp and bokeh:
        check_complete(root / "bokeh", [name for name in sharp if name not in bokeh], NAME)
        check_complete(root / "all_in_focus", [name for name in bokeh if name not in sharp], NAME)
    scenes = list(sharp or bokeh)
    depth = depth_files_in(root / "depth")
    mask = _by_name(root / "mask")
    for folder, found in (("depth", depth), ("mask", mask)):
        if (root / folder).is_dir():
            check_complete(root / folder, [name for name in scenes if name not in found], NAME)
    coding = coding or DepthCoding()
    return PairList(
        tuple(
            Pair(
                name=name,
                scene=scene,
                all_in_focus=_picture(sharp.get(scene)),
                bokeh=_picture(shot),
                depth=coding.map_of(depth[scene]) if depth else None,
                mask=_picture(mask.get(scene)),
            )
            for scene in scenes
            for name, shot in bokeh.get(scene, {scene: None}).items()
        )
    )


def pictures(
    root: Path, depth_folder: Path | None = None, coding: DepthCoding | None = None
) -> PairList:
    """The pictures in a folder, all in focus, with their depth.

    Args:
        root: holds the pictures.
        depth_folder: holds depth maps of the same names, of all or none.
        coding: of the depth files.

    Raises:
        FileError: there are no pictures, or depth maps are missing.
    """
    if not root.is_dir():
        raise FileError(str(root), "no folder", "Give a folder of pictures.")
    found = pictures_in(root, NAME)
    depth = depth_files_in(depth_folder)
    if depth_folder is not None:
        check_complete(depth_folder, [path.stem for path in found if path.stem not in depth], NAME)
    coding = coding or DepthCoding()
    return PairList(
        tuple(
            Pair(
                name=path.stem,
                scene=path.stem,
                all_in_focus=Picture(path),
                depth=coding.map_of(depth[path.stem]) if depth else None,
            )
            for path in found
        )
    )


def _by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in files_in(folder, PHOTO_SUFFIXES)}


def _shots(folder: Path) -> Mapping[str, Mapping[str, Path]]:
    """Blurred pictures by the name of the scene and their own."""
    if not folder.is_dir():
        return {}
    single = {name: {name: path} for name, path in _by_name(folder).items()}
    inner = sorted(
        (path for path in folder.iterdir() if path.is_dir()), key=lambda p: natural(p.name)
    )
    series = {
        path.name: {f"{path.name}/{shot.stem}": shot for shot in pictures_in(path, NAME)}
        for path in inner
        if path.name[0] != "."
    }
    return single | series


def _picture(path: Path | None) -> Picture | None:
    return None if path is None else Picture(path)
