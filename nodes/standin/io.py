"""Node schemas: the part of `comfy_api.latest.io` that Focus Puller's nodes use.

Names, parameters and their order are ComfyUI's (0.3.64 and 0.8.0, whichever takes less), which is
why some of them shadow builtins. Images are `[B,H,W,C]`, masks `[B,H,W]`, both float 0..1.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar


class FolderType(str, Enum):
    """Which of ComfyUI's folders a file lies in."""

    input = "input"
    output = "output"
    temp = "temp"


class UploadType(str, Enum):
    """What kind of file a combo offers to upload."""

    image = "image_upload"
    audio = "audio_upload"
    video = "video_upload"
    model = "file_upload"


class NumberDisplay(str, Enum):
    """How a number widget looks."""

    number = "number"
    slider = "slider"


class Hidden(str, Enum):
    """What a node may ask for besides its inputs."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"


@dataclass(frozen=True)
class HiddenHolder:
    """The hidden values of a node while it runs; None for what its schema did not ask for."""

    unique_id: str | None = None
    prompt: dict[str, Any] | None = None
    extra_pnginfo: dict[str, Any] | None = None


@dataclass
class _Port:
    """An input of any kind: ComfyUI's first five parameters."""

    io_type: ClassVar[str] = "*"

    id: str
    display_name: str | None = None
    optional: bool = False
    tooltip: str | None = None
    lazy: bool | None = None


@dataclass
class Input(_Port):
    """An input that only takes a link."""

    extra_dict: dict[str, Any] | None = None


@dataclass
class Output:
    """An output; without a name it is called after its type."""

    io_type: ClassVar[str] = "*"

    id: str | None = None
    display_name: str | None = None
    tooltip: str | None = None
    is_output_list: bool = False


class Socket:
    """A type of link: its name, and classes for its inputs and outputs."""

    io_type: ClassVar[str] = "*"
    Input: type[Input] = Input
    Output: type[Output] = Output


def Custom(io_type: str) -> type[Socket]:  # noqa: N802 - ComfyUI's name
    """A link type of its own, such as LENS."""
    attributes = {"io_type": io_type}
    return type(
        io_type,
        (Socket,),
        {
            "io_type": io_type,
            "Input": type("Input", (Input,), attributes),
            "Output": type("Output", (Output,), attributes),
        },
    )


Image = Custom("IMAGE")
Model = Custom("MODEL")
Clip = Custom("CLIP")
Vae = Custom("VAE")
Mask = Custom("MASK")
Video = Custom("VIDEO")
Conditioning = Custom("CONDITIONING")


class Float:
    """A number."""

    io_type = "FLOAT"

    @dataclass
    class Input(_Port):
        """A number widget; `round` is the precision it is rounded to in the browser."""

        io_type: ClassVar[str] = "FLOAT"

        default: float | None = None
        min: float | None = None
        max: float | None = None
        step: float | None = None
        round: float | None = None
        display_mode: NumberDisplay | None = None
        socketless: bool | None = None
        force_input: bool | None = None

    Output = Custom("FLOAT").Output


class Int:
    """A whole number."""

    io_type = "INT"

    @dataclass
    class Input(_Port):
        """A whole number widget."""

        io_type: ClassVar[str] = "INT"

        default: int | None = None
        min: int | None = None
        max: int | None = None
        step: int | None = None
        control_after_generate: bool | None = None
        display_mode: NumberDisplay | None = None
        socketless: bool | None = None
        force_input: bool | None = None

    Output = Custom("INT").Output


class Boolean:
    """A switch."""

    io_type = "BOOLEAN"

    @dataclass
    class Input(_Port):
        """A switch widget."""

        io_type: ClassVar[str] = "BOOLEAN"

        default: bool | None = None
        label_on: str | None = None
        label_off: str | None = None
        socketless: bool | None = None
        force_input: bool | None = None

    Output = Custom("BOOLEAN").Output


class String:
    """A text."""

    io_type = "STRING"

    @dataclass
    class Input(_Port):
        """A text widget."""

        io_type: ClassVar[str] = "STRING"

        multiline: bool = False
        placeholder: str | None = None
        default: str | None = None
        dynamic_prompts: bool | None = None
        socketless: bool | None = None
        force_input: bool | None = None

    Output = Custom("STRING").Output


class Combo:
    """A choice."""

    io_type = "COMBO"

    @dataclass
    class Input:
        """A choice from a list; with `upload` a file of ComfyUI's input folder."""

        io_type: ClassVar[str] = "COMBO"

        id: str
        options: list[str] | list[int] | type[Enum] | None = None
        display_name: str | None = None
        optional: bool = False
        tooltip: str | None = None
        lazy: bool | None = None
        default: str | int | Enum | None = None
        control_after_generate: bool | None = None
        upload: UploadType | None = None
        image_folder: FolderType | None = None
        remote: Any = None
        socketless: bool | None = None

        def __post_init__(self) -> None:
            if isinstance(self.options, type):
                self.options = [member.value for member in self.options]
            if isinstance(self.default, Enum):
                self.default = self.default.value

    Output = Custom("COMBO").Output


@dataclass
class Schema:
    """What a node is called, takes and gives."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_api_node: bool = False
    not_idempotent: bool = False
    enable_expand: bool = False
    # Only newer ComfyUIs take it, so nodes set it when the schema is made: `found_as`.
    search_aliases: list[str] = field(default_factory=list)

    def finalize(self) -> None:
        """Fill in what ComfyUI fills in: hidden values of output nodes, ids of outputs."""
        if self.is_output_node:
            wanted = (Hidden.prompt, Hidden.extra_pnginfo)
            self.hidden = [*self.hidden, *(value for value in wanted if value not in self.hidden)]
        for index, output in enumerate(self.outputs):
            output.id = output.id or f"_{index}_{output.io_type}_"

    def validate(self) -> None:
        """Refuse what ComfyUI refuses, and what this stand-in cannot do.

        Raises:
            ValueError: ids are not unique, or the node works on lists or expands into a graph.
        """
        ids = Counter(port.id for port in [*self.inputs, *self.outputs])
        twice = [name for name, count in ids.items() if count > 1]
        if twice:
            raise ValueError(f"{self.node_id}: inputs and outputs share the ids {twice}.")
        if self.is_input_list or self.enable_expand or any(o.is_output_list for o in self.outputs):
            raise ValueError(f"{self.node_id}: lists and graph expansion need a real ComfyUI.")


class NodeOutput:
    """What a node returns: its output values in order, and what to show (`ui`)."""

    def __init__(self, *args: Any, ui: Any = None) -> None:
        self.args = args
        self.ui = ui

    @property
    def result(self) -> tuple[Any, ...] | None:
        """The values, None if there are none."""
        return self.args or None

    def __getitem__(self, index: int) -> Any:
        return self.args[index]


class ComfyNode:
    """Base of all nodes. A node may also have the class methods `validate_inputs` (True, or a
    text that says what is wrong) and `fingerprint_inputs`."""

    hidden: ClassVar[HiddenHolder | None] = None

    @classmethod
    def define_schema(cls) -> Schema:
        """Name, inputs and outputs of the node."""
        raise NotImplementedError

    @classmethod
    def execute(cls, *args: Any, **kwargs: Any) -> NodeOutput:
        """Do the node's work; the inputs arrive by name."""
        raise NotImplementedError

    @classmethod
    def GET_SCHEMA(cls) -> Schema:  # noqa: N802 - ComfyUI's name
        """The finished and validated schema."""
        schema = cls.define_schema()
        schema.finalize()
        schema.validate()
        return schema
