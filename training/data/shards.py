"""Shards: tar files of many scenes, in the layout of webdataset, with an index beside each.

```
DIR/shard-000000.tar           members 00000012.json, 00000012.aif.png, 00000012.bokeh000.png, …
DIR/shard-000000.index.json    where each member starts
```

webdataset and tar read the tar files as they are. The index gives what a stream does not have: any
record by its number, so that a training that goes on sees what it would have seen.
"""

from __future__ import annotations

import io
import json
import tarfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from ...errors import FileError, InputError
from ...photo.files import make_folder, read_file, replacing
from ...photo.saving import HDR_SUFFIXES
from .records import Member, Pair, Place, Source, digest_of
from .scene_json import JSON, pairs_in, scene_of

SPLITS = ("all",)
INDEX = ".index.json"
# What the shards of a folder were made of, so that a packing that goes on does not mix.
PACKING = "packing.json"
SCENES_PER_SHARD = 1000
OnScene = Callable[[int], None]


def write_shards(
    source: Source,
    folder: Path,
    scenes_per_shard: int = SCENES_PER_SHARD,
    on_scene: OnScene | None = None,
) -> list[Path]:
    """Pack a source into shards; files go in as they are.

    Shards that are there already are kept, so that an interrupted packing goes on.

    Args:
        source: its pairs of one scene have to follow each other.
        folder: for the shards.
        scenes_per_shard: scenes in each but the last.
        on_scene: called with the number of scenes that are packed.

    Returns:
        The tar files.

    Raises:
        InputError: scenes_per_shard is below 1, a scene comes twice, or the folder holds shards of
            other pairs.
        FileError: a file cannot be read or written.
    """
    if scenes_per_shard < 1:
        raise InputError("scenes_per_shard", str(scenes_per_shard), "Give 1 or more.")
    _claim(folder, {"scenes_per_shard": scenes_per_shard, "pairs": digest_of(source)})
    shards, done = [], 0
    for number, group in enumerate(_portions(_scenes(source), scenes_per_shard)):
        shard = folder / f"shard-{number:06d}.tar"
        if not (shard.is_file() and _index_path(shard).is_file()):
            _write_shard(shard, group, number * scenes_per_shard)
        shards.append(shard)
        done += len(group)
        if on_scene is not None:
            on_scene(done)
    return shards


def _claim(folder: Path, packing: dict[str, Any]) -> None:
    """Make the folder, or see that its shards are of the same pairs."""
    make_folder(folder)
    file, text = folder / PACKING, json.dumps(packing)
    if file.is_file() and read_file(file) != text.encode():
        raise InputError(
            "--out",
            f"{folder}, where other pairs were packed, or in other portions",
            "Give another folder.",
        )
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _scenes(source: Source) -> Iterator[list[Pair]]:
    """Pairs of one scene after the other."""
    current: list[Pair] = []
    finished: set[str] = set()
    for number in range(len(source)):
        pair = source.record(number)
        if current and pair.scene != current[0].scene:
            finished.add(current[0].scene)
            yield current
            current = []
        if pair.scene in finished:
            raise InputError("source", f"pairs of {pair.scene} in two places", "Sort by scene.")
        current.append(pair)
    if current:
        yield current


def _portions(scenes: Iterable[list[Pair]], size: int) -> Iterator[list[list[Pair]]]:
    portion: list[list[Pair]] = []
    for scene in scenes:
        portion.append(scene)
        if len(portion) == size:
            yield portion
            portion = []
    if portion:
        yield portion


