"""Where the picture is sharp: Focus Point, Focus from Mask, Focus Distance and Focus Pull."""

from __future__ import annotations

from torch import Tensor

from ..lens.depth import Depth
from ..lens.focus import Easing, Focus, continue_pull, focus_on_mask
from ..lens.focus_areas import areas_from_text, focus_on_areas, region_from_text
from ..lens.image import mask_to_planar
from .comfy import has_browser, io
from .node import CATEGORY, found_as, names_node, renames
from .previews import depth_for_browser, focus_text, shown
from .sockets import DepthSocket, FocusSocket, expect

DEPTH_ADVICE = "Connect Load Photo (of a photo with depth), Load Depth or Depth from Image."
FOCUS_ADVICE = "Connect Focus Point, Focus from Mask or Focus Distance."
METRES, METRIC_DISPARITY, RELATIVE_DISPARITY = "metres", "disparity 1/m", "relative disparity"


def point_inputs(note: str = "") -> list[io.Float.Input]:
    """x and y of what to focus on, as fractions of the picture.

    Args:
        note: what else the node has to say about the point.
    """
    across = f"What to focus on, across the picture: 0 left, 1 right. {note}".rstrip()
    down = "What to focus on, down the picture: 0 top, 1 bottom."
    return [
        io.Float.Input(
            name, default=0.5, min=0.0, max=1.0, step=0.005, round=0.0001, tooltip=tooltip
        )
        for name, tooltip in (("x", across), ("y", down))
    ]


def _range_input() -> io.Float.Input:
    return io.Float.Input(
        "focus_range",
        default=0.0,
        min=0.0,
        max=1000.0,
        step=0.01,
        round=0.0001,
        tooltip="How much depth around the focus stays perfectly sharp, in the depth's own "
        "unit of disparity: 1/m if metric, else 0 to 1. 0: a single plane, as in a real lens.",
    )


def _focus_output(node: type[io.ComfyNode], focus: Focus) -> io.NodeOutput:
    return io.NodeOutput(focus, ui=shown(node, text=focus_text(focus)))


class FocusPoint(io.ComfyNode):
    """Focus on what is at a point."""

    @classmethod
    @found_as("click to focus", "tap to focus", "focus picker", "focus area", "autofocus point")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerFocusPoint",
            display_name="Focus Point",
            category=CATEGORY,
            description="Focuses on whatever is at a point or in a region of the picture. "
            "Click it in the node.",
            # So that it can be run alone, to see the depth before anything is rendered.
            is_output_node=True,
            inputs=[
                DepthSocket.Input("depth", tooltip="Depth of the picture."),
                *point_inputs(),
                _range_input(),
                io.String.Input(
                    "also_sharp",
                    default="",
                    optional=True,
                    tooltip="More places that shall be sharp: points x,y and regions "
                    "left,top,right,bottom, such as 0.2,0.4; 0.6,0.3,0.8,0.5. The sharp range then "
                    "reaches from the farthest to the nearest of them.",
                ),
                io.String.Input(
                    "region",
                    default="",
                    optional=True,
                    tooltip="A rectangle to focus on in place of x and y: left,top,right,bottom, "
                    "such as 0.6,0.3,0.8,0.5. The median depth in it counts. Empty: the point.",
                ),
            ],
            outputs=[FocusSocket.Output(display_name="focus")],
        )

    @classmethod
    @names_node
    @renames(focus_point="x, y")
    def execute(
        cls,
        depth: Depth,
        x: float,
        y: float,
        focus_range: float,
        also_sharp: str = "",
        region: str = "",
    ) -> io.NodeOutput:
        depth = expect(depth, Depth, "depth", DEPTH_ADVICE)
        first = region_from_text(region, "region") or (x, y)
        areas = [first, *areas_from_text(also_sharp, "also_sharp")]
        focus = focus_on_areas(depth, areas, focus_range)
        seen = shown(cls, text=focus_text(focus))
        if has_browser():
            seen |= depth_for_browser(depth)
        return io.NodeOutput(focus, ui=seen)


