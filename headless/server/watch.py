"""Following a workflow on the server until it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from ..progress import Progress, ProgressCallback
from ..workflow_file import Workflow, title
from .api import ComfyServer
from .errors import ServerError

# How long to wait for a message before asking whether the workflow still exists.
PATIENCE_S = 10.0
# Connections in a row that may break before a message about the workflow arrives.
RECONNECTS = 1


class Tracker:
    """Turns the server's messages about one workflow into progress.

    Args:
        workflow: as submitted.
        progress: told about every step; None to keep quiet.
    """

    def __init__(self, workflow: Workflow, progress: ProgressCallback | None) -> None:
        self.workflow = workflow
        self.progress = progress
        self.done: set[str] = set()
        self.current: str | None = None
        self.last: Progress | None = None

    def handle(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take in one message."""
        if kind == "execution_cached":
            self.done.update(data.get("nodes") or ())
        elif kind == "executed":
            self.done.add(str(data.get("node")))
        elif kind == "executing":
            self._started(data.get("display_node") or data.get("node"))
        elif kind == "progress":
            self._report(data.get("node"), data.get("value", 0), data.get("max", 0))
        elif kind == "progress_state":
            self._handle_states(data.get("nodes") or {})

    def _started(self, node_id: str | None) -> None:
        if node_id != self.current and self.current is not None:
            self.done.add(self.current)
        self.current = node_id
        self._report(node_id, 0, 0)

    def _handle_states(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        self.done.update(n for n, state in states.items() if state.get("state") == "finished")
        for node_id, state in states.items():
            if state.get("state") == "running":
                self._report(node_id, state.get("value", 0), state.get("max", 0))

    def _report(self, node_id: str | None, value: float, total: float) -> None:
        # Nodes that others expand into are not in the workflow.
        if self.progress is None or node_id is None or node_id not in self.workflow:
            return
        done = len((self.done & self.workflow.keys()) - {node_id})
        # A total of 1 is what the server says of nodes that do not report steps.
        steps = (value, total) if total > 1 else (0, 0)
        name = title(self.workflow, node_id)
        report = Progress(node_id, name, done, len(self.workflow), *steps)
        if report != self.last:  # several kinds of messages say the same
            self.last = report
            self.progress(report)


async def follow(
    server: ComfyServer,
    socket: aiohttp.ClientWebSocketResponse[bool],
    client_id: str,
    prompt_id: str,
    tracker: Tracker,
) -> dict[str, Any]:
    """Wait for a workflow to end; its history: `outputs` and `status`.

    Args:
        server: where it runs.
        socket: connected since before it was queued, so that no message is missed.
        client_id: of the socket, to connect again if it breaks.
        prompt_id: the workflow.
        tracker: fed with the messages.

    Raises:
        ServerError: the connection broke and could not be restored, or the workflow got lost.
    """
    broken = 0
    while True:
        async for kind, data in _messages(socket):
            if data.get("prompt_id") not in (None, prompt_id):
                continue
            tracker.handle(kind, data)
            if data.get("prompt_id") == prompt_id:
                broken = 0
            if kind == "" or (kind == "executing" and data.get("node") is None):
                # The verdict is the history's: the socket tells neither all nor always.
                entry = await server.finished(prompt_id)
                if entry is not None:
                    return entry
        broken += 1
        if broken > RECONNECTS:
            raise ServerError(
                "server",
                f"a broken connection to {server.url}",
                "Look whether ComfyUI still runs there; results may be in its output folder.",
            )
        socket = await server.connect(client_id)
        entry = await server.finished(prompt_id)
        if entry is not None:
            return entry


async def _messages(
    socket: aiohttp.ClientWebSocketResponse[bool],
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """(kind, data) of each message until the connection ends; kind is "" after a silence."""
    while True:
        try:
            message = await socket.receive(timeout=PATIENCE_S)
        except asyncio.TimeoutError:
            yield "", {}
            continue
        if message.type is aiohttp.WSMsgType.TEXT:
            content = json.loads(message.data)
            yield str(content.get("type")), content.get("data") or {}
        elif message.type is not aiohttp.WSMsgType.BINARY:
            return
