"""The renderers as lenses: TAF Lens and BokehMe Lens."""

from __future__ import annotations

from ..lens.blur_disc import Weighting
from ..lens.bokehme import BokehMeOptions, Method
from ..lens.render import Lens
from .comfy import io
from .node import CATEGORY, names_node
from .sockets import LensSocket

LINEAR_LIGHT, GAMMA = "linear", "gamma"
LENSES_CATEGORY = f"{CATEGORY}/lenses"


class TafLens(io.ComfyNode):
    """The thin lens as a gather."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerTafLens",
            display_name="TAF Lens",
            category=LENSES_CATEGORY,
            description="The thin-lens model of the TAF paper: every pixel averages its "
            "surroundings. Smooth and differentiable; sharp things bleed into blurred ones behind.",
            inputs=[],
            outputs=[LensSocket.Output(display_name="lens")],
        )

    @classmethod
    @names_node
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(Lens("taf"))


class BokehMeLens(io.ComfyNode):
    """BokehMe's scatter."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerBokehMeLens",
            display_name="BokehMe Lens",
            category=LENSES_CATEGORY,
            description="BokehMe's classical renderer: every pixel spreads its light over its own "
            "blur disc, so that highlights become crisp bokeh balls. Blurred things bleed over "
            "sharp ones beside them.",
            inputs=[
                io.Combo.Input(
                    "light",
                    options=[LINEAR_LIGHT, GAMMA],
                    default=LINEAR_LIGHT,
                    tooltip="Linear: as light adds up in a camera. Gamma: as BokehMe does it, with "
                    "the gamma below, which makes highlights stand out.",
                ),
                io.Float.Input(
                    "gamma",
                    default=4.0,
                    min=1.0,
                    max=5.0,
                    step=0.1,
                    tooltip="1 to 5, used with light = gamma. The higher, the brighter the bokeh "
                    "balls; BokehMe's own choice is 4.",
                ),
                io.Combo.Input(
                    "weighting",
                    options=["bokehme", "energy"],
                    default="bokehme",
                    tooltip="How strongly discs of different size count. bokehme: as published. "
                    "energy: every pixel spreads exactly the light that it has.",
                ),
                io.Combo.Input(
                    "method",
                    options=["fft", "exact"],
                    default="fft",
                    tooltip="fft: runs everywhere. exact: closer to the definition, on the CPU "
                    "with numba installed.",
                ),
            ],
            outputs=[LensSocket.Output(display_name="lens")],
        )

    @classmethod
    @names_node
    def execute(
        cls, light: str, gamma: float, weighting: Weighting, method: Method
    ) -> io.NodeOutput:
        options = BokehMeOptions(gamma if light == GAMMA else None, weighting, method)
        return io.NodeOutput(Lens("bokehme", options))
