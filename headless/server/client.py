"""Submitting a workflow to a running ComfyUI and fetching what it made."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import MissingDependencyError
from ..catalog import Catalog, node_spec_from_server
from ..editor_form import node_types, to_api_form
from ..progress import ProgressCallback
from ..result import WorkflowResult
from ..settings import OWN_PHOTO, apply_settings
from ..validation import say_left_out
from ..workflow_file import (
    InvalidWorkflowError,
    Workflow,
    input_folders,
    label,
    open_workflow,
    output_folder,
)
from .errors import ServerError
from .uploads import upload_inputs
from .verdict import ADVICE, left_out, raise_failure

if TYPE_CHECKING:
    from .api import ComfyServer

# How long a server may take to hear that we gave up.
CANCEL_S = 5.0


def submit_workflow(
    url: str,
    workflow: Workflow | Path | str,
    *,
    out_dir: Path | str,
    input_dirs: Iterable[Path | str] = (),
    settings: Mapping[str, Any] | None = None,
    all_previews: bool = False,
    progress: ProgressCallback | None = None,
) -> WorkflowResult:
    """Run a workflow on a ComfyUI server. Ctrl-C stops it there too.

    Args:
        url: the server's address, such as "http://127.0.0.1:8188".
        workflow: in API form or in that of ComfyUI's editor, or the path of a JSON file or of a
            PNG that ComfyUI saved.
        out_dir: where results are fetched to; existing files are never replaced.
        input_dirs: where the workflow's input files are searched first; then in its own folder
            and in the current one. They are uploaded; files of the server are never replaced.
        settings: values by `NODE.input` that replace those of the workflow.
        all_previews: fetch what nodes show on the way, not only what output nodes show.
        progress: called when a node starts and while it works.

    Returns:
        Files, previews and texts of the nodes that show something. An output node that cannot run
        keeps the others from nothing: `left_out` tells why.

    Raises:
        MissingDependencyError: aiohttp is not installed.
        FileError: the workflow cannot be read, or `out_dir` is a file.
        ServerError: the server does not answer.
        WorkflowError: the server refuses the workflow, or it fails there.
    """
    if importlib.util.find_spec("aiohttp") is None:
        raise MissingDependencyError(
            "server", "no aiohttp", "Install it: pip install 'focuspuller[server]'."
        )
    data, folder = open_workflow(workflow)
    folders = input_folders(input_dirs, folder)
    return asyncio.run(
        _submit(url, data, output_folder(out_dir), folders, settings or {}, all_previews, progress)
    )


async def _submit(
    url: str,
    workflow: Workflow,
    out_dir: Path,
    folders: list[Path],
    settings: Mapping[str, Any],
    all_previews: bool,
    progress: ProgressCallback | None,
) -> WorkflowResult:
    from .api import connected
    from .downloads import download_results

    async with connected(url) as server:
        await server.check()
        catalog = await _catalog(server, node_types(workflow) | {OWN_PHOTO})
        api_form = to_api_form(workflow, catalog)
        _check_known(api_form, catalog)
        changed, chosen = apply_settings(api_form, settings, catalog)
        ready = await upload_inputs(server.upload, changed, catalog, folders, chosen)
        entry, refused = await _run(server, ready, {node_id for node_id, _ in chosen}, progress)
        raise_failure(entry, ready)
        say_left_out(refused)
        outputs = entry.get("outputs") or {}
        showing = set(ready) if all_previews else set(_output_nodes(ready, catalog))
        results = await download_results(server, ready, outputs, out_dir, showing)
        return replace(results, left_out=refused)


def _output_nodes(workflow: Workflow, catalog: Catalog) -> list[str]:
    return [i for i, node in workflow.items() if catalog[node["class_type"]].is_output]


async def _catalog(server: ComfyServer, class_types: Iterable[str]) -> Catalog:
    """The server's description of those nodes that it has."""
    catalog = {}
    for class_type in class_types:
        info = await server.node_info(class_type)
        if info is not None:
            catalog[class_type] = node_spec_from_server(class_type, info)
    return catalog


def _check_known(workflow: Workflow, catalog: Catalog) -> None:
    """Raise InvalidWorkflowError if the server does not have some of the nodes."""
    unknown = [i for i, node in workflow.items() if node["class_type"] not in catalog]
    if unknown:
        raise InvalidWorkflowError(
            [f"{label(workflow, node_id)}: the server has no such node" for node_id in unknown],
            "Install the packs they come from on the server and restart it.",
        )


async def _run(
    server: ComfyServer, workflow: Workflow, chosen: set[str], progress: ProgressCallback | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Queue a workflow and wait for it; its history, and what the server left out."""
    from .watch import Tracker, follow

    client_id = uuid.uuid4().hex
    socket = await server.connect(client_id)
    answer = await server.queue(workflow, client_id)
    refused = left_out(answer, workflow)
    prompt_id = answer["prompt_id"]
    try:
        if not chosen.isdisjoint(answer.get("node_errors") or ()):
            raise InvalidWorkflowError(refused, ADVICE)  # what was asked for must count
        tracker = Tracker(workflow, progress)
        return await follow(server, socket, client_id, prompt_id, tracker), refused
    except BaseException:
        await _cancel(server, prompt_id)
        raise


async def _cancel(server: ComfyServer, prompt_id: str) -> None:
    # Whatever made us give up is what to report, not that this fails too.
    with contextlib.suppress(ServerError, asyncio.TimeoutError):
        await asyncio.wait_for(server.cancel(prompt_id), CANCEL_S)
