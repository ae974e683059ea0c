"""Photographs in EXR files: values, layers, depth, camera, colour space, failures."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError, MissingDependencyError
from focuspuller.lens.color import srgb_to_linear
from focuspuller.lens.depth import Depth
from focuspuller.photo.depth_files import load_depth
from focuspuller.photo.photo import load_photo
from focuspuller.photo.saving import save_photo
from PIL import Image

OpenEXR = pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")

HEIGHT, WIDTH = 12, 18
SIZE = (HEIGHT, WIDTH)


@pytest.fixture
def light() -> np.ndarray:
    """Linear light `[H,W,3]` float32 from almost black to 500 × white, all of it half floats."""
    values = 10.0 ** np.random.default_rng(2).uniform(-6, 2.7, (*SIZE, 3))
    values[0, 0] = 0.0
    return values.astype(np.float16).astype(np.float32)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes channels into an EXR: `write({"R": ...}, aperture=1.4)`."""

    def write_channels(channels: dict[str, np.ndarray], name: str = "a.exr", **header) -> Path:
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage} | header
        contiguous = {key: np.ascontiguousarray(value) for key, value in channels.items()}
        with OpenEXR.File(header, contiguous) as file:
            file.write(str(tmp_path / name))
        return tmp_path / name

    return write_channels


def rgb(light: np.ndarray, layer: str = "", dtype: type = np.float32) -> dict[str, np.ndarray]:
    return {f"{layer}{name}": light[..., i].astype(dtype) for i, name in enumerate("RGB")}


class TestValues:
    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    def test_linear_light_is_read_bit_by_bit(self, write, light, dtype) -> None:
        photo = load_photo(write(rgb(light, dtype=dtype)), linear=True)
        np.testing.assert_array_equal(photo.image, light)
        assert photo.image.dtype == np.float32
        assert photo.is_hdr
        assert photo.problems == ()

    def test_an_image_is_coded_and_goes_on_above_white(self, write, light) -> None:
        image = load_photo(write(rgb(light))).image
        assert image.max() > 10
        decoded = srgb_to_linear(torch.from_numpy(image).double())
        np.testing.assert_allclose(decoded, light, rtol=1e-5)

    @pytest.mark.parametrize("linear", [False, True])
    def test_half_floats_come_back_bit_by_bit(self, tmp_path, write, light, linear) -> None:
        photo = load_photo(write(rgb(light, dtype=np.float16)), linear)
        save_photo(tmp_path / "b.exr", photo.image, linear=linear)
        np.testing.assert_array_equal(load_photo(tmp_path / "b.exr", linear=True).image, light)
        with OpenEXR.File(str(tmp_path / "b.exr"), separate_channels=True) as file:
            assert {channel.pixels.dtype for channel in file.channels().values()} == {
                np.dtype(np.float16)
            }

    def test_floats_come_back_bit_by_bit(self, tmp_path, light) -> None:
        odd = light * np.float32(1.0001)
        save_photo(tmp_path / "a.exr", odd, linear=True, exr_bits=32)
        np.testing.assert_array_equal(load_photo(tmp_path / "a.exr", linear=True).image, odd)

    def test_light_too_bright_for_16_bits_gets_32(self, tmp_path, light) -> None:
        light[3, 3] = 1e6
        save_photo(tmp_path / "a.exr", light, linear=True)
        np.testing.assert_array_equal(load_photo(tmp_path / "a.exr", linear=True).image, light)

    @pytest.mark.parametrize("kind", ["float64", "torch", "bfloat16", "flipped", "batch"])
    def test_every_kind_of_array_is_saved(self, tmp_path, kind) -> None:
        light = np.random.default_rng(0).integers(0, 9, (*SIZE, 3)).astype(np.float32)
        given = {
            "float64": lambda: light.astype(np.float64),
            "torch": lambda: torch.from_numpy(light).requires_grad_(),
            "bfloat16": lambda: torch.from_numpy(light).bfloat16(),
            "flipped": lambda: np.ascontiguousarray(light[::-1])[::-1],
            "batch": lambda: light[None],
        }[kind]()
        save_photo(tmp_path / "a.exr", given, linear=True)
        np.testing.assert_array_equal(load_photo(tmp_path / "a.exr", linear=True).image, light)

    def test_a_jpeg_of_it_is_coded_and_clipped(self, tmp_path) -> None:
        light = np.full((*SIZE, 3), 0.2140411, np.float32)
        light[:, 9:] = 50.0
        save_photo(tmp_path / "a.jpg", light, linear=True)
        image = load_photo(tmp_path / "a.jpg").image
        np.testing.assert_allclose(image[:, :7], 0.5, atol=0.02)
        np.testing.assert_allclose(image[:, 11:], 1.0, atol=0.02)

    def test_other_photos_are_decoded_if_linear_light_is_asked_for(self, tmp_path) -> None:
        Image.fromarray(np.full((*SIZE, 3), 188, np.uint8)).save(tmp_path / "a.png")
        photo = load_photo(tmp_path / "a.png", linear=True)
        np.testing.assert_allclose(photo.image, 0.5029, atol=1e-4)
        assert not photo.is_hdr

    def test_the_content_decides_not_the_name(self, write, light) -> None:
        path = write(rgb(light), "really_an_exr.png")
        np.testing.assert_array_equal(load_photo(path, linear=True).image, light)


