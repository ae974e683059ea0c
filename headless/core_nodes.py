"""ComfyUI's own nodes that photo workflows use, for the embedded runner.

Ids, inputs, defaults and pixels are those of ComfyUI; the code is not. Two things are stricter:
a truncated or unreadable file is an error instead of a half-grey picture, and so is an empty batch.
"""

from __future__ import annotations

import math

from torch import Tensor

from ..nodes.standin import current_host, io, ui
from . import core_pixels
from .core_masks import MASK_NODES
from .core_pixels import MAX_RESOLUTION
from .core_primitives import PRIMITIVE_NODES
from .core_video import VIDEO_NODES

UPSCALE_METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
IMAGE_EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class LoadImage(io.ComfyNode):
    """A picture file; the mask is what is transparent."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadImage",
            display_name="Load Image",
            category="image",
            inputs=[_file_input()],
            outputs=[io.Image.Output(), io.Mask.Output()],
        )

    @classmethod
    def validate_inputs(cls, image: str) -> bool | str:
        """The file must exist; it need not be in the list."""
        return _file_exists(image)

    @classmethod
    def execute(cls, image: str) -> io.NodeOutput:
        return io.NodeOutput(*core_pixels.load_image(current_host().input_path(image)))


class LoadImageMask(io.ComfyNode):
    """One channel of a picture file as a mask."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadImageMask",
            display_name="Load Image (as Mask)",
            category="mask",
            inputs=[
                _file_input(),
                io.Combo.Input("channel", options=["alpha", "red", "green", "blue"]),
            ],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def validate_inputs(cls, image: str) -> bool | str:
        """The file must exist; it need not be in the list."""
        return _file_exists(image)

    @classmethod
    def execute(cls, image: str, channel: str) -> io.NodeOutput:
        path = current_host().input_path(image)
        return io.NodeOutput(core_pixels.load_channel(path, channel[0].upper()))


class SaveImage(io.ComfyNode):
    """PNG files in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveImage",
            display_name="Save Image",
            category="image",
            inputs=[
                io.Image.Input("images"),
                io.String.Input("filename_prefix", default="ComfyUI"),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Tensor, filename_prefix: str) -> io.NodeOutput:
        results = ui.save_images(
            images, filename_prefix, io.FolderType.output, cls.hidden, compress_level=4
        )
        return io.NodeOutput(ui=ui.SavedImages(results))


class PreviewImage(io.ComfyNode):
    """Pictures to look at, in the output folder too, where a person finds them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PreviewImage",
            display_name="Preview Image",
            category="image",
            inputs=[io.Image.Input("images")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images: Tensor) -> io.NodeOutput:
        return io.NodeOutput(ui=ui.PreviewImage(images, cls=cls))


class ImageScale(io.ComfyNode):
    """Scale to a size; 0 for one side keeps the aspect ratio."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageScale",
            display_name="Upscale Image",
            category="image/upscaling",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("upscale_method", options=UPSCALE_METHODS),
                io.Int.Input("width", default=512, min=0, max=MAX_RESOLUTION, step=1),
                io.Int.Input("height", default=512, min=0, max=MAX_RESOLUTION, step=1),
                io.Combo.Input("crop", options=["disabled", "center"]),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(
        cls, image: Tensor, upscale_method: str, width: int, height: int, crop: str
    ) -> io.NodeOutput:
        old_height, old_width = image.shape[1:3]
        if width == height == 0:
            return io.NodeOutput(image)
        width = width or max(1, round(old_width * height / old_height))
        height = height or max(1, round(old_height * width / old_width))
        if crop == "center":
            image = core_pixels.cropped_to_aspect(image, width / height)
        return io.NodeOutput(core_pixels.scaled(image, upscale_method, width, height))


class ImageScaleBy(io.ComfyNode):
    """Scale by a factor."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageScaleBy",
            display_name="Upscale Image By",
            category="image/upscaling",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("upscale_method", options=UPSCALE_METHODS),
                io.Float.Input("scale_by", default=1.0, min=0.01, max=8.0, step=0.01),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Tensor, upscale_method: str, scale_by: float) -> io.NodeOutput:
        height, width = (round(side * scale_by) for side in image.shape[1:3])
        return io.NodeOutput(core_pixels.scaled(image, upscale_method, width, height))


class ImageScaleToTotalPixels(io.ComfyNode):
    """Scale to a number of pixels."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageScaleToTotalPixels",
            display_name="Scale Image to Total Pixels",
            category="image/upscaling",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("upscale_method", options=UPSCALE_METHODS),
                io.Float.Input("megapixels", default=1.0, min=0.01, max=16.0, step=0.01),
                # Optional here, because workflows from before ComfyUI 0.8 do not have it.
                io.Int.Input("resolution_steps", optional=True, default=1, min=1, max=256),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(
        cls, image: Tensor, upscale_method: str, megapixels: float, resolution_steps: int = 1
    ) -> io.NodeOutput:
        height, width = image.shape[1:3]
        factor = math.sqrt(megapixels * 1024 * 1024 / (width * height))
        height, width = (
            round(side * factor / resolution_steps) * resolution_steps for side in (height, width)
        )
        return io.NodeOutput(core_pixels.scaled(image, upscale_method, width, height))


class RepeatImageBatch(io.ComfyNode):
    """A batch several times over."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RepeatImageBatch",
            display_name="Repeat Image Batch",
            category="image/batch",
            inputs=[
                io.Image.Input("image"),
                io.Int.Input("amount", default=1, min=1, max=4096),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Tensor, amount: int) -> io.NodeOutput:
        return io.NodeOutput(image.repeat(amount, 1, 1, 1))


class ImageInvert(io.ComfyNode):
    """The negative."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageInvert",
            display_name="Invert Image",
            category="image",
            inputs=[io.Image.Input("image")],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Tensor) -> io.NodeOutput:
        return io.NodeOutput(1.0 - image)


CORE_NODES: tuple[type[io.ComfyNode], ...] = (
    LoadImage,
    LoadImageMask,
    SaveImage,
    PreviewImage,
    ImageScale,
    ImageScaleBy,
    ImageScaleToTotalPixels,
    RepeatImageBatch,
    ImageInvert,
    *MASK_NODES,
    *PRIMITIVE_NODES,
    *VIDEO_NODES,
)


def _file_input() -> io.Combo.Input:
    files = current_host().input_files(IMAGE_EXTENSIONS)
    return io.Combo.Input("image", options=files, upload=io.UploadType.image)


def _file_exists(name: str | None) -> bool | str:
    if name is None or current_host().input_path(name).is_file():  # None: linked
        return True
    folders = ", ".join(str(folder.resolve()) for folder in current_host().input_dirs)
    return f"image: there is no file {name!r} in {folders}"
