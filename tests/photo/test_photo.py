"""Loading photographs: formats, depths of colour, alpha, orientation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.lens.depth import Depth
from focuspuller.photo.embedded_depth import embed_depth
from focuspuller.photo.photo import load_photo
from focuspuller.photo.saving import save_photo
from PIL import Image

from .photo_files import DISPLAY_P3_PRIMARIES, assert_same_picture, lens_exif


class TestLoadingPixels:
    @pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "a.jpg"])
    def test_colour(self, write: Callable[..., Path], corners: np.ndarray, name: str) -> None:
        photo = load_photo(write(Image.fromarray(corners), name))
        assert_same_picture(photo.image, corners)
        assert photo.image.dtype == np.float32
        assert photo.path.name == name
        assert photo.problems == ()

    def test_what_a_plain_file_does_not_hold(
        self, write: Callable[..., Path], corners: np.ndarray
    ) -> None:
        photo = load_photo(write(Image.fromarray(corners), "a.png"))
        assert photo.alpha is None
        assert photo.depth is None
        assert photo.camera is None
        assert photo.exif == b""

    def test_the_content_decides_not_the_name(
        self, write: Callable[..., Path], corners: np.ndarray
    ) -> None:
        path = write(Image.fromarray(corners), "really_a_png.jpg", format="PNG")
        np.testing.assert_allclose(load_photo(path).image, corners / 255, atol=1e-6)

    @pytest.mark.parametrize("name", ["a.png", "a.tif"])
    def test_grey_with_16_bits(self, write: Callable[..., Path], name: str) -> None:
        levels = np.array([[0, 1, 256], [1000, 40000, 65535]], np.uint16)
        image = load_photo(write(Image.fromarray(levels), name)).image
        expected = np.repeat(levels[..., None] / 65535, 3, axis=2)
        np.testing.assert_allclose(image, expected, rtol=1e-6)

    @pytest.mark.parametrize("channels", [3, 4])
    def test_colour_with_16_bits_in_png(
        self, tmp_path: Path, png_with_16_bits: Callable[[np.ndarray], bytes], channels: int
    ) -> None:
        values = np.random.default_rng(0).integers(0, 65536, (5, 7, channels), np.uint16)
        path = tmp_path / "deep.png"
        path.write_bytes(png_with_16_bits(values))
        photo = load_photo(path)
        np.testing.assert_allclose(photo.image, values[..., :3] / 65535, rtol=1e-6)
        assert photo.problems == ()

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_colour_with_16_bits_in_tiff(
        self, tmp_path: Path, tiff_with_16_bits: Callable[..., bytes], order: str
    ) -> None:
        values = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), np.uint16)
        path = tmp_path / "deep.tif"
        path.write_bytes(tiff_with_16_bits(values, order))
        photo = load_photo(path)
        np.testing.assert_allclose(photo.image, values / 65535, rtol=1e-6)
        assert photo.problems == ()

    def test_16_bits_of_another_colour_space_become_8_and_that_is_said(
        self,
        tmp_path: Path,
        tiff_with_16_bits: Callable[..., bytes],
        icc_profile: Callable[[np.ndarray], bytes],
    ) -> None:
        values = np.full((4, 6, 3), 0x80FF, np.uint16)
        path = tmp_path / "deep.tif"
        path.write_bytes(tiff_with_16_bits(values, "<", icc_profile(DISPLAY_P3_PRIMARIES)))
        photo = load_photo(path)
        np.testing.assert_allclose(photo.image, 0x80 / 255, atol=2 / 255)
        assert photo.problems == (
            "16 bits per colour became 8, as the colour profile was converted to sRGB.",
        )

    @pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK"])
    def test_other_ways_to_store_colour(self, write: Callable[..., Path], mode: str) -> None:
        stripes = np.zeros((16, 16, 3), np.uint8)
        stripes[:, 8:] = 255
        image = Image.fromarray(stripes).convert(mode)
        photo = load_photo(write(image, "a.png" if mode in "1LP" else "a.tif"))
        np.testing.assert_allclose(photo.image, stripes / 255, atol=1e-6)

    @pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
    def test_alpha_is_kept_apart_and_colours_unmixed(
        self, write: Callable[..., Path], mode: str
    ) -> None:
        pixels = np.zeros((4, 4, 4), np.uint8)
        pixels[..., :3] = 200
        pixels[:, 1:, 3] = 51
        image = Image.fromarray(pixels).convert("LA" if mode == "PA" else mode)
        if mode == "PA":
            image = image.convert("RGBA").quantize(4)
        photo = load_photo(write(image, "a.png"))
        assert photo.alpha is not None
        np.testing.assert_allclose(photo.alpha[:, 0], 0.0)
        np.testing.assert_allclose(photo.alpha[:, 1:], 0.2)
        np.testing.assert_allclose(photo.image[:, 1:], 200 / 255, atol=1e-6)

    def test_one_transparent_palette_entry(self, write: Callable[..., Path]) -> None:
        image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
        image.putpalette([255, 0, 0, 0, 0, 255])
        photo = load_photo(write(image, "a.png", transparency=0))
        assert photo.alpha is not None
        assert photo.alpha.tolist() == [[0.0, 1.0]]
        assert photo.image.tolist() == [[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]


# What was done to an upright picture before it was stored with this orientation.
STORED = {
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: np.swapaxes(pixels, 0, 1),
    6: lambda pixels: np.rot90(pixels, 1),
    7: lambda pixels: np.swapaxes(np.rot90(pixels, 2), 0, 1),
    8: lambda pixels: np.rot90(pixels, -1),
}


class TestOrientation:
    @pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.webp"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_every_orientation_is_upright(
        self, write: Callable[..., Path], corners: np.ndarray, orientation: int, name: str
    ) -> None:
        stored = np.ascontiguousarray(STORED[orientation](corners))
        path = write(Image.fromarray(stored), name, exif=lens_exif(orientation))
        photo = load_photo(path)
        assert_same_picture(photo.image, corners)

    def test_alpha_is_turned_too(self, write: Callable[..., Path]) -> None:
        pixels = np.zeros((4, 6, 4), np.uint8)
        pixels[:, :3, 3] = 255
        stored = np.ascontiguousarray(STORED[8](pixels))
        photo = load_photo(write(Image.fromarray(stored), "a.png", exif=lens_exif(8)))
        assert photo.alpha is not None
        np.testing.assert_array_equal(photo.alpha * 255, pixels[..., 3])

    def test_depth_is_turned_too(
        self, tmp_path: Path, encode: Callable[..., bytes], corners: np.ndarray
    ) -> None:
        upright = np.linspace(0, 1, 12 * 16, dtype=np.float32).reshape(12, 16)
        stored = torch.from_numpy(np.ascontiguousarray(STORED[6](upright)))[None, None]
        pixels = np.ascontiguousarray(STORED[6](corners))
        jpeg = encode(pixels, "JPEG", exif=lens_exif(6))
        path = tmp_path / "portrait.jpg"
        path.write_bytes(embed_depth(jpeg, Depth.from_relative(stored)))
        photo = load_photo(path)
        assert photo.depth is not None
        np.testing.assert_allclose(photo.depth.disparity[0, 0], upright, atol=1e-4)

    def test_saving_does_not_turn_again(
        self, write: Callable[..., Path], tmp_path: Path, corners: np.ndarray
    ) -> None:
        stored = np.ascontiguousarray(STORED[6](corners))
        photo = load_photo(write(Image.fromarray(stored), "a.png", exif=lens_exif(6)))
        assert photo.camera_data.orientation == 6
        save_photo(tmp_path / "b.png", photo.image, photo.exif)
        again = load_photo(tmp_path / "b.png")
        assert again.camera_data.orientation == 1
        np.testing.assert_array_equal(again.image, photo.image)


CAMERA_PHOTOS = {
    "Canon_40D.jpg": (68, 100),
    "DSCN0010.jpg": (480, 640),
    "Nikon_D70.jpg": (66, 100),
    "Olympus_C8080WZ.jpg": (72, 100),
    "PaintTool_sample.jpg": (100, 88),
    "Panasonic_DMC-FZ30.jpg": (75, 100),
    "Pentax_K10D.jpg": (72, 100),
    "Sony_HDR-HC3.jpg": (64, 100),
}


@pytest.mark.parametrize(("name", "size"), CAMERA_PHOTOS.items())
def test_camera_photos_load_without_problems(
    shared_exif: Path, name: str, size: tuple[int, int]
) -> None:
    photo = load_photo(shared_exif / name)
    assert photo.image.shape == (*size, 3)
    # The Canon picture was resized without correcting this; with the camera database nobody asks.
    others = [problem for problem in photo.problems if "focal-plane resolution" not in problem]
    assert others == []
    assert photo.exif


def test_a_photo_without_camera_data(shared_exif: Path) -> None:
    photo = load_photo(shared_exif / "PaintTool_sample.jpg")
    assert photo.camera is None
    assert photo.camera_data.missing == (
        "The photo does not tell the focal length, the f-number and the sensor width."
    )


@pytest.mark.parametrize("name", ["image00971.jpg", "image01551.jpg", "image02206.jpg"])
def test_damaged_camera_photos_load_without_camera(shared_exif: Path, name: str) -> None:
    photo = load_photo(shared_exif / name)
    assert photo.image.min() >= 0
    assert photo.image.max() <= 1
    assert photo.camera is None
    assert photo.camera_data.missing
