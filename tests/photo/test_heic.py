"""HEIC photos and the depth in them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from focuspuller.errors import FileError, MissingDependencyError
from focuspuller.photo.photo import load_photo
from PIL import Image

UNIFORM_INVERSE_Z, UNIFORM_DISPARITY, UNIFORM_Z = 0, 1, 2
# Lossless in HEVC, and another value in every quarter.
DEPTH = np.zeros((24, 32), np.uint8)
DEPTH[:12, 16:] = 51
DEPTH[12:, :16] = 102
DEPTH[12:, 16:] = 255


@pytest.fixture
def heic(
    tmp_path: Path, heic_with_depth: Callable[..., bytes], corners: np.ndarray
) -> Callable[..., Path]:
    def write(**options: object) -> Path:
        path = tmp_path / "photo.heic"
        path.write_bytes(heic_with_depth(corners, DEPTH, **options))
        return path

    return write


def test_pixels_and_exif(heic: Callable[..., Path], corners: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0x829D: 1.8, 0x920A: 5.7, 0xA405: 26}
    photo = load_photo(heic(exif=exif.tobytes()))
    np.testing.assert_allclose(photo.image * 255, corners, atol=4)
    assert photo.camera is not None
    assert photo.camera.f_number == 1.8
    assert photo.camera.sensor_width_mm == pytest.approx(36 * 5.7 / 26)
    assert photo.problems == ()


def test_inverse_distance_between_limits_is_metric(
    heic: Callable[..., Path], depth_representation: Callable[..., bytes]
) -> None:
    representation = depth_representation(UNIFORM_INVERSE_Z, z_near=0.5, z_far=4.0)
    depth = load_photo(heic(representation=representation)).depth
    assert depth is not None
    assert depth.is_metric
    expected = 1 / 4 + DEPTH / 255 * (1 / 0.5 - 1 / 4)
    np.testing.assert_allclose(depth.disparity[0, 0], expected, rtol=1e-3)


def test_distance_between_limits_is_metric_and_white_is_far(
    heic: Callable[..., Path], depth_representation: Callable[..., bytes]
) -> None:
    representation = depth_representation(UNIFORM_Z, z_near=0.5, z_far=4.0)
    depth = load_photo(heic(representation=representation)).depth
    assert depth is not None
    np.testing.assert_allclose(depth.metres[0, 0], 0.5 + DEPTH / 255 * 3.5, rtol=1e-3)


def test_the_disparity_of_iphones_is_relative(
    heic: Callable[..., Path], depth_representation: Callable[..., bytes]
) -> None:
    representation = depth_representation(UNIFORM_DISPARITY, d_min=0.7, d_max=3.6)
    depth = load_photo(heic(representation=representation)).depth
    assert depth is not None
    assert not depth.is_metric
    np.testing.assert_allclose(depth.disparity[0, 0], DEPTH / 255, atol=1e-3)


def test_depth_without_explanation_is_relative(heic: Callable[..., Path]) -> None:
    depth = load_photo(heic()).depth
    assert depth is not None
    assert not depth.is_metric
    np.testing.assert_allclose(depth.disparity[0, 0], DEPTH / 255, atol=1e-3)


def test_photo_and_depth_are_turned_once(heic: Callable[..., Path], corners: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right, which is three to the left
    photo = load_photo(heic(exif=exif.tobytes(), depth_quarter_turns=3))
    np.testing.assert_allclose(photo.image * 255, np.rot90(corners, -1), atol=4)
    assert photo.depth is not None
    np.testing.assert_allclose(photo.depth.disparity[0, 0], np.rot90(DEPTH, -1) / 255, atol=1e-3)


def test_depth_that_was_not_turned_with_the_photo_is_left_out(heic: Callable[..., Path]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = load_photo(heic(exif=exif.tobytes()))
    assert photo.depth is None
    assert photo.problems == ("The embedded depth is turned against the photo and was left out.",)


def test_a_photo_without_depth(tmp_path: Path, corners: np.ndarray) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "photo.heic"
    pillow_heif.from_pillow(Image.fromarray(corners)).save(path)
    photo = load_photo(path)
    assert photo.depth is None
    assert photo.problems == ()


def test_cut_depth_leaves_the_photo(heic: Callable[..., Path], corners: np.ndarray) -> None:
    path = heic()
    path.write_bytes(path.read_bytes()[:-10])  # The depth is the last thing in the file.
    photo = load_photo(path)
    np.testing.assert_allclose(photo.image * 255, corners, atol=4)
    assert photo.depth is None
    assert len(photo.problems) == 1
    assert photo.problems[0].startswith("embedded depth: received damaged data")


@pytest.mark.parametrize("inside", [b"iloc", b"ipma", b"mdat"])
def test_a_cut_photo_is_an_error(heic: Callable[..., Path], inside: bytes) -> None:
    path = heic()
    content = path.read_bytes()
    path.write_bytes(content[: content.index(inside) + 20])
    with pytest.raises(FileError, match=r"photo\.heic.*damaged HEIC"):
        load_photo(path)


def test_without_pillow_heif_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "photo.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(MissingDependencyError, match=r"pip install focuspuller\[heif\]"):
        load_photo(path)
