"""The templates: both forms say the same, and they render, here and in a real ComfyUI."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import focuspuller as fp
import numpy as np
import pytest
from focuspuller.headless.catalog import WIDGET_TYPES
from focuspuller.headless.core_nodes import CORE_NODES
from focuspuller.nodes import NODE_CLASSES
from focuspuller.photo.video import VideoFile
from PIL import Image

FOLDER = Path(fp.__file__).parent / "workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
SCHEMAS = {node.GET_SCHEMA().node_id: node.GET_SCHEMA() for node in (*NODE_CLASSES, *CORE_NODES)}
COMFYUI = os.environ.get("FOCUSPULLER_COMFYUI")
# Notes are for reading; the browser leaves them out of what it sends.
NOTES = ("Note", "MarkdownNote")
# Small enough to run in every test.
QUICK = {
    "rack_focus": {"Focus Pull.frames": 2},
    "rack_focus_video": {"Focus Pull.frames": 2, "Repeat Image Batch.amount": 2},
}

# Of what is out of focus, as part of the sample's: soap bubbles have bright rims.
MOST_DETAIL = {"creative_aperture": 0.8}

every_template = pytest.mark.parametrize("name", NAMES)


def api_form(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / "api" / f"{name}.json").read_text("utf-8"))


def converted(workflow: dict[str, Any]) -> dict[str, Any]:
    """What ComfyUI's browser sends for a workflow in UI form."""
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    nodes = [node for node in workflow["nodes"] if node["type"] not in NOTES]
    return {str(node["id"]): converted_node(node, sources) for node in nodes}


def converted_node(node: dict[str, Any], sources: dict[int, list[Any]]) -> dict[str, Any]:
    schema = SCHEMAS[node["type"]]
    widgets = [port.id for port in schema.inputs if port.io_type in WIDGET_TYPES]
    inputs = dict(zip(widgets, node["widgets_values"], strict=True))
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


@every_template
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


def detail(picture: np.ndarray) -> float:
    return float(np.abs(np.diff(picture, axis=0)).mean() + np.abs(np.diff(picture, axis=1)).mean())


@pytest.mark.skipif(not COMFYUI, reason="FOCUSPULLER_COMFYUI is not set to a ComfyUI's address")
@every_template
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
