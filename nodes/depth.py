"""Depth: Load Depth, Depth from Image, Repair, Align, Refine and Stabilize Depth."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from ..errors import InputError
from ..lens.color import luminance
from ..lens.depth import Depth, Encoding, decode_depth
from ..lens.depth_repair import repaired_depth
from ..lens.depth_sequence import stabilized_batch
from ..lens.image import mask_to_planar, to_planar
from ..models.edge.handle import refine_depth
from ..photo.depth_files import DEPTH_SUFFIXES, DepthEncoding, load_depth
from .comfy import input_files, input_path, io, render_device
from .files import file_check, file_fingerprint
from .node import CATEGORY, found_as, names_node, renames
from .previews import depth_picture, depth_text, ends, shown
from .sockets import DepthSocket, expect
from .weights import NetworkNode

DEPTH_ADVICE = "Connect Load Depth, Depth from Image or Load Photo."


def range_inputs() -> list[io.Float.Input]:
    """near_m and far_m."""
    return [
        io.Float.Input(
            "near_m",
            default=0.0,
            min=0.0,
            max=100000.0,
            step=0.1,
            round=0.0001,
            tooltip="Distance of the nearest value in metres, which makes the depth metric. "
            "0: unknown, the depth stays relative.",
        ),
        io.Float.Input(
            "far_m",
            default=0.0,
            min=0.0,
            max=100000.0,
            step=0.1,
            round=0.0001,
            tooltip="Distance of the farthest value in metres. "
            "0: infinitely far if near_m is given, else unknown.",
        ),
    ]


def near_is_white_input() -> io.Boolean.Input:
    """near_is_white."""
    return io.Boolean.Input(
        "near_is_white",
        default=True,
        tooltip="Whether bright is near, as with most depth estimators. Off: bright is far.",
    )


def range_of(near_m: float, far_m: float) -> tuple[float | None, float | None]:
    """Distances from the widgets, where 0 is unknown."""
    if near_m == 0:
        return None, far_m or None
    return near_m, far_m or float("inf")


class LoadDepth(io.ComfyNode):
    """A depth file."""

    @classmethod
    @found_as("load depth map", "import depth", "z-depth")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerLoadDepth",
            display_name="Load Depth",
            category=CATEGORY,
            description="A depth map from an 8 or 16-bit image, .npy, .npz or .exr.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=input_files(DEPTH_SUFFIXES),
                    upload=io.UploadType.model,
                    tooltip="A file of the input folder: image, .npy, .npz or .exr.",
                ),
                io.Combo.Input(
                    "encoding",
                    options=["automatic", "depth", "disparity", "relative"],
                    default="automatic",
                    tooltip="What the numbers are linear in: distance, its inverse, or relative "
                    "disparity. Automatic: images hold disparity, number files metres.",
                ),
                near_is_white_input(),
                *range_inputs(),
            ],
            outputs=[DepthSocket.Output(display_name="depth")],
        )

    @classmethod
    def validate_inputs(cls, file: str | None) -> bool | str:
        return file_check("file", file, input_path)

    @classmethod
    def fingerprint_inputs(cls, file: str | None, **others: object) -> tuple[object, ...]:
        path = None if file is None else input_path(file)
        return (*file_fingerprint(path), *sorted(others.items()))

    @classmethod
    @names_node
    def execute(
        cls,
        file: str,
        encoding: DepthEncoding | Literal["automatic"],
        near_is_white: bool,
        near_m: float,
        far_m: float,
    ) -> io.NodeOutput:
        near, far = range_of(near_m, far_m)
        kind = None if encoding == "automatic" else encoding
        depth = load_depth(input_path(file), kind, near_is_white, near, far)
        return io.NodeOutput(depth, ui=shown(cls, depth_picture(depth), depth_text(depth)))


class DepthFromImage(io.ComfyNode):
    """Depth from another pack's depth picture."""

    @classmethod
    @found_as("image to depth", "grayscale depth", "convert depth map")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerDepthFromImage",
            display_name="Depth from Image",
            category=CATEGORY,
            description="Depth from the IMAGE or MASK that another pack's depth estimator makes.",
            inputs=[
                io.Image.Input(
                    "image", optional=True, tooltip="The depth as a grey picture, or use mask."
                ),
                io.Mask.Input("mask", optional=True, tooltip="The depth as a mask, or use image."),
                io.Combo.Input(
                    "encoding",
                    options=["disparity", "depth"],
                    default="disparity",
                    tooltip="What the values are linear in: inverse distance (Depth Anything, "
                    "MiDaS, Marigold's preview) or distance. Matters only with near_m and far_m.",
                ),
                near_is_white_input(),
                *range_inputs(),
            ],
            outputs=[DepthSocket.Output(display_name="depth")],
        )

    @classmethod
    @names_node
    @renames(depth="image, mask")
    def execute(
        cls,
        encoding: Encoding,
        near_is_white: bool,
        near_m: float,
        far_m: float,
        image: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        values = _depth_values(image, mask)
        near, far = range_of(near_m, far_m)
        depth = decode_depth(values, encoding, near_is_white, near, far)
        return io.NodeOutput(depth, ui=shown(cls, depth_picture(depth), depth_text(depth)))


def _depth_values(image: Tensor | None, mask: Tensor | None) -> Tensor:
    """`[B,1,H,W]` from the one of the two that is connected."""
    if (image is None) == (mask is None):
        received = "nothing" if image is None else "both an image and a mask"
        raise InputError("image, mask", received, "Connect exactly one of them.")
    if image is not None:
        return luminance(to_planar(image)).float().cpu()
    assert mask is not None
    return mask_to_planar(mask).cpu()


class StabilizeDepth(io.ComfyNode):
    """One normalisation for the depth of a whole clip."""

    @classmethod
    @found_as("depth flicker", "deflicker", "temporal smoothing", "video depth")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerStabilizeDepth",
            display_name="Stabilize Depth",
            category=CATEGORY,
            description="Stops the depth of a clip from flickering: brings the frames, each of "
            "which an estimator may have scaled on its own, to one scale.",
            inputs=[
                DepthSocket.Input("depth", tooltip="The depth of all frames, in order."),
                io.Float.Input(
                    "smoothing",
                    default=0.0,
                    min=0.0,
                    max=0.98,
                    step=0.05,
                    round=0.001,
                    tooltip="Against depth that boils: how much of the frame before stays where "
                    "the image does not change. Needs images. 0: none.",
                ),
                io.Image.Input(
                    "images", optional=True, tooltip="The frames that the depth belongs to."
                ),
            ],
            outputs=[DepthSocket.Output(display_name="depth")],
        )

    @classmethod
    @names_node
    def execute(cls, depth: Depth, smoothing: float, images: Tensor | None = None) -> io.NodeOutput:
        given = expect(depth, Depth, "depth", DEPTH_ADVICE)
        if smoothing and images is None:
            advice = "Connect images, to see where nothing changes, or set it to 0."
            raise InputError("smoothing", f"{smoothing:g} without images", advice)
        frames = None if images is None else to_planar(images, "images").cpu()
        steady = stabilized_batch(given, frames, smoothing)
        return io.NodeOutput(steady, ui=shown(cls, ends(depth_picture(steady)), depth_text(steady)))


