"""What a workflow has produced, embedded or on a server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class NodeResult:
    """What one node has to show.

    Args:
        values: outputs of the node in order; empty when it ran on a server.
        files: what it saved.
        previews: pictures for looking only.
        texts: what it displays.
        ui: all that it shows, in the form the browser gets.
    """

    values: tuple[Any, ...] = ()
    files: tuple[Path, ...] = ()
    previews: tuple[Path, ...] = ()
    texts: tuple[str, ...] = ()
    ui: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkflowResult:
    """What a workflow has produced.

    Args:
        nodes: by node id, for the output nodes and all others that show something.
        left_out: what kept some output nodes from running, one line each.
    """

    nodes: Mapping[str, NodeResult] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """All saved files, in the order the nodes ran."""
        return [path for node in self.nodes.values() for path in node.files]

    @property
    def previews(self) -> list[Path]:
        """All previews, in the order the nodes ran."""
        return [path for node in self.nodes.values() for path in node.previews]

    @property
    def texts(self) -> list[str]:
        """All displayed texts, in the order the nodes ran."""
        return [text for node in self.nodes.values() for text in node.texts]


def shown_files(ui: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Files in a node's `ui`, under whatever key: dicts with filename, subfolder and type."""
    for values in ui.values():
        for value in values if isinstance(values, list | tuple) else ():
            if isinstance(value, dict) and isinstance(value.get("filename"), str):
                yield {
                    "filename": value["filename"],
                    "subfolder": str(value.get("subfolder") or ""),
                    "type": str(value.get("type") or "output"),
                }


def shown_texts(ui: Mapping[str, Any]) -> tuple[str, ...]:
    """Texts in a node's `ui`."""
    texts = ui.get("text") or ()
    return tuple(str(text) for text in ([texts] if isinstance(texts, str) else texts))


def preview_prefix(title: str) -> str:
    """How the file names of a node's previews begin, so that a person can tell them apart."""
    words = re.sub(r"[^\w]+", "-", title.lower()).strip("-")
    return f"preview_{words or 'image'}"
