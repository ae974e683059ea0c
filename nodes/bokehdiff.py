"""BokehDiff as a lens."""

from __future__ import annotations

from ..models.bokehdiff.handle import bokehdiff_lens
from ..models.bokehdiff.one_step import TRUE_PER_TOLD
from ..models.bokehdiff.published import BOKEHDIFF
from .comfy import io
from .lenses import LENSES_CATEGORY
from .node import found_as, names_node
from .previews import shown
from .sdxl import base_fingerprint, base_input, base_path
from .sockets import LensSocket
from .weights import AUTOMATIC, NetworkNode, weights_fingerprint, weights_input, weights_path


class BokehDiffLens(NetworkNode):
    """BokehDiff: a diffusion model that blurs in one step."""

    @classmethod
    @found_as("diffusion bokeh", "one-step bokeh", "sdxl lens blur")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerBokehDiffLens",
            display_name="BokehDiff Lens",
            category=LENSES_CATEGORY,
            description="BokehDiff: SDXL paints the blur in one step, guided by the depth. Fine "
            "edges such as hair look right even where the depth does not follow them.",
            inputs=[
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.05,
                    round=0.001,
                    tooltip="Factor on the blur. 1: discs are as wide as in Defocus Map, on "
                    "average; the model was trained with blur that is "
                    f"{TRUE_PER_TOLD:g} times as wide as it was told, which this makes up for. "
                    f"{TRUE_PER_TOLD:g}: the scale of BokehDiff's own K.",
                ),
                weights_input(
                    "weights",
                    BOKEHDIFF,
                    f"BokehDiff's {BOKEHDIFF.files[0]}, with {BOKEHDIFF.files[1]} beside it",
                ),
                base_input(
                    "base",
                    "The SDXL checkpoint that BokehDiff was trained on, RealVisXL V5.0, or another",
                ),
            ],
            outputs=[LensSocket.Output(display_name="lens")],
        )

    @classmethod
    def fingerprint_inputs(
        cls, weights: str = AUTOMATIC, base: str = AUTOMATIC, **others: object
    ) -> tuple[object, ...]:
        chosen = weights_fingerprint(weights, BOKEHDIFF), base_fingerprint(base)
        return (*chosen, *sorted(others.items()))

    @classmethod
    @names_node
    def execute(
        cls, strength: float, weights: str = AUTOMATIC, base: str = AUTOMATIC
    ) -> io.NodeOutput:
        checkpoint = base_path(base)
        lens = bokehdiff_lens(weights_path(weights, BOKEHDIFF), checkpoint, strength)
        text = f"{lens.options.weights.name} on {checkpoint.name}"
        return io.NodeOutput(lens, ui=shown(cls, text=text))
