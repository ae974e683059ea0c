"""Depth maps and masks that lie beside a dataset, found by the names of its scenes and pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...photo.depth_files import DEPTH_SUFFIXES
from ...photo.photo import PHOTO_SUFFIXES
from .readers.files import check_complete
from .readers.folders import DepthCoding
from .records import PairList, Picture, Source, records_of


def with_depth(source: Source, folder: Path, coding: DepthCoding | None = None) -> PairList:
    """The pairs with depth from a folder: `SCENE.npy`, or any file that `load_depth` reads.

    A scene `test/9` has its depth in `test/9.npy`.

    Args:
        source: the pairs.
        folder: of the depth maps.
        coding: what they hold.

    Raises:
        FileError: depth maps are missing.
    """
    coding = coding or DepthCoding()
    pairs = list(records_of(source))
    found = {pair.scene: _file(folder, (pair.scene,), DEPTH_SUFFIXES) for pair in pairs}
    check_complete(folder, [scene for scene, path in found.items() if path is None], "the depth")
    depth = {scene: coding.map_of(path) for scene, path in found.items() if path is not None}
    return PairList(tuple(replace(pair, depth=depth[pair.scene]) for pair in pairs))


def with_masks(source: Source, folder: Path) -> PairList:
    """The pairs with in-focus masks from a folder: `NAME.png` of the pair, or `SCENE.png`.

    Args:
        source: the pairs.
        folder: of the masks, white where the blurred picture is in focus.

    Raises:
        FileError: masks are missing.
    """
    pairs = list(records_of(source))
    found = [_file(folder, (pair.name, pair.scene), PHOTO_SUFFIXES) for pair in pairs]
    missing = [pair.name for pair, path in zip(pairs, found, strict=True) if path is None]
    check_complete(folder, missing, "the masks")
    return PairList(
        tuple(
            replace(pair, mask=Picture(path))
            for pair, path in zip(pairs, found, strict=True)
            if path is not None
        )
    )


def _file(folder: Path, names: Sequence[str], suffixes: Sequence[str]) -> Path | None:
    """The first file of these names; names may hold dots."""
    for name in names:
        for suffix in suffixes:
            path = folder / f"{name}{suffix}"
            if path.is_file():
                return path
    return None
