"""What the server says about a workflow that it refused or that failed, in our words."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import WorkflowError
from ..workflow_file import InvalidWorkflowError, Workflow, label

logger = logging.getLogger(__name__)

ADVICE = "Repair these in ComfyUI or in the file."


def left_out(answer: Mapping[str, Any], workflow: Workflow) -> tuple[str, ...]:
    """What keeps some output nodes from running, from the answer to a queued workflow.

    Raises:
        InvalidWorkflowError: the server runs nothing of it.
    """
    problems = list(_refused_inputs(answer.get("node_errors") or {}, workflow))
    error = answer.get("error")
    if error and not problems:  # with problems of nodes, it only says that there are some
        problems.append(_sentence(error))
    if error or answer.get("prompt_id") is None:
        raise InvalidWorkflowError(problems or [str(answer)], ADVICE)
    return tuple(problems)


def raise_failure(entry: Mapping[str, Any], workflow: Workflow) -> None:
    """Raise if a finished workflow has failed.

    Args:
        entry: its history.
        workflow: as submitted.

    Raises:
        WorkflowError: a node failed, or someone stopped it.
    """
    status = entry.get("status") or {}
    if status.get("status_str") != "error":
        return
    messages = dict(message[:2] for message in status.get("messages") or ())
    if "execution_error" in messages:
        raise _node_failure(messages["execution_error"], workflow)
    raise WorkflowError(
        "workflow", "an interruption on the server", "Somebody stopped it there; run it again."
    )


def _node_failure(failure: Mapping[str, Any], workflow: Workflow) -> WorkflowError:
    node_id = str(failure.get("node_id"))
    logger.debug("Traceback of the server:\n%s", "".join(failure.get("traceback") or ()))
    kind = str(failure.get("exception_type", "an error")).rpartition(".")[2]
    message = str(failure.get("exception_message", "")).strip()
    error = WorkflowError(
        "execution",
        f"{kind}: {message}",
        "Check the inputs of this node; the server's log has the details.",
    )
    error.node = label(workflow, node_id) if node_id in workflow else f"node {node_id}"
    return error


def _refused_inputs(node_errors: Mapping[str, Any], workflow: Workflow) -> Iterator[str]:
    for node_id, refused in node_errors.items():
        name = label(workflow, node_id) if node_id in workflow else f"node {node_id}"
        for error in refused.get("errors") or ():
            port = (error.get("extra_info") or {}).get("input_name")
            yield f"{name}{f' › {port}' if port else ''}: {_sentence(error, port)}"


def _sentence(error: Any, port: str | None = None) -> str:
    """Message and details, which often only repeat the input's name."""
    if not isinstance(error, Mapping):
        return str(error)
    message, details = (str(error.get(key) or "").strip() for key in ("message", "details"))
    return f"{message} ({details})" if details and details != port else message