class TestLayers:
    def other(self, light: np.ndarray) -> np.ndarray:
        return light * 0.5 + 1.0

    @pytest.mark.parametrize(
        ("picture", "others"),
        [
            ("", ["Diffuse.", "ViewLayer.Combined."]),
            ("ViewLayer.Combined.", ["ViewLayer.CryptoObject00.", "ViewLayer.Albedo."]),
            ("left.rgba.", ["left.albedo."]),
            ("Scene.Beauty.", ["Scene.AO."]),
            ("anything.", []),
        ],
    )
    def test_the_picture_is_found_among_other_passes(self, write, light, picture, others) -> None:
        channels = rgb(light, picture)
        for layer in others:
            channels |= rgb(self.other(light), layer)
        np.testing.assert_array_equal(load_photo(write(channels), linear=True).image, light)

    def test_parts_of_a_file(self, tmp_path, light) -> None:
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        metres = np.full(SIZE, 3.0, np.float32)
        pixels = {key: np.ascontiguousarray(value) for key, value in rgb(light).items()}
        parts = [
            OpenEXR.Part(header | {"name": "depth"}, {"Z": metres}, "depth"),
            OpenEXR.Part(header | {"name": "rgba"}, pixels, "rgba"),
        ]
        OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
        photo = load_photo(tmp_path / "a.exr", linear=True)
        np.testing.assert_array_equal(photo.image, light)
        np.testing.assert_allclose(photo.depth.metres, 3.0)

    def test_grey(self, write, light) -> None:
        photo = load_photo(write({"Y": light[..., 0]}), linear=True)
        np.testing.assert_array_equal(photo.image, np.repeat(light[..., :1], 3, axis=2))

    def test_colours_are_unmixed_from_opacity(self, write, light) -> None:
        alpha = np.ones(SIZE, np.float32)
        alpha[:, :6], alpha[:, 6:9] = 0.25, 0.0
        photo = load_photo(write(rgb(light * alpha[..., None]) | {"A": alpha}), linear=True)
        np.testing.assert_allclose(photo.image[:, :6], light[:, :6], rtol=1e-6)
        np.testing.assert_array_equal(photo.image[:, 6:9], 0.0)
        np.testing.assert_array_equal(photo.image[:, 9:], light[:, 9:])
        np.testing.assert_array_equal(photo.alpha, alpha)

    def test_a_glow_without_opacity_keeps_its_light(self, write, light) -> None:
        photo = load_photo(write(rgb(light) | {"A": np.zeros(SIZE, np.float32)}), linear=True)
        np.testing.assert_array_equal(photo.image, light)

    def test_what_lies_outside_the_display_window_is_cut_off(self, write, light) -> None:
        """Stored from (-2, 1) on; shown 12 wide and 16 high from (0, 0)."""
        windows = {
            "dataWindow": (np.array([-2, 1], np.int32), np.array([15, 12], np.int32)),
            "displayWindow": (np.array([0, 0], np.int32), np.array([11, 15], np.int32)),
        }
        image = load_photo(write(rgb(light), **windows), linear=True).image
        assert image.shape == (16, 12, 3)
        np.testing.assert_array_equal(image[1:13], light[:, 2:14])
        assert image[0].max() == image[13:].max() == 0.0


