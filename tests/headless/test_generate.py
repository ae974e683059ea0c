"""The whole pipeline, from a prompt to pictures: `generate` and `focuspuller generate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.headless import generate as module
from focuspuller.headless.cli import main
from focuspuller.lens.sweep import APERTURES
from focuspuller.models.loaded import forget_models
from focuspuller.photo.contact_sheet import GAP_PX
from oracles.tiny_generator import save_pipeline_folders
from PIL import Image

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

SMALL = fp.Sampling(width=64, height=64)
# So wide that pictures of 64 px show it.
CAMERA = fp.Camera(50.0, 0.2)
ARGUMENTS = ["--width", "64", "--height", "64", "--f-number", "0.2", "--device", "cpu"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders of models with all that the pipeline needs."""
    root = tmp_path_factory.mktemp("models")
    save_pipeline_folders(root)
    yield root
    forget_models()


@pytest.fixture(autouse=True)
def models(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(root))


@pytest.fixture
def generator(root: Path) -> fp.Generator:
    return fp.open_generator(root / "diffusers" / "TinyXL")


@pytest.fixture
def scene(generator: fp.Generator) -> fp.GeneratedScene:
    return fp.generate(
        "a dog", camera=CAMERA, sampling=SMALL, generator=generator, depth_model="depth-pro"
    )


