"""Fetching what a workflow has produced, under names that are safe here."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import FileError
from ...nodes.standin import Host
from ...photo.files import make_folder
from ..result import NodeResult, WorkflowResult, preview_prefix, shown_files, shown_texts
from ..workflow_file import Workflow, title
from .api import ComfyServer

# No separators, drive colons, wildcards or control characters.
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f:*?"<>|]')
LONGEST_NAME = 150


async def download_results(
    server: ComfyServer,
    workflow: Workflow,
    outputs: Mapping[str, Any],
    out_dir: Path,
    showing: Collection[str],
) -> WorkflowResult:
    """Fetch all files of a finished workflow.

    Args:
        server: where it ran.
        workflow: as submitted.
        outputs: what each node shows, by id.
        out_dir: where files go; existing ones are never replaced.
        showing: the nodes whose previews are fetched too.
    """
    results = {}
    for node_id, ui in outputs.items():
        # Nodes that others expand into are not in the workflow.
        name = title(workflow, node_id) if node_id in workflow else node_id
        files, previews = [], []
        for file in shown_files(ui):
            if file["type"] == "output":
                path = free_path(safe_path(out_dir, file["subfolder"], file["filename"]))
                files.append(path)
            elif file["type"] == "temp" and node_id in showing:
                path = _preview_path(out_dir, name, file["filename"])
                previews.append(path)
            else:
                continue  # a preview that nobody wants, or an input shown again
            make_folder(path.parent)
            await server.download(file, path)
        results[node_id] = NodeResult((), tuple(files), tuple(previews), shown_texts(ui), ui)
    return WorkflowResult(results)


def safe_path(out_dir: Path, subfolder: str, filename: str) -> Path:
    """Where a file of the server goes: always below `out_dir`, whatever the server calls it.

    Raises:
        FileError: a link in `out_dir` leads out of it.
    """
    parts = [*_safe_parts(subfolder), *(_safe_parts(filename)[-1:] or ["unnamed"])]
    path = out_dir.joinpath(*parts)
    if not path.resolve().is_relative_to(out_dir.resolve()):
        raise FileError(
            str(path), "a place outside the output folder", "Give another output folder."
        )
    return path


def free_path(path: Path) -> Path:
    """`path`, or if that exists `name (1).png` and so on."""
    candidate, count = path, 0
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{path.stem} ({count}){path.suffix}")
    return candidate


def _safe_parts(name: str) -> list[str]:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    cleaned = (FORBIDDEN.sub("_", part)[-LONGEST_NAME:].strip() for part in parts)
    return [part for part in cleaned if part.strip(". /")]


def _preview_path(out_dir: Path, node_title: str, filename: str) -> Path:
    """Named like the embedded runner's: the server's name for it is random."""
    folder, stem, counter, _ = Host(output_dir=out_dir).output_target(
        preview_prefix(node_title), width=0, height=0
    )
    suffix = safe_path(out_dir, "", filename).suffix
    return folder / f"{stem}_{counter:05}_{suffix}"
