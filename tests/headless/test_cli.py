"""The command line: what it writes, prints and returns."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.headless import render_command
from focuspuller.headless.cli import main
from focuspuller.lens.depth import Depth
from focuspuller.models.bokehme.architecture import ARNet, IUNet
from focuspuller.photo.embedded_depth import embed_depth
from focuspuller.photo.photo import load_photo
from oracles.weights import filled
from PIL import Image, ImageFilter

HEIGHT, WIDTH = 24, 36
# 50 mm at f/5.6 that look like 75 mm: a sensor 24 mm wide.
EXIF_TAGS = {0x829D: 5.6, 0x920A: 50.0, 0xA405: 75}
NEAR_FOCUS = ["--focus", "0.1,0.5"]


class Run(NamedTuple):
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    def run(*arguments: str | Path) -> Run:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:  # argparse
            code = leaving.code
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photo.png, depth.npy (metres) and disparity.png; the current one."""
    pixels = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    metres = np.linspace(1.0, 5.0, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)
    np.save(tmp_path / "depth.npy", metres)
    codes = np.linspace(255, 0, WIDTH).round().astype(np.uint8)[None].repeat(HEIGHT, axis=0)
    Image.fromarray(codes).save(tmp_path / "disparity.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photo_with_exif(folder: Path) -> Path:
    exif = Image.Exif()
    exif[0x010F] = "Sony"
    exif[0x8769] = EXIF_TAGS
    path = folder / "photo.jpg"
    Image.open(folder / "photo.png").save(path, quality=100, subsampling=0, exif=exif)
    return path


@pytest.fixture
def portrait(photo_with_exif: Path, folder: Path) -> Path:
    """A photo with EXIF and depth inside."""
    depth = Depth.from_metres(torch.from_numpy(np.load(folder / "depth.npy"))[None, None])
    photo_with_exif.write_bytes(embed_depth(photo_with_exif.read_bytes(), depth))
    return photo_with_exif


BOKEHME = ["--lens", "bokehme"]
RENDER = ["render", "photo.png", "--depth", "depth.npy", *NEAR_FOCUS]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


class TestRender:
    def test_it_writes_the_picture_and_prints_its_path_and_nothing_else(self, cli, folder):
        done = cli(*RENDER, "--bokeh-level", 6, "-o", "soft.png")
        assert done == Run(0, "soft.png\n", "")
        image = load_photo(folder / "photo.png").image
        expected = fp.render(
            image, np.load(folder / "depth.npy"), focus_point=(0.1, 0.5), bokeh_level=6.0
        )
        saved = load_photo(folder / "soft.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)
        assert np.abs(saved - image).max() > 0.1

    def test_the_camera_of_the_exif_is_used_and_kept(self, cli, folder, photo_with_exif):
        options = ["--depth", "depth.npy", "--focus-distance", 1.5]
        assert cli("render", photo_with_exif, *options, "-o", "out.png").code == 0
        photo = load_photo(photo_with_exif)
        expected = fp.render(
            photo.image,
            np.load(folder / "depth.npy"),
            focus_distance=1.5,
            camera=fp.Camera(50.0, 5.6, 24.0),
        )
        saved = load_photo(folder / "out.png")
        np.testing.assert_allclose(saved.image, expected.clip(0, 1), atol=0.6 / 255)
        assert saved.camera_data.make == "Sony"
        assert saved.camera_data.f_number == pytest.approx(5.6)
        assert saved.camera_data.subject_distance_m == pytest.approx(1.5)

    def test_a_bokeh_level_is_written_as_the_f_number_that_has_it(self, cli, photo_with_exif):
        """50 mm at 2 m on 24 mm and 36 px: K = 0.05² · 2 · 1500 / (2 N · 1.95) = 1.923 / N."""
        options = ["--depth", "depth.npy", "--focus-distance", 2, "--bokeh-level", 1.923 / 2.8]
        assert cli("render", photo_with_exif, *options, "-o", "out.jpg").code == 0
        data = load_photo("out.jpg").camera_data
        assert data.f_number == pytest.approx(2.8, rel=1e-3)
        assert data.subject_distance_m == pytest.approx(2.0)

    def test_an_f_number_replaces_that_of_the_exif(self, cli, folder, photo_with_exif):
        options = ["--depth", "depth.npy", "--focus-distance", 1.5, "--f-number", 0.1]
        assert cli("render", photo_with_exif, *options, "-o", "out.png").code == 0
        expected = fp.render(
            load_photo(photo_with_exif).image,
            np.load(folder / "depth.npy"),
            focus_distance=1.5,
            camera=fp.Camera(50.0, 0.1, 24.0),
        )
        saved = load_photo(folder / "out.png")
        np.testing.assert_allclose(saved.image, expected.clip(0, 1), atol=0.6 / 255)
        assert saved.camera_data.f_number == pytest.approx(0.1)

    def test_a_camera_can_be_given_in_full(self, cli, folder):
        camera = ["--f-number", 0.2, "--focal-length", 35, "--sensor-width", 23.5]
        assert cli(*RENDER, *camera, "-o", "out.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            focus_point=(0.1, 0.5),
            camera=fp.Camera(35.0, 0.2, 23.5),
        )
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_the_depth_in_the_photo_is_used(self, cli, folder, portrait):
        assert cli("render", portrait, *NEAR_FOCUS, "--f-number", 0.2, "-o", "inner.png").code == 0
        given = ["--depth", "depth.npy", *NEAR_FOCUS, "--f-number", 0.2]
        assert cli("render", portrait, *given, "-o", "given.png").code == 0
        inner, outer = (load_photo(folder / name).image for name in ("inner.png", "given.png"))
        np.testing.assert_allclose(inner, outer, atol=2.1 / 255)

    @pytest.mark.parametrize(
        ("words", "choice"),
        [
            (["--focus", "0.9,0.2"], {"focus_point": (0.9, 0.2)}),
            (["--focus", "0.9,0.2; 0.1,0.2"], {"focus_point": [(0.9, 0.2), (0.1, 0.2)]}),
            (["--focus-distance", "2.5"], {"focus_distance": 2.5}),
            (
                ["--focus-distance", "3", "--focus-range", "1"],
                {"focus_distance": 3.0, "focus_range": 1.0},
            ),
            (["--focus-disparity", "0.5"], {"focus_disparity": 0.5}),
        ],
        ids=lambda value: value[0] if isinstance(value, list) else "",
    )
    def test_the_focus_has_the_same_words_as_in_python(self, cli, folder, words, choice):
        options = ["render", "photo.png", "--depth", "depth.npy", "--bokeh-level", 12]
        assert cli(*options, *words, "-o", "out.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            **choice,
            bokeh_level=12.0,
        )
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_a_mask_file_marks_the_subject(self, cli, folder):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[:, 30:] = 255
        Image.fromarray(mask).save("mask.png")
        options = ["render", "photo.png", "--depth", "depth.npy", "--bokeh-level", 12]
        assert cli(*options, "--focus-mask", "mask.png", "-o", "out.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            focus_mask=mask / 255.0,
            bokeh_level=12.0,
        )
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    @pytest.mark.parametrize(
        ("words", "lens", "aperture"),
        [
            (["--lens", "taf"], "taf", None),
            (
                [*BOKEHME, "--lens-option", "gamma=4", "--lens-option", "weighting=energy"],
                fp.Lens("bokehme", fp.BokehMeOptions(gamma=4.0, weighting="energy")),
                None,
            ),
            (
                [*BOKEHME, "--lens-option", "gamma=4", "--lens-option", "highlights=on"],
                fp.Lens("bokehme", fp.BokehMeOptions(gamma=4.0, highlights=True)),
                None,
            ),
            (
                ["--blades", "5", "--rotation", "20", "--roundness", "0.2"],
                "layered",
                fp.Aperture(5, 20.0, 0.2),
            ),
            (
                [
                    *["--squeeze", "1.5", "--obstruction", "0.4", "--cats-eye", "0.8"],
                    *["--swirl", "0.5", "--spherical-aberration", "-0.6"],
                    *["--axial-chromatism", "-3"],
                ],
                "layered",
                fp.Aperture(
                    squeeze=1.5,
                    obstruction=0.4,
                    cats_eye=0.8,
                    swirl=0.5,
                    spherical_aberration=-0.6,
                    axial_chromatism=-3.0,
                ),
            ),
        ],
        ids=["lens", "options", "switch", "aperture", "traits"],
    )
    def test_lens_and_aperture_have_options(self, cli, folder, words, lens, aperture):
        assert cli(*RENDER, "--bokeh-level", 12, *words, "-o", "out.png").code == 0
        image, metres = load_photo(folder / "photo.png").image, np.load(folder / "depth.npy")
        choice = {"focus_point": (0.1, 0.5), "bokeh_level": 12.0}
        expected = fp.render(image, metres, **choice, lens=lens, aperture=aperture)
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)
        plain = fp.render(image, metres, **choice)
        assert np.abs(saved - plain).max() > 4 / 255

    def test_a_picture_can_be_the_aperture(self, cli, folder):
        bar = np.zeros((30, 30), np.uint8)
        bar[:, 12:18] = 255
        Image.fromarray(bar).save("bar.png")
        options = ["--bokeh-level", 12, "--aperture-image", "bar.png"]
        assert cli(*RENDER, *options, "-o", "out.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            focus_point=(0.1, 0.5),
            bokeh_level=12.0,
            aperture=fp.Aperture(image=torch.from_numpy(bar / 255.0)),
        )
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_linear_light_stays_linear(self, cli, folder):
        assert cli(*RENDER, "--bokeh-level", 12, "--linear", "-o", "linear.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            focus_point=(0.1, 0.5),
            bokeh_level=12.0,
            linear=True,
        )
        saved = load_photo(folder / "linear.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_clipped_lights_become_brighter_and_roll_off(self, cli, folder):
        words = ["--bokeh-level", 12, "--highlights", 4, "--highlight-threshold", 0.8]
        assert cli(*RENDER, *words, "--halo-color", 0.5, "-o", "lights.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            focus_point=(0.1, 0.5),
            bokeh_level=12.0,
            highlights=fp.Highlights(4.0, 0.8, 0.5),
        )
        saved = load_photo(folder / "lights.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)
        assert cli(*RENDER, "--bokeh-level", 12, "-o", "plain.png").code == 0
        assert saved.mean() > 1.05 * load_photo(folder / "plain.png").image.mean()

    @pytest.mark.parametrize(("bits", "tolerance"), [("16", 1e-3), ("32", 1e-5)])
    def test_an_exr_in_gives_all_of_its_light_to_an_exr_out(self, cli, folder, bits, tolerance):
        pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
        light = 20.0 * np.random.default_rng(1).random((HEIGHT, WIDTH, 3), np.float32) ** 4
        depth = Depth.from_metres(torch.from_numpy(np.load(folder / "depth.npy"))[None, None])
        fp.save_photo("in.exr", light, depth=depth, linear=True, exr_bits=32)
        words = ["render", "in.exr", "--focus-distance", 2, "--bokeh-level", 12]
        expected = fp.render(
            light, depth, focus_distance=2.0, bokeh_level=12.0, linear=True, highlights=None
        )
        # An EXR holds linear light, with or without being told so.
        for extra in ([], ["--linear"]):
            done = cli(*words, *extra, "--exr-bits", bits, "-o", "out.exr")
            assert (done.code, done.stderr) == (0, "")
            result = fp.load_photo("out.exr", linear=True)
            np.testing.assert_allclose(result.image, expected, rtol=tolerance, atol=tolerance)
            assert result.camera_data.subject_distance_m == 2.0

    def test_a_radiance_picture_in_gives_all_of_its_light_to_one_out(self, cli, folder):
        light = np.full((24, 36, 3), 8.0, np.float32)
        fp.save_photo("in.hdr", light, linear=True)
        words = ["render", "in.hdr", "--depth", "depth.npy", "--focus-distance", 2]
        for extra in ([], ["--linear"]):
            assert cli(*words, "--bokeh-level", 12, *extra, "-o", "out.hdr").code == 0
            result = fp.load_photo("out.hdr", linear=True).image
            np.testing.assert_allclose(result, 8.0, rtol=1 / 128)

    def test_an_exr_keeps_recovered_light(self, cli, folder):
        pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
        Image.new("RGB", (WIDTH, HEIGHT), "white").save("photo.png")
        words = [*RENDER, "--bokeh-level", 12, "--highlights", 3]
        assert cli(*words, "-o", "out.exr").code == 0
        np.testing.assert_allclose(fp.load_photo("out.exr", linear=True).image, 8.0, rtol=1e-2)
        assert cli(*words, "-o", "out.png").code == 0
        np.testing.assert_allclose(fp.load_photo("out.png").image, 1.0, atol=1 / 255)

    def test_linear_light_of_another_file_goes_into_an_exr_as_it_is(self, cli, folder):
        pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
        words = [*RENDER, "--bokeh-level", 0, "--lens", "taf", "--linear", "--exr-bits", 32]
        assert cli(*words, "-o", "out.exr").code == 0
        stored = load_photo(folder / "photo.png").image
        result = fp.load_photo("out.exr", linear=True).image
        np.testing.assert_allclose(result, stored, atol=1e-5)

    def test_an_image_is_relative_depth_unless_its_range_is_given(self, cli, folder):
        words = ["render", "photo.png", "--depth", "disparity.png", *NEAR_FOCUS, "-o", "out.png"]
        camera = ["--f-number", 0.5, "--focal-length", 50, "--sensor-width", 36]
        assert cli(*words, "--bokeh-level", 12).code == 0
        assert cli(*words, *camera, "--near", 1, "--far", 5).code == 0
        saved = load_photo(folder / "out.png")
        # At a tenth of the width: disparity a tenth of the way from 1/1 m to 1/5 m.
        assert saved.camera_data.subject_distance_m == pytest.approx(1 / 0.92, rel=0.03)

    def test_dark_may_be_near(self, cli, folder):
        codes = 255 - np.asarray(Image.open("disparity.png"))
        Image.fromarray(codes).save("dark_is_near.png")
        options = [*NEAR_FOCUS, "--bokeh-level", 12]
        cli("render", "photo.png", "--depth", "disparity.png", *options, "-o", "a.png")
        depth = ["--depth", "dark_is_near.png", "--near-is-black"]
        cli("render", "photo.png", *depth, *options, "-o", "b.png")
        first, second = (load_photo(folder / name).image for name in ("a.png", "b.png"))
        np.testing.assert_allclose(first, second, atol=1.01 / 255)

    def test_coarse_depth_can_be_aligned(self, cli, folder):
        np.save("coarse.npy", np.array([[1.0, 5.0]], np.float32))
        options = ["--focus-distance", 1, "--bokeh-level", 12]
        depth = ["--depth", "coarse.npy"]
        assert cli("render", "photo.png", *depth, *options, "-o", "a.png").code == 0
        aligned = cli("render", "photo.png", *depth, "--align-depth", *options, "-o", "b.png")
        assert aligned.code == 0
        first, second = (load_photo(folder / name).image for name in ("a.png", "b.png"))
        assert np.abs(first - second).max() > 4 / 255

    def test_soft_depth_can_be_refined(self, cli, folder):
        codes = np.asarray(Image.open("disparity.png").convert("F"))
        box = np.zeros_like(codes)
        box[codes.shape[0] // 4 : codes.shape[0] // 2, codes.shape[1] // 4 : -8] = 255
        soft = Image.fromarray(box.astype(np.uint8)).filter(ImageFilter.GaussianBlur(2))
        soft.save("soft.png")
        options = ["--depth", "soft.png", "--focus-disparity", 0, "--bokeh-level", 12]
        assert cli("render", "photo.png", *options, "-o", "a.png").code == 0
        refined = cli("render", "photo.png", *options, "--refine-depth", "-o", "b.png")
        assert refined.code == 0
        first, second = (load_photo(folder / name).image for name in ("a.png", "b.png"))
        assert np.abs(first - second).max() > 4 / 255

    def test_depth_with_holes_can_be_repaired(self, cli, folder):
        metres = np.load("depth.npy")
        hole = np.zeros((HEIGHT, WIDTH), np.uint8)
        hole[4:12, 10:24] = 255
        Image.fromarray(hole).save("holes.png")
        np.save("spoiled.npy", np.where(hole > 0, 0.3, metres))
        options = [*RENDER[:2], "--depth", "spoiled.npy", "--focus-distance", 1]
        options += ["--bokeh-level", 12]
        masked = [*options, "--depth-holes", "holes.png"]
        assert cli(*options, "-o", "a.png").code == 0
        assert cli(*masked, "--repair-depth", "-o", "b.png").code == 0
        first, second = (load_photo(folder / name).image for name in ("a.png", "b.png"))
        assert np.abs(first - second).max() > 4 / 255
        assert "Give it, too" in cli(*masked, "-o", "c.png").stderr
        assert "an input" in cli(*masked, "--repair-depth", "-o", "holes.png").stderr

    def test_depth_is_aligned_or_refined_but_not_both(self, cli):
        done = cli(*RENDER, "--bokeh-level", 6, "--align-depth", "--refine-depth", "-o", "a.png")
        assert done.code == 2
        assert "not allowed with" in done.stderr

    def test_the_folder_of_the_result_is_made(self, cli, folder):
        done = cli(*RENDER, "--bokeh-level", 6, "-o", Path("new") / "deep" / "soft.png")
        assert (done.code, done.stdout) == (0, f"{Path('new') / 'deep' / 'soft.png'}\n")
        assert (folder / "new" / "deep" / "soft.png").is_file()

    def test_an_older_result_is_replaced(self, cli, folder):
        (folder / "soft.png").write_text("older")
        assert cli(*RENDER, "--bokeh-level", 6, "-o", "soft.png").code == 0
        assert load_photo(folder / "soft.png").image.shape == (HEIGHT, WIDTH, 3)


class TestRenderRefuses:
    @pytest.fixture
    def refused(self, cli, folder, monkeypatch) -> Callable[..., str]:
        """stderr of a command that fails without rendering and without leaving a trace."""

        def check(*arguments: object, code: int = 1) -> str:
            before = names(folder)
            done = cli(*arguments)
            assert done.code == code
            assert done.stdout == ""
            assert names(folder) == before
            return done.stderr

        return check

    @pytest.fixture
    def no_rendering(self, monkeypatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise AssertionError("rendered although the command cannot succeed")

        monkeypatch.setattr(render_command, "render", fail)

    @pytest.mark.parametrize("out", ["photo.png", "./photo.png", "link.png"])
    @pytest.mark.usefixtures("no_rendering")
    def test_the_photo_itself_is_never_replaced(self, refused, folder, out):
        (folder / "link.png").symlink_to(folder / "photo.png")
        before = (folder / "photo.png").read_bytes()
        message = refused(*RENDER, "--bokeh-level", 6, "-o", out)
        assert message.startswith("focuspuller: --out: received photo.png, an input.")
        assert (folder / "photo.png").read_bytes() == before

    @pytest.mark.usefixtures("no_rendering")
    def test_the_depth_is_never_replaced(self, refused):
        depth = ["--depth", "disparity.png"]
        message = refused("render", "photo.png", *depth, *NEAR_FOCUS, "-o", "disparity.png")
        assert "received disparity.png, an input." in message

    @pytest.mark.usefixtures("no_rendering")
    def test_a_folder_is_no_place_to_save_to(self, refused, folder):
        (folder / "pictures.jpg").mkdir()
        message = refused(*RENDER, "--bokeh-level", 6, "-o", "pictures.jpg")
        assert "--out: received pictures.jpg, a folder." in message

    @pytest.mark.usefixtures("no_rendering")
    def test_a_camera_beside_a_bokeh_level_is_refused(self, refused):
        message = refused(*RENDER, "--bokeh-level", 6, "--focal-length", 50, "-o", "a.jpg")
        assert "--bokeh-level: received numbers of a camera" in message

    @pytest.mark.usefixtures("no_rendering")
    def test_blades_beside_an_aperture_image_are_refused(self, refused):
        shape = ["--aperture-image", "disparity.png", "--blades", 6]
        message = refused(*RENDER, "--bokeh-level", 6, *shape, "-o", "a.jpg")
        assert "--blades: received an --aperture-image beside it." in message

    def test_lost_transparency_is_said(self, cli, folder, caplog):
        with Image.open(folder / "photo.png") as picture:
            picture.putalpha(100)
            picture.save(folder / "glass.png")
        arguments = ["--depth", "depth.npy", *NEAR_FOCUS, "--bokeh-level", 6, "-o", "a.jpg"]
        assert cli("render", "glass.png", *arguments).code == 0
        assert "glass.png: its transparency is dropped." in caplog.text

    def test_running_out_of_memory_is_one_clear_line(self, cli, monkeypatch):
        def exhausted(*arguments: object, **options: object) -> None:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried …")

        monkeypatch.setattr(render_command, "render", exhausted)
        run = cli(*RENDER, "--bokeh-level", 6, "-o", "a.jpg")
        assert run.code == 1
        assert run.stderr.startswith("focuspuller: out of memory.")

    @pytest.mark.parametrize("quality", [0, 101])
    @pytest.mark.usefixtures("no_rendering")
    def test_an_impossible_quality_is_refused_before_rendering(self, refused, quality):
        message = refused(*RENDER, "--bokeh-level", 6, "--quality", quality, "-o", "a.jpg")
        assert f"quality: received {quality}." in message

    @pytest.mark.usefixtures("no_rendering")
    def test_an_exr_without_openexr_is_refused_before_rendering(self, refused, monkeypatch):
        monkeypatch.setitem(sys.modules, "OpenEXR", None)
        message = refused(*RENDER, "--bokeh-level", 6, "-o", "a.exr")
        assert "pip install focuspuller[exr]" in message

    @pytest.mark.usefixtures("no_rendering")
    def test_details_of_highlights_without_stops_are_refused(self, refused):
        message = refused(*RENDER, "--bokeh-level", 6, "--halo-color", 1, "-o", "a.jpg")
        assert "Give --highlights STOPS" in message

    @pytest.mark.parametrize("out", ["soft", "soft.gif", "soft.jxl", "soft.heic"])
    @pytest.mark.usefixtures("no_rendering")
    def test_an_unknown_format_is_refused_before_rendering(self, refused, out):
        message = refused(*RENDER, "--bokeh-level", 6, "-o", out)
        assert repr(out) in message
        assert ".jpg" in message

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["render", "gone.png", "--depth", "depth.npy"], "gone.png: received a file that does"),
            (["render", "photo.png", "--depth", "gone.npy"], "gone.npy: received a file that does"),
            (["render", "depth.npy", "--depth", "depth.npy"], "no image that can be read"),
            (["render", "photo.png"], "Give a depth map with --depth FILE, or a network"),
        ],
    )
    def test_files_that_are_missing_or_unreadable_are_named(self, refused, words, said):
        stderr = refused(*words, *NEAR_FOCUS, "--bokeh-level", 6, "-o", "out.png")
        assert said in stderr

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--focus", "1.2,0.5"], "focus_point: received (1.2, 0.5)"),
            (["--focus", "nan,0.5"], "focus_point: received (nan, 0.5)"),
            (["--focus-distance", "0"], "focus_distance: received 0.0"),
            (["--focus-mask", "black.png"], "mask: received an empty mask"),
        ],
    )
    def test_a_focus_without_meaning(self, refused, folder, words, said):
        Image.new("L", (4, 4)).save(folder / "black.png")
        photo = ["render", "photo.png", "--depth", "depth.npy"]
        assert said in refused(*photo, *words, "--bokeh-level", 6, "-o", "out.png")

    @pytest.mark.parametrize("f_number", ["0", "-2", "nan", "inf"])
    def test_an_f_number_without_meaning(self, refused, f_number):
        camera = ["--f-number", f_number, "--focal-length", 50, "--sensor-width", 36]
        stderr = refused(*RENDER, *camera, "-o", "out.png")
        assert f"f_number: received {float(f_number)}" in stderr

    def test_a_photo_without_camera_data_says_what_to_give(self, refused):
        stderr = refused(*RENDER, "--f-number", 1.8, "-o", "out.png")
        assert "The photo does not tell the focal length and the sensor width." in stderr
        assert "--focal-length" in stderr
        assert "--bokeh-level" in stderr

    def test_a_camera_with_relative_depth_says_what_to_give(self, refused, photo_with_exif):
        depth = ["--depth", "disparity.png", *NEAR_FOCUS]
        stderr = refused("render", photo_with_exif, *depth, "--f-number", 2, "-o", "out.png")
        assert "relative depth" in stderr
        assert "near and far" in stderr
        assert "bokeh" in stderr

    def test_networks_come_from_files(self, cli, refused, folder):
        files = {}
        for name, network in {"arnet": ARNet(), "iunet": IUNet()}.items():
            files[name] = folder / f"{name}.pth"
            torch.save({"model": filled(network).state_dict()}, files[name])
        words = [f"--lens-option={name}={path}" for name, path in files.items()]
        shaped = [*RENDER, *BOKEHME, "--bokeh-level", 12, *words, "--swirl", 0.4]
        said = "aperture: received swirl 0.4 for BokehMe with its networks"
        assert said in refused(*shaped, "-o", "out.png")
        assert cli(*RENDER, *BOKEHME, "--bokeh-level", 12, *words, "-o", "out.png").code == 0
        image, metres = load_photo(folder / "photo.png").image, np.load(folder / "depth.npy")
        lens = fp.bokehme_lens(**files)
        expected = fp.render(image, metres, focus_point=(0.1, 0.5), bokeh_level=12.0, lens=lens)
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_bokehdiff_renders_with_files_of_its_own(self, cli, folder, monkeypatch):
        pytest.importorskip("diffusers")
        from oracles.tiny_sdxl import save_model_folders, use_tiny_networks

        use_tiny_networks(monkeypatch)
        save_model_folders(folder / "models")
        files = {
            "weights": folder / "models" / "bokehdiff" / "small",
            "base": folder / "models" / "checkpoints" / "RealVisXL_V5.0_fp16.safetensors",
        }
        words = [f"--lens-option={name}={path}" for name, path in files.items()]
        words += ["--lens", "bokehdiff", "--lens-option", "strength=1.5"]
        assert cli(*RENDER, "--bokeh-level", 12, *words, "-o", "out.png").code == 0
        image, metres = load_photo(folder / "photo.png").image, np.load(folder / "depth.npy")
        lens = fp.bokehdiff_lens(**files, strength=1.5)
        expected = fp.render(image, metres, focus_point=(0.1, 0.5), bokeh_level=12.0, lens=lens)
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_the_foreground_and_what_is_behind_it_come_from_files(self, cli, refused, folder):
        image, metres = load_photo(folder / "photo.png").image, np.load(folder / "depth.npy")
        height, width = image.shape[:2]
        mask = np.zeros((height, width), np.uint8)
        mask[:, : width // 2] = 255
        plate = np.full((height, width, 3), 200, np.uint8)
        for name, pixels in {"mask.png": mask, "clean.png": plate}.items():
            Image.fromarray(pixels).save(folder / name)
        named = {"foreground": "mask.png", "background": "clean.png", "layers": "2"}
        words = ["--lens", "drbokeh"]
        words += [f"--lens-option={name}={value}" for name, value in named.items()]
        assert cli(*RENDER, "--bokeh-level", 12, *words, "-o", "out.png").code == 0
        options = fp.DrBokehOptions.from_arrays(
            mask.astype(np.float32) / 255, plate.astype(np.float32) / 255, layers=2
        )
        place = {"focus_point": (0.1, 0.5), "bokeh_level": 12.0}
        expected = fp.render(image, metres, **place, lens=fp.Lens("drbokeh", options))
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)
        plain = fp.render(image, metres, **place, lens="drbokeh")
        assert np.abs(saved - plain).max() > 4 / 255
        assert "an input" in refused(*RENDER, "--bokeh-level", 12, *words, "-o", "mask.png")

    def test_focus_within_the_focal_length(self, refused):
        photo = ["render", "photo.png", "--depth", "depth.npy", "--focus-distance", 0.04]
        camera = ["--f-number", 2, "--focal-length", 50, "--sensor-width", 36]
        assert "focal length (50 mm)" in refused(*photo, *camera, "-o", "out.png")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (
                [*BOKEHME, "--lens-option", "gamma"],
                "Options of bokehme: gamma, weighting, method, highl",
            ),
            ([*BOKEHME, "--lens-option", "blur=3"], "method, highlights, arnet, iunet."),
            ([*BOKEHME, "--lens-option", "highlights=some"], "Give highlights=on or off."),
            ([*BOKEHME, "--lens-option", "arnet=a.pth"], "arnet, iunet: received only arnet"),
            (
                [*BOKEHME, "--lens-option", "arnet=a.pth", "--lens-option", "iunet=b.pth"],
                "a.pth: received a file that does not exist",
            ),
            ([*BOKEHME, "--lens-option", "gamma=strong"], "Give a number for gamma."),
            ([*BOKEHME, "--lens-option", "gamma=nan"], "Give a number for gamma."),
            ([*BOKEHME, "--lens-option", "gamma=9"], "Give 1 to 5"),
            ([*BOKEHME, "--lens-option", "weighting=4"], "Give 'energy' or 'bokehme'."),
            (["--lens", "taf", "--lens-option", "gamma=4"], "Options of taf: none."),
            (["--lens", "bokehdiff", "--lens-option", "x=4"], "strength, weights, base."),
            (["--lens", "bokehdiff", "--lens-option", "weights=gone"], "gone: received a file"),
            (
                ["--lens", "drbokeh", "--lens-option", "scene=x"],
                "Options of drbokeh: layers, kernel, linear, foreground, background.",
            ),
            (["--lens", "drbokeh", "--lens-option", "layers=2.5"], "layers: received 2.5"),
            (["--lens", "drbokeh", "--lens-option", "layers=two"], "Give a number for layers."),
            (
                ["--lens", "drbokeh", "--lens-option", "foreground=none.png"],
                "none.png: received a file that does not exist",
            ),
            (["--blades", "2"], "blades: received 2"),
            (["--blades", "5", "--roundness", "3"], "roundness: received 3.0"),
            (["--cats-eye", "2"], "cats_eye: received 2.0"),
            (["--squeeze", "0"], "squeeze: received 0.0"),
            (["--axial-chromatism", "nan"], "axial_chromatism: received nan"),
            (["--device", "abacus"], "device: received abacus"),
        ],
    )
    def test_options_without_meaning(self, refused, words, said):
        assert said in refused(*RENDER, "--bokeh-level", 6, *words, "-o", "out.png")

    @pytest.mark.parametrize("level", ["-1", "nan", "inf"])
    def test_a_level_without_meaning(self, refused, level):
        stderr = refused(*RENDER, f"--bokeh-level={level}", "-o", "out.png")
        assert f"bokeh_level: received {float(level)}" in stderr

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["paint"],
            ["render"],
            ["render", "photo.png", *NEAR_FOCUS],
            ["render", "photo.png", "-o", "out.png"],
            ["render", "photo.png", *NEAR_FOCUS, "--focus-distance", "2", "-o", "out.png"],
            [*RENDER, "--f-number", "2", "--bokeh-level", "3", "-o", "out.png"],
            [*RENDER, "--lens", "petzval", "-o", "out.png"],
            ["render", "photo.png", "--focus", "middle", "-o", "out.png"],
            ["render", "photo.png", "--focus", "0.1,0.2,0.3", "-o", "out.png"],
            ["run"],
        ],
        ids=" ".join,
    )
    def test_wrong_usage_is_code_2_and_shows_the_usage(self, refused, words):
        assert refused(*words, code=2).startswith("usage: focuspuller")

    def test_a_full_disk_leaves_nothing_half_written(self, refused, folder, monkeypatch):
        (folder / "soft.jpg").write_text("older")

        def write_half(path: Path, content: bytes) -> None:
            with path.open("wb") as file:
                file.write(content[: len(content) // 2])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", write_half)
        stderr = refused(*RENDER, "--bokeh-level", 6, "-o", "soft.jpg")
        assert "soft.jpg: received a place that cannot be written (No space left" in stderr
        assert (folder / "soft.jpg").read_text() == "older"

    def test_a_folder_that_cannot_be_made(self, refused):
        stderr = refused(*RENDER, "--bokeh-level", 6, "-o", Path("photo.png") / "soft.jpg")
        assert "photo.png: received a folder that cannot be made" in stderr

    def test_an_interrupt_is_code_130(self, refused, monkeypatch):
        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(render_command, "render", interrupt)
        options = ["--bokeh-level", 6, "-o", "out.png"]
        assert refused(*RENDER, *options, code=130) == "focuspuller: interrupted\n"


class TestRun:
    @pytest.fixture
    def workflow(self, folder: Path, portrait: Path) -> Path:
        def node(class_type: str, **inputs: object) -> dict[str, object]:
            return {"class_type": f"FocusPuller{class_type}", "inputs": inputs}

        nodes = {
            "1": node("LoadPhoto", photo=portrait.name),
            "2": node(
                "Camera",
                f_number=1.4,
                focal_length_mm=50.0,
                sensor_width_mm=36.0,
                photo=["1", 4],
            ),
            "3": node("FocusPoint", depth=["1", 2], x=0.1, y=0.5, focus_range=0.0),
            "4": node(
                "DefocusMap",
                depth=["1", 2],
                focus=["3", 0],
                bokeh_level=20.0,
                focus_scale=1.0,
                camera=["2", 0],
                image=["1", 0],
            ),
            "5": node("TafLens"),
            "6": node("RenderBokeh", image=["1", 0], defocus=["4", 0], lens=["5", 0]),
            "7": node(
                "SavePhoto",
                images=["6", 0],
                filename_prefix="refocused",
                format="PNG",
                quality=95,
                photo=["1", 4],
                camera=["2", 0],
                focus=["3", 0],
            ),
        }
        path = folder / "refocus.json"
        path.write_text(json.dumps(nodes))
        return path

    def test_it_saves_the_picture_and_prints_its_path(self, cli, folder, workflow, portrait):
        done = cli("run", workflow, "--set", "FocusPullerCamera.f_number=0.2", "--out", "pictures")
        saved = Path("pictures") / "refocused_00001_.png"
        assert (done.code, done.stdout) == (0, f"{saved}\n")
        photo = load_photo(portrait)
        expected = fp.render(
            photo.image,
            photo.depth,
            focus_point=(0.1, 0.5),
            camera=fp.Camera(50.0, 0.2, 24.0),
            lens="taf",
        )
        result = load_photo(folder / saved)
        np.testing.assert_allclose(result.image, expected.clip(0, 1), atol=0.6 / 255)
        assert result.camera_data.f_number == pytest.approx(0.2)
        assert result.camera_data.make == "Sony"

    def test_settings_change_the_picture(self, cli, folder, workflow):
        cli("run", workflow, "--set", "2.f_number=0.2", "--out", "pictures")
        cli("run", workflow, "--set", "2.f_number=0.2", "--set", "3.x=0.9", "--out", "pictures")
        near, far = (
            load_photo(folder / "pictures" / f"refocused_0000{number}_.png").image
            for number in (1, 2)
        )
        sharp = load_photo(folder / "photo.jpg").image
        left, right = int(0.1 * WIDTH), int(0.9 * WIDTH)
        for picture, in_focus, out_of_focus in ((near, left, right), (far, right, left)):
            change = np.abs(picture - sharp).mean(axis=(0, 2))
            assert change[in_focus] < 2 / 255
            assert change[out_of_focus] > 0.1

    def test_a_refusal_of_a_node_is_code_1_and_names_the_node(self, cli, folder, workflow):
        done = cli("run", workflow, "--set", "2.f_number=0", "--set", "3.x=1", "--out", "pictures")
        assert done.code == 0  # 0 means: as in the EXIF
        text = json.loads(workflow.read_text())
        text["2"]["inputs"]["photo"] = ["1", 3]  # a camera is no photo
        workflow.write_text(json.dumps(text))
        done = cli("run", workflow, "--out", "none")
        assert (done.code, done.stdout) == (1, "")
        assert "photo" in done.stderr
        assert "CAMERA" in done.stderr
        assert not (folder / "none").exists()

    def test_a_node_that_fails_leaves_no_picture(self, cli, folder, workflow):
        text = json.loads(workflow.read_text())
        text["7"]["inputs"]["depth"] = ["1", 2]  # into a PNG
        workflow.write_text(json.dumps(text))
        done = cli("run", workflow, "--out", "pictures")
        assert (done.code, done.stdout) == (1, "")
        assert "node 7" in done.stderr
        assert "Only JPEG and EXR can hold depth." in done.stderr
        assert list((folder / "pictures").glob("*")) == []

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("{", "not JSON"),
            ("{}", "instead of nodes by id"),
            ('{"1": {"class_type": "FocusPullerTafLense", "inputs": {}}}', "FocusPullerTafLens'"),
            (
                '{"1": {"class_type": "PreviewImage", "inputs": {"images": ["9", 0]}}}',
                "node 1 PreviewImage",
            ),
        ],
        ids=["no JSON", "empty", "unknown node", "missing link"],
    )
    def test_a_broken_workflow_is_code_1(self, cli, folder, content, said):
        (folder / "broken.json").write_text(content)
        done = cli("run", "broken.json", "--out", "pictures")
        assert (done.code, done.stdout) == (1, "")
        assert said in done.stderr
        assert not (folder / "pictures").exists()

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--set", "f_number=2"], "NODE.input=value"),
            (["--set", "9.f_number=2"], "there is no node '9'"),
            (["--set", "2.f_number=fast"], "'fast' is no number"),
            (["--set", "2.f_number=500"], "f_number"),
            (["--device", "abacus"], "device: received abacus"),
        ],
    )
    def test_a_setting_that_does_not_fit_is_code_1(self, cli, folder, workflow, words, said):
        done = cli("run", workflow, *words, "--out", "pictures")
        assert (done.code, done.stdout) == (1, "")
        assert said in done.stderr
        assert not (folder / "pictures").exists()


