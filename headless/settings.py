"""Overrides of a workflow's inputs, as in `--set "Focus Point.x=512"`."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import WorkflowError
from .catalog import Catalog, InputSpec, suggestion
from .workflow_file import InvalidWorkflowError, MisfitError, Workflow, is_link, label, title

ADVICE = "Write NODE.input=value, where NODE is the node's id, its title or its class."
BOOLEANS = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
# A photo that comes along, and what takes its place when a setting names another photo: the two
# have the same outputs.
SAMPLE_PHOTO, OWN_PHOTO, PHOTO = "FocusPullerSamplePhoto", "FocusPullerLoadPhoto", "photo"


class UnknownTargetError(InvalidWorkflowError):
    """Settings of a node or an input that the workflow does not have."""


class _MissingTargetError(MisfitError):
    pass


def parse_settings(texts: Iterable[str]) -> dict[str, str]:
    """`{"NODE.input": "value"}` from texts `NODE.input=value`, the last of equal ones counts.

    Raises:
        WorkflowError: a text has another form.
    """
    settings = {}
    for text in texts:
        target, equals, value = text.partition("=")
        if not equals or "." not in target:
            raise WorkflowError("--set", repr(text), ADVICE)
        settings[target.strip()] = value
    return settings


def apply_settings(
    workflow: Workflow, settings: Mapping[str, Any], catalog: Catalog
) -> tuple[Workflow, set[tuple[str, str]]]:
    """A copy of the workflow with values replaced.

    Args:
        workflow: stays as it is.
        settings: value by `NODE.input`; NODE is an id, a title or a class, whichever names
            exactly one node. Texts are read by the input's type, other values taken as they are.
            `photo` of a Sample Photo puts Load Photo in its place, as a user would in the editor.
        catalog: types of the inputs.

    Returns:
        The copy, and (node id, input) of what was set.

    Raises:
        UnknownTargetError: nodes or inputs that do not exist, and all else that is wrong.
        InvalidWorkflowError: values that do not fit, all of them.
    """
    changed = copy.deepcopy(workflow)
    places: set[tuple[str, str]] = set()
    problems, error = [], InvalidWorkflowError
    for target, value in settings.items():
        try:
            node_id, name = _find_target(workflow, target)
            if changed[node_id]["class_type"] == SAMPLE_PHOTO and name == PHOTO:
                changed[node_id] = _own_photo(changed[node_id])
            changed[node_id]["inputs"][name] = _parsed(changed, node_id, name, value, catalog)
            places.add((node_id, name))
        except MisfitError as problem:
            problems.append(f"setting {target}: {problem}")
            if isinstance(problem, _MissingTargetError):
                error = UnknownTargetError
    if problems:
        raise error(problems, ADVICE)
    return changed, places


def _own_photo(sample: dict[str, Any]) -> dict[str, Any]:
    """Load Photo in the place of a Sample Photo."""
    return {**sample, "class_type": OWN_PHOTO, "inputs": {PHOTO: ""}}


def _find_target(workflow: Workflow, target: str) -> tuple[str, str]:
    """Node id and input. Titles and inputs may hold dots, so every dot may be the one between."""
    splits = list(_splits(target))
    for node_name, name in splits:
        matches = _nodes_called(workflow, node_name)
        if len(matches) == 1:
            return matches[0], name
        if matches:
            ids = ", ".join(matches)
            raise _MissingTargetError(f"{node_name!r} names the nodes {ids}; use the id")
    if not splits:
        raise _MissingTargetError("names no input")
    names = {title(workflow, node_id) for node_id in workflow} | workflow.keys()
    raise _MissingTargetError(
        f"there is no node {splits[0][0]!r}; {suggestion(splits[0][0], names)}"
    )


def _splits(target: str) -> Iterator[tuple[str, str]]:
    parts = target.split(".")
    for count in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:count]).strip(), ".".join(parts[count:]).strip()


def _nodes_called(workflow: Workflow, name: str) -> list[str]:
    if name in workflow:
        return [name]
    by_title = [i for i, node in workflow.items() if node.get("_meta", {}).get("title") == name]
    return by_title or [i for i, node in workflow.items() if node["class_type"] == name]


def _parsed(workflow: Workflow, node_id: str, name: str, value: Any, catalog: Catalog) -> Any:
    node = workflow[node_id]
    spec = catalog.get(node["class_type"])
    port = spec.inputs.get(name) if spec else None
    if port is None:
        if name not in node["inputs"]:
            known = [*node["inputs"], *(spec.inputs if spec else ())]
            raise _MissingTargetError(
                f"{label(workflow, node_id)} has no input {name!r}; {suggestion(name, known)}"
            )
        port = _guessed_port(name, node["inputs"][name])
    if not port.takes_value:
        raise MisfitError(f"{port.name!r} is a link of type {port.type} and takes no value")
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return read_value(port, value) if isinstance(value, str) else value


def _guessed_port(name: str, present: Any) -> InputSpec:
    """An input that the catalog does not list (a dynamic one), by what the workflow holds."""
    if is_link(present):
        return InputSpec(name, "*")
    kinds = {bool: "BOOLEAN", int: "INT", float: "FLOAT"}
    return InputSpec(name, kinds.get(type(present), "STRING"))


def read_value(port: InputSpec, text: str) -> Any:
    """The value that `text` means for an input.

    Raises:
        MisfitError: it means none.
    """
    if port.type == "BOOLEAN":
        if text.strip().lower() not in BOOLEANS:
            raise MisfitError(f"{text!r} is neither true nor false")
        return BOOLEANS[text.strip().lower()]
    if port.type == "COMBO":
        return next((option for option in port.options if str(option) == text), text)
    if port.type == "STRING":
        return text
    number = int if port.type == "INT" else float
    try:
        return number(text)
    except ValueError:
        kind = "whole number" if port.type == "INT" else "number"
        raise MisfitError(f"{text!r} is no {kind}") from None
