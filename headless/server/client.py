"""Submitting a workflow to a running ComfyUI and fetching what it made."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import MissingDependencyError
from ..catalog import Catalog, node_spec_from_server
from ..progress import ProgressCallback
from ..result import WorkflowResult
from ..settings import apply_settings
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
from .verdict import raise_failure, refusal

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
        workflow: in API form, or the path of a JSON file or of a PNG that ComfyUI saved.
        out_dir: where results are fetched to; existing files are never replaced.
        input_dirs: where the workflow's input files are searched first; then in its own folder
            and in the current one. They are uploaded; files of the server are never replaced.
        settings: values by `NODE.input` that replace those of the workflow.
        all_previews: fetch what nodes show on the way, not only what output nodes show.
        progress: called when a node starts and while it works.

    Returns:
        Files, previews and texts of the nodes that show something.

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
        catalog = await _catalog(server, workflow)
        changed, chosen = apply_settings(workflow, settings, catalog)
        ready = await upload_inputs(server.upload, changed, catalog, folders, chosen)
        entry = await _run(server, ready, progress)
        raise_failure(entry, ready)
        outputs = entry.get("outputs") or {}
        showing = set(ready) if all_previews else set(_output_nodes(ready, catalog))
        return await download_results(server, ready, outputs, out_dir, showing)


def _output_nodes(workflow: Workflow, catalog: Catalog) -> list[str]:
    return [i for i, node in workflow.items() if catalog[node["class_type"]].is_output]


async def _catalog(server: ComfyServer, workflow: Workflow) -> Catalog:
    """The server's description of the nodes in the workflow.

    Raises:
        InvalidWorkflowError: the server does not have some of them.
    """
    catalog = {}
    for class_type in {node["class_type"] for node in workflow.values()}:
        info = await server.node_info(class_type)
        if info is not None:
            catalog[class_type] = node_spec_from_server(class_type, info)
    unknown = [i for i, node in workflow.items() if node["class_type"] not in catalog]
    if unknown:
        raise InvalidWorkflowError(
            [f"{label(workflow, node_id)}: the server has no such node" for node_id in unknown],
            "Install the packs they come from on the server and restart it.",
        )
    return catalog


async def _run(
    server: ComfyServer, workflow: Workflow, progress: ProgressCallback | None
) -> dict[str, Any]:
    """Queue a workflow and wait for it; its history."""
    from .watch import Tracker, follow

    client_id = uuid.uuid4().hex
    socket = await server.connect(client_id)
    answer = await server.queue(workflow, client_id)
    prompt_id = answer.get("prompt_id")
    try:
        # The server would run what is left of a workflow of which it refuses a part.
        refused = refusal(answer, workflow)
        if refused or prompt_id is None:
            raise refused or InvalidWorkflowError([str(answer)], "The server gave no reason.")
        return await follow(server, socket, client_id, prompt_id, Tracker(workflow, progress))
    except BaseException:
        if prompt_id is not None:
            await _cancel(server, prompt_id)
        raise


async def _cancel(server: ComfyServer, prompt_id: str) -> None:
    # Whatever made us give up is what to report, not that this fails too.
    with contextlib.suppress(ServerError, asyncio.TimeoutError):
        await asyncio.wait_for(server.cancel(prompt_id), CANCEL_S)
