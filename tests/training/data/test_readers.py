"""Readers of published datasets, on tiny copies of their layouts."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.optics import Camera
from focuspuller.training.data.readers.catalog import LAYOUTS, open_dataset
from focuspuller.training.data.readers.folders import DepthCoding, pictures, read
from focuspuller.training.data.records import Blur, Pair, Picture, records_of, scenes_of
from oracles import datasets as layouts

COPIES = {
    "dpdd": layouts.dpdd,
    "realdof": layouts.realdof,
    "lfdof": layouts.lfdof,
    "ebb": layouts.ebb,
    "realbokeh": layouts.realbokeh,
    "folders": layouts.folders,
}
every_layout = pytest.mark.parametrize("layout", COPIES)


def names(pairs: list[Pair]) -> list[str]:
    return [pair.name for pair in pairs]


def file_names(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [(pair.bokeh.name, pair.all_in_focus.name) for pair in pairs]


@every_layout
def test_every_pair_opens_and_has_its_own_name(layout, tmp_path):
    root = COPIES[layout](tmp_path)
    for split in LAYOUTS[layout].splits:
        pairs = list(records_of(open_dataset(layout, root, split)))
        assert len(pairs) > 1
        assert len(set(names(pairs))) == len(pairs)
        for pair in pairs:
            assert pair.bokeh.image().shape == pair.all_in_focus.image().shape == (3, 12, 16)


@every_layout
def test_sources_reach_other_processes(layout, tmp_path):
    source = open_dataset(layout, COPIES[layout](tmp_path))
    assert pickle.loads(pickle.dumps(source)) == source


@every_layout
def test_without_a_split_the_first_is_read(layout, tmp_path):
    root = COPIES[layout](tmp_path)
    assert open_dataset(layout, root) == open_dataset(layout, root, LAYOUTS[layout].splits[0])


@every_layout
def test_an_empty_folder_is_refused_with_the_name_of_what_it_lacks(layout, tmp_path):
    with pytest.raises(FileError, match=r"docs/data\.md"):
        open_dataset(layout, tmp_path)


@every_layout
def test_a_picture_without_its_other_half_is_refused(layout, tmp_path):
    root = COPIES[layout](tmp_path)
    source = open_dataset(layout, root)
    source.record(0).all_in_focus.place.unlink()
    with pytest.raises(FileError):
        open_dataset(layout, root)


def test_pixels_are_those_of_the_file(tmp_path):
    pixels = layouts.write_picture(tmp_path / "all_in_focus/a.png", 3)
    pair = read(tmp_path).record(0)
    assert torch.equal(
        (pair.all_in_focus.image() * 255).round().byte(), torch.from_numpy(pixels).movedim(-1, 0)
    )
    assert pair.bokeh is None


def test_16_bits_are_kept(tmp_path):
    root = layouts.dpdd(tmp_path)
    colours = np.arange(12 * 16 * 3, dtype=np.uint16).reshape(12, 16, 3) * 113 + 7
    layouts.write_png16(root / "test_c/source/1P0A0917.png", colours)
    image = open_dataset("dpdd", root, "test").record(0).bokeh.image()
    torch.testing.assert_close(
        image * 65535, torch.from_numpy(colours.astype(np.float32)).movedim(-1, 0)
    )


class TestDpdd:
    def test_pairs_follow_from_the_order(self, tmp_path):
        pairs = list(records_of(open_dataset("dpdd", layouts.dpdd(tmp_path), "test")))
        assert file_names(pairs)[:2] == [
            ("1P0A0917.png", "1P0A0916.png"),
            ("1P0A0929.png", "1P0A0928.png"),
        ]
        assert names(pairs)[0] == "test/1P0A0917"

    def test_unequal_numbers_of_pictures_are_refused(self, tmp_path):
        root = layouts.dpdd(tmp_path)
        layouts.write_picture(root / "test_c/source/1P0A2000.png", 1)
        with pytest.raises(FileError, match=r"4 pictures in source/ and 3 in target/"):
            open_dataset("dpdd", root, "test")


class TestLfdof:
    def test_views_of_a_scene_share_its_ground_truth(self, tmp_path):
        source = open_dataset("lfdof", layouts.lfdof(tmp_path), "train")
        assert scenes_of(source) == {"train/IMG_988": (0, 1, 2), "train/IMG_1275": (3, 4, 5)}
        assert file_names(list(records_of(source)))[4] == ("IMG_1275_ap1_01.png", "IMG_1275.png")

    def test_a_scene_without_views_is_refused(self, tmp_path):
        root = layouts.lfdof(tmp_path)
        shutil.rmtree(root / "train_data/input/IMG_988")
        with pytest.raises(FileError, match=r"lacks 1 of its files \(IMG_988\)"):
            open_dataset("lfdof", root, "train")


class TestEbb:
    def test_val294_starts_at_picture_4400(self, tmp_path):
        root = layouts.ebb(tmp_path)
        train = list(records_of(open_dataset("ebb", root, "train")))
        val = list(records_of(open_dataset("ebb", root, "val294")))
        assert names(train) == ["train/0", "train/2", "train/10", "train/4399"]
        assert names(val) == ["val294/4400", "val294/4693"]
        assert {pair.f_number for pair in train + val} == {1.8}

    def test_val294_is_read_alone_too(self, tmp_path):
        pairs = list(records_of(open_dataset("ebb", layouts.ebb_val294(tmp_path), "val294")))
        assert names(pairs) == ["val294/4400", "val294/4401"]
        assert pairs[0].all_in_focus.place.parent.name == "in"


class TestRealBokeh:
    def test_metadata_say_what_belongs_together(self, tmp_path):
        pairs = list(records_of(open_dataset("realbokeh", layouts.realbokeh(tmp_path), "test")))
        assert names(pairs) == [
            "test/9_f2.0",
            "test/9_f20.0",
            "test/10_f2.0",
            "test/10_f4.0",
            "test/10_f7.1",
        ]
        assert pairs[4].scene == "test/10"
        assert pairs[4].camera == Camera(49.0, 7.1)
        assert pairs[4].focus_distance_m == 0.585

    def test_damaged_metadata_are_named(self, tmp_path):
        root = layouts.realbokeh(tmp_path)
        (root / "test/metadata/9.json").write_text('{"id": 9}')
        with pytest.raises(FileError, match=r"metadata/9\.json"):
            open_dataset("realbokeh", root, "test")


class TestFolders:
    def test_a_scene_may_have_several_pictures(self, tmp_path):
        source = open_dataset("folders", layouts.folders(tmp_path))
        assert scenes_of(source) == {"bird": (0,), "cat": (1, 2)}
        assert names(list(records_of(source))) == ["bird", "cat/f2", "cat/f10"]

    def test_depth_and_mask_come_along(self, tmp_path):
        pair = read(layouts.folders(tmp_path)).record(2)
        assert pair.depth.depth().is_metric
        assert float(pair.depth.depth().metres.max()) == pytest.approx(8.0)
        assert pair.mask.grey().shape == (1, 12, 16)

    def test_depth_is_read_as_told(self, tmp_path):
        root = layouts.folders(tmp_path)
        pair = read(root, coding=DepthCoding(encoding="disparity")).record(0)
        assert float(pair.depth.depth().disparity.max()) == pytest.approx(8.0)

    def test_incomplete_depth_is_refused(self, tmp_path):
        root = layouts.folders(tmp_path)
        (root / "depth/cat.npy").unlink()
        with pytest.raises(FileError, match=r"depth: received a folder that lacks 1 .*\(cat\)"):
            open_dataset("folders", root)

    def test_pictures_alone_are_all_in_focus(self, tmp_path):
        root = layouts.folders(tmp_path)
        source = pictures(root / "all_in_focus", root / "depth")
        assert names(list(records_of(source))) == ["bird", "cat"]
        assert source.record(1).depth.place.name == "cat.npy"

    def test_pictures_need_their_depth(self, tmp_path):
        root = layouts.folders(tmp_path)
        (root / "depth/bird.npy").unlink()
        with pytest.raises(FileError, match=r"lacks 1 of its files \(bird\)"):
            pictures(root / "all_in_focus", root / "depth")


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(InputError, match="dpdd, realdof"):
        open_dataset("dppd", tmp_path)
    with pytest.raises(InputError, match="RealDOF has test"):
        open_dataset("realdof", tmp_path, "train")


def test_alpha_comes_unmixed(tmp_path):
    from PIL import Image

    Image.new("RGBA", (4, 3), (255, 0, 0, 51)).save(tmp_path / "leaf.png")
    image, alpha = Picture(tmp_path / "leaf.png").image_with_alpha()
    assert image[:, 0, 0].tolist() == [1.0, 0.0, 0.0]
    assert float(alpha[0, 0, 0]) == pytest.approx(0.2)


def test_blur_is_the_defocus_of_its_depth(tmp_path):
    depth = read(layouts.folders(tmp_path)).record(0).depth.depth()
    blur = Blur(level=6.0, focus_disparity=0.5, is_metric=True)
    radius = blur.defocus(depth).radius
    torch.testing.assert_close(radius, 6.0 * (depth.disparity - 0.5))
    assert blur.resized(0.5).level == 3.0
    with pytest.raises(InputError, match="metric depth with relative focus"):
        Blur(6.0, 0.5, is_metric=False).defocus(depth)
