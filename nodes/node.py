"""What all nodes have in common: their menu, the words they are found by, and errors that name the
node and its help page."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..errors import FocusPullerError
from .comfy import has_browser, io

CATEGORY = "Focus Puller"
# ComfyUI's way to the page of web/docs.
HELP = "More in the help of {name}: select the node, then its info button (Node Info)."


def found_as(*words: str) -> Callable[[Callable[..., io.Schema]], Callable[..., io.Schema]]:
    """Let ComfyUI's search find a node by other words than its name. Below `@classmethod`.

    Older ComfyUIs know no such words; there it has no effect.

    Args:
        words: in lower case, as artists say: "depth of field".
    """

    def decorate(define_schema: Callable[..., io.Schema]) -> Callable[..., io.Schema]:
        @functools.wraps(define_schema)
        def define_findable(cls: Any) -> io.Schema:
            schema = define_schema(cls)
            # Not an argument: older schemas refuse it.
            schema.search_aliases = list(words)
            return schema

        return define_findable

    return decorate


def names_node(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Let errors of a node's `execute` say which node they come from. Below `@classmethod`.

    Where there is a browser, they say where to read more, too.
    """

    @functools.wraps(execute)
    def execute_named(cls: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return execute(cls, *args, **kwargs)
        except FocusPullerError as error:
            name = cls.define_schema().display_name
            error.node = error.node or name
            if has_browser():
                error.more = HELP.format(name=name)
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
