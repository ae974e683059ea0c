"""Focus that is found: `find_focus` on arrays, and `focuspuller render --find-focus`."""

from __future__ import annotations

from pathlib import Path

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.lens.color import srgb_to_linear
from focuspuller.models.focus_distance.files import save_focus_transformer
from focuspuller.photo.photo import load_photo
from oracles.vst import tiny_vst, trained_transformer
from PIL import Image

HEIGHT, WIDTH = 27, 40
CAMERA = ["--f-number", "0.4", "--focal-length", "50", "--sensor-width", "36"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: photo.png, depth.npy (metres), subject.png, and weights in models/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(tmp_path / "models"))
    pixels = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).save("photo.png")
    np.save("depth.npy", np.linspace(1, 5, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0))
    Path("models/vst").mkdir(parents=True)
    torch.save(tiny_vst().state_dict(), "models/vst/RGBD_VST.pth")
    save_focus_transformer(Path("trained.safetensors"), trained_transformer(), "RGBD_VST", "CC0")
    return tmp_path


@pytest.fixture
def photo() -> np.ndarray:
    return load_photo("photo.png").image


@pytest.fixture
def metres() -> np.ndarray:
    return np.load("depth.npy")


class TestArrays:
    def test_weights_in_the_folder_of_models_are_found(self, photo, metres):
        found = fp.find_focus(photo, metres)
        assert isinstance(found, fp.FoundFocus)
        assert isinstance(found.saliency, np.ndarray)
        assert found.saliency.shape == (HEIGHT, WIDTH)
        mean = (metres * found.saliency).sum() / found.saliency.sum()
        assert found.focus.distance_m.tolist() == pytest.approx([mean], rel=1e-5)
        assert found.focus_scale == 1.0

    def test_what_is_found_is_what_render_takes(self, photo, metres):
        found = fp.find_focus(photo, metres, weights="trained.safetensors")
        assert found.focus_scale != 1.0
        camera = fp.Camera(50.0, 0.4)
        rendered = fp.render(
            photo, metres, focus=found.focus, focus_scale=found.focus_scale, camera=camera
        )
        plain = fp.render(photo, metres, focus=found.focus, camera=camera)
        assert rendered.shape == photo.shape
        assert np.abs(rendered - plain).max() > 0.01

    def test_a_batch_has_a_focus_and_a_scale_for_each(self, photo, metres):
        several = torch.from_numpy(np.stack([photo, photo[::-1], photo[:, ::-1]]))
        found = fp.find_focus(several, metres, weights="trained.safetensors")
        assert isinstance(found.saliency, torch.Tensor)
        assert found.saliency.shape == (3, HEIGHT, WIDTH)
        assert isinstance(found.focus_scale, torch.Tensor)
        assert len(found.focus.plane) == len(set(found.focus_scale.tolist())) == 3
        options = {"focus": found.focus, "camera": fp.Camera(50.0, 0.4), "lens": "taf"}
        together = fp.render(several, metres, focus_scale=found.focus_scale, **options)
        one = fp.find_focus(several[2], metres, weights="trained.safetensors")
        options["focus"] = one.focus
        alone = fp.render(several[2], metres, focus_scale=one.focus_scale, **options)
        torch.testing.assert_close(together[2], alone, atol=1e-4, rtol=0)

    def test_linear_light_is_seen_as_its_picture(self, photo, metres):
        light = srgb_to_linear(torch.from_numpy(photo)).numpy()
        seen = fp.find_focus(photo, metres), fp.find_focus(light, metres, linear=True)
        torch.testing.assert_close(seen[0].focus.plane, seen[1].focus.plane)
        np.testing.assert_allclose(seen[0].saliency, seen[1].saliency, atol=1e-4)

    def test_distance_and_mask_of_the_user(self, photo, metres):
        said = fp.find_focus(photo, metres, focus_distance=3.5)
        assert said.focus.distance_m.tolist() == pytest.approx([3.5])
        mask = np.zeros((HEIGHT, WIDTH))
        mask[:, -1] = 1
        masked = fp.find_focus(photo, metres, focus_mask=mask)
        assert masked.focus.distance_m.tolist() == pytest.approx([5.0])

    def test_relative_disparity_has_a_relative_focus(self, photo, metres):
        found = fp.find_focus(photo, disparity=1 / metres, weights="trained.safetensors")
        assert not found.focus.is_metric
        assert found.focus_scale == 1.0

    def test_without_weights_it_says_where_to_get_them(self, photo, metres):
        Path("models/vst/RGBD_VST.pth").unlink()
        with pytest.raises(fp.FocusPullerError, match=r"RGBD_VST\.pth.*github\.com/nnizhang/VST"):
            fp.find_focus(photo, metres)


RENDER = ["render", "photo.png", "--depth", "depth.npy", "--find-focus"]


