"""Workflows in the form of ComfyUI's editor become what its browser would send."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from focuspuller.errors import WorkflowError
from focuspuller.headless.catalog import node_spec, node_spec_from_server
from focuspuller.headless.core_nodes import CORE_NODES
from focuspuller.headless.editor_form import node_types, to_api_form
from focuspuller.headless.runner import run_workflow
from focuspuller.nodes import NODE_CLASSES

# The end-to-end tests ask ComfyUI's frontend about the same two files.
FOLDER = Path(__file__).parent / "workflows"


@pytest.fixture(scope="module")
def catalog():
    return {spec.class_type: spec for spec in map(node_spec, (*CORE_NODES, *NODE_CLASSES))}


@pytest.fixture
def editor_form() -> dict[str, Any]:
    """Two subgraphs, one within the other, instances that are muted and bypassed, a bypassed node,
    a note, a reroute and a primitive."""
    return json.loads((FOLDER / "subgraphs.json").read_text("utf-8"))


@pytest.fixture
def flat(editor_form, catalog):
    return to_api_form(editor_form, catalog)


def instance(editor_form: dict[str, Any], number: int) -> dict[str, Any]:
    return next(node for node in editor_form["nodes"] if node["id"] == number)


def test_it_is_what_the_frontend_sends(flat):
    assert flat == json.loads((FOLDER / "subgraphs_api.json").read_text("utf-8"))


def test_what_is_typed_at_an_instance_goes_inside(flat):
    assert flat["10:31"]["inputs"]["f_number"] == 1.4
    assert flat["11:31"]["inputs"]["f_number"] == 22.0


def test_nodes_within_two_subgraphs_are_named_by_all_around_them(flat):
    assert flat["20"]["inputs"]["images"] == ["10:34:42", 0]
    assert flat["10:34:42"]["inputs"]["image"] == ["1", 0]


def test_what_is_muted_is_left_out_and_what_is_bypassed_hands_on(flat):
    assert not any(name.startswith(("12", "13", "15")) for name in flat)
    assert "images" not in flat["22"]["inputs"]
    assert flat["24"]["inputs"]["images"] == ["1", 0]


def test_before_values_were_kept_with_the_instance_those_inside_counted(editor_form, catalog):
    shown = instance(editor_form, 10)
    shown["widgets_values"] = []
    assert to_api_form(editor_form, catalog)["10:31"]["inputs"]["f_number"] == 8.0
    shown["properties"]["proxyWidgets"] = [["32", "y"], ["31", "f_number"]]
    assert to_api_form(editor_form, catalog)["10:31"]["inputs"]["f_number"] == 8.0
    shown["widgets_values"] = [0.1, 5.6]
    flat = to_api_form(editor_form, catalog)
    assert flat["10:31"]["inputs"]["f_number"] == 5.6
    assert flat["10:32"]["inputs"]["y"] == 0.1


def test_a_wire_to_an_instance_wins_over_what_is_typed_there(editor_form, catalog):
    port = instance(editor_form, 10)["inputs"][2]
    port["link"] = 90
    editor_form["links"].append([90, 60, 0, 10, 2, "FLOAT"])
    number = {"id": 60, "type": "PrimitiveFloat", "outputs": [{"type": "FLOAT"}]}
    editor_form["nodes"].append(number | {"widgets_values": [2.8]})
    assert to_api_form(editor_form, catalog)["10:31"]["inputs"]["f_number"] == ["60", 0]


def test_the_widget_behind_a_seed_is_no_input(catalog):
    node = {"id": 1, "type": "PrimitiveInt", "widgets_values": [7, "randomize"]}
    flat = to_api_form({"nodes": [node], "links": []}, catalog)
    assert flat["1"]["inputs"] == {"value": 7}
    seed = {"input": {"required": {"seed": ["INT", {}], "steps": ["INT", {"default": 20}]}}}
    sampler = {"Sampler": node_spec_from_server("Sampler", seed)}
    node |= {"type": "Sampler", "widgets_values": [7, "fixed", 4]}
    assert to_api_form({"nodes": [node]}, sampler)["1"]["inputs"] == {"seed": 7, "steps": 4}


def test_the_upload_button_is_no_input(catalog):
    node = {"id": 1, "type": "LoadImage", "widgets_values": ["photo.png", "image"]}
    flat = to_api_form({"nodes": [node]}, catalog)
    assert flat["1"]["inputs"] == {"image": "photo.png"}


def test_widgets_that_came_after_a_workflow_was_saved_get_their_default(catalog):
    node = {"id": 1, "type": "FocusPullerCamera", "widgets_values": [4.0]}
    inputs = to_api_form({"nodes": [node]}, catalog)["1"]["inputs"]
    assert inputs == {"f_number": 4.0, "focal_length_mm": 50.0, "sensor_width_mm": 36.0}


def test_values_may_be_named(catalog):
    node = {"id": 1, "type": "FocusPullerCamera", "widgets_values": {"f_number": 4.0, "x": 1}}
    assert to_api_form({"nodes": [node]}, catalog)["1"]["inputs"] == {"f_number": 4.0}


def test_the_types_of_all_nodes_that_may_run_are_known(editor_form, flat):
    assert {"FocusPullerTafLens", "SaveImage", "FocusPullerCompressHighlights"} <= node_types(
        editor_form
    )
    assert not {"Reroute", "PrimitiveNode", "MarkdownNote"} & node_types(editor_form)
    assert node_types(flat) <= node_types(editor_form)


def test_the_api_form_stays_as_it_is(flat, catalog):
    assert to_api_form(flat, catalog) == flat


def test_a_subgraph_within_itself_is_damaged(editor_form, catalog):
    blur, finish = editor_form["definitions"]["subgraphs"]
    finish["nodes"].append({"id": 99, "type": blur["id"], "inputs": [], "outputs": []})
    with pytest.raises(WorkflowError, match="'Blur' holds itself"):
        to_api_form(editor_form, catalog)


@pytest.mark.parametrize("missing", ["id", "type"])
def test_damaged_nodes_are_told(editor_form, catalog, missing):
    damaged = copy.deepcopy(editor_form)
    del damaged["nodes"][0][missing]
    with pytest.raises(WorkflowError, match="damaged"):
        to_api_form(damaged, catalog)


def test_a_file_of_the_editor_runs(editor_form, tmp_path):
    """Muted and bypassed parts are no obstacle; settings name nodes inside of subgraphs."""
    path = tmp_path / "subgraphs.json"
    path.write_text(json.dumps(editor_form))
    result = run_workflow(path, out_dir=tmp_path / "out", settings={"10:31.f_number": 16.0})
    names = {file.name for file in result.files}
    assert names == {"near_00001_.png", "far_00001_.png", "through_00001_.png"}
    (problem,) = result.left_out
    assert "node 22" in problem
