"""The templates: both forms say the same, and they render, here and in a real ComfyUI."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.headless import core_pixels
from focuspuller.headless.catalog import node_spec
from focuspuller.headless.core_nodes import CORE_NODES
from focuspuller.headless.editor_form import to_api_form
from focuspuller.models.loaded import forget_models
from focuspuller.models.registry import ALL_WEIGHTS
from focuspuller.nodes import NODE_CLASSES
from focuspuller.photo.video import VideoFile
from oracles.tiny_generator import save_pipeline_folders
from oracles.tiny_models import save_template_models
from PIL import Image

FOLDER = Path(fp.__file__).parent / "workflows"
SAMPLES = FOLDER.parent / "samples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
NODES = {node.GET_SCHEMA().node_id: node for node in (*NODE_CLASSES, *CORE_NODES)}
CATALOG = {name: node_spec(node) for name, node in NODES.items()}
# Those that need a user's weights, and what a user has to choose in them.
WITH_WEIGHTS = {
    "aperture_shape": {"Load Refocus Model.aperture": "shapes.safetensors"},
    "deblur": {},
    "diffcamera_refocus": {"Load Refocus Model.diffcamera": "diffcamera.safetensors"},
    "refocus_any_photo": {},
}
COMFYUI = os.environ.get("FOCUSPULLER_COMFYUI")
# Small enough to run in every test.
QUICK = {
    "rack_focus": {"Focus Pull.frames": 2},
    "rack_focus_video": {"Focus Pull.frames": 2, "Repeat Image Batch.amount": 2},
    "rack_focus_timeline": {"3.frames": 2, "3.keyframes": "0: 0.68m f/1.4; 1: 2m f/8"},
}

# Rows and columns of what the template focuses on, and of what is far behind it.
STILL_LIFE = ("still_life", np.s_[480:600, 190:320], np.s_[0:200, 540:1080])
SHOWN = {"portrait_phone_depth": ("phone_portrait", np.s_[200:340, 340:530], np.s_[100:330, 600:])}

# Of what is out of focus, as part of the sample's: soap bubbles have bright rims.
MOST_DETAIL = {"creative_aperture": 0.8}

# Need weights; see TestGenerating and TestAutoFocus.
GENERATING = "generate_and_refocus"
AUTO_FOCUS = "auto_focus"
MODEL_TEMPLATES = (*WITH_WEIGHTS, GENERATING, AUTO_FOCUS)

every_template = pytest.mark.parametrize("name", NAMES)
every_complete_template = pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in MODEL_TEMPLATES]
)


def api_form(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / "api" / f"{name}.json").read_text("utf-8"))


def pixels(path: Path) -> np.ndarray:
    """Of a picture, or of the first frame of a video, `[H,W,3]` uint8."""
    if path.suffix == ".mp4":
        first = next(VideoFile(path).frames()).pixels
        return (first.clip(0, 1) * 255).round().astype(np.uint8)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_there_are_templates():
    assert {"refocus_photo", "rack_focus_video", "creative_aperture"} <= set(NAMES)


@every_template
def test_the_two_forms_say_the_same(name):
    """As the browser sends it; the end-to-end tests ask ComfyUI's frontend the same."""
    editor_form = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    assert to_api_form(editor_form, CATALOG) == api_form(name)


@every_template
def test_links_are_entered_at_both_ends(name):
    workflow = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for link, source, output, target, port, kind in workflow["links"]:
        assert link in nodes[source]["outputs"][output]["links"]
        assert nodes[source]["outputs"][output]["type"] == kind
        assert nodes[target]["inputs"][port]["link"] == link


@every_template
def test_there_is_a_thumbnail(name):
    with Image.open(FOLDER / f"{name}.jpg") as picture:
        assert picture.size == (480, 320)


@every_complete_template
def test_it_renders_a_picture_sharp_here_and_blurred_there(name, tmp_path):
    needs_video(name)
    result = fp.run_workflow(
        FOLDER / "api" / f"{name}.json",
        out_dir=tmp_path,
        input_dirs=[SAMPLES],
        settings=QUICK.get(name),
    )
    assert result.left_out == ()
    shown, subject, lights = SHOWN.get(name, STILL_LIFE)
    sample = fp.load_photo(SAMPLES / f"{shown}.jpg").image
    first = pixels(result.files[0]) / 255.0
    assert detail(first[subject]) > 0.8 * detail(sample[subject])
    assert detail(first[lights]) < MOST_DETAIL.get(name, 0.5) * detail(sample[lights])


