"""Embedded runs: results, order, and everything that is found wrong before anything runs."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
import torch
from focuspuller.errors import FileError, InputError, WorkflowError
from focuspuller.headless import runner
from focuspuller.headless.progress import Progress
from focuspuller.headless.workflow_file import InvalidWorkflowError
from focuspuller.nodes.comfy import io, render_device
from PIL import Image


@pytest.fixture
def run(tmp_path: Path, photo: Path, nodes):
    """Run a workflow with the test nodes; results go to `tmp_path/out`."""

    def run_workflow(workflow, **options):
        options = {"input_dirs": [photo.parent], "nodes": nodes} | options
        return runner.run_workflow(workflow, out_dir=tmp_path / "out", **options)

    return run_workflow


@pytest.fixture
def problems(run, tmp_path: Path):
    """What is found wrong with a workflow."""

    def find_problems(workflow, **options) -> str:
        with pytest.raises(InvalidWorkflowError) as error:
            run(workflow, **options)
        assert not (tmp_path / "out").exists()
        return str(error.value)

    return find_problems


def pixels(path: Path) -> torch.Tensor:
    with Image.open(path) as file:
        return torch.tensor(list(file.convert("RGB").tobytes()))


def test_a_workflow_saves_its_picture_under_comfyuis_name(run, workflow, photo: Path, tmp_path):
    result = run(workflow)
    assert result.files == [tmp_path / "out" / "refocused_00001_.png"]
    # The test renderer makes a negative; rounding down costs at most one level.
    assert ((255 - pixels(photo)) - pixels(result.files[0])).abs().max() <= 1
    with Image.open(result.files[0]) as file:
        assert json.loads(file.info["prompt"]) == workflow


def test_runs_do_not_replace_each_others_files(run, workflow):
    assert run(workflow).files[0].name == "refocused_00001_.png"
    assert run(workflow).files[0].name == "refocused_00002_.png"


def test_a_workflow_file_finds_its_pictures_beside_itself(run, workflow, photo: Path):
    path = photo.with_name("workflow.json")
    path.write_text(json.dumps(workflow))
    assert run(path, input_dirs=()).files
    assert run(str(path), input_dirs=()).files


def test_a_saved_picture_can_be_run_again(run, workflow):
    first = run(workflow).files[0]
    second = run(first).files[0]
    assert torch.equal(pixels(first), pixels(second))


def test_values_previews_and_texts_are_returned(run, workflow, tmp_path: Path):
    workflow["5"] = {
        "class_type": "TestShow",
        "inputs": {"image": ["3", 0], "text": ["3", 1]},
        "_meta": {"title": "Look: here!"},
    }
    result = run(workflow, settings={"My Lens.f_number": "2.8"})
    shown = result.nodes["5"]
    assert shown.values[0].shape == (1, 6, 8, 3)
    assert shown.texts == ("f/2.8",)
    assert shown.previews == (tmp_path / "out" / "preview_look-here_00001_.png",)
    assert shown.previews[0].is_file()
    assert result.texts == ["f/2.8"]
    assert result.previews == list(shown.previews)
    assert set(result.nodes) == {"4", "5"}


def test_pictures_on_the_way_are_kept_only_if_asked_for(run, nodes, workflow, tmp_path: Path):
    class Peek(nodes[-1]):
        """Shows its image, but nothing runs for its sake."""

        @classmethod
        def define_schema(cls):
            schema = super().define_schema()
            schema.node_id, schema.is_output_node = "TestPeek", False
            return schema

    workflow["5"] = {"class_type": "TestPeek", "inputs": {"image": ["3", 0]}}
    workflow["4"]["inputs"]["images"] = ["5", 0]
    assert run(workflow, nodes=[*nodes, Peek]).previews == []
    assert run(workflow, nodes=[*nodes, Peek], all_previews=True).previews == [
        tmp_path / "out" / "preview_testpeek_00001_.png"
    ]


def test_nodes_run_once_and_only_if_an_output_needs_them(run, workflow, nodes):
    workflow["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}
    workflow["6"] = {"class_type": "TestRender", "inputs": {}}  # incomplete, but nobody needs it
    assert set(run(workflow).nodes) == {"4", "5"}
    assert nodes[1].runs == 1


def test_a_long_chain_runs(run):
    chain = {"0": {"class_type": "SolidMask", "inputs": {"value": 1, "width": 2, "height": 2}}}
    for index in range(1, 2000):
        inputs = {"mask": [str(index - 1), 0]}
        chain[str(index)] = {"class_type": "InvertMask", "inputs": inputs}
    chain["image"] = {"class_type": "MaskToImage", "inputs": {"mask": ["1999", 0]}}
    chain["save"] = {"class_type": "PreviewImage", "inputs": {"images": ["image", 0]}}
    assert pixels(run(chain).previews[0]).max() == 0


def test_progress_tells_nodes_and_steps(run, workflow):
    events: list[Progress] = []
    run(workflow, progress=events.append)
    started = [event.title for event in events if not event.steps_total]
    assert sorted(started[:2]) == ["LoadImage", "My Lens"]
    assert started[2:] == ["Render Bokeh", "SaveImage"]
    steps = [(e.steps_done, e.steps_total) for e in events if e.title == "Render Bokeh"]
    assert steps == [(0, 0), (1, 2), (2, 2)]
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert events[-1].nodes_total == 4


def test_the_device_is_what_was_asked_for(run, nodes):
    class Where(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Where", outputs=[io.String.Output()], is_output_node=True)

        @classmethod
        def execute(cls):
            return (str(render_device()),)

    workflow = {"1": {"class_type": "Where", "inputs": {}}}
    result = run(workflow, nodes=[Where], device="meta")
    assert result.nodes["1"].values == ("meta",)


def test_nodes_see_only_the_hidden_values_they_asked_for(run):
    class Self(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema(
                "Self",
                outputs=[io.String.Output("id"), io.String.Output("prompt")],
                hidden=[io.Hidden.unique_id],
            )

        @classmethod
        def execute(cls):
            assert cls.hidden is not None
            return io.NodeOutput(cls.hidden.unique_id, str(cls.hidden.prompt), ui={"text": "x"})

    class Keep(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Keep", inputs=[io.String.Input("text")], is_output_node=True)

        @classmethod
        def execute(cls, text):
            return None

    workflow = {
        "7": {"class_type": "Self", "inputs": {}},
        "8": {"class_type": "Keep", "inputs": {"text": ["7", 0]}},
    }
    assert run(workflow, nodes=[Self, Keep]).nodes["7"].values == ("7", "None")
    assert Self.hidden is None


def test_all_problems_are_reported_at_once(problems, workflow):
    workflow["1"]["inputs"]["image"] = "lost.png"
    workflow["2"]["inputs"] = {"f_number": 0, "blades": 2.5, "kind": "tax"}
    workflow["3"]["inputs"] = {"image": ["7", 0], "note": ["1", 1]}
    workflow["4"]["inputs"]["images"] = ["3", 1]
    workflow["5"] = {"class_type": "TestRendr", "inputs": {}}
    workflow["6"] = {
        "class_type": "TestShow",
        "inputs": {"image": ["2", 0], "text": {"no": "text"}},
    }
    text = problems(workflow)
    for part in (
        "11 problems",
        "node 5 TestRendr: this node does not run here. did you mean 'TestRender'?",
        "node 1 LoadImage: image: there is no file 'lost.png'",
        'node 2 "My Lens" (TestMakeLens) › f_number: 0.0 is below the minimum of 0.5',
        'node 3 "Render Bokeh" (TestRender) › image: linked to node 7, which does not exist',
        'node 3 "Render Bokeh" (TestRender) › lens: missing, connect something of type TEST_LENS',
        'node 3 "Render Bokeh" (TestRender) › note: takes STRING, but output 1 of node 1',
        "node 4 SaveImage › images: takes IMAGE, but output 1 of node 3",
        "node 6 TestShow › image: takes IMAGE, but output 0 of node 2",
        "node 6 TestShow › text: received {'no': 'text'}, which is no STRING",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("f_number", 0.1, "0.1 is below the minimum of 0.5"),
        ("f_number", 65, "65.0 is above the maximum of 64.0"),
        ("f_number", float("nan"), "nan, which is no FLOAT"),
        ("f_number", "wide", "'wide', which is no FLOAT"),
        ("blades", float("inf"), "inf, which is no INT"),
        ("f_number", None, "None, which is no FLOAT"),
        ("blades", 2.7, "2.7, which is no INT"),
        ("blades", "five", "'five', which is no INT"),
        ("kind", "bokeme", "'bokeme' is no option; did you mean 'bokehme'? known: bokehme, taf"),
        ("linear", "false", "'false', which is no BOOLEAN"),
        ("f_number", ["1"], "a link is [node id, output index], not ['1']"),
        ("f_number", ["1", "0"], "a link is [node id, output index]"),
        ("f_number", ["1", 2], "linked to output 2 of node 1 LoadImage, which has the outputs 0"),
        ("f_number", ["4", 0], "which has no outputs"),
        ("f_number", ["1", 0], "takes FLOAT, but output 0 of node 1 LoadImage is IMAGE"),
    ],
)
def test_values_and_links_must_fit_their_inputs(problems, workflow, name, value, message):
    workflow["2"]["inputs"][name] = value
    text = problems(workflow)
    assert f'node 2 "My Lens" (TestMakeLens) › {name}: ' in text
    assert message in text


def test_values_are_converted_as_the_server_converts_them(run, workflow):
    workflow["2"]["inputs"] = {"f_number": "2", "blades": 6.0, "kind": "taf", "linear": 0}
    workflow["5"] = {"class_type": "TestShow", "inputs": {"image": ["3", 0], "text": ["3", 1]}}
    assert run(workflow).texts == ["f/2.0"]


@pytest.mark.parametrize("value", [2**63 - 1, -(2**53) - 1, str(2**60 + 1)])
def test_large_whole_numbers_keep_every_digit(run, value):
    workflow = {
        "1": {"class_type": "PrimitiveInt", "inputs": {"value": value}},
        "2": {"class_type": "Keep", "inputs": {"number": ["1", 0]}},
    }

    class Keep(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            number = io.Int.Input("number")
            return io.Schema(
                "Keep", inputs=[number], outputs=[io.Int.Output()], is_output_node=True
            )

        @classmethod
        def execute(cls, number):
            return io.NodeOutput(number)

    assert run(workflow, nodes=[Keep]).nodes["2"].values == (int(value),)


def test_links_cannot_be_replaced_by_values_where_none_can_be_typed(problems, workflow):
    workflow["3"]["inputs"]["lens"] = "taf"
    assert "lens: received 'taf', but it takes a link" in problems(workflow)


def test_a_missing_value_is_reported_even_if_there_is_a_default(problems, workflow):
    del workflow["2"]["inputs"]["blades"]
    assert "blades: missing, give it a value" in problems(workflow)


def test_an_output_that_cannot_run_keeps_the_others_from_nothing(run, workflow, nodes, caplog):
    """As on a ComfyUI server: every output node is judged for itself."""
    workflow["5"] = {"class_type": "TestShow", "inputs": {"text": "unwired"}}
    workflow["6"] = {"class_type": "TestShow", "inputs": {"image": ["7", 0]}}
    workflow["7"] = {"class_type": "TestRender", "inputs": {"image": ["1", 0], "lens": ["8", 0]}}
    workflow["8"] = {"class_type": "TestMakeLens", "inputs": {"f_number": 0, "blades": 5}}
    result = run(workflow)
    assert len(result.files) == 1
    assert set(result.nodes) == {"4"}
    assert nodes[1].runs == 1
    assert result.left_out == (
        "node 5 TestShow › image: missing, connect something of type IMAGE",
        "node 8 TestMakeLens › f_number: 0.0 is below the minimum of 0.5",
        "node 8 TestMakeLens › kind: missing, give it a value",
    )
    assert all(f"Not run: {problem}" in caplog.text for problem in result.left_out)


def test_a_circle_keeps_other_outputs_from_nothing(run, workflow):
    workflow["5"] = {"class_type": "InvertMask", "inputs": {"mask": ["6", 0]}}
    workflow["6"] = {"class_type": "InvertMask", "inputs": {"mask": ["5", 0]}}
    workflow["7"] = {"class_type": "MaskToImage", "inputs": {"mask": ["6", 0]}}
    workflow["8"] = {"class_type": "PreviewImage", "inputs": {"images": ["7", 0]}}
    result = run(workflow)
    assert len(result.files) == 1
    (problem,) = result.left_out
    assert "the links go in a circle" in problem


def test_nothing_runs_if_a_setting_does_not_fit(problems, workflow):
    workflow["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    assert "below the minimum" in problems(workflow, settings={"My Lens.f_number": "0.1"})


def test_everything_runs_where_nothing_is_wrong(run, workflow):
    assert run(workflow).left_out == ()


def test_circles_are_reported_with_their_nodes(problems, workflow):
    workflow["5"] = {
        "class_type": "TestRender",
        "inputs": {"image": ["3", 0], "lens": ["2", 0]},
    }
    workflow["3"]["inputs"]["image"] = ["5", 0]
    text = problems(workflow)
    assert "the links go in a circle" in text
    assert re.search(r"node 3 .* -> node 5 .* -> node 3|node 5 .* -> node 3 .* -> node 5", text)


def test_a_workflow_without_output_is_reported(problems, workflow):
    del workflow["4"]
    assert "no output node" in problems(workflow)


def test_unknown_nodes_are_pointed_to_the_server(problems):
    text = problems({"1": {"class_type": "KSampler", "inputs": {}}})
    assert "node 1 KSampler" in text
    assert "--server" in text
    assert "LoadImage" in text
    assert "no output node" not in text


def test_a_missing_picture_is_reported_with_the_folders(problems, workflow, photo: Path):
    workflow["1"]["inputs"]["image"] = "lost.png"
    text = problems(workflow)
    assert "there is no file 'lost.png'" in text
    assert str(photo.parent) in text


@pytest.mark.parametrize("name", ["x" * 5000, "nul\0.png", "", "."])
def test_names_that_no_file_can_have_are_reported(problems, workflow, name: str):
    workflow["1"]["inputs"]["image"] = name
    assert "node 1 LoadImage" in problems(workflow)


def test_what_a_node_says_about_its_inputs_is_reported(problems):
    class Picky(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            inputs = [io.Combo.Input("file", options=[]), io.Float.Input("size", max=1.0)]
            return io.Schema("Picky", inputs=inputs, is_output_node=True)

        @classmethod
        def validate_inputs(cls, file):
            return f"{file} smells"

    inputs = {"file": "fish", "size": 1.0}
    workflow = {"1": {"class_type": "Picky", "inputs": inputs}}
    assert "node 1 Picky: fish smells" in problems(workflow, nodes=[Picky])
    # The other input is not the node's own business, so its range holds.
    inputs["size"] = 2.0
    assert "above the maximum" in problems(workflow, nodes=[Picky])


def test_inputs_that_a_node_does_not_have_are_ignored_but_said(run, workflow, caplog):
    workflow["1"]["inputs"]["upload"] = "image"  # as LoadImage is exported
    workflow["2"]["inputs"]["blade"] = 7
    assert run(workflow).files
    assert "no input 'blade'" in caplog.text
    assert "upload" not in caplog.text


def test_an_error_of_a_node_names_the_node(run, workflow, tmp_path: Path):
    with pytest.raises(InputError) as error:
        run(workflow, settings={"3.note": "refuse"})
    assert error.value.node == 'node 3 "Render Bokeh" (TestRender)'
    assert str(error.value).startswith('node 3 "Render Bokeh" (TestRender) › note: received')
    assert not (tmp_path / "out").exists()


def test_a_crash_of_a_node_names_the_node_and_keeps_the_cause(run, workflow):
    with pytest.raises(WorkflowError, match="RuntimeError: the shutter is stuck") as error:
        run(workflow, settings={"3.note": "crash"})
    assert error.value.node == 'node 3 "Render Bokeh" (TestRender)'
    assert isinstance(error.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("returned", "message"), [("a text", "str instead of NodeOutput"), ((1, 2), "2 values")]
)
def test_a_node_that_returns_something_else_is_named(run, returned, message):
    class Odd(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            return io.Schema("Odd", outputs=[io.Int.Output()], is_output_node=True)

        @classmethod
        def execute(cls):
            return returned

    with pytest.raises(WorkflowError, match=message) as error:
        run({"1": {"class_type": "Odd", "inputs": {}}}, nodes=[Odd])
    assert error.value.node == "node 1 Odd"


def test_the_workflow_itself_stays_as_it_was(run, workflow):
    before = copy.deepcopy(workflow)
    run(workflow, settings={"2.blades": "5"})
    assert workflow == before


def test_a_file_is_no_folder_for_results(workflow, photo: Path):
    with pytest.raises(FileError, match="received a file"):
        runner.run_workflow(workflow, out_dir=photo)


def test_inside_comfyui_workflows_are_queued_instead(run, workflow, monkeypatch):
    monkeypatch.setattr(runner, "INSIDE_COMFYUI", True)
    with pytest.raises(WorkflowError, match="Queue the workflow in ComfyUI"):
        run(workflow)
