"""Saving photographs: pixels, EXIF and depth come back, and nothing half-written is left."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.depth import Depth
from focuspuller.lens.optics import Camera
from focuspuller.photo import saving
from focuspuller.photo.photo import load_photo
from focuspuller.photo.saving import save_photo
from PIL import Image

from .photo_files import LENS, assert_same_picture, lens_exif

SUFFIXES = [".jpg", ".JPEG", ".png", ".webp", ".tif", ".tiff"]


class TestSaving:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_pixels_exif_and_new_focus_come_back(
        self, tmp_path: Path, suffix: str, corners: np.ndarray
    ) -> None:
        path = tmp_path / f"photo{suffix}"
        save_photo(path, corners.astype(np.float32) / 255, lens_exif(), 1.4, 2.25)
        photo = load_photo(path)
        assert_same_picture(photo.image, corners)
        assert photo.camera == Camera(50.0, 1.4, 24.0)
        assert photo.camera_data.make == "Canon"
        assert photo.camera_data.subject_distance_m == 2.25
        assert photo.problems == ()

    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
    def test_a_photo_of_each_format_passes_its_exif_on(self, tmp_path: Path, suffix: str) -> None:
        image = np.full((8, 8, 3), 0.5, np.float32)
        save_photo(tmp_path / f"one{suffix}", image, lens_exif())
        save_photo(tmp_path / "two.jpg", image, load_photo(tmp_path / f"one{suffix}").exif)
        assert load_photo(tmp_path / "two.jpg").camera == Camera(50.0, 5.6, 24.0)

    def test_infinity_comes_back(self, tmp_path: Path) -> None:
        path = tmp_path / "photo.jpg"
        save_photo(path, np.zeros((8, 8, 3), np.float32), subject_distance_m=math.inf)
        assert load_photo(path).camera_data.subject_distance_m == math.inf

    def test_without_exif_there_is_none(self, tmp_path: Path) -> None:
        save_photo(tmp_path / "photo.jpg", np.zeros((8, 8, 3), np.float32))
        assert load_photo(tmp_path / "photo.jpg").exif == b""

    @pytest.mark.parametrize(
        "as_kind",
        [
            lambda pixels: torch.from_numpy(pixels),
            lambda pixels: torch.from_numpy(pixels)[None],
            lambda pixels: torch.from_numpy(pixels)[None].double(),
            lambda pixels: pixels[None],
            lambda pixels: pixels.astype(np.float64),
        ],
    )
    def test_accepts_arrays_and_tensors(
        self, tmp_path: Path, as_kind: Callable[..., torch.Tensor]
    ) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 3)).astype(np.float32) / 255
        save_photo(tmp_path / "photo.png", as_kind(pixels))
        np.testing.assert_allclose(load_photo(tmp_path / "photo.png").image, pixels, atol=1e-6)

    def test_values_are_clipped_and_rounded_to_the_nearest(self, tmp_path: Path) -> None:
        pixels = np.array([[[-0.5, 1.5, np.inf], [0.6 / 255, 0.4 / 255, 254.6 / 255]]], np.float32)
        save_photo(tmp_path / "photo.png", pixels)
        image = load_photo(tmp_path / "photo.png").image * 255
        assert image.round().tolist() == [[[0, 255, 255], [1, 0, 255]]]

    def test_png_text_is_stored(self, tmp_path: Path) -> None:
        texts = {"workflow": '{"1": "Schärfe"}', "prompt": "深度"}
        save_photo(tmp_path / "a.png", np.zeros((4, 4, 3), np.float32), png_text=texts)
        assert Image.open(tmp_path / "a.png").info | texts == Image.open(tmp_path / "a.png").info

    def test_quality_decides_on_the_size(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).random((64, 64, 3), np.float32)
        for suffix in (".jpg", ".webp"):
            save_photo(tmp_path / f"low{suffix}", noise, quality=20)
            save_photo(tmp_path / f"high{suffix}", noise, quality=98)
            low, high = (tmp_path / f"{name}{suffix}" for name in ("low", "high"))
            assert low.stat().st_size < high.stat().st_size / 2

    def test_colours_of_single_pixels_survive_jpeg(self, tmp_path: Path) -> None:
        stripes = np.zeros((16, 16, 3), np.float32)
        stripes[:, ::2, 0] = 1.0
        stripes[:, 1::2, 2] = 1.0
        save_photo(tmp_path / "a.jpg", stripes, quality=100)
        np.testing.assert_allclose(load_photo(tmp_path / "a.jpg").image, stripes, atol=0.03)

    def test_depth_goes_into_a_jpeg(self, tmp_path: Path) -> None:
        metres = torch.linspace(0.5, 20, 48).reshape(1, 1, 6, 8)
        image = np.zeros((12, 16, 3), np.float32)
        save_photo(tmp_path / "a.jpg", image, lens_exif(), depth=Depth.from_metres(metres))
        photo = load_photo(tmp_path / "a.jpg")
        assert photo.depth is not None
        torch.testing.assert_close(photo.depth.disparity, 1 / metres, atol=2e-5, rtol=0)
        assert photo.camera is not None

    def test_exif_larger_than_a_jpeg_segment(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x8769] = LENS | {0x927C: bytes(70_000)}
        save_photo(tmp_path / "a.jpg", np.zeros((8, 8, 3), np.float32), exif.tobytes())
        assert load_photo(tmp_path / "a.jpg").camera == Camera(50.0, 5.6, 24.0)

    def test_the_sensor_survives_a_smaller_picture(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x8769] = {0xA20E: 2540.0, 0xA002: 2220, 0xA003: 1480}
        save_photo(tmp_path / "a.jpg", np.zeros((50, 75, 3), np.float32), exif.tobytes())
        data = load_photo(tmp_path / "a.jpg").camera_data
        assert data.sensor_width_mm == pytest.approx(22.2)


class TestRefusing:
    IMAGE = np.zeros((4, 4, 3), np.float32)

    @pytest.mark.parametrize(
        ("image", "received"),
        [
            (np.zeros((4, 4), np.float32), r"shape \[4, 4\]"),
            (np.zeros((4, 4, 4), np.float32), r"shape \[4, 4, 4\]"),
            (np.zeros((2, 4, 4, 3), np.float32), r"shape \[2, 4, 4, 3\]"),
            (np.zeros((0, 4, 3), np.float32), r"shape \[0, 4, 3\]"),
            (np.zeros((4, 4, 3), np.uint8), "uint8"),
            (torch.zeros((4, 4, 3), dtype=torch.int32), "int32"),
            (np.full((4, 4, 3), np.nan, np.float32), "NaN"),
        ],
    )
    def test_images_that_are_none(
        self, tmp_path: Path, image: np.ndarray | torch.Tensor, received: str
    ) -> None:
        with pytest.raises(InputError, match=received):
            save_photo(tmp_path / "photo.png", image)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["photo", "photo.gif", "photo.heic", "photo.jpg.bak"])
    def test_names_without_a_known_end(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(InputError, match=r"\.jpg, \.jpeg, \.png"):
            save_photo(tmp_path / name, self.IMAGE)

    def test_depth_in_a_format_without_a_place_for_it(self, tmp_path: Path) -> None:
        depth = Depth.from_relative(torch.zeros(1, 1, 4, 4))
        with pytest.raises(InputError, match="Only JPEG and EXR can hold depth"):
            save_photo(tmp_path / "photo.png", self.IMAGE, depth=depth)

    @pytest.mark.parametrize("quality", [0, 101])
    def test_impossible_quality(self, tmp_path: Path, quality: int) -> None:
        with pytest.raises(InputError, match="quality"):
            save_photo(tmp_path / "photo.jpg", self.IMAGE, quality=quality)

    @pytest.mark.parametrize(("name", "length"), [("a.jpg", 65_501), ("a.webp", 16_384)])
    def test_sizes_beyond_the_format(self, tmp_path: Path, name: str, length: int) -> None:
        with pytest.raises(InputError, match=f"{length} × 1 px"):
            save_photo(tmp_path / name, np.zeros((1, length, 3), np.float32))
        assert list(tmp_path.iterdir()) == []

    def test_impossible_focus(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="f_number"):
            save_photo(tmp_path / "photo.jpg", self.IMAGE, f_number=-1.0)


class TestAllOrNothing:
    IMAGE = np.zeros((4, 4, 3), np.float32)

    @pytest.fixture
    def old(self, tmp_path: Path) -> Path:
        path = tmp_path / "photo.jpg"
        path.write_bytes(b"the old file")
        return path

    def check_untouched(self, old: Path) -> None:
        assert old.read_bytes() == b"the old file"
        assert list(old.parent.iterdir()) == [old], "a temporary file was left behind"

    def test_a_full_disk_in_the_middle_of_writing(
        self, old: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def write_half(path: Path, content: bytes) -> NoReturn:
            with path.open("wb") as file:
                file.write(content[: len(content) // 2])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", write_half)
        with pytest.raises(FileError, match="No space left on device"):
            save_photo(old, self.IMAGE)
        self.check_untouched_after(monkeypatch, old)

    def test_an_interrupt_in_the_middle_of_writing(
        self, old: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def write_half(path: Path, content: bytes) -> NoReturn:
            with path.open("wb") as file:
                file.write(content[: len(content) // 2])
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "write_bytes", write_half)
        with pytest.raises(KeyboardInterrupt):
            save_photo(old, self.IMAGE)
        self.check_untouched_after(monkeypatch, old)

    def check_untouched_after(self, monkeypatch: pytest.MonkeyPatch, old: Path) -> None:
        monkeypatch.undo()
        self.check_untouched(old)

    def test_a_failure_at_the_last_step(self, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: Path, target: Path) -> NoReturn:
            assert path.parent == target.parent, "only within one folder it is one step"
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "replace", refuse)
        with pytest.raises(FileError, match="Permission denied"):
            save_photo(old, self.IMAGE)
        self.check_untouched(old)

    def test_a_failure_while_encoding(self, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(jpeg: bytes, depth: Depth) -> NoReturn:
            raise InputError("depth", "nonsense", "Give another.")

        monkeypatch.setattr(saving, "embed_depth", fail)
        with pytest.raises(InputError):
            save_photo(old, self.IMAGE, depth=Depth.from_relative(torch.zeros(1, 1, 4, 4)))
        self.check_untouched(old)

    def test_success_replaces_the_old_file_and_leaves_nothing_else(self, old: Path) -> None:
        save_photo(old, self.IMAGE)
        assert load_photo(old).image.shape == (4, 4, 3)
        assert list(old.parent.iterdir()) == [old]

    def test_a_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match="Check that the folder exists"):
            save_photo(tmp_path / "missing" / "photo.jpg", self.IMAGE)

    def test_a_folder_that_is_a_file(self, old: Path) -> None:
        with pytest.raises(FileError, match="cannot be written"):
            save_photo(old / "photo.jpg", self.IMAGE)
        self.check_untouched(old)

    def test_others_may_read_the_file_as_the_system_says(self, tmp_path: Path) -> None:
        (tmp_path / "usual.txt").write_text("usual")
        save_photo(tmp_path / "photo.jpg", self.IMAGE)
        usual = (tmp_path / "usual.txt").stat().st_mode
        assert (tmp_path / "photo.jpg").stat().st_mode == usual
