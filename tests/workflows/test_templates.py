"""The templates: both forms say the same, and they render, here and in a real ComfyUI."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.headless import core_pixels
from focuspuller.headless.catalog import WIDGET_TYPES
from focuspuller.headless.core_nodes import CORE_NODES
from focuspuller.models.loaded import forget_models
from focuspuller.models.registry import ALL_WEIGHTS
from focuspuller.nodes import NODE_CLASSES
from focuspuller.photo.video import VideoFile
from oracles.tiny_generator import save_pipeline_folders
from PIL import Image
from safetensors.torch import save_file

FOLDER = Path(fp.__file__).parent / "workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
NODES = {node.GET_SCHEMA().node_id: node for node in (*NODE_CLASSES, *CORE_NODES)}
SCHEMAS = {name: node.GET_SCHEMA() for name, node in NODES.items()}
# Those that need a user's weights, and what a user has to choose in them.
WITH_WEIGHTS = {
    "aperture_shape": {"Load Refocus Model.aperture": "shapes.safetensors"},
    "deblur": {},
    "diffcamera_refocus": {"Load Refocus Model.diffcamera": "diffcamera.safetensors"},
    "refocus_any_photo": {},
}
COMFYUI = os.environ.get("FOCUSPULLER_COMFYUI")
# Notes are for reading; the browser leaves them out of what it sends.
NOTES = ("Note", "MarkdownNote")
CONTROL = "control_after_generate"
# Small enough to run in every test.
QUICK = {
    "rack_focus": {"Focus Pull.frames": 2},
    "rack_focus_video": {"Focus Pull.frames": 2, "Repeat Image Batch.amount": 2},
}

# Of what is out of focus, as part of the sample's: soap bubbles have bright rims.
MOST_DETAIL = {"creative_aperture": 0.8}

# Needs weights; see TestGenerating.
GENERATING = "generate_and_refocus"

every_template = pytest.mark.parametrize("name", NAMES)
every_complete_template = pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in (*WITH_WEIGHTS, GENERATING)]
)


def api_form(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / "api" / f"{name}.json").read_text("utf-8"))


def converted(workflow: dict[str, Any]) -> dict[str, Any]:
    """What ComfyUI's browser sends for a workflow in UI form."""
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    nodes = [node for node in workflow["nodes"] if node["type"] not in NOTES]
    return {str(node["id"]): converted_node(node, sources) for node in nodes}


def converted_node(node: dict[str, Any], sources: dict[int, list[Any]]) -> dict[str, Any]:
    schema = SCHEMAS[node["type"]]
    widgets = []
    for port in schema.inputs:
        if port.io_type in WIDGET_TYPES:
            # Behind a seed the browser has what becomes of it after a run.
            control = getattr(port, "control_after_generate", None)
            widgets += [port.id, CONTROL] if control else [port.id]
    inputs = dict(zip(widgets, node["widgets_values"], strict=True))
    inputs.pop(CONTROL, None)
    for port in node["inputs"]:
        if port["link"] is not None:
            inputs[port["name"]] = sources[port["link"]]
    title = node.get("title", schema.display_name)
    return {"class_type": node["type"], "inputs": inputs, "_meta": {"title": title}}


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
    assert converted(json.loads((FOLDER / f"{name}.json").read_text("utf-8"))) == api_form(name)


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
        FOLDER / "api" / f"{name}.json", out_dir=tmp_path, settings=QUICK.get(name)
    )
    sample = fp.load_photo(FOLDER.parent / "samples" / "still_life.jpg").image
    first = pixels(result.files[0]) / 255.0
    orange, lights = np.s_[480:600, 190:320], np.s_[0:200, 540:1080]
    assert detail(first[orange]) > 0.8 * detail(sample[orange])
    assert detail(first[lights]) < MOST_DETAIL.get(name, 0.5) * detail(sample[lights])


def needs_video(name: str) -> None:
    if name.endswith("_video"):
        pytest.importorskip("av", reason="PyAV is not installed")


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with tiny weights for every template."""
    pytest.importorskip("diffusers", reason="FLUX needs the extra 'diffusion'")
    from oracles.depth_networks import TINY_DEPTH_PRO, by_name
    from oracles.refocus import save_models

    root = save_models(tmp_path_factory.mktemp("template_models"))
    (root / "depth").mkdir()
    save_file(by_name(TINY_DEPTH_PRO), root / "depth" / "depth_pro.safetensors")
    return root


@pytest.fixture
def small_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The samples, a few pixels large, with everything that they hold."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for path in (FOLDER.parent / "samples").glob("*.jpg"):
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


@pytest.mark.parametrize("name", [*WITH_WEIGHTS, GENERATING])
def test_weights_are_named_with_their_source(name):
    """ComfyUI offers to download what a template names, to the folder that it names."""
    workflow = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    named = [model for node in workflow["nodes"] for model in node["properties"].get("models", [])]
    known = {weights.file: weights for weights in ALL_WEIGHTS}
    base = "sd_xl_base_1.0.safetensors" if name == GENERATING else "flux1-dev.safetensors"
    assert base in {model["name"] for model in named}
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
    here = fp.run_workflow(workflow, out_dir=tmp_path / "here", settings=settings)
    there = fp.submit_workflow(COMFYUI, workflow, out_dir=tmp_path / "there", settings=settings)
    assert len(here.files) == len(there.files) > 0
    for mine, theirs in zip(here.files, there.files, strict=True):
        np.testing.assert_array_equal(pixels(mine), pixels(theirs))


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