class RepairDepth(io.ComfyNode):
    """Holes filled, flying pixels removed."""

    @classmethod
    @found_as("fill depth holes", "depth inpaint", "lidar", "flying pixels")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerRepairDepth",
            display_name="Repair Depth",
            category=CATEGORY,
            description="Repairs measured and resampled depth: fills holes from what lies behind, "
            "and removes pixels that hang between two surfaces.",
            inputs=[
                DepthSocket.Input("depth", tooltip="The depth to repair."),
                io.Boolean.Input(
                    "flying_pixels",
                    default=True,
                    tooltip="Remove them: pixels on a ramp between two surfaces, as scanners and "
                    "resampling make them, get the depth of the closer one.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The picture that the depth belongs to: tells by colour which side of "
                    "a silhouette a hole belongs to. Without it, that is the farther side.",
                ),
                io.Mask.Input(
                    "holes",
                    optional=True,
                    tooltip="White where the depth is not to be believed, beside the holes that "
                    "the depth file itself has.",
                ),
            ],
            outputs=[DepthSocket.Output(display_name="depth")],
        )

    @classmethod
    @names_node
    def execute(
        cls,
        depth: Depth,
        flying_pixels: bool,
        image: Tensor | None = None,
        holes: Tensor | None = None,
    ) -> io.NodeOutput:
        given = expect(depth, Depth, "depth", DEPTH_ADVICE)
        picture = None if image is None else to_planar(image).cpu()
        mask = None if holes is None else mask_to_planar(holes, "holes").cpu() > 0.5
        repaired = repaired_depth(given, picture, mask, flying_pixels)
        return io.NodeOutput(repaired, ui=shown(cls, depth_picture(repaired), depth_text(repaired)))


