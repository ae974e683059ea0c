"""Reading workflow files, and saying what is wrong with those that are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from focuspuller.errors import FileError, WorkflowError
from focuspuller.headless.workflow_file import (
    InvalidWorkflowError,
    check_workflow,
    label,
    open_workflow,
    output_folder,
    read_workflow,
)
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def saved_png(path: Path, **texts: str) -> Path:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.new("RGB", (2, 2)).save(path, pnginfo=info)
    return path


def test_a_json_file_is_read(tmp_path: Path, workflow):
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(workflow))
    assert read_workflow(path) == workflow
    assert open_workflow(path) == (workflow, tmp_path)
    assert open_workflow(workflow) == (workflow, Path())


def test_a_png_saved_by_comfyui_is_read(tmp_path: Path, workflow):
    path = saved_png(tmp_path / "picture.png", prompt=json.dumps(workflow), workflow="{}")
    assert read_workflow(path) == workflow


def test_the_body_of_a_request_is_read(workflow):
    assert check_workflow({"prompt": workflow, "client_id": "x"}) == workflow


def test_the_editors_form_is_read_too(tmp_path: Path):
    editor_form = {"nodes": [], "links": [], "version": 0.4}
    assert check_workflow(editor_form) == editor_form
    saved = saved_png(tmp_path / "picture.png", workflow=json.dumps(editor_form))
    assert read_workflow(saved) == editor_form


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.json", None, "a file that does not exist"),
        ("missing.png", None, "a file that does not exist"),
        ("broken.json", b'{"1": ', "not JSON"),
        ("binary.json", b"\xff\xfe\x00", "neither JSON nor a PNG"),
        ("broken.png", b"\x89PNG\r\n\x1a\n....", "no readable PNG"),
        ("jpeg.png", b"\xff\xd8\xff\xe0", r"no readable PNG\. Give"),
    ],
)
def test_unreadable_files_are_named(tmp_path: Path, name: str, content, message: str):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=message) as error:
        read_workflow(tmp_path / name)
    assert name in str(error.value)


def test_a_picture_without_a_workflow_is_no_workflow(tmp_path: Path):
    with pytest.raises(FileError, match="without a workflow"):
        read_workflow(saved_png(tmp_path / "photo.png"))


@pytest.mark.parametrize("data", [{}, [], "text", None, 3])
def test_other_json_is_no_workflow(data):
    with pytest.raises(WorkflowError, match="instead of nodes by id"):
        check_workflow(data)


def test_all_malformed_nodes_are_listed():
    with pytest.raises(InvalidWorkflowError) as error:
        check_workflow({"1": [], "2": {"inputs": {}}, "3": {"class_type": "A", "_meta": 1}})
    assert len(error.value.problems) == 4
    assert "node 2: has no class_type" in str(error.value)


def test_nodes_are_called_by_id_title_and_class(workflow):
    assert label(workflow, "3") == 'node 3 "Render Bokeh" (TestRender)'
    assert label(workflow, "4") == "node 4 SaveImage"


def test_results_need_a_folder(tmp_path: Path):
    (tmp_path / "file").touch()
    assert output_folder(tmp_path / "new") == tmp_path / "new"
    with pytest.raises(FileError, match="received a file"):
        output_folder(tmp_path / "file")
