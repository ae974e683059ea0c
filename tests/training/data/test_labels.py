"""Labels of photographs whose camera is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.headless.cli import main
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera, camera_bokeh_level
from focuspuller.photo.saving import save_photo
from focuspuller.training.data.companions import with_depth, with_masks
from focuspuller.training.data.labelling import label_all
from focuspuller.training.data.labels import (
    blur_from_camera,
    label_pair,
    read_labels,
    with_labels,
)
from focuspuller.training.data.readers.catalog import open_dataset
from focuspuller.training.data.readers.folders import DepthCoding, read
from focuspuller.training.data.records import Pair
from oracles import datasets
from oracles.photographs import as_array, photographed, slope, texture
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

HEIGHT, WIDTH, FOCUS_M = 96, 128, 2.0
CAMERA = Camera(50.0, 2.0, 36.0)
LEVEL = float(camera_bokeh_level(CAMERA.for_image(HEIGHT, WIDTH), 1 / FOCUS_M))


def exif() -> bytes:
    tags = Image.Exif()
    tags[ExifTags.IFD.Exif] = {
        ExifTags.Base.FNumber: IFDRational(2.0),
        ExifTags.Base.FocalLength: IFDRational(50.0),
        ExifTags.Base.FocalLengthIn35mmFilm: 50,
    }
    return tags.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photograph at f/2 focused at 2 m with depth, mask and sharp picture."""
    root = tmp_path / "folder"
    for name in ("all_in_focus", "bokeh", "depth", "mask"):
        (root / name).mkdir(parents=True)
    sharp, depth = texture(HEIGHT, WIDTH), slope(HEIGHT, WIDTH)
    photo = photographed(sharp, depth, FOCUS_M, CAMERA, lens="bokehme")
    save_photo(root / "all_in_focus/a.png", as_array(sharp))
    save_photo(root / "bokeh/a.png", as_array(photo), exif=exif())
    np.save(root / "depth/a.npy", depth.metres[0, 0].numpy())
    in_focus = ((depth.metres - FOCUS_M).abs() < 0.1).float()
    save_photo(root / "mask/a.png", in_focus[0].movedim(0, -1).expand(-1, -1, 3))
    return root


@pytest.fixture
def pair(folder: Path) -> Pair:
    return read(folder).record(0)


class TestByExif:
    def test_level_and_focus_are_those_of_the_camera(self, pair):
        label = label_pair(pair, "exif")
        assert label.blur.level == pytest.approx(LEVEL, rel=0.01)
        assert 1 / label.blur.focus_disparity == pytest.approx(FOCUS_M, rel=0.03)
        assert label.blur.is_metric

    def test_the_distance_of_the_dataset_stands_in_for_a_mask(self, pair):
        label = label_pair(replace(pair, mask=None, focus_distance_m=4.0), "exif")
        assert label.blur.focus_disparity == pytest.approx(0.25)

    def test_the_camera_of_the_dataset_comes_before_exif(self, pair):
        wider = label_pair(replace(pair, camera=replace(CAMERA, f_number=1.0)), "exif")
        assert wider.blur.level == pytest.approx(2 * LEVEL, rel=0.01)

    def test_the_worked_example(self):
        # Full-frame 50 mm f/1.8 at 2 m and 1024 px.
        blur = blur_from_camera(Camera(50.0, 1.8), Focus.at_distance(2.0), 683, 1024)
        assert blur.level == pytest.approx(20.2596, abs=1e-4)

    def test_relative_depth_says_why_not(self, pair):
        relative = replace(pair.depth, encoding="relative")
        label = label_pair(replace(pair, depth=relative), "exif")
        assert label.blur is None
        assert "metres" in label.problems[0]

    def test_pictures_without_exif_say_why_not(self, pair):
        label = label_pair(replace(pair, bokeh=pair.all_in_focus), "exif")
        assert label.blur is None
        assert "does not tell the focal length" in label.problems[0]


class TestByRendering:
    def test_the_level_is_found_with_a_mask(self, pair):
        label = label_pair(pair, "rendering")
        assert label.blur.level == pytest.approx(LEVEL, rel=0.1)
        assert label.ssim > 0.95

    def test_the_focus_is_found_without_a_mask(self, pair):
        label = label_pair(replace(pair, mask=None), "rendering")
        assert label.blur.level == pytest.approx(LEVEL, rel=0.15)
        assert 1 / label.blur.focus_disparity == pytest.approx(FOCUS_M, rel=0.1)

    def test_what_is_not_alike_enough_has_no_label(self, pair):
        label = label_pair(pair, "rendering", least_ssim=0.99999)
        assert label.blur is None
        assert label.ssim > 0.95
        assert "below 0.99999" in label.problems[0]

    @pytest.mark.parametrize(
        ("missing", "text"),
        [("all_in_focus", "all-in-focus"), ("bokeh", "blurred picture"), ("depth", "depth")],
    )
    def test_incomplete_pairs_say_why_not(self, pair, missing, text):
        label = label_pair(replace(pair, **{missing: None}), "rendering")
        assert label.blur is None
        assert text in label.problems[0]


