"""Masks: Subject Mask and Refine Mask."""

from __future__ import annotations

from torch import Tensor

from ..lens.image import mask_to_planar, to_planar
from ..lens.matting import refined_mask
from ..models.birefnet.architecture import MULTIPLE
from ..models.birefnet.handle import RESOLUTION, subject_mask
from ..models.birefnet.published import BIREFNET
from .comfy import io, progress, render_device
from .node import CATEGORY, found_as, names_node
from .weights import AUTOMATIC, NetworkNode, weights_fingerprint, weights_input, weights_path


class SubjectMask(NetworkNode):
    """The subject of a picture."""

    @classmethod
    @found_as("rembg", "remove background", "birefnet", "segmentation", "cutout")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerSubjectMask",
            display_name="Subject Mask",
            category=CATEGORY,
            description="Finds the subject of a picture with BiRefNet: what to focus on, or the "
            "foreground of Dr.Bokeh Lens.",
            inputs=[
                io.Image.Input(
                    "image", tooltip="The picture, or several, in ordinary sRGB colours."
                ),
                weights_input("model", BIREFNET, "BiRefNet's weights", optional=False),
                io.Int.Input(
                    "resolution",
                    default=RESOLUTION,
                    min=MULTIPLE,
                    max=4096,
                    step=MULTIPLE,
                    tooltip="Side of the square in which the network sees the picture, px, a "
                    "multiple of 32. 1024 as published; 2048 for weights that are made for it.",
                ),
            ],
            outputs=[io.Mask.Output(display_name="mask")],
        )

    @classmethod
    def fingerprint_inputs(cls, model: str = AUTOMATIC, **others: object) -> tuple[object, ...]:
        return (weights_fingerprint(model, BIREFNET), *sorted(others.items()))

    @classmethod
    @names_node
    def execute(cls, image: Tensor, model: str, resolution: int) -> io.NodeOutput:
        pictures = to_planar(image).cpu()
        report = progress(len(pictures))
        masks = subject_mask(
            pictures,
            weights_path(model, BIREFNET),
            resolution,
            render_device(),
            lambda fraction: report(round(fraction * len(pictures))),
        )
        return io.NodeOutput(masks[:, 0])


class RefineMask(io.ComfyNode):
    """Soft edges from the picture."""

    @classmethod
    @found_as("matting", "alpha matte", "hair mask", "trimap")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerRefineMask",
            display_name="Refine Mask",
            category=CATEGORY,
            description="Gives a mask the soft outline that the image has: hair, fur, blurred "
            "edges. For the foreground of Dr.Bokeh Lens.",
            inputs=[
                io.Mask.Input(
                    "mask",
                    tooltip="About right: its outline lies within radius of the true one. From a "
                    "segmentation node or painted.",
                ),
                io.Image.Input(
                    "image", tooltip="The picture that the mask belongs to, of the same size."
                ),
                io.Int.Input(
                    "radius",
                    default=10,
                    min=1,
                    max=256,
                    tooltip="How far from the outline the mask is made anew, px: about the length "
                    "of the hair.",
                ),
            ],
            outputs=[io.Mask.Output(display_name="mask")],
        )

    @classmethod
    @names_node
    def execute(cls, mask: Tensor, image: Tensor, radius: int) -> io.NodeOutput:
        masks, pictures = mask_to_planar(mask), to_planar(image)
        device = render_device()
        report = progress(len(masks))
        refined = refined_mask(
            masks.to(device),
            pictures.to(device),
            radius,
            lambda fraction: report(round(fraction * len(masks))),
        )
        return io.NodeOutput(refined[:, 0].cpu())
