"""Overrides: finding the node and the input, and reading the value by its type."""

from __future__ import annotations

from pathlib import Path

import pytest
from focuspuller.errors import WorkflowError
from focuspuller.headless.catalog import node_spec
from focuspuller.headless.core_nodes import CORE_NODES
from focuspuller.headless.settings import apply_settings, parse_settings
from focuspuller.headless.workflow_file import InvalidWorkflowError
from focuspuller.nodes.photo import LoadPhoto, SamplePhoto


@pytest.fixture
def catalog(nodes):
    specs = [node_spec(node) for node in (*CORE_NODES, *nodes)]
    return {spec.class_type: spec for spec in specs}


def test_settings_are_split_at_the_first_equals_sign():
    assert parse_settings(["My Lens.note=a=b", "3.x=", "3.x= 2"]) == {
        "My Lens.note": "a=b",
        "3.x": " 2",
    }


@pytest.mark.parametrize("text", ["f_number=2", "2.f_number", "", "=3"])
def test_settings_of_another_form_are_refused(text: str):
    with pytest.raises(WorkflowError, match=r"NODE\.input=value"):
        parse_settings([text])


@pytest.mark.parametrize("node", ["2", "My Lens", "TestMakeLens"])
def test_a_node_is_found_by_id_title_or_class(workflow, catalog, node: str):
    if node == "TestMakeLens":
        del workflow["2"]["_meta"]
    changed, places = apply_settings(workflow, {f"{node}.f_number": "4"}, catalog)
    assert changed["2"]["inputs"]["f_number"] == 4.0
    assert places == {("2", "f_number")}
    assert workflow["2"]["inputs"]["f_number"] == 1.4


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("f_number", "1.8", 1.8),
        ("f_number", "1e1", 10.0),
        ("blades", " 6 ", 6),
        ("kind", "bokehme", "bokehme"),
        ("kind", "unheard of", "unheard of"),  # whether it is an option, validation says
        ("linear", "no", False),
        ("linear", "True", True),
        ("linear", False, False),
        ("f_number", 3, 3),
    ],
)
def test_texts_are_read_by_the_inputs_type(workflow, catalog, name, text, value):
    changed, _ = apply_settings(workflow, {f"2.{name}": text}, catalog)
    assert changed["2"]["inputs"][name] == value
    assert type(changed["2"]["inputs"][name]) is type(value)


def test_a_text_input_takes_the_text_as_it_is_and_may_replace_a_link(workflow, catalog):
    workflow["3"]["inputs"]["note"] = ["9", 0]
    changed, _ = apply_settings(workflow, {"Render Bokeh.note": " 007 "}, catalog)
    assert changed["3"]["inputs"]["note"] == " 007 "


def test_a_path_is_a_value(workflow, catalog):
    changed, _ = apply_settings(workflow, {"1.image": Path("other.png")}, catalog)
    assert changed["1"]["inputs"]["image"] == "other.png"


def test_a_photo_for_a_sample_puts_load_photo_in_its_place():
    catalog = {node.GET_SCHEMA().node_id: node_spec(node) for node in (LoadPhoto, SamplePhoto)}
    sample = {"class_type": "FocusPullerSamplePhoto", "inputs": {"sample": "still_life"}}
    workflow = {"1": {**sample, "_meta": {"title": "Portrait"}}}
    changed, places = apply_settings(workflow, {"Portrait.photo": "mine.jpg"}, catalog)
    loaded = {"class_type": "FocusPullerLoadPhoto", "inputs": {"photo": "mine.jpg"}}
    assert changed == {"1": {**loaded, "_meta": {"title": "Portrait"}}}
    assert places == {("1", "photo")}
    assert workflow["1"]["inputs"] == sample["inputs"]
    kept, _ = apply_settings(workflow, {"Portrait.sample": "phone_portrait"}, catalog)
    assert kept["1"]["class_type"] == "FocusPullerSamplePhoto"


def test_the_two_kinds_of_photos_have_the_same_outputs():
    load, sample = (
        [(each.io_type, each.display_name) for each in node.GET_SCHEMA().outputs]
        for node in (LoadPhoto, SamplePhoto)
    )
    assert load == sample


def test_titles_and_inputs_may_hold_dots(workflow, catalog):
    workflow["2"]["_meta"]["title"] = "Lens v1.2"
    workflow["3"]["inputs"]["size.width"] = 3
    settings = {"Lens v1.2.blades": "5", "3.size.width": "4"}
    changed, _ = apply_settings(workflow, settings, catalog)
    assert changed["2"]["inputs"]["blades"] == 5
    assert changed["3"]["inputs"]["size.width"] == 4


def test_all_settings_that_do_not_fit_are_reported_at_once(workflow, catalog):
    workflow["5"] = {"class_type": "TestShow", "inputs": {}, "_meta": {"title": "My Lens"}}
    settings = {
        "My Lens.blades": "3",
        "Mein Lens.blades": "3",
        "Render Boke.note": "x",
        "2.blade": "3",
        "2.blades": "many",
        "2.f_number": "wide",
        "2.linear": "maybe",
        "3.lens": "taf",
    }
    with pytest.raises(InvalidWorkflowError) as error:
        apply_settings(workflow, settings, catalog)
    text = str(error.value)
    assert len(error.value.problems) == len(settings)
    assert "'My Lens' names the nodes 2, 5; use the id" in text
    assert "there is no node 'Render Boke'; did you mean 'Render Bokeh'?" in text
    assert "has no input 'blade'; did you mean 'blades'" in text
    assert "'many' is no whole number" in text
    assert "'wide' is no number" in text
    assert "'maybe' is neither true nor false" in text
    assert "'lens' is a link of type TEST_LENS and takes no value" in text
