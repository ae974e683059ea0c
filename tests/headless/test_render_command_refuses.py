"""`focuspuller render`: what it refuses, and what it leaves alone then."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from focuspuller.headless import render_command
from oracles.photo_folder import NEAR_FOCUS, RENDER
from PIL import Image

pytestmark = pytest.mark.usefixtures("folder")


class TestRefuses:
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
    @pytest.mark.parametrize(
        "words",
        [["--near", 1], ["--far", 9], ["--near-is-black"], ["--depth-encoding", "relative"]],
    )
    def test_how_a_file_is_read_needs_a_file(self, refused, portrait, words):
        asked = [*NEAR_FOCUS, "--f-number", 0.2, *words, "-o", "a.jpg"]
        message = refused("render", portrait, *asked)
        assert message.startswith(f"focuspuller: {words[0]}: received no --depth FILE.")
        assert refused("refocus", "photo.png", *asked) == message
        assert refused("fit", "photo.png", "photo.png", *words) == message

    @pytest.mark.usefixtures("no_rendering")
    def test_a_resolution_is_that_of_a_network(self, refused):
        message = refused(*RENDER, "--bokeh-level", 6, "--depth-resolution", 700, "-o", "a.jpg")
        assert message.startswith("focuspuller: --depth-resolution: received --depth beside it.")

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
            (["--focus", "0.4,0.2,0.2,0.5"], "focus_region: received (0.4, 0.2, 0.2, 0.5)"),
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

    def test_focus_within_the_focal_length(self, refused):
        photo = ["render", "photo.png", "--depth", "depth.npy", "--focus-distance", 0.04]
        camera = ["--f-number", 2, "--focal-length", 50, "--sensor-width", 36]
        assert "focal length (50 mm)" in refused(*photo, *camera, "-o", "out.png")

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
