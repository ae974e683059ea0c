"""Everything that can be wrong with a workflow before it runs, reported at once.

The rules are those of a ComfyUI server, a little stricter where the server would quietly read
something else than what was written (2.7 for a whole number, "false" for a switch). As there,
output nodes are judged one by one, and those that can run do.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .catalog import Catalog, InputSpec, NodeSpec, guess, suggestion, types_fit
from .workflow_file import (
    InvalidWorkflowError,
    MisfitError,
    Workflow,
    is_link,
    label,
    link_source,
    links,
)

logger = logging.getLogger(__name__)

ADVICE = "Repair these in ComfyUI or in the file; nothing has run yet."
ADVICE_FOR_UNKNOWN = (
    "Without ComfyUI only Focus Puller's own and a few core nodes run; for all others give the "
    "address of a running ComfyUI (--server). Nodes that run here: "
)
# LoadImage's exported form names its upload button as if it were an input.
NOT_INPUTS = ("upload",)


@dataclass(frozen=True)
class Checked:
    """The part of a workflow that runs.

    Args:
        workflow: the whole of it, with the values of what runs in the types of their inputs.
        order: ids of the nodes to run: those that an output node needs, each after the nodes it
            needs itself.
        left_out: what keeps other output nodes from running, one line each.
    """

    workflow: Workflow
    order: Sequence[str]
    left_out: tuple[str, ...]


def validated(workflow: Workflow, catalog: Catalog, chosen: Collection[str] = ()) -> Checked:
    """The part of a workflow that runs.

    Args:
        workflow: in API form, well-formed.
        catalog: the nodes that exist.
        chosen: ids of nodes with values that were asked for: nothing runs without these.

    Raises:
        InvalidWorkflowError: no output node can run, a chosen node cannot, or there are nodes that
            do not exist.
    """
    check = _Check(workflow, catalog)
    unknown = check.find_unknown_classes()
    needs = {output: check.needed(output) for output in check.find_outputs()}
    needed = list(dict.fromkeys(node_id for nodes in needs.values() for node_id in nodes))
    converted = {i: check.converted_node(i) for i in needed if i not in unknown}
    check.find_circles(needs.values())
    if unknown:
        raise InvalidWorkflowError(check.problems, ADVICE_FOR_UNKNOWN + ", ".join(sorted(catalog)))
    good = [nodes for nodes in needs.values() if not check.faulty & nodes.keys()]
    if not good or check.faulty.intersection(chosen):
        raise InvalidWorkflowError(check.problems, ADVICE)
    sources = {node_id: nodes[node_id] for nodes in good for node_id in nodes}
    order = list(TopologicalSorter(sources).static_order())
    return Checked(workflow | {i: converted[i] for i in order}, order, tuple(check.problems))


def say_left_out(problems: Iterable[str]) -> None:
    """Warn of what does not run."""
    for problem in problems:
        logger.warning("Not run: %s", problem)


class _Check:
    """One look at a workflow, which collects its problems and the nodes that have some."""

    def __init__(self, workflow: Workflow, catalog: Catalog) -> None:
        self.workflow = workflow
        self.catalog = catalog
        self.problems: list[str] = []
        self.faulty: set[str] = set()

    def find_unknown_classes(self) -> list[str]:
        """Nodes that do not exist here."""
        unknown = [i for i, node in self.workflow.items() if node["class_type"] not in self.catalog]
        for node_id in unknown:
            hint = guess(self.workflow[node_id]["class_type"], self.catalog)
            self.problems.append(
                f"{label(self.workflow, node_id)}: this node does not run here. {hint}".strip()
            )
        return unknown

    def find_outputs(self) -> list[str]:
        """Nodes for whose sake the workflow runs."""
        known = {i: self.catalog.get(node["class_type"]) for i, node in self.workflow.items()}
        outputs = [node_id for node_id, spec in known.items() if spec and spec.is_output]
        if not outputs and None not in known.values():  # an unknown node may have been one
            self.problems.append("no output node; add one that saves or previews something")
        return outputs

    def needed(self, output: str) -> dict[str, list[str]]:
        """An output node and all before it, with the nodes that each gets something from."""
        sources: dict[str, list[str]] = {}
        pending = [output]
        while pending:
            node_id = pending.pop()
            if node_id not in sources:
                sources[node_id] = self._sources(node_id)
                pending.extend(sources[node_id])
        return sources

    def find_circles(self, needs: Iterable[Mapping[str, list[str]]]) -> None:
        """Links that lead back to where they come from."""
        for sources in needs:
            try:
                TopologicalSorter(sources).prepare()
            except CycleError as error:
                nodes = error.args[1]  # each before the one it feeds, the first again at the end
                if self.faulty.isdisjoint(nodes):
                    circle = " -> ".join(label(self.workflow, node_id) for node_id in nodes)
                    self.problems.append(f"the links go in a circle: {circle}")
                self.faulty.update(nodes)

    def converted_node(self, node_id: str) -> dict[str, Any]:
        """A node with the values of its inputs in their types."""
        node = self.workflow[node_id]
        spec = self.catalog[node["class_type"]]
        name = label(self.workflow, node_id)
        inputs = dict(node["inputs"])
        misfits = []
        for port in spec.inputs.values():
            try:
                inputs |= self._converted_input(inputs, port)
            except MisfitError as misfit:
                misfits.append(f"{name} › {port.name}: {misfit}")
        # A node judges its inputs itself only where they are complete and of the right types.
        if not misfits and spec.own_check and (objection := spec.own_check(inputs)):
            misfits.append(f"{name}: {objection}")
        self.problems.extend(misfits)
        if misfits:
            self.faulty.add(node_id)
        for unused in inputs.keys() - spec.inputs.keys() - set(NOT_INPUTS):
            logger.warning("%s has no input %r, it is ignored.", name, unused)
        return {**node, "inputs": inputs}

    def _sources(self, node_id: str) -> list[str]:
        targets = (source for _, source, _ in links(self.workflow[node_id]))
        return [source for source in targets if source in self.workflow]

    def _converted_input(self, inputs: dict[str, Any], port: InputSpec) -> dict[str, Any]:
        wanted = "give it a value" if port.takes_value else f"connect something of type {port.type}"
        if port.name not in inputs:
            if port.required:
                raise MisfitError(f"missing, {wanted}")
            return {}
        value = inputs[port.name]
        if is_link(value):
            self._check_link(value, port)
            return {}
        if not port.takes_value and port.type != "*":
            raise MisfitError(f"received {value!r}, but it takes a link; {wanted}")
        return {port.name: _converted_value(value, port)}

    def _check_link(self, value: Any, port: InputSpec) -> None:
        link = link_source(value)
        if link is None:
            raise MisfitError(f"a link is [node id, output index], not {value!r}")
        source, index = link
        if source not in self.workflow:
            known = suggestion("", self.workflow)
            raise MisfitError(f"linked to node {source}, which does not exist; {known}")
        spec = self.catalog.get(self.workflow[source]["class_type"])
        if spec is None:
            return  # reported as an unknown node
        output = f"output {index} of {label(self.workflow, source)}"
        if not 0 <= index < len(spec.outputs):
            raise MisfitError(f"linked to {output}, which has {_outputs(spec)}")
        if not types_fit(spec.outputs[index], port.type):
            raise MisfitError(f"takes {port.type}, but {output} is {spec.outputs[index]}")


def _outputs(spec: NodeSpec) -> str:
    listed = ", ".join(f"{index} {kind}" for index, kind in enumerate(spec.outputs))
    return f"the outputs {listed}" if listed else "no outputs"


def _converted_value(value: Any, port: InputSpec) -> Any:
    converted = _typed(value, port.type)
    if not port.checked_by_node:
        _check_range(converted, port)
        _check_option(converted, port)
    return converted


def _typed(value: Any, kind: str) -> Any:
    """`value` in the Python type of `kind`, as the server converts it, where that loses nothing."""
    try:
        if kind == "FLOAT":
            return _finite(float(value))
        if kind == "INT":
            return _whole(value)
        if kind == "BOOLEAN" and value in (0, 1):
            return bool(value)
        if kind == "STRING" and isinstance(value, str | int | float):
            return str(value)
    except (TypeError, ValueError):
        pass
    if kind in ("COMBO", "*"):
        return value
    raise MisfitError(f"received {value!r}, which is no {kind}")


def _whole(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError
    return int(value)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError
    return number


def _check_range(value: Any, port: InputSpec) -> None:
    if port.minimum is not None and value < port.minimum:
        raise MisfitError(f"{value} is below the minimum of {port.minimum}")
    if port.maximum is not None and value > port.maximum:
        raise MisfitError(f"{value} is above the maximum of {port.maximum}")


def _check_option(value: Any, port: InputSpec) -> None:
    if port.type != "COMBO" or value in port.options:
        return
    where = "is not among the files of the input folders" if port.is_file else "is no option"
    raise MisfitError(f"{value!r} {where}; {suggestion(str(value), port.options)}")
