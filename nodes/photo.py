"""Photographs in and out: Load Photo and Save Photo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..lens.depth import Depth
from ..lens.focus import Focus
from ..lens.image import to_interleaved, to_planar
from ..lens.optics import Camera
from ..photo.photo import PHOTO_SUFFIXES, Photo, load_photo, save_photo
from .comfy import input_files, input_path, io, metadata_enabled, output_target, ui
from .files import file_check, file_fingerprint
from .node import CATEGORY, names_node
from .previews import camera_text, depth_text, shown
from .sockets import (
    CameraSocket,
    DepthSocket,
    FocusSocket,
    PhotoSocket,
    expect,
    expect_if_given,
)

SAMPLES = Path(__file__).parent.parent / "samples"
SAMPLE_MARK = " [sample]"
FORMATS = {"JPEG": ".jpg", "PNG": ".png", "WebP": ".webp", "TIFF": ".tif"}


def photo_names() -> list[str]:
    """Photos to choose from: those of the input folder, then the samples of this package."""
    samples = sorted(path.name + SAMPLE_MARK for path in SAMPLES.glob("*.jpg"))
    return input_files(PHOTO_SUFFIXES) + samples


def photo_path(name: str) -> Path:
    """The file that a name of `photo_names` means."""
    if name.endswith(SAMPLE_MARK):
        return SAMPLES / Path(name.removesuffix(SAMPLE_MARK)).name
    return input_path(name)


class LoadPhoto(io.ComfyNode):
    """A photograph with what its file tells."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerLoadPhoto",
            display_name="Load Photo",
            category=CATEGORY,
            description="A photo with its camera (EXIF) and, for portraits of phones, its depth.",
            inputs=[
                io.Combo.Input(
                    "photo",
                    options=photo_names(),
                    upload=io.UploadType.image,
                    tooltip="JPEG, PNG, TIFF, WebP or HEIC of the input folder.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The picture, upright, in sRGB."),
                io.Mask.Output(display_name="mask", tooltip="1 where the picture is transparent."),
                DepthSocket.Output(
                    display_name="depth", tooltip="The depth in the file, if it has one."
                ),
                CameraSocket.Output(
                    display_name="camera", tooltip="The camera, if the file tells it."
                ),
                PhotoSocket.Output(
                    display_name="photo", tooltip="The file's EXIF, for Save Photo."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, photo: str | None) -> bool | str:
        return file_check("photo", photo, photo_path)

    @classmethod
    def fingerprint_inputs(cls, photo: str) -> tuple[object, ...]:
        return (photo, *file_fingerprint(photo_path(photo)))

    @classmethod
    @names_node
    def execute(cls, photo: str) -> io.NodeOutput:
        loaded = load_photo(photo_path(photo))
        image = torch.from_numpy(loaded.image)[None]  # [1,H,W,3]
        mask = torch.zeros(image.shape[:3])
        if loaded.alpha is not None:
            mask = 1.0 - torch.from_numpy(loaded.alpha)[None]
        return io.NodeOutput(
            image,
            mask,
            loaded.depth,
            loaded.camera,
            loaded,
            ui=shown(cls, to_planar(image), _photo_text(loaded)),
        )


def _photo_text(photo: Photo) -> str:
    camera = camera_text(photo.camera) if photo.camera else photo.camera_data.missing
    depth = f"Depth: {depth_text(photo.depth)}" if photo.depth else "No depth in the file."
    return "\n".join([camera, depth, *photo.problems])


class SavePhoto(io.ComfyNode):
    """A photo file with EXIF."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerSavePhoto",
            display_name="Save Photo",
            category=CATEGORY,
            description="Saves pictures as photos: with the EXIF of the original, and the f-number "
            "and subject distance that they were rendered with.",
            is_output_node=True,
            inputs=[
                io.Image.Input("images", tooltip="One file per picture."),
                io.String.Input(
                    "filename_prefix",
                    default="focus_puller",
                    tooltip="Begin of the file names, may hold a folder and %year%, %month%, ….",
                ),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default="JPEG",
                    tooltip="8 bits per colour. PNG also holds the workflow.",
                ),
                io.Int.Input(
                    "quality",
                    default=95,
                    min=1,
                    max=100,
                    tooltip="Of JPEG and WebP: 100 is best and largest.",
                ),
                PhotoSocket.Input(
                    "photo", optional=True, tooltip="The original, whose EXIF the files get."
                ),
                CameraSocket.Input(
                    "camera", optional=True, tooltip="Its f-number is written to the EXIF."
                ),
                FocusSocket.Input(
                    "focus",
                    optional=True,
                    tooltip="Metric focus: its distance is written as the subject distance.",
                ),
                DepthSocket.Input(
                    "depth",
                    optional=True,
                    tooltip="Stored inside a JPEG, so that Load Photo can refocus it again.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    @names_node
    def execute(
        cls,
        images: Tensor,
        filename_prefix: str,
        format: str,  # noqa: A002 - the input's name in workflows
        quality: int,
        photo: Photo | None = None,
        camera: Camera | None = None,
        focus: Focus | None = None,
        depth: Depth | None = None,
    ) -> io.NodeOutput:
        pictures = to_interleaved(to_planar(images, "images"))
        height, width = pictures.shape[1:3]
        target = output_target(filename_prefix, width, height)
        distances = _distances(focus, len(pictures))
        results = []
        for index, picture in enumerate(pictures):
            stem = target.stem.replace("%batch_num%", str(index))
            name = f"{stem}_{target.counter + index:05}_{FORMATS[format]}"
            save_photo(
                target.folder / name,
                picture,
                exif=photo and expect(photo, Photo, "photo", "Connect Load Photo.").exif,
                f_number=camera and expect(camera, Camera, "camera", "Connect Camera.").f_number,
                subject_distance_m=distances[index],
                depth=depth and _one_depth(depth, index),
                quality=quality,
                png_text=_workflow_texts(cls.hidden),
            )
            results.append(ui.SavedResult(name, target.subfolder, io.FolderType.output))
        return io.NodeOutput(ui=ui.SavedImages(results))


def _distances(focus: Focus | None, count: int) -> list[float | None]:
    """Subject distance of each picture in metres, where it is known."""
    if focus is None:
        return [None] * count
    focus = expect(focus, Focus, "focus", "Connect Focus Point, Focus Distance or Focus Pull.")
    if not focus.is_metric:
        return [None] * count
    return focus.for_batch(count).distance_m.tolist()


def _one_depth(depth: Depth, index: int) -> Depth:
    depth = expect(depth, Depth, "depth", "Connect Load Depth or Depth from Image.")
    chosen = min(index, depth.disparity.shape[0] - 1)
    return Depth(depth.disparity[chosen : chosen + 1], depth.is_metric)


def _workflow_texts(hidden: Any) -> dict[str, str]:
    """What ComfyUI writes into a PNG: the prompt and the workflow."""
    if hidden is None or not metadata_enabled():
        return {}
    texts = {} if hidden.prompt is None else {"prompt": hidden.prompt}
    return {key: json.dumps(value) for key, value in (texts | (hidden.extra_pnginfo or {})).items()}
