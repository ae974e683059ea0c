"""Blur: Defocus Map and Render Bokeh."""

from __future__ import annotations

from torch import Tensor

from ..lens.aperture import CIRCLE, Aperture
from ..lens.defocus import (
    Defocus,
    colorize_defocus,
    defocus_from_bokeh_level,
    defocus_from_camera,
)
from ..lens.depth import Depth
from ..lens.focus import Focus
from ..lens.image import to_interleaved, to_planar, without_negative_light
from ..lens.optics import Camera
from ..lens.render import Lens, render, working_memory
from .comfy import intermediate_device, io, make_room, progress_of_whole, render_device
from .focus import DEPTH_ADVICE, FOCUS_ADVICE
from .node import CATEGORY, found_as, names_node, renames
from .previews import depth_of_field_text, ends, f_number_text, shown
from .sockets import (
    ApertureSocket,
    CameraSocket,
    DefocusSocket,
    DepthSocket,
    FocusSocket,
    LensSocket,
    expect,
    expect_if_given,
)


def bokeh_level_input() -> io.Float.Input:
    """How strong the blur is where no camera tells."""
    return io.Float.Input(
        "bokeh_level",
        default=20.0,
        min=0.0,
        max=10000.0,
        step=0.5,
        round=0.001,
        tooltip="Strength without a camera: blur radius in px per unit of disparity (1/m if the "
        "depth is metric, else nearest minus farthest). 0: all in focus. Not used while a camera "
        "is connected.",
    )


class DefocusMap(io.ComfyNode):
    """Blur radius of every pixel."""

    @classmethod
    @found_as("circle of confusion", "coc", "blur map", "z-blur")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerDefocusMap",
            display_name="Defocus Map",
            category=CATEGORY,
            description="How much every pixel is blurred. Orange is in front of the focus, blue "
            "behind it, white is sharp.",
            inputs=[
                DepthSocket.Input("depth", tooltip="Depth of the picture."),
                FocusSocket.Input("focus", tooltip="What is sharp; one, or one per frame."),
                bokeh_level_input(),
                io.Float.Input(
                    "focus_scale",
                    default=1.0,
                    min=0.01,
                    max=100.0,
                    step=0.01,
                    round=0.0001,
                    tooltip="Factor on the focus distance in the strength of a camera's blur "
                    "(Fine-grained Defocus). 1: a plain thin lens.",
                ),
                CameraSocket.Input(
                    "camera",
                    optional=True,
                    tooltip="Gives the strength of the blur as a real lens would; needs metric "
                    "depth.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The picture to be rendered: the map is made at its size, and "
                    "bokeh_level counts in its pixels. Without it, the size of the depth.",
                ),
            ],
            outputs=[
                DefocusSocket.Output(display_name="defocus"),
                io.Image.Output(display_name="preview"),
            ],
        )

    @classmethod
    @names_node
    @renames(focus_distance="focus")
    def execute(
        cls,
        depth: Depth,
        focus: Focus,
        bokeh_level: float,
        focus_scale: float,
        camera: Camera | None = None,
        image: Tensor | None = None,
    ) -> io.NodeOutput:
        scene = expect(depth, Depth, "depth", DEPTH_ADVICE)
        sharp = expect(focus, Focus, "focus", FOCUS_ADVICE)
        if image is not None:
            scene = scene.for_image(*to_planar(image).shape[-2:])
        if camera is None:
            defocus = defocus_from_bokeh_level(scene, sharp, bokeh_level)
            strength = f"bokeh level {bokeh_level:g}, no camera"
        else:
            lens = expect(camera, Camera, "camera", "Connect Camera or Load Photo.")
            defocus = defocus_from_camera(scene, sharp, lens, focus_scale)
            sharp_range = depth_of_field_text(lens, sharp)
            strength = f"{lens.focal_length_mm:g} mm {f_number_text(lens)}, {sharp_range}"
        picture = colorize_defocus(defocus)
        largest = float(defocus.radius.abs().amax())
        return io.NodeOutput(
            defocus,
            to_interleaved(picture),
            ui=shown(cls, ends(picture), f"{strength}: blur radius up to {largest:.1f} px"),
        )


class RenderBokeh(io.ComfyNode):
    """The picture out of focus."""

    @classmethod
    @found_as("depth of field", "dof", "lens blur", "background blur", "portrait mode")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerRenderBokeh",
            display_name="Render Bokeh",
            category=CATEGORY,
            description="Renders an all-in-focus picture out of focus, with any lens.",
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="All-in-focus pictures. One picture serves a whole focus pull. "
                    "A fourth channel (opacity) is dropped.",
                ),
                DefocusSocket.Input("defocus", tooltip="Blur of every pixel, from Defocus Map."),
                LensSocket.Input(
                    "lens", optional=True, tooltip="The renderer; without one, Layered Lens."
                ),
                ApertureSocket.Input(
                    "aperture", optional=True, tooltip="Shape of the blur; without one, a circle."
                ),
                io.Boolean.Input(
                    "linear",
                    default=False,
                    optional=True,
                    tooltip="On: the picture holds linear light (from another pack's EXR loader) "
                    "and stays linear. Off: an ordinary sRGB picture, or one of Load Photo.",
                ),
            ],
            outputs=[io.Image.Output(display_name="rendered")],
        )

    @classmethod
    @names_node
    def execute(
        cls,
        image: Tensor,
        defocus: Defocus,
        lens: Lens | None = None,
        aperture: Aperture | None = None,
        linear: bool = False,
    ) -> io.NodeOutput:
        pictures = without_negative_light(to_planar(image))
        blur = expect(defocus, Defocus, "defocus", "Connect Defocus Map.")
        renderer = expect_if_given(lens, Lens, "lens", "Connect a lens of Focus Puller.")
        shape = expect_if_given(aperture, Aperture, "aperture", "Connect Aperture.")
        height, width = pictures.shape[-2:]
        make_room(working_memory(height, width, renderer))
        rendered = render(
            pictures,
            blur,
            renderer,
            shape or CIRCLE,
            on_progress=progress_of_whole(),
            device=render_device(),
            linear=linear,
        )
        return io.NodeOutput(to_interleaved(rendered).to(intermediate_device()))
