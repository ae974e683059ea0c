"""Workflows in the form of ComfyUI's editor, turned into the API form as its browser does it.

The editor's form holds what is seen: nodes with the values of their widgets in order, links between
their slots, and subgraphs, whose definitions lie in `definitions.subgraphs`. A node whose type is
the id of a definition is an instance of it; in the API form those inside become `instance:node`.
Muted nodes are left out, links lead through bypassed ones, and a node that only the browser knows
(Note, Reroute, Primitive) becomes what it means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import WorkflowError
from .catalog import Catalog, NodeSpec, types_fit
from .workflow_file import EXPORT_ADVICE, Workflow, check_workflow, is_editor_form

NOTES = ("Note", "MarkdownNote")
REROUTE, PRIMITIVE = "Reroute", "PrimitiveNode"
MUTED, BYPASSED = 2, 4
# What stands for a subgraph's own inputs and outputs in its links.
SUBGRAPH_INPUTS, SUBGRAPH_OUTPUTS = "-10", "-20"
# Widgets that the browser adds, behind a seed and behind the names of files.
CONTROL, UPLOAD = "control_after_generate", "upload"

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Output:
    """Where a value comes from when the workflow runs."""

    node_id: str
    slot: int


@dataclass(frozen=True)
class Typed:
    """A value that was typed somewhere else than in the node that gets it."""

    value: Any


Source = Output | Typed | None


def node_types(data: Json) -> set[str]:
    """Types of all nodes that may run, in either form, those inside of subgraphs too."""
    if not is_editor_form(data):
        return {node["class_type"] for node in data.values()}
    definitions = _definitions(data)
    graphs = [data, *definitions.values()]
    types = {str(node["type"]) for graph in graphs for node in graph["nodes"]}
    return types - {*definitions, *NOTES, REROUTE, PRIMITIVE}


def to_api_form(data: Json, catalog: Catalog) -> Workflow:
    """The workflow that the editor would send to run.

    Args:
        data: in the editor's form; one in API form stays as it is.
        catalog: the nodes that exist. Of others the values of widgets are left out, since nothing
            tells their names.

    Raises:
        WorkflowError: it is damaged.
    """
    if not is_editor_form(data):
        return dict(data)
    try:
        flat = dict(_Level(data, _definitions(data), catalog).flattened())
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise WorkflowError(
            "workflow", f"a damaged one in the form of ComfyUI's editor ({reason})", EXPORT_ADVICE
        ) from error
    return check_workflow(flat)


def _definitions(data: Json) -> dict[str, Json]:
    subgraphs = (data.get("definitions") or {}).get("subgraphs") or ()
    return {str(graph["id"]): graph for graph in subgraphs}


@dataclass(frozen=True)
class _Link:
    origin: str
    slot: int


def _links(graph: Json) -> dict[int, _Link]:
    """By id. The outermost level writes a link as a list, subgraphs as an object."""
    found = {}
    for link in graph.get("links") or ():
        if isinstance(link, dict):
            found[link["id"]] = _Link(str(link["origin_id"]), int(link["origin_slot"]))
        elif link is not None:
            found[link[0]] = _Link(str(link[1]), int(link[2]))
    return found


class _Level:
    """The workflow itself, or one instance of a subgraph.

    Args:
        graph: its nodes and links.
        definitions: of all subgraphs.
        catalog: the nodes that exist.
        parent: the level that holds the instance.
        instance: the node that stands for this level there.
    """

    def __init__(
        self,
        graph: Json,
        definitions: Mapping[str, Json],
        catalog: Catalog,
        parent: _Level | None = None,
        instance: Json | None = None,
    ) -> None:
        self.graph = graph
        self.definitions = definitions
        self.catalog = catalog
        self.parent = parent
        self.instance = instance
        self.nodes = {str(node["id"]): node for node in graph["nodes"]}
        self.links = _links(graph)
        self._inside: dict[str, _Level] = {}

    def flattened(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Id and node in API form of everything that may run."""
        for node in self.nodes.values():
            if node.get("mode", 0) in (MUTED, BYPASSED) or node["type"] in NOTES:
                continue
            if node["type"] in (REROUTE, PRIMITIVE):
                continue
            if str(node["type"]) in self.definitions:
                yield from self.inside(node).flattened()
            else:
                yield self.name(node), self.converted(node)

    def name(self, node: Json) -> str:
        """The node's id in the API form."""
        return f"{self._prefix}{node['id']}"

    @cached_property
    def _prefix(self) -> str:
        if self.parent is None or self.instance is None:
            return ""
        return f"{self.parent.name(self.instance)}:"

    def inside(self, node: Json) -> _Level:
        """What an instance of a subgraph holds."""
        key = str(node["id"])
        if key not in self._inside:
            definition = self.definitions[str(node["type"])]
            if any(level.graph is definition for level in self._around()):
                raise ValueError(f"the subgraph {definition.get('name')!r} holds itself")
            self._inside[key] = _Level(definition, self.definitions, self.catalog, self, node)
        return self._inside[key]

    def _around(self) -> Iterator[_Level]:
        level: _Level | None = self
        while level is not None:
            yield level
            level = level.parent

    def converted(self, node: Json) -> dict[str, Any]:
        """A node in API form."""
        spec = self.catalog.get(node["type"])
        inputs = {} if spec is None else _widget_values(node, spec) | self._proxied(node, spec)
        for index, port in enumerate(node.get("inputs") or ()):
            match self.input_source(node, index):
                case Output(node_id, slot):
                    inputs[port["name"]] = [node_id, slot]
                case Typed(value):
                    inputs[port["name"]] = value
        title = node.get("title") or (spec and spec.display_name) or node["type"]
        return {"class_type": node["type"], "inputs": inputs, "_meta": {"title": title}}

    def _proxied(self, node: Json, spec: NodeSpec) -> dict[str, Any]:
        """Values of this node's widgets that are kept with the instance, on its own face.

        Frontends of late 2025 list them in the instance; those that came before keep them here.
        """
        if self.instance is None:
            return {}
        shown = (self.instance.get("properties") or {}).get("proxyWidgets") or ()
        values = self.instance.get("widgets_values") or ()
        return {
            name: value
            for entry, value in zip(shown, values, strict=False)
            if str(entry[0]) == str(node["id"]) and (name := str(entry[1])) in spec.inputs
        }

    def input_source(self, node: Json, index: int, wanted: str | None = None) -> Source:
        """Where a node's input gets its value from; None if it is not connected."""
        port = node["inputs"][index]
        link = self.links.get(port.get("link"))
        if link is None:
            return None
        if link.origin == SUBGRAPH_INPUTS:
            return self._outer_source(link.slot, wanted or port["type"], "widget" in port)
        origin = self.nodes.get(link.origin)
        return origin and self.output_source(origin, link.slot, wanted or port["type"])

    def output_source(self, node: Json, slot: int, wanted: str) -> Source:
        """What an output of a node stands for, for an input that takes the type `wanted`."""
        if node.get("mode", 0) == MUTED:
            return None
        if node.get("mode", 0) == BYPASSED:
            index = _slot_through(node, slot, wanted)
            return None if index is None else self.input_source(node, index, wanted)
        if node["type"] == REROUTE:
            return self.input_source(node, 0, wanted)
        if node["type"] == PRIMITIVE:
            return Typed(node["widgets_values"][0])
        if str(node["type"]) in self.definitions:
            return self.inside(node)._result(slot, wanted)
        return Output(self.name(node), slot)

    def _result(self, slot: int, wanted: str) -> Source:
        """What arrives at an output of this subgraph."""
        for link_id in self.graph["outputs"][slot].get("linkIds") or ():
            link = self.links.get(link_id)
            if link is None:
                continue
            if link.origin == SUBGRAPH_INPUTS:
                return self._outer_source(link.slot, wanted, False)
            origin = self.nodes.get(link.origin)
            return origin and self.output_source(origin, link.slot, wanted)
        return None

    def _outer_source(self, slot: int, wanted: str, has_widget: bool) -> Source:
        """What is connected to an input of this subgraph from outside, or typed there."""
        if self.parent is None or self.instance is None:
            raise ValueError("a link comes from outside of the workflow")
        name = self.graph["inputs"][slot]["name"]
        for index, port in enumerate(self.instance.get("inputs") or ()):
            if port["name"] == name and port.get("link") is not None:
                return self.parent.input_source(self.instance, index, wanted)
        return self._typed_outside(slot) if has_widget else None

    def _typed_outside(self, slot: int) -> Typed | None:
        """What was typed at an input of the instance; None where the node inside keeps it."""
        assert self.instance is not None
        if (self.instance.get("properties") or {}).get("proxyWidgets"):
            return None
        shown = [i for i in range(len(self.graph["inputs"])) if self._is_typed(i)]
        values = self.instance.get("widgets_values") or ()
        place = shown.index(slot)
        return Typed(values[place]) if place < len(values) else None

    def _is_typed(self, slot: int) -> bool:
        """Whether an input of this subgraph leads to a widget, so that the instance shows one."""
        ids = {i for i, link in self.links.items() if link == _Link(SUBGRAPH_INPUTS, slot)}
        ports = (port for node in self.nodes.values() for port in node.get("inputs") or ())
        return any(port.get("link") in ids and "widget" in port for port in ports)


