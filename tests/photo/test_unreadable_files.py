"""Files that are no photograph, and photographs of which something is broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError
from focuspuller.lens.depth import Depth
from focuspuller.photo.embedded_depth import embed_depth
from focuspuller.photo.photo import load_photo
from PIL import Image

from .photo_files import assert_same_picture, lens_exif


class TestUnreadableFiles:
    def check(self, path: Path, received: str) -> None:
        with pytest.raises(FileError, match=received) as caught:
            load_photo(path)
        assert caught.value.subject == str(path)
        assert caught.value.advice

    def test_missing(self, tmp_path: Path) -> None:
        self.check(tmp_path / "missing.jpg", "does not exist")

    def test_a_folder(self, tmp_path: Path) -> None:
        self.check(tmp_path, "unreadable")

    def test_an_impossible_path(self) -> None:
        with pytest.raises(FileError, match="unreadable"):
            load_photo("photo\0.jpg")

    @pytest.mark.parametrize(
        ("content", "received"),
        [
            (b"", "empty file"),
            (b"Dear Sir or Madam", "no image that can be read"),
            (b"\xff\xd8\xff\xe0", "no image that can be read|damaged image"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image that can be read"),
        ],
    )
    def test_rubbish(self, tmp_path: Path, content: bytes, received: str) -> None:
        path = tmp_path / "rubbish.jpg"
        path.write_bytes(content)
        self.check(path, received)

    @pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "WEBP"])
    def test_half_a_file(
        self, tmp_path: Path, encode: Callable[..., bytes], format_name: str
    ) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        content = encode(noise, format_name)
        path = tmp_path / "half"
        path.write_bytes(content[: len(content) // 2])
        self.check(path, "damaged image|no image that can be read")

    def test_too_many_pixels(
        self, tmp_path: Path, flat_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        path = tmp_path / "huge.jpg"
        path.write_bytes(flat_jpeg)
        self.check(path, "too many pixels")

    @pytest.mark.parametrize(
        ("pixels", "received"),
        [(np.ones((4, 4), np.float32), "mode F"), (np.full((4, 4), 70_000, np.int32), "32-bit")],
    )
    def test_values_that_are_no_photograph(
        self, tmp_path: Path, encode: Callable[..., bytes], pixels: np.ndarray, received: str
    ) -> None:
        path = tmp_path / "float.tif"
        path.write_bytes(encode(pixels, "TIFF"))
        self.check(path, received)

    def test_broken_depth_leaves_the_photo(
        self, tmp_path: Path, flat_jpeg: bytes, corners: np.ndarray
    ) -> None:
        path = tmp_path / "portrait.jpg"
        with_depth = embed_depth(flat_jpeg, Depth.from_relative(torch.rand(1, 1, 12, 16)))
        path.write_bytes(with_depth.replace(b"RangeInverse", b"RangeUnheard"))
        photo = load_photo(path)
        assert photo.image.shape == (48, 64, 3)
        assert photo.depth is None
        assert len(photo.problems) == 1
        assert "RangeUnheard" in photo.problems[0]

    def test_broken_exif_leaves_the_photo(
        self, tmp_path: Path, encode: Callable[..., bytes], corners: np.ndarray
    ) -> None:
        path = tmp_path / "photo.jpg"
        path.write_bytes(encode(corners, "JPEG", exif=b"Exif\0\0rubbish instead"))
        photo = load_photo(path)
        assert_same_picture(photo.image, corners)
        assert photo.camera is None
        assert len(photo.problems) == 1
        assert "EXIF data is damaged" in photo.problems[0]

    def test_half_of_the_exif_is_said(
        self, tmp_path: Path, encode: Callable[..., bytes], corners: np.ndarray
    ) -> None:
        path = tmp_path / "photo.jpg"
        path.write_bytes(encode(corners, "JPEG", exif=lens_exif()[:-20]))
        photo = load_photo(path)
        assert photo.camera_data.make == "Canon"
        assert photo.problems
        assert all("EXIF data may be damaged" in problem for problem in photo.problems)
