"""Light of clipped highlights: Recover Highlights before the blur, Compress Highlights after it."""

from __future__ import annotations

from torch import Tensor

from ..lens.highlights import (
    MAX_STOPS,
    Highlights,
    clipped_part,
    compress_highlights,
    in_pictures,
    recover_highlights,
)
from ..lens.image import to_interleaved, to_planar
from .comfy import intermediate_device, io, render_device
from .node import CATEGORY, found_as, names_node
from .previews import ends, highlights_text, shown
from .sockets import HighlightsSocket, expect

LINEAR_TOOLTIP = (
    "On: the picture holds linear light (from another pack's EXR loader) and stays linear. Off: an "
    "ordinary sRGB picture, or one of Load Photo."
)


class RecoverHighlights(io.ComfyNode):
    """Clipped highlights get light above white."""

    @classmethod
    @found_as("inverse tone mapping", "sdr to hdr", "expand highlights", "clipped highlights")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerRecoverHighlights",
            display_name="Recover Highlights",
            category=CATEGORY,
            description="Gives lights that are clipped at white their brightness back, so that "
            "out of focus they become bright discs. Put it before Render Bokeh.",
            inputs=[
                io.Image.Input("image", tooltip="All-in-focus pictures."),
                io.Float.Input(
                    "stops",
                    default=Highlights.stops,
                    min=0.0,
                    max=MAX_STOPS,
                    step=0.1,
                    round=0.001,
                    tooltip="How far above white a clipped pixel was; each stop doubles its light. "
                    "0 changes nothing.",
                ),
                io.Float.Input(
                    "threshold",
                    default=Highlights.threshold,
                    min=0.01,
                    max=0.99,
                    step=0.01,
                    round=0.0001,
                    tooltip="Brightness (sRGB) from which on a pixel counts as clipped in part. "
                    "All below stays as it is. Lower: also dim and coloured lights.",
                ),
                io.Float.Input(
                    "halo_color",
                    default=Highlights.halo_color,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    round=0.001,
                    tooltip="How much of the light that is added to white takes the colour of what "
                    "glows around it.",
                ),
                io.Boolean.Input("linear", default=False, optional=True, tooltip=LINEAR_TOOLTIP),
            ],
            outputs=[
                io.Image.Output(
                    display_name="image", tooltip="With light above 1, for Render Bokeh."
                ),
                io.Mask.Output(
                    display_name="mask", tooltip="Where light was added: 1 is all, 0 none."
                ),
                HighlightsSocket.Output(
                    display_name="highlights", tooltip="For Compress Highlights."
                ),
            ],
        )

    @classmethod
    @names_node
    def execute(
        cls,
        image: Tensor,
        stops: float,
        threshold: float,
        halo_color: float,
        linear: bool = False,
    ) -> io.NodeOutput:
        pictures = to_planar(image)
        highlights = Highlights(stops, threshold, halo_color)
        device = render_device()
        recovered = in_pictures(recover_highlights, pictures, highlights, linear, device)
        mask = clipped_part(pictures, highlights, linear)
        return io.NodeOutput(
            to_interleaved(recovered).to(intermediate_device()),
            mask[:, 0].to(intermediate_device()),
            highlights,
            ui=shown(cls, ends(mask.expand(-1, 3, -1, -1)), highlights_text(mask, highlights)),
        )


class CompressHighlights(io.ComfyNode):
    """What Recover Highlights did, backwards."""

    @classmethod
    @found_as("tone mapping", "hdr to sdr", "highlight roll-off")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerCompressHighlights",
            display_name="Compress Highlights",
            category=CATEGORY,
            description="Takes back what Recover Highlights did, after Render Bokeh: sharp "
            "highlights look as they did, bright discs roll off softly below white.",
            inputs=[
                io.Image.Input("image", tooltip="Pictures out of focus, from Render Bokeh."),
                HighlightsSocket.Input("highlights", tooltip="From Recover Highlights."),
                io.Boolean.Input("linear", default=False, optional=True, tooltip=LINEAR_TOOLTIP),
            ],
            outputs=[io.Image.Output(display_name="image")],
        )

    @classmethod
    @names_node
    def execute(cls, image: Tensor, highlights: Highlights, linear: bool = False) -> io.NodeOutput:
        pictures = to_planar(image)
        known = expect(highlights, Highlights, "highlights", "Connect Recover Highlights.")
        compressed = in_pictures(compress_highlights, pictures, known, linear, render_device())
        return io.NodeOutput(to_interleaved(compressed).to(intermediate_device()))