class TestDepth:
    METRES = np.linspace(0.5, 80.0, HEIGHT * WIDTH, dtype=np.float32).reshape(SIZE)

    @pytest.mark.parametrize(
        "name", ["Z", "depth.Z", "ViewLayer.Depth.Z", "ViewLayer.Depth.V", "left.Z", "depth"]
    )
    def test_it_is_the_depth_of_the_photo(self, write, light, name) -> None:
        vectors = {f"ViewLayer.Normal.{axis}": np.ones(SIZE, np.float32) for axis in "XYZ"}
        mist = {"ViewLayer.Mist.Z": np.ones(SIZE, np.float32)}
        channels = rgb(light, "ViewLayer.Combined.") | vectors | mist | {name: self.METRES}
        photo = load_photo(write(channels))
        assert photo.depth.is_metric
        np.testing.assert_allclose(photo.depth.metres[0, 0], self.METRES, rtol=1e-6)

    def test_normals_and_mist_are_no_depth(self, write, light) -> None:
        vectors = {f"ViewLayer.Normal.{axis}": np.ones(SIZE, np.float32) for axis in "XYZ"}
        mist = {"ViewLayer.Mist.Z": np.ones(SIZE, np.float32)}
        assert load_photo(write(rgb(light) | vectors | mist)).depth is None

    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    def test_an_empty_background_is_infinitely_far(self, write, light, dtype) -> None:
        metres = self.METRES.copy()
        metres[0] = 1e10
        with np.errstate(over="ignore"):
            stored = metres.astype(dtype)
        photo = load_photo(write(rgb(light) | {"Z": stored}))
        np.testing.assert_allclose(photo.depth.disparity[0, 0, 0], 0.0, atol=1e-9)
        np.testing.assert_allclose(photo.depth.metres[0, 0, 1:], metres[1:], rtol=1e-3)

    def test_a_channel_without_a_distance_is_said_and_left_out(self, write, light) -> None:
        photo = load_photo(write(rgb(light) | {"Z": np.zeros(SIZE, np.float32)}))
        assert photo.depth is None
        assert photo.problems == (
            "The depth channel was left out: a map without a single valid value.",
        )

    def test_depth_is_saved_beside_the_picture(self, tmp_path, light) -> None:
        metres = self.METRES.copy()
        metres[0] = math.inf
        depth = Depth.from_metres(torch.from_numpy(metres)[None, None])
        save_photo(tmp_path / "a.exr", light, linear=True, depth=depth)
        for loaded in (load_photo(tmp_path / "a.exr").depth, load_depth(tmp_path / "a.exr")):
            np.testing.assert_allclose(loaded.metres[0, 0], metres, rtol=1e-6)

    def test_smaller_depth_is_saved_at_the_size_of_the_picture(self, tmp_path, light) -> None:
        depth = Depth.from_metres(torch.full((1, 1, 6, 9), 2.0))
        save_photo(tmp_path / "a.exr", light, linear=True, depth=depth)
        assert load_photo(tmp_path / "a.exr").depth.size == SIZE

    def test_relative_depth_has_no_place_in_an_exr(self, tmp_path, light) -> None:
        depth = Depth.from_relative(torch.rand(1, 1, *SIZE))
        with pytest.raises(InputError, match=r"^depth: received relative disparity\. .*metres"):
            save_photo(tmp_path / "a.exr", light, linear=True, depth=depth)
        assert list(tmp_path.iterdir()) == []


class TestCamera:
    HEADER = {  # noqa: RUF012
        "aperture": 1.4,
        "nominalFocalLength": 85.0,
        "focus": 2.5,
        "sensorOverallDimensions": np.array([36.0, 24.0], np.float32),
        "cameraMake": "Arri",
        "cameraModel": "Alexa",
    }

    def test_the_header_tells_the_camera(self, write, light) -> None:
        photo = load_photo(write(rgb(light), **self.HEADER))
        camera, data = photo.camera, photo.camera_data
        assert (camera.f_number, camera.focal_length_mm) == (1.4, 85.0)
        assert camera.sensor_width_mm == pytest.approx(36.0)
        assert (data.make, data.model, data.subject_distance_m) == ("Arri", "Alexa", 2.5)

    def test_it_goes_from_exr_to_jpeg_and_back(self, tmp_path, write, light) -> None:
        photo = load_photo(write(rgb(light), **self.HEADER))
        save_photo(tmp_path / "b.jpg", photo.image, photo.exif, 2.0, math.inf)
        jpeg = load_photo(tmp_path / "b.jpg")
        save_photo(tmp_path / "c.exr", jpeg.image, jpeg.exif)
        for again in (jpeg, load_photo(tmp_path / "c.exr")):
            data = again.camera_data
            assert data.f_number == pytest.approx(2.0)
            assert data.focal_length_mm == pytest.approx(85.0)
            assert data.sensor_width_mm == pytest.approx(36.0)
            assert data.subject_distance_m == math.inf
            assert (data.make, data.model) == ("Arri", "Alexa")

    def test_focus_and_f_number_are_standard_attributes(self, tmp_path, light) -> None:
        save_photo(tmp_path / "a.exr", light, None, 1.8, 3.25, linear=True)
        with OpenEXR.File(str(tmp_path / "a.exr")) as file:
            header = dict(file.header())
        assert header["aperture"] == pytest.approx(1.8)
        assert header["focus"] == pytest.approx(3.25)
        rec_709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
        assert header["chromaticities"] == pytest.approx(rec_709)

    @pytest.mark.parametrize(
        "header",
        [
            {"aperture": -1.0, "nominalFocalLength": math.nan, "focus": 0.0},
            {"sensorOverallDimensions": np.array([math.nan, 24.0], np.float32)},
            {"sensorOverallDimensions": np.array([0.0, 0.0], np.float32)},
            {},
        ],
    )
    def test_nonsense_is_no_camera(self, write, light, header) -> None:
        photo = load_photo(write(rgb(light), **header))
        assert photo.camera is None
        assert photo.camera_data.missing == (
            "The photo does not tell the focal length, the f-number and the sensor width."
        )


