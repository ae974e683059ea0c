"""`fp.fit_camera`, `fp.fit_bokeh_level` and `focuspuller fit`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.headless.cli import main
from focuspuller.lens.color import srgb_to_linear
from oracles.photographs import as_array, photographed, slope, texture
from PIL import Image

HEIGHT, WIDTH = 72, 108
FOCUS_M, F_NUMBER = 1.6, 2.0
CAMERA = fp.Camera(85.0, F_NUMBER, 36.0)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """All in focus and photographed, `[H,W,3]`, sRGB."""
    sharp, depth = texture(HEIGHT, WIDTH), slope(HEIGHT, WIDTH)
    photo = photographed(sharp, depth, FOCUS_M, CAMERA)
    return as_array(sharp).numpy(), as_array(photo).numpy()


@pytest.fixture
def metres() -> np.ndarray:
    return slope(HEIGHT, WIDTH).metres[0, 0].numpy()


class TestPython:
    @pytest.mark.parametrize("library", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
    def test_camera_and_focus_from_arrays(self, pair, metres, library) -> None:
        sharp, photo = (library(image) for image in pair)
        fitted = fp.fit_camera(sharp, photo, library(metres), CAMERA)
        assert isinstance(fitted, fp.FittedLens)
        assert fitted.focus_distance_m == pytest.approx(FOCUS_M, rel=0.02)
        assert fitted.f_number == pytest.approx(F_NUMBER, rel=0.03)

    def test_what_is_fitted_renders_the_photograph(self, pair, metres) -> None:
        sharp, photo = pair
        fitted = fp.fit_camera(sharp, photo, metres, CAMERA)
        rendered = fp.render(sharp, metres, focus=fitted.focus, camera=fitted.camera, lens="taf")
        assert np.abs(rendered - photo).mean() < 0.1 * np.abs(sharp - photo).mean()

    def test_level_and_focus_on_relative_depth(self, pair) -> None:
        sharp, photo = pair
        disparity = np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None].repeat(WIDTH, axis=1)
        fitted = fp.fit_bokeh_level(sharp, photo, disparity=disparity, lens="taf")
        assert float(fitted.focus.plane[0]) == pytest.approx((1 / FOCUS_M - 0.25) / 0.75, abs=0.02)
        rendered = fp.render(
            sharp,
            disparity=disparity,
            focus=fitted.focus,
            bokeh_level=fitted.bokeh_level,
            lens="taf",
        )
        assert np.abs(rendered - photo).mean() < 0.1 * np.abs(sharp - photo).mean()

    def test_linear_light(self, pair, metres) -> None:
        sharp, photo = (srgb_to_linear(torch.from_numpy(image)) for image in pair)
        fitted = fp.fit_camera(sharp, photo, torch.from_numpy(metres), CAMERA, linear=True)
        assert fitted.f_number == pytest.approx(F_NUMBER, rel=0.03)

    def test_both_kinds_of_depth_are_refused(self, pair, metres) -> None:
        with pytest.raises(InputError, match="exactly one"):
            fp.fit_bokeh_level(*pair, metres, disparity=metres)


Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Cli:
    """Code, output, and what went wrong or was warned of."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err + caplog.text

    return run


class TestCommand:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair, metres) -> Path:
        for name, image in zip(("sharp", "photo"), pair, strict=True):
            Image.fromarray((image * 255).round().astype(np.uint8)).save(tmp_path / f"{name}.png")
        np.save(tmp_path / "metres.npy", metres)
        rows = np.linspace(0, 255, HEIGHT).round().astype(np.uint8)[:, None]
        Image.fromarray(rows.repeat(WIDTH, axis=1)).save(tmp_path / "disparity.png")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    fit = ("fit", "sharp.png", "photo.png")
    camera = ("--depth", "metres.npy", "--focal-length", 85, "--sensor-width", 36)

    def test_metres_and_a_camera_give_distance_and_f_number(self, cli: Cli) -> None:
        code, said, _ = cli(*self.fit, *self.camera, "--json")
        values = json.loads(said)
        assert code == 0
        assert values["f_number"] == pytest.approx(F_NUMBER, rel=0.03)
        assert values["focus_distance_m"] == pytest.approx(FOCUS_M, rel=0.02)
        low, high = values["f_number_interval"]
        assert low < values["f_number"] < high
        assert values["problems"] == []

    def test_the_camera_may_come_from_the_exif(self, cli: Cli, folder: Path) -> None:
        exif = Image.Exif()
        exif[0x8769] = {0x829D: 11.0, 0x920A: 85.0, 0xA405: 85}
        Image.open("photo.png").save("photo.jpg", quality=100, subsampling=0, exif=exif)
        _, said, _ = cli("fit", "sharp.png", "photo.jpg", "--depth", "metres.npy", "--json")
        assert json.loads(said)["f_number"] == pytest.approx(F_NUMBER, rel=0.03)

    def test_without_a_camera_level_and_focus_are_told_in_words(self, cli: Cli) -> None:
        code, said, _ = cli(*self.fit, "--depth", "disparity.png")
        assert code == 0
        first, second, last = said.splitlines()
        assert first.startswith("focus disparity: 0.")
        assert second.startswith("bokeh level: ")
        assert " to " in second
        assert last.startswith("mismatch: ")

    def test_a_known_focus_is_kept(self, cli: Cli) -> None:
        _, said, _ = cli(*self.fit, *self.camera, "--focus-distance", FOCUS_M)
        assert f"focus distance: {FOCUS_M} m\n" in said
        assert said.startswith("f-number: ")

    def test_the_focus_scale_of_a_known_f_number(self, cli: Cli) -> None:
        known = ("--focus-scale", "--f-number", F_NUMBER)
        _, said, _ = cli(*self.fit, *self.camera, *known, "--json")
        assert json.loads(said)["focus_scale"] == pytest.approx(1.0, rel=0.03)

    def test_a_preview_is_saved(self, cli: Cli, folder: Path) -> None:
        _, _, _ = cli(*self.fit, *self.camera, "--preview", "new/seen.png")
        assert Image.open(folder / "new" / "seen.png").size == (3 * WIDTH, HEIGHT)

    def test_no_blur_is_said_and_infinity_is_null(self, cli: Cli) -> None:
        code, said, warned = cli("fit", "sharp.png", "sharp.png", *self.camera, "--json")
        assert code == 0
        assert json.loads(said)["f_number_interval"][1] is None
        assert "no more blurred" in warned

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--depth", "disparity.png", "--focal-length", 85], "relative depth"),
            (["--depth", "metres.npy", "--focal-length", 85], "Give --sensor-width"),
            (["--depth", "metres.npy", "--focus-scale"], "--focal-length, --sensor-width, --f-nu"),
            (["--depth", "metres.npy", "--preview", "photo.png"], "an input"),
            (["--depth", "metres.npy", "--preview", "seen.txt"], "seen.txt"),
            ([], "--depth FILE"),
        ],
    )
    def test_what_is_missing_is_said(self, cli: Cli, words: list[object], said: str) -> None:
        code, _, errors = cli(*self.fit, *words)
        assert code == 1
        assert said in errors

    def test_pictures_of_different_size_are_refused(self, cli: Cli) -> None:
        Image.open("photo.png").resize((50, 40)).save("small.png")
        code, _, errors = cli("fit", "sharp.png", "small.png", *self.camera)
        assert code == 1
        assert "108×72 and 50×40" in errors
