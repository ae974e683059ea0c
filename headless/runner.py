"""The embedded runner: workflows of Focus Puller's nodes without ComfyUI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ..errors import FocusPullerError, WorkflowError
from ..nodes.comfy import INSIDE_COMFYUI, io
from ..nodes.standin import Host, installed_host
from .catalog import Catalog, NodeSpec, node_spec
from .core_nodes import CORE_NODES
from .devices import device_called
from .editor_form import to_api_form
from .progress import Progress, ProgressCallback
from .result import NodeResult, WorkflowResult, preview_prefix, shown_files, shown_texts
from .settings import apply_settings
from .validation import say_left_out, validated
from .workflow_file import (
    Workflow,
    input_folders,
    label,
    link_source,
    open_workflow,
    output_folder,
    title,
)

NodeClass = type[io.ComfyNode]


def run_workflow(
    workflow: Workflow | Path | str,
    *,
    out_dir: Path | str,
    input_dirs: Iterable[Path | str] = (),
    settings: Mapping[str, Any] | None = None,
    nodes: Sequence[NodeClass] | None = None,
    device: torch.device | str | None = None,
    all_previews: bool = False,
    progress: ProgressCallback | None = None,
) -> WorkflowResult:
    """Run a workflow in this process.

    Args:
        workflow: in API form or in that of ComfyUI's editor, or the path of a JSON file or of a
            PNG that ComfyUI saved.
        out_dir: where pictures go; previews too, their names begin with "preview".
        input_dirs: where the workflow's input files are searched first; then in its own folder
            and in the current one.
        settings: values by `NODE.input` that replace those of the workflow.
        nodes: the nodes that exist beside ComfyUI's core nodes, Focus Puller's by default.
        device: where to render; CUDA if there is one by default.
        all_previews: keep what nodes show on the way, not only what output nodes show.
        progress: called when a node starts and while it works.

    Returns:
        Values, files, previews and texts of the nodes that show something. As on a ComfyUI server,
        an output node that cannot run keeps the others from nothing: `left_out` tells why.

    Raises:
        InputError: there is no such device.
        FileError: the workflow cannot be read, or `out_dir` is a file.
        WorkflowError: no output node can run, or a setting does not fit; all reasons
            are found before anything runs.
        FocusPullerError: a node refuses its inputs or fails; `node` names it.
    """
    if INSIDE_COMFYUI:
        raise WorkflowError(
            "run_workflow", "a call from inside ComfyUI", "Queue the workflow in ComfyUI itself."
        )
    workflow, folder = open_workflow(workflow)
    with TemporaryDirectory(prefix="focuspuller_") as temporary:
        host = Host(
            input_dirs=input_folders(input_dirs, folder),
            output_dir=output_folder(out_dir),
            device=device_called(device),
            temp_dir=Path(temporary),
        )
        plan = plan_workflow(workflow, host, settings=settings, nodes=nodes)
        return execute_plan(plan, host, all_previews=all_previews, progress=progress)


@dataclass(frozen=True)
class Plan:
    """A workflow that has been found able to run.

    Args:
        workflow: with its values in the types of their inputs.
        order: ids of the nodes that run.
        catalog: the nodes that exist, by class.
        classes: their implementations.
        left_out: why some output nodes do not run, one line each.
    """

    workflow: Workflow
    order: Sequence[str]
    catalog: Catalog
    classes: Mapping[str, NodeClass]
    left_out: tuple[str, ...] = ()


def plan_workflow(
    workflow: Workflow,
    host: Host,
    *,
    settings: Mapping[str, Any] | None = None,
    nodes: Sequence[NodeClass] | None = None,
) -> Plan:
    """Find out how a workflow runs, and everything that keeps it from running.

    Args:
        workflow: in API form or in that of ComfyUI's editor.
        host: whose files the workflow names.
        settings: as in `run_workflow`.
        nodes: as in `run_workflow`.

    Raises:
        WorkflowError: the workflow cannot run.
    """
    with installed_host(host):
        described = [(node_spec(node), node) for node in (*CORE_NODES, *_own_nodes(nodes))]
        catalog = {spec.class_type: spec for spec, _ in described}
        flat = to_api_form(workflow, catalog)
        changed, chosen = apply_settings(flat, settings or {}, catalog)
        checked = validated(changed, catalog, [node_id for node_id, _ in chosen])
    say_left_out(checked.left_out)
    classes = {spec.class_type: node for spec, node in described}
    return Plan(checked.workflow, checked.order, catalog, classes, checked.left_out)


def execute_plan(
    plan: Plan,
    host: Host,
    *,
    all_previews: bool = False,
    progress: ProgressCallback | None = None,
) -> WorkflowResult:
    """Run a planned workflow.

    Args:
        plan: what to run.
        host: the surroundings of the nodes.
        all_previews: as in `run_workflow`.
        progress: as in `run_workflow`.

    Raises:
        FocusPullerError: a node refuses its inputs or fails; `node` names it.
    """
    with torch.inference_mode():
        results = _Run(plan, host, progress, all_previews).execute()
    return WorkflowResult(results, plan.left_out)


def _own_nodes(nodes: Sequence[NodeClass] | None) -> Sequence[NodeClass]:
    if nodes is not None:
        return nodes
    from ..nodes import NODE_CLASSES

    return NODE_CLASSES


class _Run:
    """One pass through a planned workflow."""

    def __init__(
        self, plan: Plan, host: Host, progress: ProgressCallback | None, all_previews: bool
    ) -> None:
        self.workflow = plan.workflow
        self.order = plan.order
        self.classes = plan.classes
        self.catalog = plan.catalog
        self.host = host
        self.progress = progress
        self.all_previews = all_previews
        # Outputs of the nodes that have run.
        self.values: dict[str, tuple[Any, ...]] = {}

    def execute(self) -> dict[str, NodeResult]:
        """Run all nodes; the results of those that show something."""
        results = {}
        for node_id in self.order:
            output = self._execute_node(node_id)
            self.values[node_id] = output.args
            shown = _node_result(output, self.host.output_dir)
            if self._spec(node_id).is_output or shown != NodeResult():
                results[node_id] = replace(shown, values=output.args)
        return results

    def _spec(self, node_id: str) -> NodeSpec:
        return self.catalog[self.workflow[node_id]["class_type"]]

    def _execute_node(self, node_id: str) -> io.NodeOutput:
        started = Progress(
            node_id, title(self.workflow, node_id), len(self.values), len(self.order)
        )
        self._report(started)
        host = replace(
            self.host,
            preview_prefix=preview_prefix(started.title),
            keeps_previews=self.all_previews or self._spec(node_id).is_output,
            on_step=lambda done, total: self._report(
                replace(started, steps_done=done, steps_total=total)
            ),
        )
        with installed_host(host), _errors_named(label(self.workflow, node_id)):
            output = _normalized(self._node(node_id).execute(**self._inputs(node_id)))
            self._check_count(output, node_id)
        return output

    def _report(self, progress: Progress) -> None:
        if self.progress is not None:
            self.progress(progress)

    def _node(self, node_id: str) -> NodeClass:
        """The node's class, holding the hidden values it asked for."""
        node = self.classes[self.workflow[node_id]["class_type"]]
        available = {"unique_id": node_id, "prompt": self.workflow}
        hidden = {name: available.get(name) for name in self._spec(node_id).hidden}
        return type(node.__name__, (node,), {"hidden": io.HiddenHolder(**hidden)})

    def _inputs(self, node_id: str) -> dict[str, Any]:
        known = self._spec(node_id).inputs
        given = self.workflow[node_id]["inputs"]
        return {name: self._value(value) for name, value in given.items() if name in known}

    def _value(self, value: Any) -> Any:
        source = link_source(value)
        return value if source is None else self.values[source[0]][source[1]]

    def _check_count(self, output: io.NodeOutput, node_id: str) -> None:
        promised = len(self._spec(node_id).outputs)
        if len(output.args) != promised:
            raise TypeError(f"returned {len(output.args)} values instead of {promised}")


