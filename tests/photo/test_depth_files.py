"""Depth maps as files: what the numbers mean in every kind, and what is refused."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError, MissingDependencyError
from focuspuller.lens.depth import Depth
from focuspuller.photo.depth_files import load_depth, save_depth
from PIL import Image

CODES_8 = np.array([[0, 51, 102], [153, 204, 255]], np.uint8)
CODES_16 = CODES_8.astype(np.uint16) * 257
VALUES = CODES_8 / 255
FILES_OF_CODES = [
    ("a.png", CODES_8),
    ("a.png", CODES_16),
    ("a.tif", CODES_8),
    ("a.tif", CODES_16),
    ("a.npy", CODES_8),
    ("a.npy", CODES_16),
    ("a.npz", CODES_16),
]
METRES = np.array([[0.5, 1.0, 2.0], [4.0, 100.0, np.inf]], np.float32)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an array as whatever the name says."""

    def write_array(array: np.ndarray, name: str) -> Path:
        path = tmp_path / name
        if path.suffix == ".npy":
            np.save(path, array)
        elif path.suffix == ".npz":
            np.savez(path, depth=array)
        elif path.suffix == ".exr":
            write_exr(path, {"Z": array})
        elif path.suffix == ".jpg":
            Image.fromarray(array).save(path, quality=100)
        else:
            Image.fromarray(array).save(path)
        return path

    return write_array


def write_exr(path: Path, channels: dict[str, np.ndarray]) -> None:
    library = pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    with library.File(header, channels) as file:
        file.write(str(path))


