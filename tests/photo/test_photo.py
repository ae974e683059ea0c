"""Loading and saving photographs: formats, colours, orientation, EXIF, failures."""

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
from focuspuller.photo import photo as photo_module
from focuspuller.photo.embedded_depth import embed_depth
from focuspuller.photo.photo import load_photo, save_photo
from PIL import Image

SUFFIXES = [".jpg", ".JPEG", ".png", ".webp", ".tif", ".tiff"]
LENS = {0x829D: 5.6, 0x920A: 50.0, 0xA405: 75, 0x9206: 3.0}

SRGB_PRIMARIES = np.array(
    [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]]
)
DISPLAY_P3_PRIMARIES = np.array(
    [[0.51512, 0.24120, -0.00105], [0.29198, 0.69225, 0.04189], [0.15710, 0.06657, 0.78407]]
)


def lens_exif(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Canon"
    exif[0x0112] = orientation
    exif[0x8769] = LENS
    return exif.tobytes()


def assert_same_picture(image: np.ndarray, pixels: np.ndarray) -> None:
    """Up to what JPEG and WebP lose, mostly where colours meet."""
    assert image.shape == pixels.shape
    assert np.abs(image - pixels / 255).mean() < 0.02


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_image(image: Image.Image, name: str, **options: object) -> Path:
        path = tmp_path / name
        image.save(path, **options)
        return path

    return write_image


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


class TestColourProfiles:
    PATCHES = np.array([[[255, 255, 255], [200, 40, 90], [20, 90, 160], [60, 60, 60]]], np.uint8)

    def linear(self, coded: np.ndarray) -> np.ndarray:
        return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)

    def coded(self, linear: np.ndarray) -> np.ndarray:
        linear = linear.clip(0, 1)
        return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)

    def test_display_p3_becomes_srgb(
        self, write: Callable[..., Path], icc_profile: Callable[[np.ndarray], bytes]
    ) -> None:
        profile = icc_profile(DISPLAY_P3_PRIMARIES)
        photo = load_photo(write(Image.fromarray(self.PATCHES), "a.png", icc_profile=profile))
        to_srgb = DISPLAY_P3_PRIMARIES @ np.linalg.inv(SRGB_PRIMARIES)
        expected = self.coded(self.linear(self.PATCHES / 255) @ to_srgb)
        np.testing.assert_allclose(photo.image, expected, atol=1.5 / 255)
        assert np.abs(photo.image - self.PATCHES / 255).max() > 5 / 255, "P3 is another space"
        assert photo.problems == ()

    def test_a_profile_that_is_srgb_leaves_every_value(
        self, write: Callable[..., Path], icc_profile: Callable[[np.ndarray], bytes]
    ) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        profile = icc_profile(SRGB_PRIMARIES)
        photo = load_photo(write(Image.fromarray(pixels), "a.png", icc_profile=profile))
        assert np.array_equal((photo.image * 255).round(), pixels)

    @pytest.mark.parametrize("mode", ["RGBA", "P"])
    def test_profiles_with_alpha_and_palette(
        self, write: Callable[..., Path], icc_profile: Callable[[np.ndarray], bytes], mode: str
    ) -> None:
        profile = icc_profile(DISPLAY_P3_PRIMARIES)
        plain = load_photo(write(Image.fromarray(self.PATCHES), "a.png", icc_profile=profile))
        image = Image.fromarray(self.PATCHES).convert(mode, palette=Image.Palette.ADAPTIVE)
        converted = load_photo(write(image, "b.png", icc_profile=profile))
        np.testing.assert_allclose(converted.image, plain.image, atol=1e-6)

    def test_a_damaged_profile_is_said_and_ignored(
        self, write: Callable[..., Path], corners: np.ndarray
    ) -> None:
        photo = load_photo(write(Image.fromarray(corners), "a.png", icc_profile=b"nonsense"))
        np.testing.assert_allclose(photo.image, corners / 255, atol=1e-6)
        assert len(photo.problems) == 1
        assert photo.problems[0].startswith("The colour profile cannot be used")

    def test_a_profile_of_another_kind_is_said_and_ignored(
        self, write: Callable[..., Path], icc_profile: Callable[[np.ndarray], bytes]
    ) -> None:
        profile = icc_profile(DISPLAY_P3_PRIMARIES)
        grey = Image.fromarray(np.full((4, 4), 90, np.uint8))
        photo = load_photo(write(grey, "a.png", icc_profile=profile))
        np.testing.assert_allclose(photo.image, 90 / 255, atol=1e-6)
        assert photo.problems[0].startswith("The colour profile cannot be used")


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

        monkeypatch.setattr(photo_module, "embed_depth", fail)
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
