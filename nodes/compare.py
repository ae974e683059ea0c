"""Two pictures over each other: Compare."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..lens.defocus import Defocus
from ..lens.depth import SAME_ASPECT
from ..lens.image import to_planar, without_negative_light
from .comfy import has_browser, io
from .node import CATEGORY, found_as, names_node
from .previews import ends, numbers_for_browser, picture_for_browser, shown
from .sockets import DefocusSocket, expect_if_given


class Compare(io.ComfyNode):
    """Before and after."""

    @classmethod
    @found_as("before after", "image comparer", "a/b", "wipe")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerCompare",
            display_name="Compare",
            category=CATEGORY,
            description="Shows two pictures over each other with a divider to drag, the colours "
            "under the pointer, and how much each pixel is blurred. Of a batch, the first and the "
            "last.",
            is_output_node=True,
            inputs=[
                io.Image.Input("before", tooltip="What is left of the divider."),
                io.Image.Input("after", tooltip="What is right of the divider."),
                DefocusSocket.Input(
                    "defocus",
                    optional=True,
                    tooltip="Blur of every pixel, from Defocus Map, to lay over the picture.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    @names_node
    def execute(
        cls, before: Tensor, after: Tensor, defocus: Defocus | None = None
    ) -> io.NodeOutput:
        left, right = _pictures(before, "before"), _pictures(after, "after")
        _check_pair(left, right)
        left, right = ends(left), ends(right)
        blur = expect_if_given(defocus, Defocus, "defocus", "Connect Defocus Map.")
        if not has_browser():
            return io.NodeOutput(ui=shown(cls, _side_by_side(left, right)))
        count = max(len(left), len(right))
        radius = None if blur is None else ends(blur.radius)
        return io.NodeOutput(
            ui={"focus_puller_compare": [_pair(left, right, radius, i) for i in range(count)]}
        )


def _pictures(image: Tensor, name: str) -> Tensor:
    """`[B,3,H,W]`."""
    return without_negative_light(to_planar(image, name))[:, :3]


def _check_pair(before: Tensor, after: Tensor) -> None:
    counts = len(before), len(after)
    if counts[0] != counts[1] and 1 not in counts:
        received = f"{counts[0]} and {counts[1]} pictures"
        raise InputError("before, after", received, "Give as many of both, or one of either.")
    stretch = (before.shape[-1] / before.shape[-2]) / (after.shape[-1] / after.shape[-2])
    if not 1 / SAME_ASPECT < stretch < SAME_ASPECT:
        sizes = " and ".join(f"{each.shape[-1]}×{each.shape[-2]} px" for each in (before, after))
        raise InputError("before, after", sizes, "Give pictures of the same shape.")


def _side_by_side(before: Tensor, after: Tensor) -> Tensor:
    height, width = after.shape[-2:]
    left = F.interpolate(before.float(), (height, width), mode="nearest-exact")
    count = max(len(left), len(after))
    halves = [each.float().cpu().expand(count, -1, -1, -1) for each in (left, after)]
    return torch.cat(halves, dim=-1)


def _pair(before: Tensor, after: Tensor, radius: Tensor | None, index: int) -> dict[str, Any]:
    """What the browser gets of one frame."""
    pair: dict[str, Any] = {
        "before": picture_for_browser(_at(before, index)),
        "after": picture_for_browser(_at(after, index)),
    }
    if radius is not None:
        pair["defocus"] = numbers_for_browser(_at(radius, index))
    return pair


def _at(pictures: Tensor, index: int) -> Tensor:
    """Picture `index`, or the only one."""
    return pictures[min(index, len(pictures) - 1)][None]