@contextmanager
def _errors_named(name: str) -> Iterator[None]:
    """Errors within the block say which node they come from."""
    try:
        yield
    except FocusPullerError as error:
        error.node = name
        raise
    except Exception as error:
        failure = WorkflowError(
            "execution",
            f"{type(error).__name__}: {error}",
            "Check the inputs of this node; if they are right, report this as a bug.",
        )
        failure.node = name
        raise failure from error


def _normalized(output: Any) -> io.NodeOutput:
    """A node may return its values in a NodeOutput, in a tuple, or nothing."""
    if isinstance(output, io.NodeOutput):
        return output
    if output is None or isinstance(output, tuple):
        return io.NodeOutput(*(output or ()))
    raise TypeError(f"returned {type(output).__name__} instead of NodeOutput")


def _node_result(output: io.NodeOutput, output_dir: Path) -> NodeResult:
    shown = {} if output.ui is None else output.ui
    ui = shown if isinstance(shown, dict) else shown.as_dict()
    files: dict[bool, list[Path]] = {True: [], False: []}
    for file in shown_files(ui):
        is_preview = file["type"] == io.FolderType.temp.value
        files[is_preview].append(output_dir / file["subfolder"] / file["filename"])
    return NodeResult((), tuple(files[False]), tuple(files[True]), shown_texts(ui), ui)