class TestAperture:
    def test_the_picture_shows_behind_above_in_front(self, cli, folder):
        done = cli("aperture", "--blades", 3, "--cats-eye", 0.7, "--radius", 10, "-o", "k.png")
        assert (done.code, done.stdout.strip()) == (0, "k.png")
        expected = fp.bokeh_preview(fp.Aperture(3, cats_eye=0.7), radius=10)
        assert expected.shape == (2, 640, 960, 3)
        saved = load_photo(folder / "k.png").image
        np.testing.assert_allclose(saved, np.concatenate([*expected]), atol=0.6 / 255)

    def test_size_and_shape_are_options(self, cli, folder):
        bar = np.zeros((30, 30), np.uint8)
        bar[:, 12:18] = 255
        Image.fromarray(bar).save("bar.png")
        options = ["--aperture-image", "bar.png", "--radius", 8, "--size", "90x60"]
        assert cli("aperture", *options, "-o", "new/k.png").code == 0
        aperture = fp.Aperture(image=torch.from_numpy(bar / 255.0))
        expected = fp.bokeh_preview(aperture, radius=8, width=90, height=60)
        saved = load_photo(folder / "new" / "k.png").image
        np.testing.assert_allclose(saved, np.concatenate([*expected]), atol=0.6 / 255)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--radius", "400"], "radius: received 400.0 px for a picture of 960×640"),
            (["--swirl", "3"], "swirl: received 3.0"),
            (["--blades", "5", "--aperture-image", "bar.png"], "bar.png"),
        ],
    )
    def test_what_has_no_meaning_is_refused(self, cli, folder, words, said):
        done = cli("aperture", *words, "-o", "k.png")
        assert (done.code, done.stdout) == (1, "")
        assert said in done.stderr
        assert not (folder / "k.png").exists()

    def test_its_own_shape_is_not_overwritten(self, cli, folder):
        Image.fromarray(np.full((9, 9), 255, np.uint8)).save("shape.png")
        before = (folder / "shape.png").read_bytes()
        done = cli("aperture", "--aperture-image", "shape.png", "-o", "shape.png")
        assert "--out: received shape.png, an input." in done.stderr
        assert (folder / "shape.png").read_bytes() == before


