"""The embedded runner: workflows of Focus Puller's nodes without ComfyUI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
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
from .progress import Progress, ProgressCallback
from .result import NodeResult, WorkflowResult, preview_prefix, shown_files, shown_texts
from .settings import apply_settings
from .validation import validated
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
        workflow: in API form, or the path of a JSON file or of a PNG that ComfyUI saved.
        out_dir: where pictures go; previews too, their names begin with "preview".
        input_dirs: where the workflow's input files are searched first; then in its own folder
            and in the current one.
        settings: values by `NODE.input` that replace those of the workflow.
        nodes: the nodes that exist beside ComfyUI's core nodes, Focus Puller's by default.
        device: where to render; CUDA if there is one by default.
        all_previews: keep what nodes show on the way, not only what output nodes show.
        progress: called when a node starts and while it works.

    Returns:
        Values, files, previews and texts of the nodes that show something.

    Raises:
        InputError: there is no such device.
        FileError: the workflow cannot be read, or `out_dir` is a file.
        WorkflowError: the workflow cannot run; all reasons are found before anything runs.
        FocusPullerError: a node refuses its inputs or fails; `node` names it.
    """
    if INSIDE_COMFYUI:
        raise WorkflowError(
            "run_workflow", "a call from inside ComfyUI", "Queue the workflow in ComfyUI itself."
        )
    workflow, folder = open_workflow(workflow)
    with TemporaryDirectory(prefix="focuspuller_") as temporary, torch.inference_mode():
        host = Host(
            input_dirs=input_folders(input_dirs, folder),
            output_dir=output_folder(out_dir),
            device=device_called(device),
            temp_dir=Path(temporary),
        )
        with installed_host(host):
            described = [(node_spec(node), node) for node in (*CORE_NODES, *_own_nodes(nodes))]
            catalog = {spec.class_type: spec for spec, _ in described}
            classes = {spec.class_type: node for spec, node in described}
            changed, _ = apply_settings(workflow, settings or {}, catalog)
            runnable, order = validated(changed, catalog)
            run = _Run(runnable, order, classes, catalog, host, progress, all_previews)
            return WorkflowResult(run.execute())


def _own_nodes(nodes: Sequence[NodeClass] | None) -> Sequence[NodeClass]:
    if nodes is not None:
        return nodes
    from ..nodes import NODE_CLASSES

    return NODE_CLASSES


class _Run:
    """One pass through a validated workflow."""

    def __init__(
        self,
        workflow: Workflow,
        order: Sequence[str],
        classes: Mapping[str, NodeClass],
        catalog: Catalog,
        host: Host,
        progress: ProgressCallback | None,
        all_previews: bool,
    ) -> None:
        self.workflow = workflow
        self.order = order
        self.classes = classes
        self.catalog = catalog
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
    return NodeResult((), tuple(files[False]), tuple(files[True]), shown_texts(ui))
