"""Photographs in and out: Load Photo and Save Photo."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..lens.color import linear_to_srgb
from ..lens.depth import Depth
from ..lens.focus import Focus
from ..lens.image import to_interleaved, to_planar
from ..lens.optics import Camera
from ..lens.sequence import at_frame, each_camera
from ..photo.photo import PHOTO_SUFFIXES, Photo, load_photo
from ..photo.saving import HDR_SUFFIXES, save_photo
from .comfy import (
    OutputTarget,
    input_files,
    input_path,
    io,
    metadata_enabled,
    output_target,
    ui,
)
from .files import file_check, file_fingerprint
from .node import CATEGORY, found_as, names_node, renames
from .previews import camera_text, depth_text, ends, shown
from .sockets import (
    CameraSocket,
    DepthSocket,
    FocusSocket,
    PhotoSocket,
    expect,
    expect_if_given,
)

SAMPLES = Path(__file__).parent.parent / "samples"
FORMATS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WebP": ".webp",
    "TIFF": ".tif",
    "EXR": ".exr",
    "EXR 32-bit": ".exr",
    "HDR": ".hdr",
}


def _photo_outputs() -> list[io.Output]:
    return [
        io.Image.Output(
            display_name="image",
            tooltip="The picture, upright, in sRGB. Light beyond white (EXR, HDR) is above 1.",
        ),
        io.Mask.Output(display_name="mask", tooltip="1 where the picture is transparent."),
        DepthSocket.Output(display_name="depth", tooltip="The depth in the file, if it has one."),
        CameraSocket.Output(display_name="camera", tooltip="The camera, if the file tells all."),
        PhotoSocket.Output(display_name="photo", tooltip="EXIF, for Camera and Save Photo."),
    ]


def _photo_output(node: type[io.ComfyNode], path: Path) -> io.NodeOutput:
    photo = load_photo(path)
    image = torch.from_numpy(photo.image)[None]  # [1,H,W,3]
    mask = torch.zeros(image.shape[:3])
    if photo.alpha is not None:
        mask = 1.0 - torch.from_numpy(photo.alpha)[None]
    seen = shown(node, to_planar(image), _photo_text(photo))
    return io.NodeOutput(image, mask, photo.depth, photo.camera, photo, ui=seen)


class LoadPhoto(io.ComfyNode):
    """A photograph with what its file tells."""

    @classmethod
    @found_as("load image", "open photo", "exif", "heic")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerLoadPhoto",
            display_name="Load Photo",
            category=CATEGORY,
            description="A photo with its camera (EXIF) and, for portraits of phones and renders "
            "(EXR with Z), its depth.",
            inputs=[
                io.Combo.Input(
                    "photo",
                    options=input_files(PHOTO_SUFFIXES),
                    upload=io.UploadType.image,
                    tooltip="JPEG, PNG, TIFF, WebP, HEIC, EXR or HDR of the input folder.",
                ),
            ],
            outputs=_photo_outputs(),
        )

    @classmethod
    def validate_inputs(cls, photo: str | None) -> bool | str:
        return file_check("photo", photo, input_path)

    @classmethod
    def fingerprint_inputs(cls, photo: str | None) -> tuple[object, ...]:
        return (photo, *file_fingerprint(None if photo is None else input_path(photo)))

    @classmethod
    @names_node
    def execute(cls, photo: str) -> io.NodeOutput:
        return _photo_output(cls, input_path(photo))


class SamplePhoto(io.ComfyNode):
    """A photo that comes along."""

    @classmethod
    @found_as("example image", "demo photo", "test image")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerSamplePhoto",
            display_name="Sample Photo",
            category=CATEGORY,
            description="A photo with camera and metric depth to try things on. Put Load Photo in "
            "its place for your own.",
            inputs=[
                io.Combo.Input(
                    "sample",
                    options=sorted(path.stem for path in SAMPLES.glob("*.jpg")),
                    default="still_life",
                    tooltip="A photo that comes with Focus Puller.",
                ),
            ],
            outputs=_photo_outputs(),
        )

    @classmethod
    @names_node
    def execute(cls, sample: str) -> io.NodeOutput:
        return _photo_output(cls, sample_path(sample))


def sample_path(sample: str) -> Path:
    """The file of a photo that comes along."""
    return SAMPLES / f"{sample}.jpg"


def _photo_text(photo: Photo) -> str:
    camera = camera_text(photo.camera) if photo.camera else photo.camera_data.missing
    depth = f"Depth: {depth_text(photo.depth)}" if photo.depth else "No depth in the file."
    return "\n".join([camera, depth, *photo.problems])


class SavePhoto(io.ComfyNode):
    """A photo file with EXIF."""

    @classmethod
    @found_as("save image", "export jpeg", "save exif")
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
                    tooltip="8 bits per colour; PNG also holds the workflow. EXR: linear light "
                    "that is not clipped, with 16 bits (half float) or 32. HDR: a Radiance file.",
                ),
                io.Int.Input(
                    "quality",
                    default=95,
                    min=1,
                    max=100,
                    tooltip="Of JPEG and WebP: 100 is best and largest.",
                ),
                PhotoSocket.Input(
                    "photo",
                    optional=True,
                    tooltip="The original, all of whose EXIF the files get, its place included.",
                ),
                CameraSocket.Input(
                    "camera",
                    optional=True,
                    tooltip="Its f-number is written; without it, that of the original stays.",
                ),
                FocusSocket.Input(
                    "focus",
                    optional=True,
                    tooltip="Its distance in metres is written as the subject distance; without "
                    "it, that of the original stays.",
                ),
                DepthSocket.Input(
                    "depth",
                    optional=True,
                    tooltip="Stored inside a JPEG or, if metric, an EXR, so that Load Photo finds "
                    "it. Meant for pictures that are still all in focus.",
                ),
                io.Boolean.Input(
                    "linear",
                    default=False,
                    optional=True,
                    tooltip="On: the pictures hold linear light, as behind Render Bokeh with "
                    "'linear' on. Off: ordinary sRGB pictures.",
                ),
            ],
            outputs=[],
        )

    @classmethod
    @names_node
    @renames(image="images")
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
        linear: bool = False,
    ) -> io.NodeOutput:
        pictures = to_interleaved(to_planar(images, "images"))
        height, width = pictures.shape[1:3]
        original = expect_if_given(photo, Photo, "photo", "Connect Load Photo.")
        lens = expect_if_given(camera, Camera, "camera", "Connect Camera.")
        distances = _distances(focus, len(pictures))
        depths = _depths(depth, len(pictures))
        target = output_target(filename_prefix, width, height)
        results = []
        for index, picture in enumerate(pictures):
            path = _free_path(target, index, FORMATS[format])
            save_photo(
                path,
                picture,
                exif=original.exif if original else None,
                f_number=at_frame(each_camera(lens), index).f_number if lens else None,
                subject_distance_m=distances[index],
                depth=depths[index],
                quality=quality,
                png_text=_workflow_texts(cls.hidden),
                linear=linear,
                exr_bits=32 if format == "EXR 32-bit" else 16,
            )
            results.append(ui.SavedResult(path.name, target.subfolder, io.FolderType.output))
        if FORMATS[format] not in HDR_SUFFIXES:
            return io.NodeOutput(ui=ui.SavedImages(results))
        # Browsers cannot show it.
        seen = ends(to_planar(pictures))
        preview = shown(cls, linear_to_srgb(seen) if linear else seen)
        return io.NodeOutput(ui=preview | {"files": results})


def _free_path(target: OutputTarget, index: int, suffix: str) -> Path:
    """Where picture `index` of a batch goes; the counter does not see numbers in %batch_num%."""
    stem = target.stem.replace("%batch_num%", str(index))
    numbers = itertools.count(target.counter + index)
    paths = (target.folder / f"{stem}_{number:05}_{suffix}" for number in numbers)
    return next(path for path in paths if not path.exists())


def _distances(focus: Focus | None, count: int) -> list[float | None]:
    """Subject distance of each picture in metres, where it is known."""
    if focus is None:
        return [None] * count
    focus = expect(focus, Focus, "focus", "Connect Focus Point, Focus Distance or Focus Pull.")
    if not focus.is_metric:
        return [None] * count
    return focus.for_batch(count).distance_m.tolist()


def _depths(depth: Depth | None, count: int) -> list[Depth | None]:
    """Depth of each picture, where there is one."""
    depth = expect_if_given(depth, Depth, "depth", "Connect Load Depth or Depth from Image.")
    if depth is None:
        return [None] * count
    maps = depth.split()
    if len(maps) not in (1, count):
        raise InputError(
            "depth", f"{len(maps)} depths for {count} images", "Give one, or one per image."
        )
    each: list[Depth | None] = [*maps]
    return each if len(maps) == count else each * count


def _workflow_texts(hidden: Any) -> dict[str, str]:
    """What ComfyUI writes into a PNG: the prompt and the workflow."""
    if hidden is None or not metadata_enabled():
        return {}
    texts = {} if hidden.prompt is None else {"prompt": hidden.prompt}
    return {key: json.dumps(value) for key, value in (texts | (hidden.extra_pnginfo or {})).items()}
