"""The queue: workflows one after the other, and what is told about them."""

from __future__ import annotations

import asyncio
import traceback
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from focuspuller.errors import FocusPullerError
from focuspuller.headless.progress import Progress
from focuspuller.headless.runner import Plan, execute_plan, plan_workflow
from focuspuller.headless.workflow_file import links
from focuspuller.nodes.standin import Host

# Called with the kind of message and its data.
Teller = Callable[[str, dict[str, Any]], None]


class Runs:
    """Queue and history.

    Args:
        host: the surroundings of the nodes.
        tell: sends a message to all browsers; called in the event loop.
    """

    def __init__(self, host: Host, tell: Teller) -> None:
        self.host = host
        self.tell = tell
        self.history: dict[str, dict[str, Any]] = {}
        self.running: list[Any] | None = None
        self.waiting: list[list[Any]] = []
        self._number = 0
        self._wake = asyncio.Event()

    def status(self) -> dict[str, Any]:
        """How much is to do, as the browser wants to hear it."""
        count = len(self.waiting) + (self.running is not None)
        return {"status": {"exec_info": {"queue_remaining": count}}}

    def add(self, body: dict[str, Any]) -> dict[str, Any]:
        """Queue what a browser posted; its answer.

        Raises:
            FocusPullerError: the workflow cannot run.
        """
        workflow = body["prompt"]
        targets = body.get("partial_execution_targets")
        chosen = workflow if not targets else _needed(workflow, targets)
        plan_workflow(chosen, self.host)
        self._number += 1
        prompt_id = body.get("prompt_id") or uuid.uuid4().hex
        extra = (body.get("extra_data") or {}) | {"client_id": body.get("client_id", "")}
        self.waiting.append([self._number, prompt_id, chosen, extra, []])
        self.tell("status", self.status())
        self._wake.set()
        return {"prompt_id": prompt_id, "number": self._number, "node_errors": {}}

    async def work(self) -> None:
        """Run what is queued, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.waiting:
                self.running = self.waiting.pop(0)
                await self._run(self.running)
                self.running = None
                self.tell("status", self.status())

    async def _run(self, entry: list[Any]) -> None:
        _, prompt_id, workflow, _, _ = entry
        loop = asyncio.get_running_loop()
        run = _Run(prompt_id, lambda *message: loop.call_soon_threadsafe(self.tell, *message))
        # Lists of files change, so a workflow is planned again when its turn comes.
        plan = plan_workflow(workflow, self.host)
        await asyncio.to_thread(run.execute, plan, self.host)
        self.history[prompt_id] = {
            "prompt": entry,
            "outputs": run.outputs,
            "status": {
                "status_str": "success" if run.succeeded else "error",
                "completed": run.succeeded,
                "messages": run.messages,
            },
            "meta": {node: {"node_id": node, "display_node": node} for node in run.outputs},
        }


class _Run:
    """One workflow at work, in a thread of its own."""

    def __init__(self, prompt_id: str, tell: Teller) -> None:
        self.prompt_id = prompt_id
        self.tell = tell
        self.outputs: dict[str, Any] = {}
        self.messages: list[Any] = []
        self.succeeded = False
        self.node_id = ""

    def execute(self, plan: Plan, host: Host) -> None:
        self._say("execution_start")
        self._say("execution_cached", nodes=[])
        try:
            result = execute_plan(
                plan, replace(host), all_previews=True, progress=self._on_progress
            )
        except FocusPullerError as error:
            self._say_error(plan, error)
            return
        for node_id, shown in result.nodes.items():
            if shown.ui:
                self.outputs[node_id] = shown.ui
                self._say_of(node_id, "executed", output=shown.ui)
        self.succeeded = True
        self._say("execution_success")
        self.tell("executing", {"node": None, "prompt_id": self.prompt_id})

    def _on_progress(self, progress: Progress) -> None:
        if progress.node_id != self.node_id:
            self.node_id = progress.node_id
            self._say_of(self.node_id, "executing")
        if progress.steps_total:
            steps = {"value": progress.steps_done, "max": progress.steps_total}
            self._say_of(self.node_id, "progress", **steps)

    def _say_error(self, plan: Plan, error: FocusPullerError) -> None:
        self._say(
            "execution_error",
            node_id=self.node_id,
            node_type=plan.workflow[self.node_id]["class_type"],
            executed=[],
            exception_message=str(error),
            exception_type=type(error).__name__,
            traceback=traceback.format_exception(error),
            current_inputs={},
            current_outputs=[],
        )

    def _say_of(self, node_id: str, kind: str, **data: Any) -> None:
        self.tell(
            kind, {"node": node_id, "display_node": node_id, "prompt_id": self.prompt_id, **data}
        )

    def _say(self, kind: str, **data: Any) -> None:
        self.messages.append([kind, {"prompt_id": self.prompt_id, **data}])
        self.tell(*self.messages[-1])


def _needed(workflow: dict[str, Any], targets: list[str]) -> dict[str, Any]:
    """The part of a workflow that some of its nodes need."""
    found: set[str] = set()
    pending = [str(target) for target in targets]
    while pending:
        node_id = pending.pop()
        if node_id in workflow and node_id not in found:
            found.add(node_id)
            pending.extend(source for _, source, _ in links(workflow[node_id]))
    return {node_id: node for node_id, node in workflow.items() if node_id in found}
