"""The same picture at several apertures: Aperture Sweep."""

from __future__ import annotations

import torch
from torch import Tensor

from ..lens.aperture import CIRCLE, Aperture
from ..lens.defocus import Defocus
from ..lens.image import to_interleaved, to_planar, without_negative_light
from ..lens.optics import Camera
from ..lens.render import Lens, working_memory
from ..lens.sweep import APERTURES, f_numbers_in, swept
from ..photo.contact_sheet import captioned, contact_sheet
from .comfy import intermediate_device, io, make_room, progress_of_whole, render_device
from .node import CATEGORY, found_as, names_node
from .sockets import (
    ApertureSocket,
    CameraSocket,
    DefocusSocket,
    LensSocket,
    expect,
    expect_if_given,
)


class ApertureSweep(io.ComfyNode):
    """From wide open to stopped down."""

    @classmethod
    @found_as("aperture bracketing", "f-stop series", "contact sheet")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerApertureSweep",
            display_name="Aperture Sweep",
            category=CATEGORY,
            description="Renders a picture at several apertures: as a batch, for Create Video, and "
            "as a contact sheet.",
            inputs=[
                io.Image.Input("image", tooltip="All-in-focus pictures, in ordinary sRGB colours."),
                DefocusSocket.Input(
                    "defocus",
                    tooltip="Blur of every pixel at one aperture, from Defocus Map; that at the "
                    "others follows.",
                ),
                io.String.Input(
                    "f_numbers",
                    default=", ".join(f"{value:g}" for value in APERTURES),
                    tooltip="The apertures, in this order.",
                ),
                io.Float.Input(
                    "f_number",
                    default=1.8,
                    min=0.1,
                    max=128.0,
                    step=0.1,
                    round=0.01,
                    tooltip="The aperture that defocus is for, where it was made with bokeh_level. "
                    "Not used while a camera is connected.",
                ),
                io.Int.Input(
                    "columns",
                    default=4,
                    min=0,
                    max=64,
                    tooltip="Of the contact sheet. 0: as many as rows.",
                ),
                io.Boolean.Input(
                    "captions",
                    default=False,
                    tooltip="Write the f-number on each of the images, for a video. The contact "
                    "sheet always has them.",
                ),
                CameraSocket.Input(
                    "camera",
                    optional=True,
                    tooltip="That of Defocus Map: tells which aperture defocus is for.",
                ),
                LensSocket.Input(
                    "lens", optional=True, tooltip="The renderer; without one, Layered Lens."
                ),
                ApertureSocket.Input(
                    "aperture", optional=True, tooltip="Shape of the blur; without one, a circle."
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="All apertures of the first picture come first."
                ),
                io.Image.Output(display_name="contact_sheet", tooltip="One for each picture."),
            ],
        )

    @classmethod
    @names_node
    def execute(
        cls,
        image: Tensor,
        defocus: Defocus,
        f_numbers: str,
        f_number: float,
        columns: int,
        captions: bool,
        camera: Camera | None = None,
        lens: Lens | None = None,
        aperture: Aperture | None = None,
    ) -> io.NodeOutput:
        pictures = without_negative_light(to_planar(image))
        blur = expect(defocus, Defocus, "defocus", "Connect Defocus Map.")
        taken_with = expect_if_given(camera, Camera, "camera", "Connect Camera.")
        renderer = expect_if_given(lens, Lens, "lens", "Connect a lens of Focus Puller.")
        shape = expect_if_given(aperture, Aperture, "aperture", "Connect Aperture.")
        wanted = f_numbers_in(f_numbers)
        height, width = pictures.shape[-2:]
        make_room(working_memory(height, width, renderer))
        rendered = [
            to_interleaved(one).cpu()
            for one in swept(
                pictures,
                blur,
                f_number if taken_with is None else taken_with.f_number,
                wanted,
                renderer,
                shape or CIRCLE,
                progress_of_whole(),
                render_device(),
                linear=False,
            )
        ]
        texts = [f"f/{one:g}" for one in wanted]
        each = torch.stack(rendered, dim=1).float().numpy()  # [B,N,H,W,3]
        sheets = [torch.from_numpy(contact_sheet(one, texts, columns)) for one in each]
        labelled = [torch.from_numpy(captioned(one, texts) if captions else one) for one in each]
        place = intermediate_device()
        return io.NodeOutput(torch.cat(labelled).to(place), torch.stack(sheets).to(place))