class TestScene:
    def test_it_has_all_that_a_lens_needs(self, scene: fp.GeneratedScene) -> None:
        assert scene.image.shape == (64, 64, 3)
        assert scene.depth.size == (64, 64)
        assert scene.depth.is_metric
        found = fp.find_focus(scene.image, scene.depth)
        assert torch.equal(scene.focus.plane, found.focus.plane)
        assert scene.focus_scale == found.focus_scale != 1.0

    def test_rendering_is_render_and_generates_nothing(
        self, scene: fp.GeneratedScene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("generate_image", "estimate_depth", "find_focus"):
            monkeypatch.delattr(module, name)
        for f_number in (0.2, 0.8):
            expected = fp.render(
                scene.image,
                scene.depth,
                focus=scene.focus,
                focus_scale=scene.focus_scale,
                camera=fp.Camera(50.0, f_number),
            )
            np.testing.assert_array_equal(scene.render(f_number), expected)
        assert np.abs(scene.render() - scene.render(0.8)).max() > 0.01

    def test_focus_and_lens_can_be_others(self, scene: fp.GeneratedScene) -> None:
        nearest = float(scene.depth.metres.amin())
        near = scene.render(focus_distance=nearest, lens="taf")
        expected = fp.render(
            *(scene.image, scene.depth),
            camera=CAMERA,
            focus_scale=scene.focus_scale,
            focus_distance=nearest,
            lens="taf",
        )
        np.testing.assert_array_equal(near, expected)
        level = scene.render(bokeh_level=4.0)
        assert level.shape == scene.image.shape
        with pytest.raises(InputError, match="both of them"):
            scene.render(2.0, bokeh_level=4.0)

    def test_a_sweep_is_each_of_its_apertures(self, scene: fp.GeneratedScene) -> None:
        told: list[float] = []
        pictures = scene.sweep([0.2, 0.8], on_progress=told.append)
        assert pictures.shape == (2, 64, 64, 3)
        np.testing.assert_array_equal(pictures[1], scene.render(0.8))
        assert told == sorted(told)
        assert told[-1] == pytest.approx(1.0)

    def test_the_picture_does_not_depend_on_the_aperture(
        self, generator: fp.Generator, root: Path
    ) -> None:
        told = fp.open_generator(
            generator.base,
            generator.student or "none",
            root / "exif_generator" / "trained.safetensors",
        )
        options = {"sampling": SMALL, "generator": told, "focus_distance": 2.0}
        first, second = (
            fp.generate("a dog", camera=fp.Camera(50, one), **options) for one in (0.2, 2)
        )
        np.testing.assert_array_equal(first.image, second.image)
        longer = fp.generate("a dog", camera=fp.Camera(85, 2), **options)
        assert np.abs(longer.image - first.image).max() > 0.001
        wide = fp.generate("a dog", camera=fp.Camera(50, 2), told_f_number=2.0, **options)
        assert np.abs(wide.image - first.image).max() > 0.001

    def test_a_place_to_focus_needs_no_network_for_it(
        self, generator: fp.Generator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(module, "find_focus")
        options = {"sampling": SMALL, "generator": generator}
        at_point = fp.generate("a dog", focus_point=(0.5, 0.5), **options)
        centre = at_point.depth.disparity[0, 0, 31:33, 31:33]
        assert centre.amin() <= at_point.focus.plane[0] <= centre.amax()
        assert fp.generate("a dog", focus_distance=3.0, **options).focus.distance_m == 3.0

    def test_several_scenes_at_once(self, generator: fp.Generator) -> None:
        two = fp.Sampling(64, 64, batch=2)
        scene = fp.generate("a dog", camera=CAMERA, sampling=two, generator=generator)
        assert scene.render().shape == scene.image.shape == (2, 64, 64, 3)
        assert len(scene.focus.plane) == 2
        assert scene.sweep([2, 4]).shape == (2, 2, 64, 64, 3)

    def test_progress_goes_from_start_to_end(self, generator: fp.Generator) -> None:
        told: list[float] = []
        fp.generate("a dog", sampling=SMALL, generator=generator, on_progress=told.append)
        assert told == sorted(told)
        assert told[0] == pytest.approx(0.2)
        assert told[-1] == pytest.approx(1.0)


class TestImages:
    def test_words_about_the_camera_are_part_of_the_prompt(self, generator: fp.Generator) -> None:
        options = {"sampling": SMALL, "generator": generator}
        told = fp.generate_image(
            "a dog", camera=fp.Camera(50, 2), conditioning="dof_text", **options
        )
        written = fp.generate_image("a dog, Shallow Depth-of-Field", **options)
        np.testing.assert_array_equal(told, written)

    def test_negative_prompts(self, generator: fp.Generator) -> None:
        itself = fp.open_generator(generator.base, "none")
        options = {"sampling": fp.Sampling(64, 64, steps=2), "generator": itself}
        plain = fp.generate_image("a dog", **options)
        other = fp.generate_image("a dog", negative_prompt="a cat", **options)
        assert np.abs(plain - other).max() > 0.001


class TestCommand:
    @pytest.fixture(autouse=True)
    def base(self, root: Path) -> list[str]:
        return ["--base", str(root / "diffusers" / "TinyXL")]

    def run(self, base: list[str], *arguments: str) -> int:
        return main(["generate", "a dog", *base, *ARGUMENTS, *arguments])

    def test_a_picture_with_its_exif(self, base, scene, capsys) -> None:
        assert self.run(base, "-o", "out/dog.png", "--depth-out", "dog.npz") == 0
        assert capsys.readouterr().out.split() == ["dog.npz", "out/dog.png"]
        photo = fp.load_photo("out/dog.png")
        np.testing.assert_allclose(photo.image, scene.render().clip(0, 1), atol=0.6 / 255)
        assert photo.camera_data.f_number == pytest.approx(0.2)
        depth = fp.load_depth("dog.npz")
        torch.testing.assert_close(depth.disparity, scene.depth.disparity)

    def test_all_in_focus(self, base, generator) -> None:
        assert self.run(base, "-o", "dog.png", "--all-in-focus", "--seed", "5") == 0
        image = fp.generate_image("a dog", sampling=fp.Sampling(64, 64, 5), generator=generator)
        np.testing.assert_allclose(fp.load_photo("dog.png").image, image, atol=0.6 / 255)

    def test_several(self, base) -> None:
        assert self.run(base, "-o", "%02d.png", "--batch", "2", "--focus", "0.5,0.5") == 0
        first, second = (fp.load_photo(f"{number:02d}.png").image for number in (1, 2))
        assert np.abs(first - second).max() > 0.01

    def test_a_sweep_as_pictures(self, base, scene) -> None:
        assert self.run(base, "-o", "sweep/%d.png", "--sweep", "0.2,0.8") == 0
        second = fp.load_photo("sweep/2.png")
        np.testing.assert_allclose(second.image, scene.render(0.8).clip(0, 1), atol=0.6 / 255)
        assert second.camera_data.f_number == pytest.approx(0.8)

    def test_a_sweep_as_a_contact_sheet(self, base) -> None:
        assert self.run(base, "-o", "sheet.png", "--sweep", "--contact-sheet") == 0
        with Image.open("sheet.png") as sheet:
            across = 3  # of 8
            side = across * (64 + GAP_PX) - GAP_PX
            assert sheet.size == (side, side)
        assert len(APERTURES) == 8

    def test_a_sweep_as_a_video(self, base) -> None:
        pytest.importorskip("av", reason="PyAV is not installed")
        from focuspuller.photo.video import VideoFile

        assert self.run(base, "-o", "sweep.mp4", "--sweep", "0.2,0.8,3.2") == 0
        assert VideoFile(Path("sweep.mp4")).count_frames() == 3

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["-o", "a.png", "--contact-sheet"], "Add --sweep"),
            (["-o", "a.png", "--sweep"], "Give a pattern such as %02d.jpg"),
            (["-o", "a.png", "--batch", "2"], "Give a pattern such as %02d.jpg"),
            (["-o", "a.mp4"], "Only a sweep can be one"),
            (["-o", "a.png", "--sweep", "--all-in-focus"], "Give one of the two"),
            (["-o", "%d.png", "--sweep", "--batch", "2"], "A sweep shows one picture"),
            (["-o", "a.png", "--depth-out", "d.jpg"], "End the name in one of"),
            (["-o", "a.png", "--width", "100"], "Give a multiple of 8"),
            (["-o", "a.png", "--focus", "2,0.5"], "focus_point"),
            (["-o", "a.png", "--focus-distance", "0.01"], "beyond the focal length"),
            (["-o", "a.png", "--student", "gone.safetensors"], "does not exist"),
        ],
    )
    def test_mistakes_are_found_before_anything_is_generated(
        self, base, arguments, message, capsys, monkeypatch
    ) -> None:
        monkeypatch.delattr("focuspuller.models.exif_generator.handle.generate")
        assert self.run(base, *arguments) == 1
        assert message in capsys.readouterr().err
