"""ComfyUI's own nodes that make and change masks."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from ..nodes.standin import io
from . import core_pixels
from .core_pixels import MAX_RESOLUTION

CHANNELS = ["red", "green", "blue", "alpha"]


class ImageToMask(io.ComfyNode):
    """One channel as a mask."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageToMask",
            display_name="Convert Image to Mask",
            category="mask",
            inputs=[io.Image.Input("image"), io.Combo.Input("channel", options=CHANNELS)],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, image: Tensor, channel: str) -> io.NodeOutput:
        index = CHANNELS.index(channel)
        if index >= image.shape[-1]:
            raise InputError(
                "channel", f"{channel} of an image without it", "Choose red, green or blue."
            )
        return io.NodeOutput(image[..., index])


class MaskToImage(io.ComfyNode):
    """A mask as a grey picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MaskToImage",
            display_name="Convert Mask to Image",
            category="mask",
            inputs=[io.Mask.Input("mask")],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, mask: Tensor) -> io.NodeOutput:
        return io.NodeOutput(_mask_batch(mask)[..., None].expand(-1, -1, -1, 3))


class InvertMask(io.ComfyNode):
    """What is outside the mask."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InvertMask",
            category="mask",
            inputs=[io.Mask.Input("mask")],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, mask: Tensor) -> io.NodeOutput:
        return io.NodeOutput(1.0 - mask)


class SolidMask(io.ComfyNode):
    """A mask of one value."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SolidMask",
            category="mask",
            inputs=[
                io.Float.Input("value", default=1.0, min=0.0, max=1.0, step=0.01),
                io.Int.Input("width", default=512, min=1, max=MAX_RESOLUTION, step=1),
                io.Int.Input("height", default=512, min=1, max=MAX_RESOLUTION, step=1),
            ],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, value: float, width: int, height: int) -> io.NodeOutput:
        return io.NodeOutput(torch.full((1, height, width), value))


class GrowMask(io.ComfyNode):
    """Grow a mask by pixels, or shrink it by negative ones."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GrowMask",
            display_name="Grow Mask",
            category="mask",
            inputs=[
                io.Mask.Input("mask"),
                io.Int.Input("expand", default=0, min=-MAX_RESOLUTION, max=MAX_RESOLUTION, step=1),
                io.Boolean.Input("tapered_corners", default=True),
            ],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, mask: Tensor, expand: int, tapered_corners: bool) -> io.NodeOutput:
        return io.NodeOutput(core_pixels.grown(_mask_batch(mask), expand, not tapered_corners))


MASK_NODES: tuple[type[io.ComfyNode], ...] = (
    ImageToMask,
    MaskToImage,
    InvertMask,
    SolidMask,
    GrowMask,
)


def _mask_batch(mask: Tensor) -> Tensor:
    """`[B,H,W]` of a mask with any number of leading dimensions."""
    return mask.reshape(-1, *mask.shape[-2:])