class AlignDepth(io.ComfyNode):
    """Depth edges moved onto the picture's edges."""

    @classmethod
    @found_as("guided filter", "depth edges", "snap depth")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerAlignDepth",
            display_name="Align Depth",
            category=CATEGORY,
            description="Pulls the edges of a coarse or soft depth map onto those of the image, "
            "and makes it as large.",
            inputs=[
                DepthSocket.Input("depth", tooltip="The depth to improve."),
                io.Image.Input("image", tooltip="The picture that the depth belongs to."),
                io.Int.Input(
                    "radius",
                    default=8,
                    min=1,
                    max=128,
                    tooltip="Reach of the filter in px: an edge moves by less than this.",
                ),
                io.Float.Input(
                    "edge_threshold",
                    default=0.02,
                    min=0.001,
                    max=1.0,
                    step=0.005,
                    round=0.001,
                    tooltip="Contrast (0 to 1) from which on a line in the image is an edge.",
                ),
            ],
            outputs=[DepthSocket.Output(display_name="depth")],
        )

    @classmethod
    @names_node
    def execute(
        cls, depth: Depth, image: Tensor, radius: int, edge_threshold: float
    ) -> io.NodeOutput:
        given = expect(depth, Depth, "depth", DEPTH_ADVICE)
        guide = to_planar(image).cpu()
        height, width = guide.shape[-2:]
        aligned = given.resized(height, width).aligned_to(guide, radius, edge_threshold)
        return io.NodeOutput(aligned, ui=shown(cls, depth_picture(aligned), depth_text(aligned)))


class RefineDepth(NetworkNode):
    """Depth edges put where the picture has them."""

    @classmethod
    @found_as("sharpen depth", "clean up depth", "depth upscale")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerRefineDepth",
            display_name="Refine Depth",
            category=CATEGORY,
            description="Puts the edges of imperfect depth (estimated, soft, compressed, too wide "
            "or too narrow) where the image has them, with a small network that comes along. "
            "Exact depth stays as it is.",
            inputs=[
                DepthSocket.Input("depth", tooltip="The depth to improve, of any size."),
                io.Image.Input(
                    "image",
                    tooltip="The picture that the depth belongs to, in ordinary sRGB colours.",
                ),
            ],
            outputs=[DepthSocket.Output(display_name="depth")],
        )

    @classmethod
    @names_node
    def execute(cls, depth: Depth, image: Tensor) -> io.NodeOutput:
        given = expect(depth, Depth, "depth", DEPTH_ADVICE)
        picture = to_planar(image)
        given = given.for_image(*picture.shape[-2:])
        refined = refine_depth(given, picture, render_device())
        return io.NodeOutput(refined, ui=shown(cls, depth_picture(refined), depth_text(refined)))
