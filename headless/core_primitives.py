"""ComfyUI's own nodes that hold one value."""

from __future__ import annotations

import sys

from ..nodes.standin import io


class PrimitiveFloat(io.ComfyNode):
    """A number."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        value = io.Float.Input("value", min=-sys.maxsize, max=sys.maxsize, step=0.1)
        return _primitive("PrimitiveFloat", "Float", value, io.Float.Output())

    @classmethod
    def execute(cls, value: float) -> io.NodeOutput:
        return io.NodeOutput(value)


class PrimitiveInt(io.ComfyNode):
    """A whole number."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        value = io.Int.Input(
            "value", min=-sys.maxsize, max=sys.maxsize, control_after_generate=True
        )
        return _primitive("PrimitiveInt", "Int", value, io.Int.Output())

    @classmethod
    def execute(cls, value: int) -> io.NodeOutput:
        return io.NodeOutput(value)


class PrimitiveBoolean(io.ComfyNode):
    """A switch."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _primitive(
            "PrimitiveBoolean", "Boolean", io.Boolean.Input("value"), io.Boolean.Output()
        )

    @classmethod
    def execute(cls, value: bool) -> io.NodeOutput:
        return io.NodeOutput(value)


class PrimitiveString(io.ComfyNode):
    """A text."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return _primitive("PrimitiveString", "String", io.String.Input("value"), io.String.Output())

    @classmethod
    def execute(cls, value: str) -> io.NodeOutput:
        return io.NodeOutput(value)


PRIMITIVE_NODES: tuple[type[io.ComfyNode], ...] = (
    PrimitiveFloat,
    PrimitiveInt,
    PrimitiveBoolean,
    PrimitiveString,
)


def _primitive(node_id: str, name: str, value: object, output: io.Output) -> io.Schema:
    return io.Schema(
        node_id=node_id,
        display_name=name,
        category="utils/primitive",
        inputs=[value],
        outputs=[output],
    )