def test_a_photo_of_ones_own_takes_the_samples_place(small_samples, tmp_path):
    """As with `--each "Photo.photo=portraits"`."""
    common = {"Camera.f_number": 1.0, "Save.format": "PNG"}
    pictures = []
    for sample in ("still_life", "phone_portrait"):
        for choice in ({"Photo.sample": sample}, {"Photo.photo": small_samples / f"{sample}.jpg"}):
            run = fp.run_workflow(
                FOLDER / "headless_batch.json", out_dir=tmp_path, settings=common | choice
            )
            pictures.append(pixels(run.files[0]))
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[2], pictures[3])
    assert (pictures[0] != pictures[2]).any()


def needs_video(name: str) -> None:
    if name.endswith("_video"):
        pytest.importorskip("av", reason="PyAV is not installed")


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with tiny weights for every template."""
    pytest.importorskip("diffusers", reason="FLUX needs the extra 'diffusion'")
    return save_template_models(tmp_path_factory.mktemp("template_models"))


@pytest.fixture
def small_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The samples, a few pixels large, with everything that they hold."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for path in SAMPLES.glob("*.jpg"):
        photo = fp.load_photo(path)
        small = core_pixels.scaled(torch.from_numpy(photo.image)[None], "area", 72, 48)[0]
        depth = photo.depth.resized(48, 72) if photo.depth else None
        fp.save_photo(folder / path.name, small.numpy(), exif=photo.exif, depth=depth)
    monkeypatch.setattr("focuspuller.nodes.photo.SAMPLES", folder)
    return folder


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_it_runs_with_weights(name, weights, small_samples, tmp_path, monkeypatch):
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(weights))
    monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
    workflow = api_form(name)
    settings = dict(WITH_WEIGHTS[name])
    for node in workflow.values():
        title = node["_meta"]["title"]
        if "steps" in node["inputs"]:
            settings[f"{title}.steps"] = 1
    runs = [
        fp.run_workflow(
            workflow,
            out_dir=tmp_path / str(seed),
            device="cpu",
            settings=settings | {seed_of(workflow): seed},
        )
        for seed in (1, 2)
    ]
    fp.free_models()
    first, other = (pixels(run.files[0]) for run in runs)
    assert first.shape == (48, 72, 3)
    assert (first != other).any()


def seed_of(workflow):
    (title,) = (node["_meta"]["title"] for node in workflow.values() if "seed" in node["inputs"])
    return f"{title}.seed"


@pytest.mark.parametrize("name", MODEL_TEMPLATES)
def test_weights_are_named_with_their_source(name):
    """ComfyUI offers to download what a template names, to the folder that it names."""
    workflow = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    named = [model for node in workflow["nodes"] for model in node["properties"].get("models", [])]
    known = {weights.file: weights for weights in ALL_WEIGHTS}
    bases = {GENERATING: "sd_xl_base_1.0.safetensors", AUTO_FOCUS: "depth_pro.pt"}
    assert bases.get(name, "flux1-dev.safetensors") in {model["name"] for model in named}
    for model in named:
        weights = known[model["name"]]
        assert model["url"] == f"{weights.source}/resolve/main/{weights.file}"
        assert model["directory"] in weights.folders


def detail(picture: np.ndarray) -> float:
    return float(np.abs(np.diff(picture, axis=0)).mean() + np.abs(np.diff(picture, axis=1)).mean())


@pytest.mark.skipif(not COMFYUI, reason="FOCUSPULLER_COMFYUI is not set to a ComfyUI's address")
@every_complete_template
def test_a_real_comfyui_renders_the_same_pixels(name, tmp_path):
    assert COMFYUI is not None
    workflow = api_form(name)
    for node in workflow.values():
        if node["class_type"] == "FocusPullerSavePhoto":
            node["inputs"]["format"] = "PNG"
    settings = QUICK.get(name)
    options: dict[str, Any] = {"settings": settings, "input_dirs": [SAMPLES]}
    here = fp.run_workflow(workflow, out_dir=tmp_path / "here", **options)
    there = fp.submit_workflow(COMFYUI, workflow, out_dir=tmp_path / "there", **options)
    assert here.left_out == there.left_out == ()
    assert len(here.files) == len(there.files) > 0
    for mine, theirs in zip(here.files, there.files, strict=True):
        np.testing.assert_array_equal(pixels(mine), pixels(theirs))


@pytest.mark.skipif(not COMFYUI, reason="FOCUSPULLER_COMFYUI is not set to a ComfyUI's address")
@pytest.mark.parametrize("name", MODEL_TEMPLATES)
def test_a_real_comfyui_runs_those_that_need_weights(name, tmp_path):
    """It has the tiny ones, put there by `python tests/oracles/tiny_models.py COMFYUI/models`."""
    assert COMFYUI is not None
    settings: dict[str, Any] = dict(WITH_WEIGHTS.get(name, {}))
    if name == GENERATING:
        settings |= TestGenerating.SETTINGS
    workflow = api_form(name)
    for node in workflow.values():
        if node["class_type"] != "FocusPullerGenerateAllInFocus" and "steps" in node["inputs"]:
            node["inputs"]["steps"] = 1
    result = fp.submit_workflow(COMFYUI, workflow, out_dir=tmp_path, settings=settings)
    assert result.left_out == ()
    (file,) = result.files
    assert pixels(file).shape == ((64, 64, 3) if name == GENERATING else (720, 1080, 3))


class TestAutoFocus:
    """The template that finds depth and focus, with tiny networks."""

    def test_it_renders_what_the_python_calls_do(
        self, weights, small_samples, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("FOCUSPULLER_MODELS", str(weights))
        monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
        workflow = api_form(AUTO_FOCUS)
        workflow["7"]["inputs"]["format"] = "PNG"
        (file,) = fp.run_workflow(workflow, out_dir=tmp_path / "out", device="cpu").files
        photo = fp.load_photo(small_samples / "still_life.jpg")
        assert photo.camera is not None
        camera = replace(photo.camera, f_number=1.4)
        depth = fp.estimate_depth(photo.image, camera=camera, device="cpu")
        found = fp.find_focus(photo.image, depth, device="cpu")
        picture = fp.render(
            photo.image, depth, focus=found.focus, focus_scale=found.focus_scale, camera=camera
        )
        fp.free_models()
        np.testing.assert_allclose(
            pixels(file) / 255.0, np.asarray(picture).clip(0, 1), atol=0.6 / 255
        )


class TestGenerating:
    """The template that generates, with tiny networks."""

    SETTINGS: ClassVar[dict[str, Any]] = {
        "Generate All-in-Focus.base": "TinyXL",
        "Generate All-in-Focus.width": 64,
        "Generate All-in-Focus.height": 64,
        "Lens: change this.f_number": 0.2,
        "Aperture Sweep.f_numbers": "0.2, 0.8",
    }

    @pytest.fixture(autouse=True)
    def models(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        pytest.importorskip("diffusers")
        pytest.importorskip("transformers")
        monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
        monkeypatch.setenv("FOCUSPULLER_MODELS", str(tmp_path / "models"))
        save_pipeline_folders(tmp_path / "models")
        yield tmp_path / "models"
        forget_models()

    def test_it_generates_and_renders_what_the_python_call_does(
        self, tmp_path: Path, models: Path
    ) -> None:
        workflow = api_form(GENERATING)
        for node in workflow.values():
            if node["class_type"] == "FocusPullerSavePhoto":
                node["inputs"]["format"] = "PNG"
        result = fp.run_workflow(
            workflow, out_dir=tmp_path / "out", settings=self.SETTINGS, device="cpu"
        )
        scene = fp.generate(
            workflow["2"]["inputs"]["prompt"],
            camera=fp.Camera(50.0, 0.2),
            sampling=fp.Sampling(64, 64, seed=1),
            generator=fp.open_generator(models / "diffusers" / "TinyXL"),
            device="cpu",
        )
        (picture,) = result.files
        np.testing.assert_allclose(
            pixels(picture) / 255.0, scene.render().clip(0, 1), atol=0.6 / 255
        )
        (sheet,) = (one for one in result.previews if "contact-sheet" in one.name)
        assert pixels(sheet).shape == (64, 132, 3)

    def test_only_what_follows_the_lens_runs_again_when_the_lens_changes(self) -> None:
        """ComfyUI keeps a node's result while its inputs, those of all nodes before it, and their
        fingerprints stay the same."""
        before, after = api_form(GENERATING), api_form(GENERATING)
        after["5"]["inputs"]["f_number"] = 8.0
        changed = {
            number for number in before if signature(before, number) != signature(after, number)
        }
        kinds = {before[number]["class_type"].removeprefix("FocusPuller") for number in changed}
        assert kinds == {
            *("Camera", "DefocusMap", "RenderBokeh", "SavePhoto", "ApertureSweep"),
            "PreviewImage",
        }
        assert "1" not in changed  # The scene's camera is another.


def signature(workflow: dict[str, Any], number: str) -> tuple[Any, ...]:
    """What ComfyUI compares: the inputs and fingerprints of a node and of all before it."""
    node = workflow[number]
    kind = NODES[node["class_type"]]
    typed = {
        name: None if isinstance(value, list) else value for name, value in node["inputs"].items()
    }
    fingerprint = getattr(kind, "fingerprint_inputs", None)
    own = fingerprint(**typed) if fingerprint else ()
    before = [
        (name, signature(workflow, value[0]))
        for name, value in sorted(node["inputs"].items())
        if isinstance(value, list)
    ]
    return node["class_type"], own, tuple(sorted(typed.items(), key=str)), tuple(before)
