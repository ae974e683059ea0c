"""What all nodes have in common: their menu, their ids, and errors that name the node."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..errors import FocusPullerError

CATEGORY = "Focus Puller"


def names_node(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Let errors of a node's `execute` say which node they come from. Below `@classmethod`."""

    @functools.wraps(execute)
    def execute_named(cls: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return execute(cls, *args, **kwargs)
        except FocusPullerError as error:
            error.node = error.node or cls.define_schema().display_name
            raise

    return execute_named


def renames(**inputs: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let errors call an input as the node does: `renames(focus_distance="distance")`."""

    def decorate(execute: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(execute)
        def execute_renamed(cls: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return execute(cls, *args, **kwargs)
            except FocusPullerError as error:
                error.subject = inputs.get(error.subject, error.subject)
                raise

        return execute_renamed

    return decorate
