"""The renderers as lenses: TAF, BokehMe, Dr.Bokeh and Layered Lens."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..lens.blur_disc import Weighting
from ..lens.bokehme import BokehMeOptions, Method
from ..lens.drbokeh import MAX_LAYERS, DrBokehOptions, Kernel
from ..lens.layered.render import LayeredOptions
from ..lens.render import Lens
from ..models.bokehme.handle import bokehme_lens
from ..models.bokehme.published import BOKEHME_ARNET, BOKEHME_IUNET
from .comfy import io
from .node import CATEGORY, found_as, names_node
from .previews import shown
from .sockets import LensSocket
from .weights import NONE, NetworkNode, weights_fingerprint, weights_input, weights_path

LINEAR_LIGHT, GAMMA = "linear", "gamma"
LENSES_CATEGORY = f"{CATEGORY}/lenses"
NETWORKS = {"arnet": BOKEHME_ARNET, "iunet": BOKEHME_IUNET}


class TafLens(io.ComfyNode):
    """The thin lens as a gather."""

    @classmethod
    @found_as("fast blur", "disc blur", "quick bokeh")
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


class BokehMeLens(NetworkNode):
    """BokehMe: the scatter, and its networks where there are weights."""

    @classmethod
    @found_as("neural bokeh", "hybrid bokeh", "arnet")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerBokehMeLens",
            display_name="BokehMe Lens",
            category=LENSES_CATEGORY,
            description="BokehMe: every pixel spreads its light over its own blur disc, so that "
            "highlights become crisp bokeh balls. Blurred things bleed over sharp ones beside "
            "them, unless its networks repair that.",
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
                io.Boolean.Input(
                    "highlights",
                    default=False,
                    optional=True,
                    tooltip="Brightens what is nearly white and out of focus, by up to 1.4, for "
                    "the light that clipping at white has taken.",
                ),
                *[
                    weights_input(
                        name,
                        weights,
                        f"Choose both networks, or none. {weights.network} ({weights.file})",
                        can_be_none=True,
                    )
                    for name, weights in NETWORKS.items()
                ],
            ],
            outputs=[LensSocket.Output(display_name="lens")],
        )

    @classmethod
    def fingerprint_inputs(
        cls, arnet: str = NONE, iunet: str = NONE, **others: object
    ) -> tuple[object, ...]:
        chosen = (
            weights_fingerprint(arnet, BOKEHME_ARNET),
            weights_fingerprint(iunet, BOKEHME_IUNET),
        )
        return (*chosen, *sorted(others.items()))

    @classmethod
    @names_node
    def execute(
        cls,
        light: str,
        gamma: float,
        weighting: Weighting,
        method: Method,
        highlights: bool = False,
        arnet: str = NONE,
        iunet: str = NONE,
    ) -> io.NodeOutput:
        options = BokehMeOptions(gamma if light == GAMMA else None, weighting, method, highlights)
        networks = weights_path(arnet, BOKEHME_ARNET), weights_path(iunet, BOKEHME_IUNET)
        lens = bokehme_lens(options, *networks)
        return io.NodeOutput(lens, ui=shown(cls, text=_networks_text(*networks)))


class DrBokehLens(io.ComfyNode):
    """Dr.Bokeh: layers over each other."""

    @classmethod
    @found_as("differentiable bokeh", "occlusion-aware blur", "mpi blur")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerDrBokehLens",
            display_name="Dr.Bokeh Lens",
            category=LENSES_CATEGORY,
            description="Dr.Bokeh: the picture is split into layers, by depth or by a mask, that "
            "are blurred and laid over each other. Sharp edges stay clean, and a blurred "
            "foreground lets through what is behind it.",
            inputs=[
                io.Int.Input(
                    "layers",
                    default=3,
                    min=1,
                    max=MAX_LAYERS,
                    tooltip="Layers at most; fewer where the depth has no more edges. Each takes "
                    "its time. With a foreground 2 or more, itself among them.",
                ),
                io.Combo.Input(
                    "kernel",
                    options=["lens", "published"],
                    default="lens",
                    tooltip="lens: crisp discs that keep their light. published: Dr.Bokeh's own, "
                    "which are softer and a little larger.",
                ),
                io.Mask.Input(
                    "foreground",
                    optional=True,
                    tooltip="The front layer, white, of the picture that is rendered: from a "
                    "matting or segmentation node, one or one per frame.",
                ),
                io.Image.Input(
                    "background",
                    optional=True,
                    tooltip="What is behind the foreground: the picture with the foreground "
                    "painted out. Needs the foreground. Without it, it is made up smoothly.",
                ),
                io.Boolean.Input(
                    "linear",
                    default=False,
                    optional=True,
                    tooltip="On: the background holds linear light, like the picture with which "
                    "Render Bokeh's linear is on.",
                ),
            ],
            outputs=[LensSocket.Output(display_name="lens")],
        )

    @classmethod
    @names_node
    def execute(
        cls,
        layers: int,
        kernel: Kernel,
        foreground: Tensor | None = None,
        background: Tensor | None = None,
        linear: bool = False,
    ) -> io.NodeOutput:
        options = DrBokehOptions.from_arrays(
            foreground, background, layers=layers, kernel=kernel, linear=linear
        )
        return io.NodeOutput(Lens("drbokeh", options))


class LayeredLens(io.ComfyNode):
    """Surfaces that hide each other."""

    @classmethod
    @found_as("physically based blur", "ray-traced blur", "accurate bokeh")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerLayeredLens",
            display_name="Layered Lens",
            category=LENSES_CATEGORY,
            description="Surfaces hide each other as before a real lens: sharp edges stay clean, "
            "and the background shows through a blurred foreground. Render Bokeh uses it when no "
            "lens is connected.",
            inputs=[
                io.Boolean.Input(
                    "repair_depth",
                    default=True,
                    optional=True,
                    tooltip="On: soft depth edges are made hard and uneven depth smooth before "
                    "rendering, as estimated depth needs it. Off: the depth is taken as it is.",
                )
            ],
            outputs=[LensSocket.Output(display_name="lens")],
        )

    @classmethod
    @names_node
    def execute(cls, repair_depth: bool = True) -> io.NodeOutput:
        return io.NodeOutput(Lens("layered", LayeredOptions(repair_depth)))


def _networks_text(arnet: Path | None, iunet: Path | None) -> str:
    if arnet and iunet:
        return f"with networks: {arnet.name}, {iunet.name}"
    files = f"{BOKEHME_ARNET.file} and {BOKEHME_IUNET.file}"
    return f"classical; with {files} in models/{BOKEHME_ARNET.folders[0]} depth edges get better"
