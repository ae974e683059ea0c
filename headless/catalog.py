"""What nodes exist and what they take: one description for embedded nodes and for a server's."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import FocusPullerError
from ..nodes.comfy import io
from .workflow_file import is_link

# The flags with which an input says that its value names a file of the input folder.
UPLOAD_FLAGS = ("image_upload", "audio_upload", "video_upload", "file_upload")
# Types whose value a person can type; all others only come through links.
WIDGET_TYPES = ("FLOAT", "INT", "BOOLEAN", "STRING", "COMBO")
# The browser also sets what becomes of these after a run, whether a node asks for it or not.
SEEDS = ("seed", "noise_seed")


@dataclass(frozen=True)
class InputSpec:
    """An input of a node.

    Args:
        name: as in the workflow.
        type: link type, such as "IMAGE" or "FLOAT"; several are separated by commas.
        required: whether the node needs it.
        options: what a combo offers.
        minimum: of a number.
        maximum: of a number.
        is_file: the value names a file of the input folder.
        checked_by_node: the node validates the value itself, so options and range do not bind.
        default: what the browser puts in; None: nothing.
        only_linked: the browser offers no place to type the value.
        has_control: the browser also sets what becomes of the value after a run.
    """

    name: str
    type: str
    required: bool = True
    options: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    is_file: bool = False
    checked_by_node: bool = False
    default: Any = None
    only_linked: bool = False
    has_control: bool = False

    @property
    def takes_value(self) -> bool:
        """Whether a value can be typed; a link always can be connected."""
        return self.type in WIDGET_TYPES


@dataclass(frozen=True)
class NodeSpec:
    """A kind of node.

    Args:
        class_type: its id.
        inputs: by name.
        outputs: link types in order.
        is_output: whether a workflow runs for the sake of it.
        hidden: what it wants to know besides its inputs.
        own_check: what the node itself finds wrong with its inputs, None if nothing.
        display_name: its title by default.
    """

    class_type: str
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    is_output: bool = False
    hidden: tuple[str, ...] = ()
    own_check: Callable[[Mapping[str, Any]], str | None] | None = None
    display_name: str = ""


Catalog = Mapping[str, NodeSpec]


def node_spec(node: type[io.ComfyNode]) -> NodeSpec:
    """Description of an embedded node. Lists of files are those of the current host."""
    schema = node.GET_SCHEMA()
    ids = [port.id for port in schema.inputs]
    checked = _self_checked_inputs(node, ids)
    inputs = {port.id: _input_spec(port, port.id in checked) for port in schema.inputs}
    outputs = tuple(output.io_type for output in schema.outputs)
    own_check = _own_check(node, checked) if checked else None
    hidden = tuple(value.name for value in schema.hidden)
    return NodeSpec(
        schema.node_id,
        inputs,
        outputs,
        schema.is_output_node,
        hidden,
        own_check,
        schema.display_name or "",
    )


def _self_checked_inputs(node: type[io.ComfyNode], ids: list[str]) -> list[str]:
    """Inputs that the node's `validate_inputs` takes."""
    validate = getattr(node, "validate_inputs", None)
    if validate is None:
        return []
    parameters = inspect.getfullargspec(validate)
    return [name for name in ids if parameters.varkw or name in parameters.args]


def _own_check(
    node: type[io.ComfyNode], checked: list[str]
) -> Callable[[Mapping[str, Any]], str | None]:
    validate = getattr(node, "validate_inputs")  # noqa: B009 - not on the base class

    def check(inputs: Mapping[str, Any]) -> str | None:
        # As in ComfyUI: what comes through a link is not known yet and arrives as None.
        given = {name: inputs[name] for name in checked if name in inputs}
        known = {name: None if is_link(value) else value for name, value in given.items()}
        try:
            verdict = validate(**known)
        except (FocusPullerError, OSError, ValueError) as error:
            verdict = str(error)
        return None if verdict is True else str(verdict or "refuses its inputs")

    return check


def _input_spec(port: Any, checked_by_node: bool) -> InputSpec:
    return InputSpec(
        name=port.id,
        type=port.io_type,
        required=not port.optional,
        options=tuple(getattr(port, "options", None) or ()),
        minimum=getattr(port, "min", None),
        maximum=getattr(port, "max", None),
        is_file=getattr(port, "upload", None) is not None,
        checked_by_node=checked_by_node,
        default=getattr(port, "default", None),
        only_linked=bool(getattr(port, "force_input", None)),
        has_control=_has_control(
            port.id, port.io_type, getattr(port, "control_after_generate", None)
        ),
    )


def _has_control(name: str, kind: str, flag: object) -> bool:
    return bool(flag) or (flag is None and kind == "INT" and name in SEEDS)


def node_spec_from_server(class_type: str, info: Mapping[str, Any]) -> NodeSpec:
    """Description of a server's node, from its `/object_info`."""
    inputs = {
        name: _input_spec_from_server(name, entry, group == "required")
        for group in ("required", "optional")
        for name, entry in info.get("input", {}).get(group, {}).items()
    }
    outputs = tuple(_type_name(output) for output in info.get("output") or ())
    name = str(info.get("display_name") or "")
    is_output = bool(info.get("output_node"))
    return NodeSpec(class_type, inputs, outputs, is_output, display_name=name)


def _input_spec_from_server(name: str, entry: Any, required: bool) -> InputSpec:
    kind, details = entry[0], entry[1] if len(entry) > 1 else {}
    # A combo is ["COMBO", {"options": [...]}], or in older nodes [[...], {...}].
    options = kind if isinstance(kind, list) else details.get("options", ())
    return InputSpec(
        name=name,
        type=_type_name(kind),
        required=required,
        options=tuple(options) if isinstance(options, list) else (),
        minimum=details.get("min"),
        maximum=details.get("max"),
        is_file=any(details.get(flag) for flag in UPLOAD_FLAGS),
        checked_by_node=True,
        default=details.get("default"),
        only_linked=bool(details.get("forceInput")),
        has_control=_has_control(name, _type_name(kind), details.get("control_after_generate")),
    )


def _type_name(kind: Any) -> str:
    return "COMBO" if isinstance(kind, list) else str(kind)


def types_fit(given: str, wanted: str) -> bool:
    """Whether an output of type `given` may be linked to an input of type `wanted`."""
    given_types, wanted_types = ({part.strip() for part in t.split(",")} for t in (given, wanted))
    return "*" in given_types | wanted_types or bool(given_types & wanted_types)


def suggestion(name: str, known: Iterable[str], limit: int = 20) -> str:
    """What to write instead of `name`: the closest of the known names, and all if they are few."""
    names = sorted({str(other) for other in known})
    if not names:
        return "there is none"
    shown = ", ".join(names[:limit]) + (" …" if len(names) > limit else "")
    return f"{guess(name, names)}known: {shown}"


def guess(name: str, known: Iterable[str]) -> str:
    """The known names closest to `name` as a question, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(repr(other) for other in close)}? " if close else ""
