"""The camera: Camera and Aperture."""

from __future__ import annotations

from torch import Tensor

from ..errors import InputError
from ..lens.aperture import MAX_BLADES, Aperture
from ..lens.color import luminance
from ..lens.image import to_planar
from ..lens.optics import Camera
from .comfy import io
from .node import CATEGORY, names_node, renames
from .previews import aperture_picture, camera_text, shown
from .sockets import ApertureSocket, CameraSocket, expect


class CameraNode(io.ComfyNode):
    """Focal length, f-number and sensor."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerCamera",
            display_name="Camera",
            category=CATEGORY,
            description="A lens at one aperture in front of a sensor. Sets how strong the blur is.",
            inputs=[
                io.Float.Input(
                    "f_number",
                    default=2.8,
                    min=0.0,
                    max=128.0,
                    step=0.1,
                    round=0.01,
                    tooltip="Aperture as engraved on a lens: 1.4 blurs much, 16 little. "
                    "0 takes that of the connected photo's camera.",
                ),
                io.Float.Input(
                    "focal_length_mm",
                    default=50.0,
                    min=0.5,
                    max=3000.0,
                    step=1.0,
                    round=0.01,
                    tooltip="Real focal length in mm, not the 35 mm equivalent. "
                    "Not used while a photo's camera is connected.",
                ),
                io.Float.Input(
                    "sensor_width_mm",
                    default=36.0,
                    min=0.5,
                    max=300.0,
                    step=0.1,
                    round=0.01,
                    tooltip="Long side of the sensor in mm: 36 full frame, 23.5 APS-C, 17.3 Micro "
                    "Four Thirds, about 10 for a phone. Of a cropped picture, the long side of "
                    "the part that is left. Not used while a photo's camera is connected.",
                ),
                CameraSocket.Input(
                    "photo_camera",
                    optional=True,
                    tooltip="Camera of a photo (Load Photo): its focal length and sensor are used. "
                    "A photo without camera data leaves the numbers of this node in force.",
                ),
            ],
            outputs=[CameraSocket.Output(display_name="camera")],
        )

    @classmethod
    @names_node
    def execute(
        cls,
        f_number: float,
        focal_length_mm: float,
        sensor_width_mm: float,
        photo_camera: Camera | None = None,
    ) -> io.NodeOutput:
        if photo_camera is not None:
            taken_with = expect(photo_camera, Camera, "photo_camera", "Connect Load Photo.")
            focal_length_mm = taken_with.focal_length_mm
            sensor_width_mm = taken_with.sensor_width_mm
            f_number = f_number or taken_with.f_number
        if f_number == 0:
            raise InputError(
                "f_number", "0 without a photo that tells its own", "Give an f-number such as 2.8."
            )
        camera = Camera(focal_length_mm, f_number, sensor_width_mm)
        return io.NodeOutput(camera, ui=shown(cls, text=camera_text(camera)))


class ApertureNode(io.ComfyNode):
    """The shape of the blur disc."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerAperture",
            display_name="Aperture",
            category=CATEGORY,
            description="The shape of the iris, which is the shape of every out-of-focus light.",
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
                    "inscribed circle gets the size of the blur disc.",
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
    ) -> io.NodeOutput:
        drawn = None if shape is None else luminance(to_planar(shape, "shape"))[0, 0]
        aperture = Aperture(blades, rotation_degrees, roundness, drawn)
        return io.NodeOutput(aperture, ui=shown(cls, picture=aperture_picture(aperture)))