class FocusFromMask(io.ComfyNode):
    """Focus on a subject."""

    @classmethod
    @found_as("focus on subject", "mask focus", "focus on face")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerFocusFromMask",
            display_name="Focus from Mask",
            category=CATEGORY,
            description="Focuses on a masked subject: the median depth inside the mask.",
            inputs=[
                DepthSocket.Input("depth", tooltip="Depth of the picture."),
                io.Mask.Input("mask", tooltip="White (above 0.5) on the subject; any size."),
                _range_input(),
            ],
            outputs=[FocusSocket.Output(display_name="focus")],
        )

    @classmethod
    @names_node
    def execute(cls, depth: Depth, mask: Tensor, focus_range: float) -> io.NodeOutput:
        depth = expect(depth, Depth, "depth", DEPTH_ADVICE)
        masks = mask_to_planar(mask).cpu()
        return _focus_output(cls, focus_on_mask(depth, masks, focus_range))


class FocusDistance(io.ComfyNode):
    """Focus at a number."""

    @classmethod
    @found_as("manual focus", "focus plane", "focus ring")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerFocusDistance",
            display_name="Focus Distance",
            category=CATEGORY,
            description="Focuses at a distance, as on the scale of a lens.",
            inputs=[
                io.Float.Input(
                    "distance",
                    default=2.0,
                    min=0.0,
                    max=100000.0,
                    step=0.05,
                    round=0.0001,
                    tooltip="Focus distance in the chosen unit. As disparity, 0 is infinity.",
                ),
                io.Combo.Input(
                    "unit",
                    options=[METRES, METRIC_DISPARITY, RELATIVE_DISPARITY],
                    default=METRES,
                    tooltip="Metres and 1/m go with metric depth; relative disparity (0 farthest, "
                    "1 nearest) goes with relative depth.",
                ),
                io.Float.Input(
                    "focus_range",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=0.01,
                    round=0.0001,
                    tooltip="How much depth around the focus stays perfectly sharp, in the same "
                    "unit. 0: a single plane, as in a real lens.",
                ),
            ],
            outputs=[FocusSocket.Output(display_name="focus")],
        )

    @classmethod
    @names_node
    @renames(focus_distance="distance", focus_disparity="distance")
    def execute(cls, distance: float, unit: str, focus_range: float) -> io.NodeOutput:
        if unit == METRES:
            focus = Focus.at_distance(distance, focus_range)
        else:
            focus = Focus.at_disparity(distance, unit == METRIC_DISPARITY, focus_range)
        return _focus_output(cls, focus)


class FocusPull(io.ComfyNode):
    """Rack focus."""

    @classmethod
    @found_as("rack focus", "focus shift", "focus transition")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerFocusPull",
            display_name="Focus Pull",
            category=CATEGORY,
            description="Moves the focus from one subject to another over a batch of frames. "
            "Connect one Focus Pull to the next for more stops.",
            inputs=[
                FocusSocket.Input(
                    "start",
                    tooltip="Focus of the first frame, or an earlier pull that this one continues.",
                ),
                FocusSocket.Input("end", tooltip="Focus of the last frame."),
                io.Int.Input(
                    "frames",
                    default=24,
                    min=1,
                    max=10000,
                    tooltip="How many frames the pull takes. A single picture is rendered once "
                    "per frame; a batch needs as many pictures as there are frames in all.",
                ),
                io.Combo.Input(
                    "easing",
                    options=["smooth", "linear"],
                    default="smooth",
                    tooltip="Smooth starts and stops gently, as a hand on the focus ring does.",
                ),
            ],
            outputs=[FocusSocket.Output(display_name="focus")],
        )

    @classmethod
    @names_node
    @renames(keyframes="start, end")
    def execute(cls, start: Focus, end: Focus, frames: int, easing: Easing) -> io.NodeOutput:
        first = expect(start, Focus, "start", FOCUS_ADVICE)
        last = expect(end, Focus, "end", FOCUS_ADVICE)
        return _focus_output(cls, continue_pull(first, last, frames, easing))
