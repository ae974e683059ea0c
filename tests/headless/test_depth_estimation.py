"""`estimate_depth`, `focuspuller depth` and `focuspuller render --depth-model`, tiny networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.headless.cli import main
from focuspuller.models.loaded import forget_models
from oracles.depth_networks import TINY_DEPTH_ANYTHING, TINY_DEPTH_PRO, by_name
from PIL import Image

pytest.importorskip("transformers", reason="needs the extra focuspuller[networks]")


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of models as the environment names it."""
    monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(tmp_path / "models"))
    for kind, name, shapes in (
        ("depthanything", "depth_anything_v2_vits.pth", TINY_DEPTH_ANYTHING),
        ("depth_pro", "depth_pro.pt", TINY_DEPTH_PRO),
    ):
        folder = tmp_path / "models" / kind
        folder.mkdir(parents=True)
        torch.save(by_name(shapes), folder / name)
    yield tmp_path / "models"
    forget_models()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """32×48 px, with focal length and sensor width in its EXIF."""
    pixels = np.random.default_rng(3).integers(0, 256, (32, 48, 3), np.uint8)
    exif = Image.Exif()
    exif[0x8769] = {0x829D: 2.0, 0x920A: 50.0, 0xA405: 75}
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path, exif=exif)
    return path


class TestRender:
    IMAGE = np.random.default_rng(1).random((30, 44, 3), np.float32)
    LEVEL: ClassVar[dict[str, Any]] = {
        "focus_point": (0.5, 0.5),
        "bokeh_level": 6.0,
        "lens": "taf",
    }

    def test_it_estimates_the_depth_that_it_is_not_given(self) -> None:
        depth = fp.estimate_depth(self.IMAGE, "depth-anything-v2", device="cpu")
        wanted = fp.render(self.IMAGE, depth, **self.LEVEL)
        found = fp.render(self.IMAGE, depth_model="depth-anything-v2", device="cpu", **self.LEVEL)
        np.testing.assert_array_equal(found, wanted)

    def test_metres_are_those_of_the_camera(self) -> None:
        lens: dict[str, Any] = {
            "focus_point": (0.5, 0.5),
            "camera": fp.Camera(85, 1.8),
            "lens": "taf",
        }
        depth = fp.estimate_depth(self.IMAGE, "depth-pro", camera=lens["camera"], device="cpu")
        wanted = fp.render(self.IMAGE, depth, **lens)
        found = fp.render(self.IMAGE, depth_model="depth-pro", device="cpu", **lens)
        np.testing.assert_array_equal(found, wanted)

    @pytest.mark.parametrize("linear", [False, True])
    def test_so_do_frames(self, linear: bool) -> None:
        film = np.random.default_rng(2).random((2, 30, 44, 3), np.float32)
        options: dict[str, Any] = {"linear": linear, "device": "cpu"}
        depths = [fp.estimate_depth(one, "depth-anything-v2", **options) for one in film]
        wanted = fp.render_frames(film, depths, **options, **self.LEVEL)
        found = fp.render_frames(film, depth_model="depth-anything-v2", **options, **self.LEVEL)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_depth_and_a_network_for_it_are_refused(self) -> None:
        depth = np.ones((30, 44), np.float32)
        with pytest.raises(InputError, match="Give exactly one"):
            fp.render(self.IMAGE, depth, depth_model="depth-pro", **self.LEVEL)
        with pytest.raises(InputError, match="Give exactly one"):
            fp.render_frames([self.IMAGE], depth, depth_model="depth-pro", **self.LEVEL)


class TestArrays:
    IMAGE = np.random.default_rng(1).random((30, 44, 3), np.float32)

    def test_one_picture(self) -> None:
        depth = fp.estimate_depth(self.IMAGE, "depth-anything-v2", resolution=56, device="cpu")
        assert depth.disparity.shape == (1, 1, 30, 44)
        assert not depth.is_metric

    def test_frames_one_by_one_are_the_same_as_a_batch(self) -> None:
        film = np.random.default_rng(2).random((3, 30, 44, 3), np.float32)
        options = {"model": "depth-anything-v2-small", "resolution": 56, "device": "cpu"}
        together = fp.estimate_depth(film, **options)
        for frame, expected in zip(film, together.split(), strict=True):
            depth = fp.estimate_depth(frame, **options)
            torch.testing.assert_close(depth.disparity, expected.disparity)

    def test_the_camera_gives_the_focal_length(self) -> None:
        camera = fp.Camera(35.0, 2.0)
        by_camera = fp.estimate_depth(self.IMAGE, "depth-pro", camera=camera, device="cpu")
        focal_length = 35.0 * 44 / 36.0
        assert float(by_camera.split()[0].focal_length_px or 0) == pytest.approx(focal_length)
        by_px = fp.estimate_depth(
            self.IMAGE, "depth-pro", focal_length_px=focal_length, device="cpu"
        )
        torch.testing.assert_close(by_px.disparity, by_camera.disparity)

    def test_linear_light_is_seen_as_its_picture(self) -> None:
        low, high = self.IMAGE / 12.92, ((self.IMAGE + 0.055) / 1.055) ** 2.4
        light = np.where(self.IMAGE <= 0.04045, low, high).astype(np.float32)
        coded, linear = (
            fp.estimate_depth(image, "depth-anything-v2", linear=is_linear, device="cpu")
            for image, is_linear in ((self.IMAGE, False), (light, True))
        )
        torch.testing.assert_close(coded.disparity, linear.disparity, atol=1e-3, rtol=0)

    def test_two_focal_lengths(self) -> None:
        with pytest.raises(InputError, match="both of them"):
            fp.estimate_depth(self.IMAGE, camera=fp.Camera(35.0, 2.0), focal_length_px=30.0)

    def test_it_renders(self) -> None:
        depth = fp.estimate_depth(self.IMAGE, "depth-anything-v2", resolution=56, device="cpu")
        blurred = fp.render(self.IMAGE, depth, focus_point=(0.5, 0.5), bokeh_level=8.0)
        assert blurred.shape == self.IMAGE.shape
        assert np.isfinite(blurred).all()
        assert np.abs(blurred - self.IMAGE).max() > 0.05