class TestCodes:
    @pytest.mark.parametrize(("name", "codes"), FILES_OF_CODES)
    def test_without_a_range_they_are_relative(
        self, write: Callable[..., Path], name: str, codes: np.ndarray
    ) -> None:
        depth = load_depth(write(codes, name))
        assert not depth.is_metric
        assert depth.disparity.dtype == torch.float32
        assert depth.disparity.shape == (1, 1, 2, 3)
        np.testing.assert_allclose(depth.disparity[0, 0], VALUES, atol=1e-6)

    @pytest.mark.parametrize(("name", "codes"), FILES_OF_CODES)
    def test_disparity_codes_with_a_range(
        self, write: Callable[..., Path], name: str, codes: np.ndarray
    ) -> None:
        depth = load_depth(write(codes, name), "disparity", near_m=0.5, far_m=math.inf)
        assert depth.is_metric
        np.testing.assert_allclose(depth.disparity[0, 0], VALUES * 2.0, atol=1e-6)

    @pytest.mark.parametrize(("name", "codes"), FILES_OF_CODES)
    def test_distance_codes_with_a_range(
        self, write: Callable[..., Path], name: str, codes: np.ndarray
    ) -> None:
        depth = load_depth(write(codes, name), "depth", False, near_m=1.0, far_m=11.0)
        np.testing.assert_allclose(depth.metres[0, 0], 1.0 + VALUES * 10.0, rtol=1e-5)

    def test_a_range_alone_means_disparity(self, write: Callable[..., Path]) -> None:
        path = write(CODES_16, "a.png")
        bare = load_depth(path, near_m=1.0, far_m=4.0)
        told = load_depth(path, "disparity", near_m=1.0, far_m=4.0)
        torch.testing.assert_close(bare.disparity, told.disparity)

    @pytest.mark.parametrize("encoding", [None, "disparity", "depth", "relative"])
    def test_black_may_be_near(self, write: Callable[..., Path], encoding: str | None) -> None:
        depth = load_depth(write(CODES_8, "a.png"), encoding, near_is_white=False)
        np.testing.assert_allclose(depth.disparity[0, 0], 1.0 - VALUES, atol=1e-6)

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
    def test_grey_in_colour_channels(self, tmp_path: Path, mode: str) -> None:
        path = tmp_path / "grey.png"
        Image.fromarray(CODES_8).convert("RGB").convert(mode).save(path)
        np.testing.assert_allclose(load_depth(path).disparity[0, 0], VALUES, atol=1e-2)

    def test_16_bits_in_colour_channels_are_kept(
        self, tmp_path: Path, png_with_16_bits: Callable[[np.ndarray], bytes]
    ) -> None:
        deep_colour = np.repeat(CODES_16[..., None], 3, axis=2)
        (tmp_path / "a.png").write_bytes(png_with_16_bits(deep_colour))
        depth = load_depth(tmp_path / "a.png")
        np.testing.assert_allclose(depth.disparity[0, 0], CODES_16 / 65535, atol=1e-6)

    def test_grey_in_a_jpeg(self, write: Callable[..., Path]) -> None:
        smooth = np.repeat(np.tile(np.arange(0, 256, 4, dtype=np.uint8), (32, 1))[..., None], 3, 2)
        depth = load_depth(write(smooth, "a.jpg"))
        np.testing.assert_allclose(depth.disparity[0, 0], smooth[..., 0] / 255, atol=0.02)

    def test_floats_with_a_range_are_codes(self, write: Callable[..., Path]) -> None:
        path = write(VALUES.astype(np.float32), "a.npy")
        depth = load_depth(path, "disparity", near_m=0.5, far_m=math.inf)
        np.testing.assert_allclose(depth.disparity[0, 0], VALUES * 2.0, atol=1e-6)

    @pytest.mark.parametrize("beyond", [-0.1, 1.1, np.nan])
    def test_floats_with_a_range_must_be_codes(
        self, write: Callable[..., Path], beyond: float
    ) -> None:
        path = write(np.array([[0.5, beyond]], np.float32), "a.npy")
        with pytest.raises(FileError, match="codes"):
            load_depth(path, "disparity", near_m=0.5, far_m=3.0)

    def test_the_orientation_of_a_depth_image_counts(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 3
        Image.fromarray(CODES_8).save(tmp_path / "a.png", exif=exif)
        depth = load_depth(tmp_path / "a.png")
        np.testing.assert_allclose(depth.disparity[0, 0], VALUES[::-1, ::-1], atol=1e-6)


class TestMeasures:
    @pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.exr", "a.tif"])
    @pytest.mark.parametrize("encoding", [None, "depth"])
    def test_floats_are_metres(
        self, write: Callable[..., Path], name: str, encoding: str | None
    ) -> None:
        depth = load_depth(write(METRES, name), encoding)
        assert depth.is_metric
        np.testing.assert_allclose(depth.metres[0, 0], METRES, rtol=1e-6)

    @pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32, np.int64])
    def test_other_types_are_metres_too(self, write: Callable[..., Path], dtype: type) -> None:
        depth = load_depth(write(np.array([[1, 2, 8]], dtype), "a.npy"))
        np.testing.assert_allclose(depth.metres[0, 0], [[1, 2, 8]], rtol=1e-6)

    def test_half_floats_in_exr(self, tmp_path: Path) -> None:
        write_exr(tmp_path / "a.exr", {"Z": METRES.astype(np.float16)})
        depth = load_depth(tmp_path / "a.exr")
        np.testing.assert_allclose(depth.metres[0, 0], METRES, rtol=1e-3)

    def test_metric_disparity(self, write: Callable[..., Path]) -> None:
        depth = load_depth(write(1 / METRES, "a.npy"), "disparity")
        assert depth.is_metric
        np.testing.assert_allclose(depth.metres[0, 0], METRES, rtol=1e-6)

    def test_relative_disparity_of_any_scale(self, write: Callable[..., Path]) -> None:
        depth = load_depth(write(np.array([[30.0, 10.0, 20.0]]), "a.npy"), "relative")
        assert not depth.is_metric
        np.testing.assert_allclose(depth.disparity[0, 0], [[1.0, 0.0, 0.5]], atol=1e-6)

    def test_relative_values_that_grow_with_distance(self, write: Callable[..., Path]) -> None:
        path = write(np.array([[30.0, 10.0, 20.0]]), "a.npy")
        depth = load_depth(path, "relative", near_is_white=False)
        np.testing.assert_allclose(depth.disparity[0, 0], [[0.0, 1.0, 0.5]], atol=1e-6)

    def test_relative_values_within_0_and_1_keep_their_scale(
        self, write: Callable[..., Path]
    ) -> None:
        path = write(np.array([[0.2, 0.4]]), "a.npy")
        np.testing.assert_allclose(load_depth(path, "relative").disparity[0, 0], [[0.2, 0.4]])
        turned = load_depth(path, "relative", near_is_white=False)
        np.testing.assert_allclose(turned.disparity[0, 0], [[0.8, 0.6]])

    def test_holes_are_filled(self, write: Callable[..., Path]) -> None:
        depth = load_depth(write(np.array([[2.0, np.nan, 2.0, 0.0]]), "a.npy"))
        np.testing.assert_allclose(depth.metres, 2.0)


