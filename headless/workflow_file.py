"""Workflow files: reading them and talking about their nodes.

A file holds the form of ComfyUI's editor (see `editor_form`), or the API form, which is what
runs. That is a JSON object of nodes by id: `{"4": {"class_type": ..., "inputs": {...},
"_meta": {"title": ...}}}`, where an input is a value or a link `[node id, output index]`. ComfyUI
also writes it into the `prompt` text of the PNG files it saves, and the other into `workflow`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import FileError, WorkflowError
from ..photo.files import read_file

# Nodes by id, in API form.
Workflow = dict[str, dict[str, Any]]

EXPORT_ADVICE = (
    "In ComfyUI open it and choose Workflow > Export, then use the file that this saves."
)


class InvalidWorkflowError(WorkflowError):
    """All that is wrong with a workflow, found before anything ran.

    Args:
        problems: one line each.
        advice: one sentence that says what to do.
    """

    def __init__(self, problems: Iterable[str], advice: str) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        received = "a problem" if count == 1 else f"{count} problems"
        super().__init__("workflow", received, advice)

    def __str__(self) -> str:
        lines = [f"The workflow cannot run because of {self.received}:"]
        return "\n".join([*lines, *(f"  - {problem}" for problem in self.problems), self.advice])


class MisfitError(ValueError):
    """One name, value or link that does not fit; becomes a line of `InvalidWorkflowError`."""


def open_workflow(workflow: Workflow | Path | str) -> tuple[Workflow, Path]:
    """A workflow, given as such or as the path of a file, and the folder its file names mean.

    Raises:
        FileError: the file cannot be read.
        WorkflowError: it holds no workflow.
    """
    if isinstance(workflow, dict):
        return check_workflow(workflow), Path()
    path = Path(workflow)
    return read_workflow(path), path.parent


def input_folders(input_dirs: Iterable[Path | str], folder: Path) -> list[Path]:
    """Where a workflow's files are searched: as asked for, in its own folder, in the current."""
    return list(dict.fromkeys([*map(Path, input_dirs), folder, Path()]))


def output_folder(path: Path | str) -> Path:
    """The folder for results, which need not exist yet.

    Raises:
        FileError: it is a file.
    """
    if Path(path).exists() and not Path(path).is_dir():
        raise FileError(str(path), "a file", "Give a folder for the results.")
    return Path(path)


def read_workflow(path: Path) -> Workflow:
    """The workflow in a JSON file, or in a PNG that ComfyUI saved.

    Raises:
        FileError: the file is missing, unreadable or neither of the two.
        WorkflowError: the workflow is empty or malformed.
    """
    text = _png_text(path) if path.suffix.lower() == ".png" else _file_text(path)
    try:
        data = json.loads(text)
    except ValueError as error:
        raise FileError(
            str(path), f"text that is not JSON ({error})", "Give a workflow that ComfyUI exported."
        ) from error
    return check_workflow(data, str(path))


def check_workflow(data: Any, source: str = "workflow") -> Workflow:
    """`data` itself, if it has the shape of a workflow, in API form or in the editor's.

    The body of a `POST /prompt`, which holds the workflow as `prompt`, is accepted too.

    Args:
        data: what a JSON file held.
        source: how to call it in messages.

    Raises:
        WorkflowError: it is empty or malformed.
    """
    if isinstance(data, dict) and isinstance(data.get("prompt"), dict):
        data = data["prompt"]
    if is_editor_form(data):
        return data
    if not isinstance(data, dict) or not data:
        raise WorkflowError(source, f"{_kind(data)} instead of nodes by id", EXPORT_ADVICE)
    malformed = [problem for node_id in data for problem in _node_problems(node_id, data[node_id])]
    if malformed:
        raise InvalidWorkflowError(malformed, EXPORT_ADVICE)
    return data


def is_editor_form(data: Any) -> bool:
    """Whether this is a workflow as ComfyUI's editor saves it."""
    return isinstance(data, dict) and isinstance(data.get("nodes"), list)


def title(workflow: Workflow, node_id: str) -> str:
    """The node's title as the author sees it, or its class where it has none."""
    node = workflow[node_id]
    return str(node.get("_meta", {}).get("title") or node["class_type"])


def label(workflow: Workflow, node_id: str) -> str:
    """How messages call a node: `node 4 "Focus Point" (FocusPullerFocusPoint)`."""
    name, class_type = title(workflow, node_id), workflow[node_id]["class_type"]
    described = class_type if name == class_type else f'"{name}" ({class_type})'
    return f"node {node_id} {described}"


def is_link(value: Any) -> bool:
    """Whether an input's value is meant as a link. ComfyUI takes every list for one."""
    return isinstance(value, list)


def link_source(value: Any) -> tuple[str, int] | None:
    """(node id, output index) of a link, None where it is malformed."""
    match value:
        case [str(node_id), int(index)] if not isinstance(index, bool):
            return node_id, index
    return None


def links(node: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """(input, source node, output index) of every well-formed link of a node."""
    for name, value in node["inputs"].items():
        source = link_source(value)
        if source is not None:
            yield name, *source


def _file_text(path: Path) -> str:
    try:
        return read_file(path).decode("utf-8")
    except UnicodeDecodeError as error:
        advice = "Give a workflow that ComfyUI exported, or a PNG that it saved."
        raise FileError(str(path), "neither JSON nor a PNG", advice) from error


def _png_text(path: Path) -> str:
    content = read_file(path)
    try:
        with Image.open(BytesIO(content), formats=("PNG",)) as image:
            image.load()  # the text may follow the pixels
            texts = dict(image.info)
    except (OSError, SyntaxError) as error:
        advice = "Give a picture that ComfyUI saved."
        raise FileError(str(path), "no readable PNG", advice) from error
    for name in ("prompt", "workflow"):
        if name in texts:
            return str(texts[name])
    raise FileError(
        str(path),
        "a PNG without a workflow",
        "Give a picture saved by ComfyUI with its metadata kept, or the exported JSON file.",
    )


def _kind(data: Any) -> str:
    if isinstance(data, dict):
        return "an empty object"
    return {list: "a list", str: "a text", type(None): "nothing"}.get(type(data), "a number")


def _node_problems(node_id: str, node: Any) -> Iterator[str]:
    if not isinstance(node, dict):
        yield f"node {node_id}: is no object with class_type and inputs"
        return
    if not isinstance(node.get("class_type"), str):
        yield f"node {node_id}: has no class_type"
    if not isinstance(node.get("inputs"), dict):
        yield f"node {node_id}: has no inputs"
    if not isinstance(node.get("_meta", {}), dict):
        yield f"node {node_id}: _meta is no object"