def _write_shard(shard: Path, scenes: Sequence[Sequence[Pair]], first: int) -> None:
    """Write a shard and its index; the index comes last and makes the shard complete."""
    with (
        replacing(shard) as temporary,
        tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for number, pairs in enumerate(scenes, first):
            scene, places = scene_of(pairs)
            text = json.dumps(scene).encode()
            for extension, content in [(JSON, text), *_contents(places)]:
                # No times and owners: the same scenes make the same file.
                info = tarfile.TarInfo(f"{number:08d}.{extension}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    _write_index(shard)


def _contents(places: dict[str, Place]) -> Iterator[tuple[str, bytes]]:
    for extension, place in places.items():
        if extension.endswith(HDR_SUFFIXES):
            advice = "Shards hold PNG, JPEG, TIFF, WebP, HEIC and NumPy files."
            raise InputError(place.name, "a file that cannot be read from within a shard", advice)
        yield extension, read_file(place) if isinstance(place, Path) else place.read()


def _index_path(shard: Path) -> Path:
    return shard.with_suffix(INDEX)


def _write_index(shard: Path) -> None:
    index = _index_of(shard)
    with replacing(_index_path(shard)) as temporary:
        temporary.write_text(json.dumps(index), encoding="utf-8")


def _index_of(shard: Path) -> list[dict[str, Any]]:
    """What the scenes of a shard are, and where their members start."""
    scenes: dict[str, dict[str, Any]] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for info in tar:
                key, _, extension = Path(info.name).name.partition(".")
                scene = scenes.setdefault(key, {"members": {}})
                scene["members"][extension] = [info.offset_data, info.size]
                if extension == JSON:
                    place = Member(shard, info.name, info.offset_data, info.size)
                    scene["scene"] = json.loads(place.read())
    except (OSError, tarfile.TarError, ValueError) as error:
        raise FileError(
            str(shard), f"a shard that cannot be read ({error})", "Copy it again."
        ) from error
    return list(scenes.values())


@dataclass(frozen=True)
class Shards:
    """The pairs of all shards.

    Args:
        shards: the tar files.
        indices: the scenes of each.
        ends: number of the pair after the last of each scene, over all shards.
        owners: (shard, scene within it) of each scene.
    """

    shards: tuple[Path, ...]
    indices: tuple[tuple[dict[str, Any], ...], ...]
    ends: tuple[int, ...]
    owners: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def record(self, index: int) -> Pair:
        """One pair."""
        number = bisect_right(self.ends, index)
        shard_number, scene_number = self.owners[number]
        shard, scene = self.shards[shard_number], self.indices[shard_number][scene_number]

        def locate(extension: str) -> Member:
            offset, length = scene["members"][extension]
            return Member(shard, extension, offset, length)

        first = self.ends[number - 1] if number else 0
        return pairs_in(scene["scene"], locate, str(shard))[index - first]


def read(root: Path, split: str = "all") -> Shards:
    """The pairs of a folder of shards, in the order of the shards' names.

    A shard without an index is read through instead, which takes longer.

    Args:
        root: holds `*.tar`.
        split: there is only "all".

    Raises:
        FileError: there are no shards, or one is damaged or of another layout.
    """
    del split
    shards = tuple(sorted(root.glob("*.tar"))) if root.is_dir() else ()
    if not shards:
        raise FileError(
            str(root),
            "a folder without *.tar" if root.is_dir() else "no folder",
            "Give a folder of shards.",
        )
    indices = tuple(tuple(_read_index(shard)) for shard in shards)
    owners = tuple(
        (number, scene) for number, index in enumerate(indices) for scene in range(len(index))
    )
    counts = (len(indices[shard][scene]["scene"]["shots"]) for shard, scene in owners)
    return Shards(shards, indices, tuple(accumulate(counts)), owners)


def _read_index(shard: Path) -> list[dict[str, Any]]:
    path = _index_path(shard)
    is_current = path.is_file() and path.stat().st_mtime_ns >= shard.stat().st_mtime_ns
    try:
        index = json.loads(path.read_text(encoding="utf-8")) if is_current else _index_of(shard)
        if any("shots" not in scene["scene"] for scene in index):
            raise KeyError("shots")
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(
            str(shard),
            f"a shard of another layout ({error!r})",
            "Give shards that focuspuller pack has written.",
        ) from error
    return index