def _slot_through(node: Json, slot: int, wanted: str) -> int | None:
    """The input whose value a bypassed node hands on to an output."""
    types = [str(port["type"]) for port in node.get("inputs") or ()]
    given = str(node["outputs"][slot]["type"])
    if wanted in ("*", ""):
        return slot if slot < len(types) else 0 if types else None
    fitting = [
        i for i, kind in enumerate(types) if types_fit(kind, given) and types_fit(kind, wanted)
    ]
    if slot in fitting:
        return slot
    return next(iter([i for i, kind in enumerate(types) if kind == wanted] or fitting), None)


def _widget_values(node: Json, spec: NodeSpec) -> dict[str, Any]:
    """Values of a node's widgets by name; of those that were not saved, the default."""
    saved = node.get("widgets_values") or ()
    if isinstance(saved, Mapping):  # some packs' nodes name them
        return {name: value for name, value in saved.items() if name in spec.inputs}
    names = list(_widgets(spec))
    values = dict(zip(names, saved, strict=False))
    for name in names[len(values) :]:
        if name in spec.inputs and spec.inputs[name].default is not None:
            values[name] = spec.inputs[name].default
    return {name: value for name, value in values.items() if name in spec.inputs}


def _widgets(spec: NodeSpec) -> Iterator[str]:
    """Names of a node's widgets, as the browser makes and saves them: required inputs first."""
    for required in (True, False):
        ports = [each for each in spec.inputs.values() if each.required == required]
        for port in ports:
            if port.takes_value and not port.only_linked:
                yield port.name
                if port.has_control:
                    yield CONTROL
        if any(port.is_file for port in ports):
            yield UPLOAD
