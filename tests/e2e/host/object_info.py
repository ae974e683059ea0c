"""Node schemas in the form of ComfyUI's `/object_info`."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from typing import Any

from focuspuller.headless.core_nodes import CORE_NODES
from focuspuller.nodes import NODE_CLASSES

# Attributes of an input that ComfyUI gives another name, or that say nothing to the browser.
RENAMED = {"display_mode": "display", "force_input": "forceInput"}
UNSAID = {"id", "optional", "upload", "image_folder", "extra_dict", "dynamic_prompts"}


def object_info() -> dict[str, Any]:
    """All nodes. Lists of files are those of the current host."""
    own = {"python_module": "custom_nodes.focuspuller"}
    described = [node_info(node) | own for node in NODE_CLASSES]
    described += [node_info(node) | {"python_module": "nodes"} for node in CORE_NODES]
    return {info["name"]: info for info in described}


def node_info(node: Any) -> dict[str, Any]:
    """One node, except for where it comes from."""
    schema = node.GET_SCHEMA()
    inputs: dict[str, dict[str, Any]] = {"required": {}, "optional": {}}
    for port in schema.inputs:
        inputs["optional" if port.optional else "required"][port.id] = _input(port)
    inputs["hidden"] = {hidden.name: [hidden.value] for hidden in schema.hidden}
    return {
        "input": inputs,
        "input_order": {group: list(ports) for group, ports in inputs.items()},
        "output": [output.io_type for output in schema.outputs],
        "output_is_list": [False] * len(schema.outputs),
        "output_name": [output.display_name or output.io_type for output in schema.outputs],
        "output_tooltips": [output.tooltip for output in schema.outputs],
        "name": schema.node_id,
        "display_name": schema.display_name or schema.node_id,
        "description": schema.description,
        "category": schema.category,
        "output_node": schema.is_output_node,
        "deprecated": schema.is_deprecated,
        "experimental": schema.is_experimental,
        "api_node": schema.is_api_node,
        "search_aliases": schema.search_aliases,
    }


def _input(port: Any) -> list[Any]:
    details = {
        RENAMED.get(each.name, each.name): getattr(port, each.name)
        for each in fields(port)
        if each.name not in UNSAID
    }
    upload = getattr(port, "upload", None)
    if upload is not None:
        details[upload.value] = True
    said = {
        name: value.value if isinstance(value, Enum) else value
        for name, value in details.items()
        if value is not None
    }
    return [port.io_type, said]
