"""The aperture: Aperture and Bokeh Preview."""

from __future__ import annotations

from torch import Tensor

from ..lens.aperture import MAX_BLADES, RANGES, Aperture
from ..lens.bokeh_preview import bokeh_preview
from ..lens.color import luminance
from ..lens.image import to_interleaved, to_planar
from .comfy import io
from .node import CATEGORY, found_as, names_node, renames
from .previews import aperture_picture, shown
from .sockets import ApertureSocket, expect


def _trait(name: str, step: float, tooltip: str) -> io.Float.Input:
    """An optional input that changes nothing unless it is set."""
    least, largest, _ = RANGES[name]
    return io.Float.Input(
        name,
        default=getattr(Aperture, name),
        min=least,
        max=largest,
        step=step,
        round=0.001,
        optional=True,
        tooltip=tooltip,
    )


class ApertureNode(io.ComfyNode):
    """The shape of the blur disc."""

    @classmethod
    @found_as("bokeh shape", "iris blades", "cat's eye", "anamorphic", "swirly bokeh")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerAperture",
            display_name="Aperture",
            category=CATEGORY,
            description="The shape of the iris, which is the shape of every out-of-focus light, "
            "and what the lens around it does to that shape.",
            inputs=[
                io.Int.Input(
                    "blades",
                    default=7,
                    min=0,
                    max=MAX_BLADES,
                    tooltip="Number of iris blades, 3 to 20; 0 is a perfect circle.",
                ),
                io.Float.Input(
                    "rotation_degrees",
                    default=0.0,
                    min=-360.0,
                    max=360.0,
                    step=1.0,
                    tooltip="Turns the shape counter-clockwise, in degrees.",
                ),
                io.Float.Input(
                    "roundness",
                    default=0.3,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="0: straight blades. 1: a circle.",
                ),
                io.Image.Input(
                    "shape",
                    optional=True,
                    tooltip="Any shape instead of blades, white on black (a heart, a star). Its "
                    "farthest light from the middle lies on the circle of the blur radius. Of a "
                    "batch, the first counts.",
                ),
                _trait(
                    "squeeze",
                    0.05,
                    "Anamorphic lens: discs are 1/squeeze as wide as high. 1: round. 2: half as "
                    "wide, as with a classic anamorphic.",
                ),
                _trait(
                    "obstruction",
                    0.05,
                    "Mirror lens (catadioptric): rings with a hole of this part of the diameter, "
                    "0 to 0.9. 0: no hole.",
                ),
                _trait(
                    "spherical_aberration",
                    0.05,
                    "Above 0: soft discs with a bright middle behind the focus. Below 0: soap "
                    "bubbles with a bright rim. In front of the focus it is the other way round.",
                ),
                _trait(
                    "cats_eye",
                    0.05,
                    "Optical vignetting: towards the corners the rim of the lens cuts the discs to "
                    "cat's eyes. 0: none. 1: cut to their middle in the corners.",
                ),
                _trait(
                    "swirl",
                    0.05,
                    "Petzval and Helios: discs are cut and stretched around the picture's centre. "
                    "0: none. 1: strong.",
                ),
                _trait(
                    "axial_chromatism",
                    0.1,
                    "Longitudinal chromatic aberration: magenta fringes in front of the focus, "
                    "green behind it; below 0 the other way round. In thousandths of the "
                    "picture's diagonal; about 1 for a fast lens. Takes twice the time.",
                ),
            ],
            outputs=[ApertureSocket.Output(display_name="aperture")],
        )

    @classmethod
    @names_node
    @renames(**{"aperture image": "shape"})
    def execute(
        cls,
        blades: int,
        rotation_degrees: float,
        roundness: float,
        shape: Tensor | None = None,
        squeeze: float = 1.0,
        obstruction: float = 0.0,
        spherical_aberration: float = 0.0,
        cats_eye: float = 0.0,
        swirl: float = 0.0,
        axial_chromatism: float = 0.0,
    ) -> io.NodeOutput:
        drawn = None if shape is None else luminance(to_planar(shape, "shape"))[0, 0]
        aperture = Aperture(
            blades,
            rotation_degrees,
            roundness,
            drawn,
            squeeze=squeeze,
            obstruction=obstruction,
            spherical_aberration=spherical_aberration,
            cats_eye=cats_eye,
            swirl=swirl,
            axial_chromatism=axial_chromatism,
        )
        return io.NodeOutput(aperture, ui=shown(cls, picture=aperture_picture(aperture)))


class BokehPreview(io.ComfyNode):
    """Points of light all over the picture."""

    @classmethod
    @found_as("bokeh ball", "blur disc", "point spread function", "psf")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerBokehPreview",
            display_name="Bokeh Preview",
            category=CATEGORY,
            description="Points of light all over the picture, through an aperture: behind the "
            "focus in the first picture, in front of it in the second.",
            inputs=[
                ApertureSocket.Input("aperture", tooltip="Whose bokeh to show."),
                io.Float.Input(
                    "radius",
                    default=24.0,
                    min=1.0,
                    max=512.0,
                    step=1.0,
                    round=0.01,
                    tooltip="Blur radius in px: half the diameter of the discs.",
                ),
                io.Int.Input(
                    "width", default=960, min=16, max=8192, tooltip="Of the pictures, in px."
                ),
                io.Int.Input(
                    "height", default=640, min=16, max=8192, tooltip="Of the pictures, in px."
                ),
            ],
            outputs=[io.Image.Output(display_name="preview")],
            is_output_node=True,
        )

    @classmethod
    @names_node
    @renames(**{"aperture image": "aperture"})
    def execute(cls, aperture: Aperture, radius: float, width: int, height: int) -> io.NodeOutput:
        shape = expect(aperture, Aperture, "aperture", "Connect Aperture.")
        pictures = bokeh_preview(shape, radius, height, width)
        return io.NodeOutput(to_interleaved(pictures), ui=shown(cls, picture=pictures))