class TestFiles:
    def test_labels_come_back_with_their_pairs(self, folder, tmp_path):
        out, source = tmp_path / "labels.jsonl", read(folder)
        labels = label_all(source, out, "exif", 0.8)
        assert read_labels(out) == {"a": labels[0]}
        assert with_labels(source, out).record(0).blur == labels[0].blur

    def test_labels_that_are_there_are_kept(self, folder, tmp_path):
        out, counted = tmp_path / "labels.jsonl", []
        known = {"name": "a", "blur": {"level": 1.0, "focus_disparity": 0.5, "is_metric": True}}
        out.write_text(json.dumps(known) + "\n" + '{"name": "torn')
        label_all(read(folder), out, "exif", 0.8, on_label=lambda: counted.append(1))
        assert counted == []
        assert read_labels(out)["a"].blur.level == 1.0
        assert "torn" not in out.read_text()

    def test_pairs_without_a_label_are_left_out(self, folder, tmp_path):
        out = tmp_path / "labels.jsonl"
        label_all(read(folder), out, "rendering", 0.99999)
        with pytest.raises(FileError, match="none of the pairs"):
            with_labels(read(folder), out)

    def test_other_files_are_refused(self, tmp_path):
        (tmp_path / "labels.jsonl").write_text("[]\n")
        with pytest.raises(FileError, match="no file of labels"):
            read_labels(tmp_path / "labels.jsonl")


class TestCompanions:
    def test_depth_and_masks_are_found_by_name(self, tmp_path):
        source = open_dataset("realbokeh", datasets.realbokeh(tmp_path / "RealBokeh"), "test")
        for scene in ("9", "10"):
            (tmp_path / "depth/test").mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / f"depth/test/{scene}.npy", np.full((12, 16), int(scene), np.float32))
            datasets.write_picture(tmp_path / f"masks/test/{scene}.png", int(scene))
        datasets.write_picture(tmp_path / "masks/test/9_f2.0.png", 77)
        pairs = with_masks(with_depth(source, tmp_path / "depth"), tmp_path / "masks").pairs
        assert [pair.mask.name for pair in pairs[:3]] == ["9_f2.0.png", "9.png", "10.png"]
        assert float(pairs[0].depth.depth().metres[0, 0, 0, 0]) == 9.0
        assert float(pairs[4].depth.depth().metres[0, 0, 0, 0]) == 10.0

    def test_depth_is_read_as_told(self, folder):
        source = with_depth(read(folder), folder / "depth", DepthCoding("disparity"))
        assert torch.allclose(
            source.record(0).depth.depth().disparity, read(folder).record(0).depth.depth().metres
        )

    def test_missing_ones_are_named(self, folder, tmp_path):
        with pytest.raises(FileError, match=r"\(a\)"):
            with_depth(read(folder), tmp_path)
        with pytest.raises(FileError, match=r"\(a\)"):
            with_masks(read(folder), tmp_path)


class TestTheCommand:
    def test_it_labels_a_dataset(self, folder, tmp_path, capsys):
        out = tmp_path / "labels.jsonl"
        arguments = ["label", str(folder), "--by", "exif", "--out", str(out)]
        arguments += ["--depth", str(folder / "depth"), "--masks", str(folder / "mask")]
        assert main(arguments) == 0
        assert "1 of 1 pairs have a label" in capsys.readouterr().out
        assert read_labels(out)["a"].blur.level == pytest.approx(LEVEL, rel=0.01)

    def test_labelled_pairs_are_packed_with_what_was_found(self, folder, tmp_path):
        """The depth comes from elsewhere; a second photograph without a label stays out."""
        depth, out, shards = tmp_path / "maps", tmp_path / "labels.jsonl", tmp_path / "shards"
        label_all(read(folder), out, "exif", 0.8)
        (folder / "depth").rename(depth)
        for name in ("all_in_focus", "bokeh"):
            copy(folder / name / "a.png", folder / name / "b.png")
        copy(depth / "a.npy", depth / "b.npy")
        (folder / "mask/a.png").unlink()
        (folder / "mask").rmdir()
        arguments = ["pack", str(folder), "--layout", "folders", "--depth", str(depth)]
        assert main([*arguments, "--labels", str(out), "--out", str(shards)]) == 0
        packed = open_dataset("shards", shards)
        assert [packed.record(index).name for index in range(len(packed))] == ["a"]
        assert packed.record(0).blur == read_labels(out)["a"].blur
        metres = packed.record(0).depth.depth().metres[0, 0].numpy()
        np.testing.assert_allclose(metres, np.load(depth / "a.npy"), rtol=1e-3)

    def test_it_says_what_is_wrong(self, folder, capsys):
        assert main(["label", str(folder), "--out", "labels.json"]) == 1
        assert ".jsonl" in capsys.readouterr().err


def test_eq_3_needs_metric_focus():
    with pytest.raises(InputError, match="metric depth"):
        blur_from_camera(CAMERA, Focus.at_disparity(0.5, is_metric=False), 10, 10)
