"""Where a photographer would focus: Find Focus."""

from __future__ import annotations

from torch import Tensor

from ..lens.depth import Depth
from ..lens.image import mask_to_planar, to_planar
from ..models.focus_distance.architecture import FocusPrediction
from ..models.focus_distance.handle import find_focus, focus_transformer, focus_weights
from ..models.focus_distance.published import FOCUS_DISTANCE
from ..models.places import AUTOMATIC
from ..models.vst.published import VST
from .comfy import intermediate_device, io, render_device
from .focus import DEPTH_ADVICE
from .node import CATEGORY, found_as, names_node, renames
from .previews import ends, focus_text, shown
from .sockets import DepthSocket, FocusSocket, expect
from .weights import NetworkNode, weights_fingerprint, weights_input, weights_path

WEIGHTS = (FOCUS_DISTANCE, VST)


class FindFocus(NetworkNode):
    """Focus on what catches the eye."""

    @classmethod
    @found_as("autofocus", "auto focus", "saliency")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerFindFocus",
            display_name="Find Focus",
            category=CATEGORY,
            description="Focuses where a photographer would: a network finds what catches the eye, "
            "and the mean depth of that becomes the focus distance.",
            inputs=[
                io.Image.Input("image", tooltip="All-in-focus pictures, in ordinary sRGB colours."),
                DepthSocket.Input("depth", tooltip="Their depth; best in metres."),
                weights_input(
                    "weights",
                    WEIGHTS,
                    f"A trained focus distance transformer, or {VST.network} ({VST.file}), which "
                    "finds the distance alone",
                ),
                io.Float.Input(
                    "focus_range",
                    default=0.0,
                    min=0.0,
                    max=1000.0,
                    step=0.01,
                    round=0.0001,
                    optional=True,
                    tooltip="How much depth around the focus stays perfectly sharp, in the depth's "
                    "own unit of disparity: 1/m if metric, else 0 to 1. 0: a single plane.",
                ),
                io.Float.Input(
                    "distance_override",
                    default=0.0,
                    min=0.0,
                    max=100000.0,
                    step=0.05,
                    round=0.0001,
                    optional=True,
                    tooltip="Focus at this distance in metres instead; the focus scale stays as it "
                    "is found. Needs metric depth. 0: find the distance.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Focus on the mean depth of this instead of what is found; grey counts "
                    "in part. Any size.",
                ),
            ],
            outputs=[
                FocusSocket.Output(display_name="focus"),
                io.Float.Output(display_name="focus_distance_m"),
                io.Float.Output(display_name="focus_scale"),
                io.Mask.Output(display_name="saliency"),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, weights: str = AUTOMATIC, **others: object) -> tuple[object, ...]:
        return (weights_fingerprint(weights, WEIGHTS), *sorted(others.items()))

    @classmethod
    @names_node
    @renames(distance_m="distance_override")
    def execute(
        cls,
        image: Tensor,
        depth: Depth,
        weights: str = AUTOMATIC,
        focus_range: float = 0.0,
        distance_override: float = 0.0,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        pictures = to_planar(image)
        given = expect(depth, Depth, "depth", DEPTH_ADVICE)
        chosen = weights if weights == AUTOMATIC else weights_path(weights, WEIGHTS)
        found = find_focus(
            focus_transformer(focus_weights(chosen)),
            pictures,
            given.for_image(*pictures.shape[-2:]),
            distance_m=distance_override or None,
            mask=None if mask is None else mask_to_planar(mask).cpu(),
            width=focus_range,
            device=render_device(),
        )
        distances = found.focus.distance_m.tolist() if found.focus.is_metric else [0.0]
        return io.NodeOutput(
            found.focus,
            _one_or_all(distances),
            _one_or_all(found.scale.tolist()),
            found.saliency[:, 0].to(intermediate_device()),
            ui=shown(cls, ends(found.saliency).expand(-1, 3, -1, -1), _text(found)),
        )


def _one_or_all(values: list[float]) -> float | list[float]:
    """A number for one picture, a list for several, as Defocus Map takes both."""
    return values[0] if len(values) == 1 else values


def _text(found: FocusPrediction) -> str:
    scales = [f"{float(scale):.3g}" for scale in (found.scale[0], found.scale[-1])]
    text = scales[0] if len(found.scale) == 1 else " → ".join(scales)
    return f"focus {focus_text(found.focus)}, focus scale {text}"
