"""FLUX networks for focus: DeblurNet, BokehNet and DiffCamera Refocus."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..lens.aperture import Aperture
from ..lens.defocus import Defocus
from ..lens.depth import Depth
from ..lens.image import to_interleaved, to_planar
from ..models.flux.networks import Kind
from ..models.refocus.bokeh import render_bokeh
from ..models.refocus.deblur import deblur
from ..models.refocus.diffcamera import refocus
from ..models.refocus.model import RefocusModel
from ..models.refocus.sampling import Sampling
from .comfy import intermediate_device, io
from .focus import DEPTH_ADVICE, point_inputs
from .node import CATEGORY, found_as, names_node, renames
from .sampling import MODEL_ADVICE, noise_inputs, pass_inputs, tile_inputs, watched
from .sockets import (
    ApertureSocket,
    DefocusSocket,
    DepthSocket,
    RefocusModelSocket,
    expect,
    expect_if_given,
)
from .weights import NetworkNode


class DeblurNet(NetworkNode):
    """All in focus."""

    @classmethod
    @found_as("deblur", "unblur", "sharpen photo", "all-in-focus")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerDeblurNet",
            display_name="DeblurNet",
            category=CATEGORY,
            description="Makes a photo sharp from front to back, with Generative Refocusing's "
            "DeblurNet.",
            inputs=[
                RefocusModelSocket.Input(
                    "model", tooltip="FLUX with DeblurNet, from Load Refocus Model."
                ),
                io.Image.Input(
                    "image",
                    tooltip="Photos of any size, in ordinary sRGB colours. They are not resampled.",
                ),
                *noise_inputs(),
                *tile_inputs(),
                *pass_inputs(),
                io.Image.Input(
                    "pre_deblurred",
                    optional=True,
                    tooltip="A careful restoration of the photo by another network, of the same "
                    "size: for the DeblurNet that was trained with one (with_pre_deblur).",
                ),
            ],
            outputs=[io.Image.Output(display_name="all_in_focus")],
        )

    @classmethod
    @names_node
    @renames(adapter="model")
    def execute(
        cls,
        model: RefocusModel,
        image: Tensor,
        steps: int,
        seed: int,
        keep_colors: bool = True,
        pre_deblurred: Tensor | None = None,
        **passes: Any,
    ) -> io.NodeOutput:
        flux = expect(model, RefocusModel, "model", MODEL_ADVICE)
        restored = None if pre_deblurred is None else to_planar(pre_deblurred, "pre_deblurred")
        kinds = [Kind.DEBLUR, Kind.PRE_DEBLUR]
        result = deblur(
            flux.base,
            flux.adapter(*(kinds if restored is None else reversed(kinds))),
            to_planar(image),
            restored,
            Sampling(steps, seed, **passes),
            keep_colors,
            watched(),
        )
        return io.NodeOutput(to_interleaved(result).to(intermediate_device()))


class BokehNet(NetworkNode):
    """Blur by a network."""

    @classmethod
    @found_as("generative bokeh", "flux bokeh", "synthesize blur")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerBokehNet",
            display_name="BokehNet",
            category=CATEGORY,
            description="Renders an all-in-focus picture out of focus, with Generative "
            "Refocusing's BokehNet.",
            inputs=[
                RefocusModelSocket.Input(
                    "model", tooltip="FLUX with BokehNet, from Load Refocus Model."
                ),
                io.Image.Input(
                    "image",
                    tooltip="All-in-focus pictures of any size, such as DeblurNet's. They are not "
                    "resampled. One picture serves a whole focus pull.",
                ),
                DefocusSocket.Input(
                    "defocus",
                    tooltip="Blur of every pixel, from Defocus Map; radii up to 100 px.",
                ),
                *noise_inputs(),
                io.Boolean.Input(
                    "keep_in_focus",
                    default=True,
                    optional=True,
                    tooltip="Keep the picture's own pixels where nothing is blurred, with a soft "
                    "edge. Off: all pixels are the network's.",
                ),
                *tile_inputs(),
                *pass_inputs(),
                ApertureSocket.Input(
                    "aperture",
                    optional=True,
                    tooltip="Shape of the blur; needs an adapter for shapes in the model.",
                ),
            ],
            outputs=[io.Image.Output(display_name="rendered")],
        )

    @classmethod
    @names_node
    @renames(adapter="model", aperture_adapter="model")
    def execute(
        cls,
        model: RefocusModel,
        image: Tensor,
        defocus: Defocus,
        steps: int,
        seed: int,
        keep_in_focus: bool = True,
        keep_colors: bool = True,
        aperture: Aperture | None = None,
        **passes: Any,
    ) -> io.NodeOutput:
        flux = expect(model, RefocusModel, "model", MODEL_ADVICE)
        blur = expect(defocus, Defocus, "defocus", "Connect Defocus Map.")
        shape = expect_if_given(aperture, Aperture, "aperture", "Connect Aperture.")
        result = render_bokeh(
            flux.base,
            flux.adapter(Kind.BOKEH),
            to_planar(image),
            blur,
            shape,
            None if shape is None else flux.adapter(Kind.APERTURE),
            Sampling(steps, seed, **passes),
            keep_in_focus,
            keep_colors,
            watched(),
        )
        return io.NodeOutput(to_interleaved(result).to(intermediate_device()))


class DiffCameraRefocus(NetworkNode):
    """Another focus in one go."""

    @classmethod
    @found_as("diffcamera", "refocus by point")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerDiffCameraRefocus",
            display_name="DiffCamera Refocus",
            category=CATEGORY,
            description="Refocuses a photo in one go, and adds or removes blur, with DiffCamera.",
            inputs=[
                RefocusModelSocket.Input(
                    "model", tooltip="FLUX with DiffCamera, from Load Refocus Model."
                ),
                io.Image.Input(
                    "image",
                    tooltip="Photos, sharp or blurred, best of about a megapixel: the network sees "
                    "them whole. They are not resampled.",
                ),
                *point_inputs(),
                io.Float.Input(
                    "bokeh_level",
                    default=10.0,
                    min=0.0,
                    max=1000.0,
                    step=0.5,
                    round=0.001,
                    tooltip="Strength: blur radius in px of the picture between what is nearest "
                    "and what is farthest. 0 removes blur. Trained up to 20 at 1024 px.",
                ),
                *noise_inputs(),
                *pass_inputs(),
                DepthSocket.Input(
                    "depth",
                    optional=True,
                    tooltip="Depth of the photos, metric or relative. Without it, the network goes "
                    "by the photo alone.",
                ),
            ],
            outputs=[io.Image.Output(display_name="refocused")],
        )

    @classmethod
    @names_node
    @renames(adapter="model", focus_point="x, y")
    def execute(
        cls,
        model: RefocusModel,
        image: Tensor,
        x: float,
        y: float,
        bokeh_level: float,
        steps: int,
        seed: int,
        keep_colors: bool = True,
        depth: Depth | None = None,
        **passes: Any,
    ) -> io.NodeOutput:
        flux = expect(model, RefocusModel, "model", MODEL_ADVICE)
        result = refocus(
            flux.base,
            flux.adapter(Kind.DIFFCAMERA),
            to_planar(image),
            (x, y),
            bokeh_level,
            expect_if_given(depth, Depth, "depth", DEPTH_ADVICE),
            Sampling(steps, seed, **passes),
            keep_colors,
            watched(),
        )
        return io.NodeOutput(to_interleaved(result).to(intermediate_device()))
