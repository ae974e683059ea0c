"""Shards: the same pairs as before packing, from any place in the files."""

from __future__ import annotations

import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.headless.cli import main
from focuspuller.lens.optics import Camera
from focuspuller.training.data.readers.catalog import open_dataset
from focuspuller.training.data.records import (
    Blur,
    DepthMap,
    Pair,
    PairList,
    Picture,
    Source,
    records_of,
)
from focuspuller.training.data.shards import read, write_shards
from oracles import datasets


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Three scenes, two of them with all that a pair can have."""
    root = datasets.folders(tmp_path / "folders")
    pairs = list(records_of(open_dataset("folders", root)))
    full = [
        Pair(
            name=f"full/{number}",
            scene="full",
            all_in_focus=pairs[0].all_in_focus,
            bokeh=pairs[number].bokeh,
            depth=DepthMap(root / "depth/bird.npy", "disparity", near_m=None),
            mask=pairs[0].mask,
            blur=Blur(3.5, 0.25, is_metric=True),
            f_number=2.0,
            camera=Camera(50.0, 2.0, 24.0, 640),
            focus_distance_m=float("inf"),
            focus_point=(0.25, 0.75),
            aperture=pairs[2].mask,
        )
        for number in range(2)
    ]
    return PairList((*pairs, *full))


def assert_same(first: Pair, second: Pair) -> None:
    for name in ("name", "scene", "blur", "f_number", "camera", "focus_distance_m", "focus_point"):
        assert getattr(first, name) == getattr(second, name)
    for name in ("all_in_focus", "bokeh", "mask", "aperture"):
        one, other = getattr(first, name), getattr(second, name)
        assert (one is None) == (other is None)
        if one is not None:
            assert torch.equal(one.image(), other.image())
    assert (first.depth is None) == (second.depth is None)
    if first.depth is not None:
        one, other = first.depth.depth(), second.depth.depth()
        assert one.is_metric == other.is_metric
        assert torch.equal(one.disparity, other.disparity)


@pytest.mark.parametrize("scenes_per_shard", [1, 2, 10])
def test_packed_pairs_are_the_same(source, tmp_path, scenes_per_shard):
    shards = write_shards(source, tmp_path / "shards", scenes_per_shard)
    assert len(shards) == {1: 3, 2: 2, 10: 1}[scenes_per_shard]
    packed = read(tmp_path / "shards")
    assert len(packed) == len(source) == 5
    # In any order.
    for index in (4, 0, 3, 1, 2):
        assert_same(source.record(index), packed.record(index))


def test_a_picture_that_pairs_share_is_there_once(source, tmp_path):
    (shard,) = write_shards(source, tmp_path / "shards")
    with tarfile.open(shard) as tar:
        names = tar.getnames()
    assert [name for name in names if name.startswith("00000002.aif")] == ["00000002.aif.png"]
    assert len(names) == len(set(names))


def test_the_same_pairs_make_the_same_files(source, tmp_path):
    for name in ("one", "two"):
        write_shards(source, tmp_path / name, 2)
    for first in (tmp_path / "one").iterdir():
        assert first.read_bytes() == (tmp_path / "two" / first.name).read_bytes()


def test_webdataset_reads_them(source, tmp_path):
    wds = pytest.importorskip("webdataset", reason="webdataset is not installed")
    (shard,) = write_shards(source, tmp_path / "shards")
    samples = list(wds.WebDataset(str(shard), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == ["00000000", "00000001", "00000002"]
    assert json.loads(samples[2]["json"])["shots"][0]["blur"]["level"] == 3.5
    assert samples[2]["bokeh000.png"] == source.record(3).bokeh.place.read_bytes()


def test_a_packing_goes_on(source, tmp_path):
    first, second = write_shards(source, tmp_path / "shards", 2)
    expected = second.read_bytes()
    first.write_bytes(first.read_bytes() + b"kept")
    second.with_suffix(".index.json").unlink()
    second.write_bytes(b"torn")
    write_shards(source, tmp_path / "shards", 2)
    assert second.read_bytes() == expected
    assert first.read_bytes().endswith(b"kept")


def test_shards_without_an_index_are_read(source, tmp_path):
    (shard,) = write_shards(source, tmp_path / "shards")
    shard.with_suffix(".index.json").unlink()
    assert_same(source.record(4), read(tmp_path / "shards").record(4))
    assert not shard.with_suffix(".index.json").exists()


def test_an_index_that_is_older_than_its_shard_is_not_used(source, tmp_path):
    import os

    (shard,) = write_shards(source, tmp_path / "shards")
    index = shard.with_suffix(".index.json")
    index.write_text("[]")
    os.utime(index, (1, 1))
    assert len(read(tmp_path / "shards")) == 5


def test_shards_reach_other_processes(source, tmp_path):
    write_shards(source, tmp_path / "shards")
    packed = pickle.loads(pickle.dumps(read(tmp_path / "shards")))
    assert_same(source.record(2), packed.record(2))


class TestRefusing:
    def test_folders_without_shards(self, tmp_path):
        with pytest.raises(FileError, match=r"without \*\.tar"):
            read(tmp_path)

    def test_shards_of_another_layout(self, tmp_path):
        (tmp_path / "a.txt").write_text("a")
        with tarfile.open(tmp_path / "other.tar", "w") as tar:
            tar.add(tmp_path / "a.txt", "a.txt")
        with pytest.raises(FileError, match="another layout"):
            read(tmp_path)

    def test_damaged_shards(self, tmp_path):
        (tmp_path / "torn.tar").write_bytes(b"no tar at all")
        with pytest.raises(FileError, match=r"torn\.tar"):
            read(tmp_path)

    def test_shards_that_have_become_shorter(self, source, tmp_path):
        (shard,) = write_shards(source, tmp_path / "shards")
        packed = read(tmp_path / "shards")
        shard.write_bytes(shard.read_bytes()[:2000])
        with pytest.raises(FileError, match="ends within"):
            packed.record(4).bokeh.image()

    def test_scenes_in_two_places(self, source, tmp_path):
        pairs = source.pairs
        with pytest.raises(InputError, match="full in two places"):
            write_shards(PairList((pairs[3], pairs[0], pairs[4])), tmp_path / "shards")

    def test_other_pairs_in_the_folder(self, source, tmp_path):
        write_shards(source, tmp_path / "shards", 2)
        with pytest.raises(InputError, match="in other portions"):
            write_shards(source, tmp_path / "shards", 3)
        with pytest.raises(InputError, match="other pairs"):
            write_shards(PairList(source.pairs[:2]), tmp_path / "shards", 2)

    def test_files_with_more_than_white(self, tmp_path):
        (tmp_path / "light.exr").write_bytes(b"")
        pair = Pair("a", "a", all_in_focus=Picture(tmp_path / "light.exr"))
        with pytest.raises(InputError, match="from within a shard"):
            write_shards(PairList((pair,)), tmp_path / "shards")

    def test_no_scenes_per_shard(self, source, tmp_path):
        with pytest.raises(InputError, match="scenes_per_shard"):
            write_shards(source, tmp_path / "shards", 0)


class TestTheCommand:
    def test_it_packs_any_layout(self, tmp_path, capsys):
        root, out = datasets.lfdof(tmp_path / "LFDOF"), tmp_path / "shards"
        arguments = ["pack", str(root), "--layout", "lfdof", "--split", "test", "--out", str(out)]
        assert main([*arguments, "--scenes-per-shard", "1"]) == 0
        assert "2 scenes, 6 pairs in 2 shards" in capsys.readouterr().out
        packed = open_dataset("shards", out)
        for index, pair in enumerate(records_of(open_dataset("lfdof", root, "test"))):
            assert_same(pair, packed.record(index))

    def test_it_refuses_unknown_layouts(self, tmp_path, capsys):
        assert main(["pack", str(tmp_path), "--layout", "x", "--out", str(tmp_path)]) == 1
        assert "shards" in capsys.readouterr().err


def test_numbers_survive_exactly(tmp_path):
    datasets.write_picture(tmp_path / "a.png", 1)
    blur = Blur(float(np.pi) * 7, 1 / 3, is_metric=False)
    pair = Pair("a", "a", bokeh=Picture(tmp_path / "a.png"), blur=blur, focus_point=(1 / 3, 0.1))
    write_shards(PairList((pair,)), tmp_path / "shards")
    assert read(tmp_path / "shards").record(0).blur == blur
    assert read(tmp_path / "shards").record(0).focus_point == (1 / 3, 0.1)