class TestCommand:
    @pytest.mark.parametrize("suffix", [".png", ".npy", ".npz"])
    def test_a_photo(
        self, photo: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / f"maps/depth{suffix}"
        command = ["depth", str(photo), "--model", "depth-anything-v2-small", "--device", "cpu"]
        assert main([*command, "--resolution", "56", "-o", str(out)]) == 0
        assert capsys.readouterr().out.split() == [str(out)]
        depth = fp.load_depth(out, "relative")
        expected = fp.estimate_depth(
            fp.load_photo(photo).image, "depth-anything-v2-small", resolution=56, device="cpu"
        )
        torch.testing.assert_close(depth.disparity, expected.disparity, atol=1e-4, rtol=0)

    def test_the_focal_length_of_the_exif_counts_and_that_of_the_option_more(
        self, photo: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "depth.npz"
        command = ["depth", str(photo), "--model", "depth-pro", "--device", "cpu", "-o", str(out)]
        for options, millimetres in (([], 50.0), (["--focal-length", "100"], 100.0)):
            assert main([*command, *options]) == 0
            sensor_width = fp.load_photo(photo).camera_data.sensor_width_mm
            assert sensor_width
            expected = millimetres * 48 / sensor_width
            assert fp.load_depth(out).focal_length_px == pytest.approx(expected)

    def test_a_metric_png_says_how_to_read_it(
        self, photo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        out = tmp_path / "depth.png"
        assert main(["depth", str(photo), "--device", "cpu", "-o", str(out)]) == 0
        (message,) = [one for one in caplog.messages if "--near" in one]
        near, far = message.partition("--near ")[2].rstrip(".").split(" --far ")
        again = fp.load_depth(out, near_m=float(near), far_m=float(far))
        assert again.is_metric

    def test_frames(self, photo: Path, tmp_path: Path) -> None:
        frames = tmp_path / "frames"
        frames.mkdir()
        for number in (7, 8):
            (frames / f"shot_{number}.png").write_bytes(photo.read_bytes())
        command = ["depth", str(frames), "--model", "depth-anything-v2", "--device", "cpu"]
        assert main([*command, "-o", str(tmp_path / "out/map_%03d.png")]) == 0
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "map_007.png",
            "map_008.png",
        ]

    @pytest.mark.parametrize(
        ("out", "text"),
        [
            ("depth.jpg", "End the name in one of"),
            ("frames.npy", "Give a pattern"),
            ("map_%03d.png", "for metric depth of several frames"),
        ],
    )
    def test_places_that_will_not_do(
        self, photo: Path, tmp_path: Path, out: str, text: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        frames = tmp_path / "frames"
        frames.mkdir()
        for number in (7, 8):
            (frames / f"shot_{number}.png").write_bytes(photo.read_bytes())
        command = ["depth", str(frames), "--model", "depth-pro", "--device", "cpu"]
        assert main([*command, "-o", str(tmp_path / out)]) == 1
        assert text in capsys.readouterr().err

    def test_the_photo_is_kept(self, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = photo.read_bytes()
        assert main(["depth", str(photo), "-o", str(photo)]) == 1
        assert "an input" in capsys.readouterr().err
        assert photo.read_bytes() == before

    def test_an_unknown_network(
        self, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = str(tmp_path / "a.npy")
        assert main(["depth", str(photo), "--model", "deep", "-o", out]) == 1
        assert "depth-anything-v2-small" in capsys.readouterr().err


class TestRendering:
    RENDER = ("--focus", "0.5,0.5", "--device", "cpu")

    def test_a_photo_without_depth(self, photo: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.png"
        command = ["render", str(photo), *self.RENDER, "--bokeh-level", "6", "-o", str(out)]
        assert main([*command, "--depth-model", "depth-anything-v2"]) == 0
        depth = fp.estimate_depth(fp.load_photo(photo).image, "depth-anything-v2", device="cpu")
        expected = fp.render(
            fp.load_photo(photo).image, depth, focus_point=(0.5, 0.5), bokeh_level=6.0
        )
        assert np.abs(fp.load_photo(out).image - expected.clip(0, 1)).max() < 1.01 / 255

    def test_the_best_network_that_is_there(self, photo: Path, tmp_path: Path) -> None:
        out = tmp_path / "out.jpg"
        assert main(["render", str(photo), *self.RENDER, "-o", str(out), "--depth-model"]) == 0
        # Depth Pro's metres, which the camera in the EXIF needs.
        assert out.exists()

    def test_frames(self, photo: Path, tmp_path: Path) -> None:
        command = ["render", str(photo), "--frames", "2", *self.RENDER, "--bokeh-level", "6"]
        out = tmp_path / "out/%d.png"
        assert main([*command, "--depth-model", "depth-anything-v2", "-o", str(out)]) == 0
        assert len(list((tmp_path / "out").iterdir())) == 2

    def test_without_depth_and_network_both_are_offered(
        self, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["render", str(photo), *self.RENDER, "-o", str(tmp_path / "a.png")]) == 1
        assert "--depth-model" in capsys.readouterr().err
