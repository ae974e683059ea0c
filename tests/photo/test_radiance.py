"""Photographs in Radiance files: values, codings, orders, colours, failures; OpenCV agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.color import srgb_to_linear
from focuspuller.lens.depth import Depth
from focuspuller.photo.photo import load_photo
from focuspuller.photo.saving import save_photo

HEIGHT, WIDTH = 9, 21


@pytest.fixture
def light() -> np.ndarray:
    """Linear light from almost black to 500 × white, with runs and black pixels, `[H,W,3]`."""
    values = 10.0 ** np.random.default_rng(2).uniform(-6, 2.7, (HEIGHT, WIDTH, 3))
    values[2:4] = values[2, 0]
    values[0, 0] = 0.0
    values[1, 3:9, 1] = 0.0
    return values.astype(np.float32)


def within_a_step(light: np.ndarray) -> np.ndarray:
    """The largest error of each pixel that 8 bits and a common exponent allow."""
    _, exponent = np.frexp(light.max(axis=-1, keepdims=True))
    return np.ldexp(1.0, exponent - 8) + 1e-9


def radiance(pixels: bytes, size: str, *lines: str) -> bytes:
    header = ["#?RADIANCE", "# made by a test", *lines, "", size, ""]
    return "\n".join(header).encode() + pixels


def coded(value: float) -> list[int]:
    """R, G, B, E of a grey."""
    mantissa, exponent = np.frexp(value)
    return [int(mantissa * 256)] * 3 + [int(exponent) + 128]


def stored(tmp_path: Path, content: bytes, name: str = "a.hdr") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


class TestValues:
    @pytest.mark.parametrize("linear", [True, False])
    def test_light_comes_back_within_a_step(self, tmp_path, light, linear) -> None:
        image = light if linear else np.maximum(light, 0) ** (1 / 2.4)
        save_photo(tmp_path / "a.hdr", image, linear=linear)
        photo = load_photo(tmp_path / "a.hdr", linear=True)
        meant = light if linear else srgb_to_linear(torch.from_numpy(image)).numpy()
        assert (np.abs(photo.image - meant) <= 0.51 * within_a_step(meant)).all()
        assert photo.is_hdr
        assert photo.problems == ()
        assert (photo.depth, photo.camera, photo.exif) == (None, None, b"")

    def test_what_was_read_is_saved_bit_by_bit(self, tmp_path, light) -> None:
        save_photo(tmp_path / "a.hdr", light, linear=True)
        save_photo(tmp_path / "b.hdr", load_photo(tmp_path / "a.hdr").image)
        assert (tmp_path / "a.hdr").read_bytes() == (tmp_path / "b.hdr").read_bytes()

    @pytest.mark.parametrize("value", [0.0, 2.0**-20, 0.18359375, 0.998046875, 1.0, 255.5, 65504])
    def test_greys_and_white_are_exact_to_a_step(self, tmp_path, value) -> None:
        save_photo(tmp_path / "a.hdr", np.full((3, 10, 3), value, np.float32), linear=True)
        image = load_photo(tmp_path / "a.hdr", linear=True).image
        assert np.abs(image - value).max() <= value / 256
        if value in (0.0, 0.18359375, 1.0):
            assert (image == value).all()

    def test_extremes_stay_finite_and_positive(self, tmp_path) -> None:
        ends = np.array([1e-42, 3e38, -1.0, 1e-38], np.float32).reshape(1, 4, 1)
        save_photo(tmp_path / "a.hdr", ends.repeat(3, axis=2), linear=True)
        image = load_photo(tmp_path / "a.hdr", linear=True).image
        assert np.isfinite(image).all()
        assert image[0, 0, 0] == image[0, 2, 0] == 0.0
        assert image[0, 1, 0] > 1e38

    def test_the_content_decides_not_the_name(self, tmp_path, light) -> None:
        save_photo(tmp_path / "a.hdr", light, linear=True)
        named = (tmp_path / "a.hdr").rename(tmp_path / "a.jpg")
        assert load_photo(named).is_hdr


class TestOpenCv:
    """The library that the benchmarks use reads and writes the same values."""

    cv2 = pytest.importorskip("cv2", reason="needs the extra focuspuller[dev]")

    @pytest.mark.parametrize("width", [3, WIDTH])
    def test_reads_what_we_write(self, tmp_path, light, width) -> None:
        save_photo(tmp_path / "a.hdr", light[:, :width], linear=True)
        read = self.cv2.imread(str(tmp_path / "a.hdr"), self.cv2.IMREAD_UNCHANGED)[..., ::-1]
        np.testing.assert_array_equal(load_photo(tmp_path / "a.hdr", linear=True).image, read)

    @pytest.mark.parametrize("width", [3, 8, WIDTH, 300])
    @pytest.mark.parametrize("flat", [False, True])
    def test_writes_what_we_read(self, tmp_path, light, width, flat) -> None:
        picture = np.tile(light, (1, 15, 1))[:, :width]
        path = str(tmp_path / "a.hdr")
        coding = [self.cv2.IMWRITE_HDR_COMPRESSION, int(not flat)]
        self.cv2.imwrite(path, np.ascontiguousarray(picture[..., ::-1]), coding)
        read = self.cv2.imread(path, self.cv2.IMREAD_UNCHANGED)[..., ::-1]
        image = load_photo(path, linear=True).image
        np.testing.assert_array_equal(image, read)
        assert (np.abs(image - picture) <= within_a_step(picture)).all()


class TestCodings:
    def test_runs_of_whole_pixels(self, tmp_path) -> None:
        # Two digits: 3 repetitions, then 1 × 256.
        width = 1 + 3 + 256
        pixels = bytes([*coded(0.5), 1, 1, 1, 3, 1, 1, 1, 1]) + bytes(coded(2.0)) * width
        image = load_photo(stored(tmp_path, radiance(pixels, f"-Y 2 +X {width}")), linear=True)
        np.testing.assert_array_equal(image.image[0], np.full((width, 3), 0.5))
        np.testing.assert_array_equal(image.image[1], np.full((width, 3), 2.0))

    @pytest.mark.parametrize(
        ("size", "turned"),
        [
            ("-Y 2 +X 3", lambda stored: stored),
            ("+Y 2 +X 3", lambda stored: stored[::-1]),
            ("-Y 2 -X 3", lambda stored: stored[:, ::-1]),
            ("+X 2 -Y 3", lambda stored: stored.T),
            ("-X 2 +Y 3", lambda stored: stored.T[::-1, ::-1]),
        ],
    )
    def test_every_order_of_pixels_is_turned_upright(self, tmp_path, size, turned) -> None:
        greys = np.array([[0.25, 0.5, 1.0], [2.0, 4.0, 8.0]])
        pixels = bytes(code for grey in greys.flatten() for code in coded(grey))
        image = load_photo(stored(tmp_path, radiance(pixels, size)), linear=True).image
        np.testing.assert_array_equal(image[..., 0], turned(greys))

    def test_the_exposure_is_left_alone_and_odd_pixels_are_said(self, tmp_path) -> None:
        pixels = bytes(coded(0.5)) * 2
        lines = ("EXPOSURE=4", "PIXASPECT=2")
        photo = load_photo(stored(tmp_path, radiance(pixels, "-Y 1 +X 2", *lines)), linear=True)
        assert (photo.image == 0.5).all()
        assert "not square" in photo.problems[0]


class TestColours:
    def test_xyz_becomes_srgb(self, tmp_path) -> None:
        # The white of sRGB: x = 0.3127, y = 0.3290, Y = 1.
        white = np.array([0.9505, 1.0, 1.0891])
        pixels = bytes([*np.round(white * 128).astype(int), 129]) * 4
        lines = ("FORMAT=32-bit_rle_xyze",)
        photo = load_photo(stored(tmp_path, radiance(pixels, "-Y 2 +X 2", *lines)), linear=True)
        np.testing.assert_allclose(photo.image, 1.0, atol=0.025)

    def test_other_primaries_become_those_of_srgb(self, tmp_path) -> None:
        red = bytes([128, 0, 0, 129])
        lines = ("PRIMARIES= 0.708 0.292 0.17 0.797 0.131 0.046 0.3127 0.329",)  # Rec. 2020
        photo = load_photo(stored(tmp_path, radiance(red, "-Y 1 +X 1", *lines)), linear=True)
        np.testing.assert_allclose(photo.image[0, 0], [1.6605, 0.0, 0.0], atol=1e-3)
        assert "Negative light in 1 pixels" in photo.problems[0]


class TestFailures:
    @pytest.mark.parametrize(
        ("size", "lines", "said"),
        [
            ("-Y 0 +X 2", (), "no size"),
            ("-Y 2 +Y 2", (), "no size"),
            ("-Y 2", (), "no size"),
            ("-Y 2 +X 2", ("FORMAT=32-bit_rle_yuv",), "pixels of kind 32-bit_rle_yuv"),
            ("-Y 9 +X 2", (), "a run beyond its scanline"),
        ],
    )
    def test_nonsense_is_refused(self, tmp_path, size, lines, said) -> None:
        path = stored(tmp_path, radiance(bytes(coded(0.5)) * 4, size, *lines))
        with pytest.raises(FileError, match=f"a damaged Radiance file .*{said}"):
            load_photo(path)

    @pytest.mark.parametrize("code", [[0], [140], [1, 1, 1, 9]])
    def test_runs_that_do_not_fit_are_refused(self, tmp_path, code) -> None:
        start = [2, 2, 0, 10] if code != [1, 1, 1, 9] else []
        path = stored(tmp_path, radiance(bytes([*start, *code, *range(60)]), "-Y 1 +X 10"))
        with pytest.raises(FileError, match="a damaged Radiance file"):
            load_photo(path)

    def test_no_cut_file_is_read(self, tmp_path, light) -> None:
        cv2 = pytest.importorskip("cv2", reason="needs the extra focuspuller[dev]")
        cv2.imwrite(str(tmp_path / "whole.hdr"), light)
        content = (tmp_path / "whole.hdr").read_bytes()
        for length in range(2, len(content), 7):
            with pytest.raises(FileError):
                load_photo(stored(tmp_path, content[:length]))

    def test_what_it_has_no_place_for_is_refused(self, tmp_path, light) -> None:
        depth = Depth.from_metres(torch.ones(1, 1, HEIGHT, WIDTH))
        with pytest.raises(InputError, match="Only JPEG and EXR can hold depth"):
            save_photo(tmp_path / "a.hdr", light, depth=depth)
        light[0, 0, 0] = np.inf
        with pytest.raises(InputError, match="infinite pixels"):
            save_photo(tmp_path / "a.hdr", light)
        assert not (tmp_path / "a.hdr").exists()
