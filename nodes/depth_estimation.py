"""Estimate Depth: depth from a picture alone."""

from __future__ import annotations

from torch import Tensor

from ..lens.depth import Depth
from ..lens.image import to_interleaved, to_planar
from ..lens.optics import Camera
from ..models.depth.handle import open_depth_estimator
from ..models.depth.published import DEPTH_WEIGHTS
from ..models.places import AUTOMATIC
from .comfy import io, progress_of_whole, render_device
from .node import CATEGORY, found_as, names_node
from .previews import depth_picture, depth_text, ends, shown
from .sockets import CameraSocket, DepthSocket, expect_if_given
from .weights import NetworkNode, weights_fingerprint, weights_input, weights_path

# In one picture: large networks take long on a CPU.


class EstimateDepth(NetworkNode):
    """Depth from a network."""

    @classmethod
    @found_as("depth anything", "depth pro", "metric3d", "monocular depth", "depth estimation")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerEstimateDepth",
            display_name="Estimate Depth",
            category=CATEGORY,
            description="Depth of a picture from a network: Depth Pro, Metric3D or Depth "
            "Anything V2.",
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The picture, or several, in ordinary sRGB colours. Each gets a depth "
                    "of its own; of a film, connect Stabilize Depth after it.",
                ),
                weights_input(
                    "model",
                    DEPTH_WEIGHTS,
                    "The network's weights",
                    optional=False,
                ),
                io.Int.Input(
                    "resolution",
                    default=0,
                    min=0,
                    max=4096,
                    step=14,
                    tooltip="Depth Anything only: px of the picture's shorter side in the network. "
                    "More shows finer things and takes more time and memory. 0: as published, 518.",
                ),
                CameraSocket.Input(
                    "camera",
                    optional=True,
                    tooltip="The lens that took the picture: its focal length makes the metres of "
                    "Depth Pro and Metric3D right. Without it, Depth Pro estimates the focal "
                    "length, and Metric3D assumes a 35 mm lens on full frame.",
                ),
            ],
            outputs=[
                DepthSocket.Output(display_name="depth"),
                io.Image.Output(
                    display_name="picture", tooltip="The depth as a grey picture, white is near."
                ),
                io.Float.Output(
                    display_name="focal_length_px",
                    tooltip="Of the first picture: the camera's, else Depth Pro's own, else 0.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, model: str = AUTOMATIC, **others: object) -> tuple[object, ...]:
        return (weights_fingerprint(model, DEPTH_WEIGHTS), *sorted(others.items()))

    @classmethod
    @names_node
    def execute(
        cls, image: Tensor, model: str, resolution: int, camera: Camera | None = None
    ) -> io.NodeOutput:
        pictures = to_planar(image)
        taken_with = expect_if_given(camera, Camera, "camera", "Connect Camera.")
        weights = AUTOMATIC if model == AUTOMATIC else weights_path(model, DEPTH_WEIGHTS)
        device = render_device()
        estimator = open_depth_estimator(weights or AUTOMATIC, device, resolution or None)
        focal_length = None
        if taken_with is not None:
            focal_length = taken_with.for_image(*pictures.shape[-2:]).focal_length_px
        depth = estimator.estimate(
            pictures.cpu(),
            focal_length,
            device,
            progress_of_whole(),
        )
        picture = depth_picture(depth)
        return io.NodeOutput(
            depth,
            to_interleaved(picture),
            _first_focal_length(depth),
            ui=shown(cls, ends(picture), depth_text(depth)),
        )


def _first_focal_length(depth: Depth) -> float:
    value = depth.split()[0].focal_length_px
    return 0.0 if value is None else float(value)
