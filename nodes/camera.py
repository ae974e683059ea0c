"""The camera: focal length, f-number and sensor."""

from __future__ import annotations

from ..errors import InputError
from ..lens.optics import Camera
from ..photo.exif import CameraData
from ..photo.photo import Photo
from .comfy import io
from .node import CATEGORY, found_as, names_node
from .previews import camera_text, shown
from .sockets import CameraSocket, PhotoSocket, expect


class CameraNode(io.ComfyNode):
    """Focal length, f-number and sensor."""

    @classmethod
    @found_as("f-stop", "focal length", "sensor size", "dslr")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerCamera",
            display_name="Camera",
            category=CATEGORY,
            description="Focal length, f-number and sensor, which set how strong the blur is.",
            inputs=[
                io.Float.Input(
                    "f_number",
                    default=2.8,
                    min=0.0,
                    max=128.0,
                    step=0.1,
                    round=0.01,
                    tooltip="As engraved on a lens: 1.4 blurs much, 16 little. "
                    "0 takes that of the connected photo.",
                ),
                io.Float.Input(
                    "focal_length_mm",
                    default=50.0,
                    min=0.5,
                    max=3000.0,
                    step=1.0,
                    round=0.01,
                    tooltip="Real focal length in mm, not the 35 mm equivalent. "
                    "Not used where the connected photo tells its own.",
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
                    "the part that is left. Not used where the connected photo tells its own.",
                ),
                PhotoSocket.Input(
                    "photo",
                    optional=True,
                    tooltip="A photo whose focal length and sensor width are used, as far as its "
                    "EXIF tells them; what it does not tell is taken from this node.",
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
        photo: Photo | None = None,
    ) -> io.NodeOutput:
        taken_with = CameraData()
        if photo is not None:
            taken_with = expect(photo, Photo, "photo", "Connect Load Photo.").camera_data
        f_number = f_number or taken_with.f_number or 0.0
        if f_number == 0:
            raise InputError(
                "f_number", "0 without a photo that tells its own", "Give an f-number such as 2.8."
            )
        camera = Camera(
            taken_with.focal_length_mm or focal_length_mm,
            f_number,
            taken_with.sensor_width_mm or sensor_width_mm,
        )
        text = camera_text(camera)
        if photo is not None:
            text += "\n" + _sources(taken_with)
        return io.NodeOutput(camera, ui=shown(cls, text=text))


def _sources(photo: CameraData) -> str:
    """Which numbers come from the photo and which from the node."""
    known = {
        "Focal length": photo.focal_length_mm is not None,
        "Sensor width": photo.sensor_width_mm is not None,
    }
    return "\n".join(
        f"{name}: from {'the photo' if told else 'this node, the photo does not tell it'}"
        for name, told in known.items()
    )