class TestHelp:
    def test_it_lists_the_commands(self, cli):
        done = cli("--help")
        assert (done.code, done.stderr) == (0, "")
        assert re.search(r"^ +render +\w", done.stdout, re.MULTILINE)
        assert re.search(r"^ +fit +\w", done.stdout, re.MULTILINE)
        assert re.search(r"^ +run +\w", done.stdout, re.MULTILINE)
        assert re.search(r"^ +aperture +\w", done.stdout, re.MULTILINE)

    @pytest.mark.parametrize(
        ("command", "options"),
        [
            (
                "render",
                [
                    *["--depth", "--near", "--far", "--align-depth", "--refine-depth"],
                    *["--focus", "--focus-mask", "--find-focus", "--focus-weights"],
                    *["--repair-depth", "--depth-holes"],
                    *["--focus-distance", "--focus-disparity", "--focus-range", "--f-number"],
                    *["--bokeh-level", "--focal-length", "--sensor-width", "--lens"],
                    *["--lens-option", "--blades", "--linear", "--quality", "--device", "--out"],
                    *["--highlights", "--highlight-threshold", "--halo-color", "--exr-bits"],
                ],
            ),
            (
                "fit",
                [
                    *["--depth", "--focus", "--focus-mask", "--focal-length", "--sensor-width"],
                    *["--focus-scale", "--f-number", "--lens", "--json", "--preview", "--device"],
                ],
            ),
            ("run", ["--set", "--out", "--input", "--server", "--device"]),
            (
                "aperture",
                [
                    *["--out", "--radius", "--size", "--blades", "--rotation", "--roundness"],
                    *["--aperture-image", "--squeeze", "--obstruction", "--cats-eye", "--swirl"],
                    *["--spherical-aberration", "--axial-chromatism"],
                ],
            ),
        ],
    )
    def test_a_command_explains_its_options_and_shows_examples(self, cli, command, options):
        done = cli(command, "--help")
        assert (done.code, done.stderr) == (0, "")
        assert f"examples:\n  focuspuller {command} " in done.stdout
        assert [option for option in options if f"{option} " not in done.stdout] == []

    def test_every_lens_is_explained(self, cli):
        text = " ".join(cli("render", "--help").stdout.split())
        assert all(
            f"{name}: {kind.summary}" in text for name, kind in render_command.ALL_LENSES.items()
        )

    def test_the_examples_are_understood(self):
        """Each example of the help, up to the point where its files are missing."""
        from focuspuller.headless import aperture_command, cli, fit_command, run_command

        commands = (render_command, fit_command, run_command, aperture_command)
        text = "".join(command.EXAMPLES for command in commands).replace("\\\n", " ")
        examples = re.findall(r"^  focuspuller (.+)$", text, re.MULTILINE)
        assert len(examples) >= 9
        for example in examples:
            options = cli._parser().parse_args(example.split())
            assert callable(options.execute)

    def test_the_module_runs_as_a_program(self, tmp_path: Path):
        package_parent = str(Path(fp.__file__).parent.parent)
        done = subprocess.run(
            [sys.executable, "-m", "focuspuller.headless.cli", "--version"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": package_parent},
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(r"focuspuller (\d+\.\d+\.\d+.*|\(not installed\))\n", done.stdout)
