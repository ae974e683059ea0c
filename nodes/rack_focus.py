"""Rack Focus Timeline: keyframes for focus distance and f-number."""

from __future__ import annotations

from ..errors import InputError
from ..lens.optics import Camera
from ..lens.rack_focus import MAX_FRAMES, RackFocus
from ..lens.sequence import cameras_as_one
from ..photo.frames import frames_text
from .comfy import io
from .node import CATEGORY, found_as, names_node
from .previews import focus_text, shown
from .sockets import CameraSocket, FocusSocket, expect_if_given

START = "0: 2m; 24: 2m; 48: 0.7m"


class RackFocusTimeline(io.ComfyNode):
    """Focus and f-number over the frames."""

    @classmethod
    @found_as("focus keyframes", "animate focus", "follow focus", "keyframe aperture")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerRackFocusTimeline",
            display_name="Rack Focus Timeline",
            category=CATEGORY,
            description="Moves focus distance and f-number over the frames, along keyframes. "
            "Drag them in the node, or write them.",
            inputs=[
                io.String.Input(
                    "keyframes",
                    multiline=True,
                    default=START,
                    tooltip="FRAME: DISTANCE f/N, such as 0: 2m f/2; 24: 0.7m linear. Metres "
                    "(2m, inf) or relative disparity (0.4; 1 is nearest). Moves are smooth "
                    "unless linear.",
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=MAX_FRAMES,
                    tooltip="How many frames there are. 0: up to the last keyframe.",
                ),
                CameraSocket.Input(
                    "camera",
                    optional=True,
                    tooltip="The camera whose f-number the keyframes set.",
                ),
            ],
            outputs=[
                FocusSocket.Output(display_name="focus"),
                CameraSocket.Output(
                    display_name="camera",
                    tooltip="The camera with an f-number for each frame; nothing without a camera.",
                ),
            ],
        )

    @classmethod
    @names_node
    def execute(cls, keyframes: str, frames: int, camera: Camera | None = None) -> io.NodeOutput:
        lens = expect_if_given(camera, Camera, "camera", "Connect Camera or Load Photo.")
        rack = RackFocus.from_text(keyframes)
        if rack.has_f_numbers and lens is None:
            raise InputError(
                "keyframes", "f-numbers without a camera", "Connect Camera, or leave f/N out."
            )
        count = frames or rack.length
        focus = rack.focus(count)
        moving = lens and cameras_as_one(rack.cameras(lens, count))
        text = f"{frames_text(count)}: {focus_text(focus)}"
        return io.NodeOutput(focus, moving, ui=shown(cls, text=text))
