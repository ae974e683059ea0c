"""Files damaged at random lead to a photo or to an error of ours, never to another exception."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, FocusPullerError
from focuspuller.lens.depth import Depth
from focuspuller.photo.embedded_depth import embed_depth
from focuspuller.photo.exif import camera_from, read_camera_data
from focuspuller.photo.exif_writing import exif_with_new_focus
from focuspuller.photo.photo import Photo, load_photo
from focuspuller.photo.saving import save_photo
from PIL import Image


@pytest.fixture
def good_jpeg(encode: Callable[..., bytes], icc_profile: Callable[[np.ndarray], bytes]) -> bytes:
    """EXIF with every directory, a colour profile, and depth in extended XMP."""
    exif = Image.Exif()
    exif[0x010F] = "Canon"
    exif[0x0110] = "Canon EOS 40D"
    exif[0x0112] = 6
    exif[0x8769] = {
        0x829D: 2.8,
        0x9202: 2.97,
        0x920A: 50.0,
        0xA405: 80,
        0xA20E: 4438.4,
        0xA002: 64,
        0xA003: 48,
        0x9206: 3.5,
        0x927C: bytes(range(200)),
        0xA005: {1: "R98"},
    }
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.5)}
    random = np.random.default_rng(7)
    pixels = random.integers(0, 255, (48, 64, 3), np.uint8)
    profile = icc_profile(np.array([[0.5, 0.2, 0.0], [0.3, 0.7, 0.04], [0.16, 0.1, 0.78]]))
    jpeg = encode(pixels, "JPEG", exif=exif.tobytes(), icc_profile=profile)
    depth = torch.from_numpy(random.random((1, 1, 200, 200), np.float32))
    return embed_depth(jpeg, Depth.from_metres(0.5 + depth))


def check(photo: Photo) -> None:
    """Whatever was read has a meaning."""
    assert np.isfinite(photo.image).all()
    assert photo.image.min() >= 0
    assert photo.image.max() <= 1
    data = photo.camera_data
    for value in (data.focal_length_mm, data.f_number, data.sensor_width_mm):
        assert value is None or (math.isfinite(value) and value > 0)
    assert data.subject_distance_m is None or data.subject_distance_m > 0
    assert (photo.camera is None) == bool(data.missing)
    if photo.depth is not None:
        assert torch.isfinite(photo.depth.disparity).all()
        assert (photo.depth.disparity >= 0).all()


def test_the_good_file_is_good(tmp_path: Path, good_jpeg: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(good_jpeg)
    photo = load_photo(path)
    check(photo)
    assert photo.camera is not None
    assert photo.depth is not None
    assert photo.problems == ()


def test_a_jpeg_cut_anywhere(tmp_path: Path, good_jpeg: bytes) -> None:
    path = tmp_path / "photo.jpg"
    places = np.random.default_rng(1).integers(1, len(good_jpeg) - 2, 50)
    refused = 0
    for place in places:
        path.write_bytes(good_jpeg[:place])
        try:
            check(load_photo(path))
        except FileError:
            refused += 1
    assert refused == len(places), "no cut JPEG has all its pixels"


@pytest.mark.parametrize("flips", [1, 30])
def test_a_jpeg_with_other_bytes_in_its_metadata(
    tmp_path: Path, good_jpeg: bytes, flips: int
) -> None:
    random = np.random.default_rng(flips)
    path = tmp_path / "photo.jpg"
    end_of_metadata = good_jpeg.index(b"\xff\xdb")
    # Half of them into EXIF and the profile, for the depth is much larger.
    ends = np.where(np.arange(flips) % 2 == 0, 2500, end_of_metadata)
    loaded = 0
    for _ in range(150):
        content = bytearray(good_jpeg)
        for place in random.integers(2, ends):
            content[place] = random.integers(256)
        path.write_bytes(content)
        try:
            photo = load_photo(path)
        except FocusPullerError:
            continue
        loaded += 1
        check(photo)
        save_photo(tmp_path / "again.jpg", photo.image, photo.exif, 2.0, 3.0)
        assert load_photo(tmp_path / "again.jpg").camera_data.f_number == 2.0
    assert loaded > 20, "the damage is meant to be survivable"


def test_exif_with_other_bytes(good_jpeg: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(good_jpeg)
    original = load_photo(path).exif
    random = np.random.default_rng(3)
    for _ in range(300):
        content = bytearray(original)
        for place in random.integers(6, len(content), random.integers(1, 12)):
            content[place] = random.integers(256)
        written = Image.Exif()
        written.load(exif_with_new_focus(bytes(content), 2.0, math.inf))
        data = read_camera_data(written)
        assert data.f_number == 2.0
        assert data.subject_distance_m == math.inf
        assert (camera_from(data) is None) == bool(data.missing)