class TestCommand:
    @pytest.mark.parametrize("weights", [None, "trained.safetensors"])
    def test_it_renders_as_python_does(self, cli, photo, metres, weights):
        given = [] if weights is None else ["--focus-weights", weights]
        assert cli(*RENDER, *given, *CAMERA, "-o", "out.png") == (0, "out.png\n", "")
        found = fp.find_focus(photo, metres, weights=weights)
        expected = fp.render(
            photo,
            metres,
            focus=found.focus,
            focus_scale=found.focus_scale,
            camera=fp.Camera(50.0, 0.4),
        )
        saved = load_photo("out.png")
        np.testing.assert_allclose(saved.image, expected.clip(0, 1), atol=0.6 / 255)
        distance = found.focus.distance_m.item()
        assert saved.camera_data.subject_distance_m == pytest.approx(distance, rel=1e-2)

    def test_a_pull_starts_where_it_was_found(self, cli, photo, metres):
        options = ["--frames", "3", "--focus-to", "1m", "--lens", "taf", "--easing", "linear"]
        done = cli(*RENDER, *options, "--bokeh-level", "9", "-o", "pull/%d.png")
        assert done.code == 0
        found = fp.find_focus(photo, metres).focus
        first, _, last = done.stdout.split()
        for name, focus in ((first, found), (last, fp.Focus.at_distance(1.0))):
            expected = fp.render(photo, metres, focus=focus, bokeh_level=9.0, lens="taf")
            saved = load_photo(name).image
            np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_frames_have_the_scale_of_the_first(self, cli, photo, metres):
        options = ["--frames", "2", "--focus-weights", "trained.safetensors", "--lens", "taf"]
        done = cli(*RENDER, *options, *CAMERA, "-o", "still/%d.png")
        found = fp.find_focus(photo, metres, weights="trained.safetensors")
        expected = fp.render(
            photo,
            metres,
            focus=found.focus,
            focus_scale=found.focus_scale,
            camera=fp.Camera(50.0, 0.4),
            lens="taf",
        )
        saved = load_photo(done.stdout.split()[1]).image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_another_place_beside_it_is_refused(self, cli):
        done = cli(*RENDER, "--focus", "0.5,0.5", "--bokeh-level", "9", "-o", "out.png")
        assert done.code == 2
        assert "not allowed with argument" in done.stderr

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--find-focus", "--focus-weights", "none.pth"], "none.pth"),
            (["--focus", "0.5,0.5", "--focus-weights", "trained.safetensors"], "--find-focus"),
            (["--find-focus", "--focus-weights", "photo.png"], "photo.png"),
        ],
    )
    def test_weights_without_meaning(self, cli, words, said):
        render = ["render", "photo.png", "--depth", "depth.npy", "--bokeh-level", "9"]
        done = cli(*render, *words, "-o", "out.png")
        assert (done.code, done.stdout) == (1, "")
        assert said in done.stderr
        assert not Path("out.png").exists()

    def test_the_file_is_verified(self, cli):
        Path("models/focus_distance").mkdir()
        Path("trained.safetensors").rename("models/focus_distance/focus_distance.safetensors")
        assert cli("models", "verify", "vst", "focus-distance").code == 0
        state = tiny_vst().state_dict()
        state.pop("decoder.norm.bias")
        torch.save(state, "models/vst/RGBD_VST.pth")
        done = cli("models", "verify", "vst")
        assert done.code == 1
        assert "decoder.norm.bias" in done.stdout + done.stderr


def test_a_workflow_finds_its_focus_with_files_in_place() -> None:
    """Photo, depth, Find Focus, Defocus Map, lens: weights have only to be in their folder."""
    Path("models/focus_distance").mkdir()
    Path("trained.safetensors").rename("models/focus_distance/focus_distance.safetensors")
    link = {"image": ["photo", 0], "depth": ["depth", 0]}
    nodes = {
        "photo": ("LoadPhoto", {"photo": "photo.png"}),
        "depth": (
            "LoadDepth",
            {"file": "depth.npy", "encoding": "automatic", "near_is_white": True}
            | {"near_m": 0.0, "far_m": 0.0},
        ),
        "camera": ("Camera", {"f_number": 0.4, "focal_length_mm": 50.0, "sensor_width_mm": 36.0}),
        "find": ("FindFocus", link | {"weights": "automatic"}),
        "defocus": (
            "DefocusMap",
            link
            | {"bokeh_level": 0.0, "focus": ["find", 0], "focus_scale": ["find", 2]}
            | {"camera": ["camera", 0]},
        ),
        "render": ("RenderBokeh", {"image": ["photo", 0], "defocus": ["defocus", 0]}),
        "save": (
            "SavePhoto",
            {"images": ["render", 0], "filename_prefix": "found", "format": "PNG", "quality": 95},
        ),
    }
    workflow = {
        name: {"class_type": f"FocusPuller{kind}", "inputs": inputs}
        for name, (kind, inputs) in nodes.items()
    }
    fp.run_workflow(workflow, out_dir="out")
    image, depth = load_photo("photo.png").image, np.load("depth.npy")
    found = fp.find_focus(image, depth)
    assert found.focus_scale != 1.0
    expected = fp.render(
        image,
        depth,
        focus=found.focus,
        focus_scale=found.focus_scale,
        camera=fp.Camera(50.0, 0.4),
    )
    (saved,) = Path("out").glob("found*.png")
    np.testing.assert_allclose(load_photo(saved).image, expected.clip(0, 1), atol=0.6 / 255)
