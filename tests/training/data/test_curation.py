"""Curation: which photographs are kept, why not, and how sharp they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.headless.cli import main
from focuspuller.training.data.curation.criteria import PURPOSES, Criteria, decided, reasons
from focuspuller.training.data.curation.facts import Facts, classifier_called, measured
from focuspuller.training.data.curation.phones import is_phone
from focuspuller.training.data.curation.run import curate, kept_facts
from focuspuller.training.data.curation.sharpness import (
    laplacian_variance,
    sharpness,
    stack_mask,
)
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

SHALLOW, DEEP, SHARP = (PURPOSES[name][1] for name in ("shallow", "deep", "all-in-focus"))
CAMERA = Facts("a.jpg", 1, 800, 600, "Canon", "EOS R5", 2.8, 85.0, 36.0, 1 / 250, 150.0)


def says_desirable(image: torch.Tensor) -> str:
    return "desirable" if float(image.mean()) < 0.5 else "none"


def says_nonsense(image: torch.Tensor) -> str:
    return "pretty"


class TestCriteria:
    """Fine-grained Defocus, appendix D."""

    @pytest.mark.parametrize(
        ("f_number", "shallow", "deep"),
        [(1.4, True, False), (9.9, True, False), (10.0, False, True), (50.0, False, True)]
        + [(51.0, False, False)],
    )
    def test_apertures(self, f_number, shallow, deep):
        facts = replace(CAMERA, f_number=f_number)
        assert reasons(facts, SHALLOW) == ([] if shallow else ["f-number"])
        assert reasons(facts, DEEP) == ([] if deep else ["f-number"])

    def test_phones_blur_by_computation(self):
        phone = replace(CAMERA, make="Apple", model="iPhone 12")
        assert reasons(phone, SHALLOW) == ["phone"]
        assert reasons(replace(phone, f_number=11.0), DEEP) == []

    @pytest.mark.parametrize(("seconds", "kept"), [(0.1, True), (0.11, False), (None, True)])
    def test_long_exposures_blur_by_motion(self, seconds, kept):
        facts = replace(CAMERA, f_number=16.0, exposure_time_s=seconds)
        assert reasons(facts, DEEP) == ([] if kept else ["exposure time"])
        assert reasons(replace(facts, f_number=2.0, exposure_time_s=30.0), SHALLOW) == []

    def test_pictures_without_camera_data_are_left_out(self):
        unknown = Facts("a.jpg", 1, 800, 600, sharpness=500.0)
        assert reasons(unknown, SHALLOW) == ["no camera data", "f-number unknown"]
        assert reasons(unknown, SHARP) == []

    def test_the_classifier_counts_where_there_is_one(self):
        assert reasons(replace(CAMERA, blur="desirable"), SHALLOW) == []
        assert reasons(replace(CAMERA, blur="undesirable"), SHALLOW) == ["blur"]
        assert reasons(replace(CAMERA, f_number=11.0, blur="desirable"), DEEP) == ["blur"]

    def test_sharpness_and_size(self):
        assert reasons(CAMERA, SHARP) == []
        assert reasons(replace(CAMERA, sharpness=99.0), SHARP) == ["sharpness"]
        assert reasons(CAMERA, Criteria(least_px=601)) == ["size"]
        assert reasons(CAMERA, Criteria(least_px=600)) == []

    def test_the_sharpest_are_kept_among_those_that_pass(self):
        found = [replace(CAMERA, sharpness=value) for value in (300.0, 120.0, 200.0, 50.0)]
        found.append(Facts("b.jpg", 1, problem="damaged"))
        verdicts = decided(found, replace(SHARP, sharpest=2))
        assert verdicts == [[], ["others are sharper"], [], ["sharpness"], ["unreadable"]]

    def test_none_of_the_sharpest_is_refused(self):
        with pytest.raises(InputError, match="sharpest"):
            Criteria(sharpest=0)


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Apple", "iPhone 15 Pro", True),
        ("Google", "Pixel 7", True),
        ("HUAWEI", "ELE-L29", True),
        ("Xiaomi", "M2007J3SY", True),
        ("OnePlus", "GM1913", True),
        ("samsung", "SM-G991B", True),
        ("SAMSUNG", "SAMSUNG-SM-G900A", True),
        ("samsung", "Galaxy S23 Ultra", True),
        ("Sony", "G8141", True),
        ("Sony", "XQ-AT51", True),
        ("LEICA CAMERA AG", "LEITZ PHONE 1", True),
        (None, "iPhone 6s", True),
        ("SONY", "ILCE-7M3", False),
        ("SONY", "DSC-RX100M7", False),
        ("SAMSUNG", "NX1", False),
        ("SAMSUNG", "WB350F", False),
        ("NIKON", "E5700", False),
        ("NIKON CORPORATION", "NIKON D850", False),
        ("Canon", "Canon EOS 5D Mark IV", False),
        ("FUJIFILM", "X-T4", False),
        ("LEICA CAMERA AG", "LEICA Q2", False),
        ("PENTAX", "PENTAX K-1", False),
        ("Panasonic", "DC-S5", False),
        (None, None, False),
    ],
)
def test_phones_are_told_from_cameras(make, model, expected):
    assert is_phone(make, model) is expected


class TestSharpness:
    def test_it_is_that_of_opencv(self):
        pixels = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
        image = torch.from_numpy(pixels).movedim(-1, 0).double() / 255
        grey = pixels @ np.array([0.299, 0.587, 0.114])
        assert laplacian_variance(image) == pytest.approx(cv2.Laplacian(grey, cv2.CV_64F).var())

    def test_blur_lowers_it(self):
        sharp = np.random.default_rng(1).random((64, 64, 3)).astype(np.float32)
        values = [
            laplacian_variance(
                torch.from_numpy(cv2.GaussianBlur(sharp, (0, 0), sigma)).movedim(-1, 0)
            )
            for sigma in (0.5, 1.0, 2.0, 4.0)
        ]
        assert values == sorted(values, reverse=True)
        assert values[0] > 1000 * values[-1]

    def test_large_pictures_are_compared_at_1024_px(self):
        image = torch.rand(3, 300, 2048, generator=torch.Generator().manual_seed(0))
        small = torch.nn.functional.interpolate(
            image[None], (150, 1024), mode="bilinear", antialias=True
        )[0]
        assert sharpness(image) == pytest.approx(laplacian_variance(small))
        assert sharpness(small) == laplacian_variance(small)

    def test_the_stack_mask_marks_what_the_first_picture_shows_sharper(self):
        sharp = torch.rand(3, 40, 60, generator=torch.Generator().manual_seed(0))
        soft = torch.nn.functional.avg_pool2d(sharp[None], 9, 1, 4)[0]
        left_sharp, right_sharp = soft.clone(), soft.clone()
        left_sharp[..., :30], right_sharp[..., 30:] = sharp[..., :30], sharp[..., 30:]
        mask = stack_mask(left_sharp, right_sharp)
        assert float(mask[..., :28].mean()) > 0.95
        assert float(mask[..., 32:].mean()) < 0.05


def save_photo(path: Path, f_number: float | None, brightness: int = 90, **tags: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, brightness, (40, 60, 3), np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = tags.get("make", "Canon")
    photo = {} if f_number is None else {ExifTags.Base.FNumber: IFDRational(f_number)}
    photo[ExifTags.Base.ExposureTime] = IFDRational(tags.get("seconds", 0.01))
    exif[ExifTags.IFD.Exif] = photo
    Image.fromarray(pixels).save(path, exif=exif.tobytes())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    save_photo(root / "wide/open2.jpg", 2.0)
    save_photo(root / "wide/open10.jpg", 1.8, brightness=250)
    save_photo(root / "closed.jpg", 16.0)
    save_photo(root / "long.jpg", 16.0, seconds=2.0)
    save_photo(root / "phone.jpg", 1.8, make="Apple")
    save_photo(root / "manual.jpg", None)
    (root / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    return root


def lines_of(file: Path) -> dict[str, dict]:
    return {line["file"]: line for line in map(json.loads, file.read_text().splitlines())}


def kept_files(file: Path) -> list[str]:
    return [facts.file for facts in kept_facts(file)]


class TestCurating:
    def test_the_list_says_what_is_kept_and_why_not(self, photos, tmp_path):
        out = tmp_path / "shallow.jsonl"
        curate(photos, SHALLOW, out)
        lines = lines_of(out)
        assert {name: line["reasons"] for name, line in lines.items()} == {
            "closed.jpg": ["f-number"],
            "long.jpg": ["f-number"],
            "manual.jpg": ["no camera data", "f-number unknown"],
            "phone.jpg": ["phone"],
            "torn.jpg": ["unreadable"],
            "wide/open2.jpg": [],
            "wide/open10.jpg": [],
        }
        assert kept_files(out) == ["wide/open2.jpg", "wide/open10.jpg"]
        assert lines["long.jpg"]["exposure_time_s"] == 2.0
        assert lines["wide/open2.jpg"]["sharpness"] > 100
        assert "torn.jpg" in lines["torn.jpg"]["problem"]

    def test_other_criteria_measure_nothing_again(self, photos, tmp_path):
        out, counted = tmp_path / "list.jsonl", []
        curate(photos, SHALLOW, out, on_measured=lambda: counted.append(1))
        assert len(counted) == 7
        curate(photos, DEEP, out, on_measured=lambda: counted.append(1))
        assert len(counted) == 7
        assert kept_files(out) == ["closed.jpg"]

    def test_a_changed_photograph_is_measured_again(self, photos, tmp_path):
        out = tmp_path / "list.jsonl"
        curate(photos, SHALLOW, out)
        save_photo(photos / "torn.jpg", 4.0)
        curate(photos, SHALLOW, out)
        assert "torn.jpg" in kept_files(out)

    def test_an_interrupted_run_goes_on(self, photos, tmp_path):
        out, counted = tmp_path / "list.jsonl", []

        def stop_after_three() -> None:
            counted.append(1)
            if len(counted) == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            curate(photos, SHALLOW, out, on_measured=stop_after_three)
        assert not out.exists()
        # Killed within a line.
        part = tmp_path / "list.jsonl.part"
        part.write_text(part.read_text()[:-9])
        curate(photos, SHALLOW, out, on_measured=lambda: counted.append(1))
        assert len(counted) == 3 + 5
        assert len(lines_of(out)) == 7
        assert not part.exists()

    def test_a_classifier_is_asked(self, photos, tmp_path):
        out = tmp_path / "list.jsonl"
        curate(photos, SHALLOW, out)
        curate(photos, SHALLOW, out, classifier=says_desirable)
        assert kept_files(out) == ["wide/open2.jpg", "wide/open10.jpg"]
        curate(photos, replace(SHALLOW, blur="none"), out)
        assert kept_files(out) == []

    def test_a_classifier_that_gives_no_label_is_refused(self, photos, tmp_path):
        with pytest.raises((InputError, FileError), match="'pretty'"):
            curate(photos, SHALLOW, tmp_path / "list.jsonl", classifier=says_nonsense)

    def test_several_processes_find_the_same(self, photos, tmp_path):
        curate(photos, SHALLOW, tmp_path / "one.jsonl")
        curate(photos, SHALLOW, tmp_path / "two.jsonl", processes=2)
        assert (tmp_path / "one.jsonl").read_text() == (tmp_path / "two.jsonl").read_text()

    def test_a_list_is_no_photograph(self, tmp_path):
        (tmp_path / "list.jsonl").write_text("no list")
        with pytest.raises(FileError, match="no list of photographs"):
            kept_facts(tmp_path / "list.jsonl")

    def test_size_is_that_of_the_upright_picture(self, tmp_path):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif.tobytes())
        facts = measured(tmp_path, "a.jpg")
        assert (facts.width, facts.height) == (20, 30)


class TestClassifiersByName:
    def test_a_function_of_a_module(self, tmp_path, monkeypatch):
        (tmp_path / "my_blur.py").write_text("def judge(image):\n    return 'none'\n")
        monkeypatch.syspath_prepend(tmp_path)
        assert classifier_called("my_blur:judge")(torch.zeros(3, 2, 2)) == "none"

    @pytest.mark.parametrize("name", ["judge", "no_such_module:judge", "json:judge", ":judge"])
    def test_what_is_none_is_refused(self, name):
        with pytest.raises(InputError, match="MODULE:FUNCTION"):
            classifier_called(name)

    def test_what_cannot_be_called_is_refused(self):
        with pytest.raises(InputError, match="cannot be called"):
            classifier_called("math:pi")


class TestTheCommand:
    def test_it_counts_what_is_kept_and_why_not(self, photos, tmp_path, capsys):
        out = tmp_path / "deep.jsonl"
        assert main(["curate", str(photos), "--for", "deep", "--out", str(out)]) == 0
        printed = capsys.readouterr().out
        assert "1 of 7 photographs are kept" in printed
        assert "1  exposure time" in printed
        assert kept_files(out) == ["closed.jpg"]

    def test_it_keeps_the_sharpest(self, photos, tmp_path):
        out = tmp_path / "sharp.jsonl"
        arguments = ["curate", str(photos), "--for", "all-in-focus", "--out", str(out)]
        assert main([*arguments, "--sharpest", "1"]) == 0
        assert kept_files(out) == ["wide/open10.jpg"]

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            (["--out", "list.txt"], ".jsonl"),
            (["--out", "list.jsonl", "--classifier", "nothing"], "MODULE:FUNCTION"),
            (["--out", "list.jsonl", "--sharpest", "-1"], "sharpest"),
        ],
    )
    def test_it_says_what_is_wrong(self, photos, changes, text, capsys):
        assert main(["curate", str(photos), "--for", "deep", *changes]) == 1
        assert text in capsys.readouterr().err

    def test_it_refuses_folders_without_photographs(self, tmp_path, capsys):
        arguments = ["curate", str(tmp_path), "--for", "deep", "--out", str(tmp_path / "a.jsonl")]
        assert main(arguments) == 1
        assert "without photographs" in capsys.readouterr().err