class TestArrays:
    @pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3), (2, 3, 1)])
    def test_shapes_of_one_map(self, write: Callable[..., Path], shape: tuple[int, ...]) -> None:
        depth = load_depth(write(METRES.reshape(shape), "a.npy"))
        np.testing.assert_allclose(depth.metres[0, 0], METRES, rtol=1e-6)

    def test_three_equal_channels(self, write: Callable[..., Path]) -> None:
        with_hole = METRES.copy()
        with_hole[0, 0] = np.nan
        depth = load_depth(write(np.repeat(with_hole[..., None], 3, 2), "a.npy"))
        np.testing.assert_allclose(depth.metres[0, 0, 1], METRES[1], rtol=1e-6)

    @pytest.mark.parametrize(
        "array",
        [np.ones(4), np.ones((2, 3, 4)), np.ones((2, 2, 3, 3)), np.ones((0, 3)), np.float32(1.0),
         np.arange(12.0).reshape(2, 2, 3)],
    )  # fmt: skip
    def test_other_shapes_are_refused(self, write: Callable[..., Path], array: np.ndarray) -> None:
        with pytest.raises(FileError, match=r"an array of shape \["):
            load_depth(write(array, "a.npy"))

    @pytest.mark.parametrize(
        "array", [np.ones((2, 2), complex), np.ones((2, 2), bool), np.full((2, 2), "far")]
    )
    def test_other_types_are_refused(self, write: Callable[..., Path], array: np.ndarray) -> None:
        with pytest.raises(FileError, match="values of type"):
            load_depth(write(array, "a.npy"))

    def test_pickles_are_never_loaded(self, write: Callable[..., Path]) -> None:
        with pytest.raises(FileError, match="pickled"):
            load_depth(write(np.array([[{"depth": 1}]], object), "a.npy"))

    @pytest.mark.parametrize("array", [np.full((2, 2), np.nan), np.zeros((2, 2))])
    def test_without_a_valid_value_it_is_the_files_fault(
        self, write: Callable[..., Path], array: np.ndarray
    ) -> None:
        with pytest.raises(FileError, match=r"a\.npy: received .* without a single valid value"):
            load_depth(write(array, "a.npy"))

    def test_the_name_in_an_archive_says_what_it_holds(self, tmp_path: Path) -> None:
        path = tmp_path / "a.npz"
        np.savez(path, image=np.zeros((2, 2, 3)), disparity=1 / METRES)
        np.testing.assert_allclose(load_depth(path).metres[0, 0], METRES, rtol=1e-6)

    def test_of_two_maps_the_encoding_chooses(self, tmp_path: Path) -> None:
        path = tmp_path / "a.npz"
        np.savez(path, depth=METRES, disparity=10 / METRES)
        np.testing.assert_allclose(load_depth(path).metres[0, 0], METRES, rtol=1e-6)
        depth = load_depth(path, "disparity")
        np.testing.assert_allclose(depth.metres[0, 0], METRES / 10, rtol=1e-6)

    def test_an_only_array_may_have_any_name(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", METRES)
        depth = load_depth(tmp_path / "a.npz")
        np.testing.assert_allclose(depth.metres[0, 0], METRES, rtol=1e-6)

    def test_several_arrays_without_a_known_name(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", left=METRES, right=METRES)
        with pytest.raises(FileError, match="the arrays left, right"):
            load_depth(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["maps", "maps.png", "maps.npy", "maps.exr"])
def test_a_folder_is_no_depth_map(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(FileError, match=r"a folder for a single picture\. Give one of its files"):
        load_depth(tmp_path / name)


class TestExr:
    @pytest.mark.parametrize(
        "names",
        [("Z",), ("depth",), ("View.Depth.Z", "View.Combined.R"), ("Y",), ("R", "B"), ("Z", "Y")],
    )
    def test_the_depth_channel_is_found(self, tmp_path: Path, names: tuple[str, ...]) -> None:
        channels = {name: np.full_like(METRES, 7.0) for name in names}
        channels[names[0]] = METRES
        write_exr(tmp_path / "a.exr", channels)
        depth = load_depth(tmp_path / "a.exr")
        np.testing.assert_allclose(depth.metres[0, 0], METRES, rtol=1e-6)

    def test_no_depth_channel(self, tmp_path: Path) -> None:
        write_exr(tmp_path / "a.exr", {"U": METRES, "V": METRES})
        with pytest.raises(FileError, match="the channels U, V"):
            load_depth(tmp_path / "a.exr")

    def test_a_colour_picture_is_no_depth(self, tmp_path: Path) -> None:
        write_exr(tmp_path / "a.exr", {"R": METRES, "G": 3 * METRES, "B": 2 * METRES})
        with pytest.raises(FileError, match=r"a colour picture\. Export depth as the channel Z"):
            load_depth(tmp_path / "a.exr")

    @pytest.mark.parametrize("others", [METRES, np.zeros_like(METRES)])
    def test_grey_colours_are_depth(self, tmp_path: Path, others: np.ndarray) -> None:
        write_exr(tmp_path / "a.exr", {"R": METRES, "G": others, "B": others})
        np.testing.assert_array_equal(load_depth(tmp_path / "a.exr").metres[0, 0], METRES)

    def test_without_openexr_it_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "OpenEXR", None)
        depth = Depth.from_metres(torch.from_numpy(METRES)[None, None])
        for use in (lambda: load_depth(tmp_path / "a.exr"),
                    lambda: save_depth(tmp_path / "a.exr", depth)):  # fmt: skip
            with pytest.raises(MissingDependencyError, match=r"pip install focuspuller\[exr\]"):
                use()


class TestRefusing:
    @pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.png", "a.exr"])
    def test_missing_empty_and_damaged_files(self, tmp_path: Path, name: str) -> None:
        if name == "a.exr":
            pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
        path = tmp_path / name
        with pytest.raises(FileError, match="does not exist"):
            load_depth(path)
        path.write_bytes(b"")
        with pytest.raises(FileError, match="empty"):
            load_depth(path)
        path.write_bytes(b"This is no depth map, whatever its name says.")
        with pytest.raises(FileError, match=name):
            load_depth(path)

    @pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.png", "a.tif", "a.exr"])
    def test_cut_files(self, write: Callable[..., Path], name: str) -> None:
        random = np.random.default_rng(0)
        if name in ("a.png", "a.tif"):
            array = random.integers(0, 65535, (32, 32), np.uint16)
        else:
            array = random.random((32, 32), np.float32)
        path = write(array, name)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(FileError, match=name):
            load_depth(path)

    @pytest.mark.parametrize("name", ["depth", "depth.gif", "depth.pfm"])
    def test_other_kinds_of_files(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(FileError, match=r"Give one of \.png"):
            load_depth(tmp_path / name)

    def test_a_colour_map(self, tmp_path: Path) -> None:
        pixels = np.zeros((4, 4, 3), np.uint8)
        pixels[..., 0] = 90
        Image.fromarray(pixels).save(tmp_path / "a.png")
        with pytest.raises(FileError, match="a colour picture"):
            load_depth(tmp_path / "a.png")

    @pytest.mark.parametrize(
        "limits", [{"near_m": 1.0}, {"far_m": 1.0}, {"near_m": 2.0, "far_m": 1.0}]
    )
    def test_half_and_swapped_ranges(
        self, write: Callable[..., Path], limits: dict[str, float]
    ) -> None:
        with pytest.raises(InputError, match="near_m, far_m"):
            load_depth(write(CODES_8, "a.png"), **limits)

    def test_relative_with_a_range(self, write: Callable[..., Path]) -> None:
        with pytest.raises(InputError, match="'relative' with a range"):
            load_depth(write(CODES_8, "a.png"), "relative", near_m=1.0, far_m=2.0)


class TestSaving:
    METRIC = Depth.from_metres(torch.from_numpy(METRES)[None, None])
    RELATIVE = Depth.from_relative(torch.from_numpy(VALUES)[None, None].float())

    @pytest.mark.parametrize("name", ["a.npz", "a.exr"])
    @pytest.mark.parametrize("is_metric", [True, False])
    def test_focal_length_and_confidence_come_back(
        self, tmp_path: Path, name: str, is_metric: bool
    ) -> None:
        if name == "a.exr":
            pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
        values = torch.rand(1, 1, 4, 3) * 0.9 + 0.1
        depth = Depth(values, is_metric, 812.5, torch.rand(1, 1, 4, 3))
        save_depth(tmp_path / name, depth)
        relative = None if is_metric or name == "a.npz" else "relative"
        again = load_depth(tmp_path / name, relative)
        assert again.is_metric == is_metric
        torch.testing.assert_close(again.disparity, depth.disparity)
        assert again.focal_length_px == 812.5
        torch.testing.assert_close(again.confidence, depth.confidence)

    @pytest.mark.parametrize(
        ("broken", "text"),
        [
            ({"focal_length_px": 0.0}, "a focal length of 0 px"),
            ({"focal_length_px": np.nan}, "a focal length of nan px"),
            ({"confidence": np.ones((3, 2))}, r"with confidence \[3, 2\]"),
        ],
    )
    def test_a_file_with_nonsense_beside_the_depth(
        self, tmp_path: Path, broken: dict[str, Any], text: str
    ) -> None:
        np.savez(tmp_path / "a.npz", depth=METRES, **broken)
        with pytest.raises(FileError, match=text):
            load_depth(tmp_path / "a.npz")

    @pytest.mark.parametrize("name", ["a.npy", "a.exr", "a.npz"])
    def test_metres_come_back_exactly(self, tmp_path: Path, name: str) -> None:
        if name == "a.exr":
            pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
        assert save_depth(tmp_path / name, self.METRIC) is None
        depth = load_depth(tmp_path / name)
        assert depth.is_metric
        torch.testing.assert_close(depth.metres, self.METRIC.metres)

    @pytest.mark.parametrize("name", ["a.npy", "a.exr", "a.png", "a.npz"])
    def test_relative_disparity_comes_back(self, tmp_path: Path, name: str) -> None:
        if name == "a.exr":
            pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
        assert save_depth(tmp_path / name, self.RELATIVE) is None
        depth = load_depth(tmp_path / name, "relative")
        assert not depth.is_metric
        step = 1 / 65535
        torch.testing.assert_close(
            depth.disparity, self.RELATIVE.disparity, atol=0.6 * step, rtol=0
        )

    @pytest.mark.parametrize(
        "metres", [[[0.5, 3.0, 20.0]], [[0.5, 3.0, math.inf]], [[2.0, 2.0]], [[math.inf]]]
    )
    def test_a_metric_png_comes_back_with_its_range(
        self, tmp_path: Path, metres: list[list[float]]
    ) -> None:
        depth = Depth.from_metres(torch.tensor(metres)[None, None])
        limits = save_depth(tmp_path / "a.png", depth)
        assert limits is not None
        again = load_depth(tmp_path / "a.png", near_m=limits[0], far_m=limits[1])
        assert again.is_metric
        step = (1 / limits[0] - 1 / limits[1]) / 65535
        torch.testing.assert_close(again.disparity, depth.disparity, atol=0.6 * step, rtol=1e-6)

    def test_a_png_is_16_bit_and_white_is_near(self, tmp_path: Path) -> None:
        assert save_depth(tmp_path / "a.png", self.METRIC) == (0.5, math.inf)
        codes = np.asarray(Image.open(tmp_path / "a.png"))
        assert codes[0, 0] == 65535
        assert codes[1, 2] == 0
        assert codes[0, 1] == round(65535 / 2)

    @pytest.mark.parametrize("name", ["a.png", "a.npy", "a.exr"])
    def test_a_missing_folder(self, tmp_path: Path, name: str) -> None:
        if name == "a.exr":
            pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
        with pytest.raises(FileError, match="Check that the folder exists"):
            save_depth(tmp_path / "missing" / name, self.METRIC)

    def test_a_failure_leaves_the_old_file_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.npy"
        path.write_bytes(b"the old file")

        def fail(file: object, *_: object, **__: object) -> None:
            file.write(b"half")  # pyright: ignore[reportAttributeAccessIssue]
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np, "save", fail)
        with pytest.raises(FileError, match="No space left on device"):
            save_depth(path, self.METRIC)
        assert path.read_bytes() == b"the old file"
        assert list(tmp_path.iterdir()) == [path]

    def test_batches_and_other_files_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="batch of 2"):
            save_depth(tmp_path / "a.npy", Depth.from_relative(torch.zeros(2, 1, 2, 2)))
        with pytest.raises(InputError, match=r"\.npy, \.png or \.exr"):
            save_depth(tmp_path / "a.jpg", self.METRIC)