class TestColourSpace:
    ACES_AP0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
    # Published conversion ACES 2065-1 to linear Rec. 709 with Bradford's adaptation D60 to D65.
    TO_REC_709 = np.array(
        [
            [2.52169, -1.13413, -0.38756],
            [-0.27648, 1.37272, -0.09624],
            [-0.01538, -0.15298, 1.16835],
        ]
    )

    def test_aces_becomes_srgb(self, write) -> None:
        light = np.random.default_rng(1).uniform(0.4, 0.6, (*SIZE, 3)).astype(np.float32)
        photo = load_photo(write(rgb(light), chromaticities=self.ACES_AP0), linear=True)
        expected = (light @ self.TO_REC_709.T).clip(min=0.0)
        np.testing.assert_allclose(photo.image, expected, atol=2e-3)
        assert photo.problems == ()

    def test_colours_outside_srgb_are_clipped_and_counted(self, write) -> None:
        green = np.zeros((*SIZE, 3), np.float32)
        green[0, :5, 1] = 1.0
        photo = load_photo(write(rgb(green), chromaticities=self.ACES_AP0), linear=True)
        assert photo.image.min() == 0.0
        assert photo.problems == ("Negative light in 5 pixels is taken as none.",)

    def test_impossible_chromaticities_are_not_used(self, write, light) -> None:
        path = write(rgb(light), chromaticities=(0.0,) * 8)
        np.testing.assert_array_equal(load_photo(path, linear=True).image, light)


class TestBadFiles:
    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_broken_pixels_are_counted(self, write, light, value) -> None:
        light[2, 3, 1] = light[2, 3, 2] = light[7, 7, 0] = value
        with pytest.raises(FileError, match=r"2 NaN or infinite pixels of 216\. Repair them"):
            load_photo(write(rgb(light)))

    def test_negative_light_is_none_and_that_is_said(self, write, light) -> None:
        light[1, 1, 0] = light[1, 2, 1] = -0.5
        photo = load_photo(write(rgb(light)), linear=True)
        np.testing.assert_array_equal(photo.image, light.clip(min=0))
        assert photo.problems == ("Negative light in 2 pixels is taken as none.",)

    def test_a_file_without_a_picture(self, write) -> None:
        with pytest.raises(FileError, match=r"without a picture \(channels: Z\)"):
            load_photo(write({"Z": np.ones(SIZE, np.float32)}))

    @pytest.mark.parametrize("kept", [400, 0.7])
    def test_half_a_file(self, write, light, capsys, kept) -> None:
        path = write(rgb(light))
        content = path.read_bytes()
        path.write_bytes(content[: kept if kept > 1 else int(kept * len(content))])
        with pytest.raises(FileError, match=r"a\.exr: received .* EXR file"):
            load_photo(path)
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_broken_pixels_are_not_saved(self, tmp_path, light, value) -> None:
        light[0, 0] = value
        with pytest.raises(InputError, match=r"^image: received NaN"):
            save_photo(tmp_path / "a.exr", light, linear=True)
        assert list(tmp_path.iterdir()) == []

    def test_other_numbers_of_bits_are_refused(self, tmp_path, light) -> None:
        with pytest.raises(InputError, match="exr_bits: received 24"):
            save_photo(tmp_path / "a.exr", light, exr_bits=24)

    def test_a_failure_keeps_the_old_file(self, tmp_path, light, monkeypatch) -> None:
        (tmp_path / "a.exr").write_bytes(b"the old file")

        def refuse(path: Path, target: Path) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "replace", refuse)
        with pytest.raises(FileError, match="Permission denied"):
            save_photo(tmp_path / "a.exr", light)
        assert (tmp_path / "a.exr").read_bytes() == b"the old file"
        assert [path.name for path in tmp_path.iterdir()] == ["a.exr"]

    def test_without_openexr_it_says_what_to_install(self, write, light, monkeypatch) -> None:
        path = write(rgb(light))
        monkeypatch.setitem(sys.modules, "OpenEXR", None)
        for use in (lambda: load_photo(path), lambda: save_photo(path, light)):
            with pytest.raises(MissingDependencyError, match=r"pip install focuspuller\[exr\]"):
                use()
