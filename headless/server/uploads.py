"""Which local files a workflow needs on the server, and bringing them there."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from pathlib import Path, PurePath

from ...nodes.standin.host import ANNOTATION
from ..catalog import Catalog
from ..workflow_file import Workflow


async def upload_inputs(
    upload: Callable[[Path], Awaitable[str]],
    workflow: Workflow,
    catalog: Catalog,
    folders: Sequence[Path],
    chosen: Collection[tuple[str, str]],
) -> Workflow:
    """A copy of the workflow whose input files are on the server.

    A name that is no local file stays: the server may have it.

    Args:
        upload: sends a file, and returns its name over there.
        workflow: in API form.
        catalog: which inputs are files.
        folders: where files named in the workflow may be taken from, and nowhere else: a
            downloaded workflow must not be able to send away any file it likes.
        chosen: (node id, input) that the user has set; these files may be anywhere.
    """
    ready = copy.deepcopy(workflow)
    names: dict[Path, str] = {}
    for node_id, name in _file_inputs(workflow, catalog):
        value = workflow[node_id]["inputs"][name]
        path = _local_file(value, folders, anywhere=(node_id, name) in chosen)
        if path is None:
            continue
        if path not in names:
            names[path] = await upload(path)
        ready[node_id]["inputs"][name] = names[path]
    return ready


def _file_inputs(workflow: Workflow, catalog: Catalog) -> Iterator[tuple[str, str]]:
    for node_id, node in workflow.items():
        for name, port in catalog[node["class_type"]].inputs.items():
            if port.is_file and isinstance(node["inputs"].get(name), str):
                yield node_id, name


def _local_file(name: str, folders: Sequence[Path], anywhere: bool) -> Path | None:
    annotation = ANNOTATION.search(name)
    if annotation and annotation[1] != "input":
        return None  # lies in a folder of the server
    bare = PurePath(ANNOTATION.sub("", name))
    for folder in folders:
        path = folder / bare
        # Links that the user has put into a folder count as being inside.
        inside = ".." not in bare.parts and path.absolute().is_relative_to(folder.absolute())
        if _is_file(path) and (inside or anywhere):
            return path
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
