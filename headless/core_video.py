"""ComfyUI's own nodes that video workflows use, for the embedded runner."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import InputError
from ..nodes.standin import (
    VideoComponents,
    VideoFromComponents,
    VideoFromFile,
    current_host,
    io,
    ui,
)
from ..photo.video import VideoFile
from ..photo.video_format import VIDEO_SUFFIXES, Frame, VideoFormat
from ..photo.video_writing import copy_video, writing_video


class LoadVideo(io.ComfyNode):
    """A video file, of which nothing is read yet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        files = current_host().input_files(VIDEO_SUFFIXES)
        return io.Schema(
            node_id="LoadVideo",
            display_name="Load Video",
            category="image/video",
            inputs=[io.Combo.Input("file", options=files, upload=io.UploadType.video)],
            outputs=[io.Video.Output()],
        )

    @classmethod
    def validate_inputs(cls, file: str | None) -> bool | str:
        """The file must exist; it need not be in the list."""
        if file is None or current_host().input_path(file).is_file():  # None: linked
            return True
        folders = ", ".join(str(folder.resolve()) for folder in current_host().input_dirs)
        return f"file: there is no file {file!r} in {folders}"

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        return io.NodeOutput(VideoFromFile(current_host().input_path(file)))


class CreateVideo(io.ComfyNode):
    """A video of images."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CreateVideo",
            display_name="Create Video",
            category="image/video",
            inputs=[
                io.Image.Input("images"),
                io.Float.Input("fps", default=30.0, min=1.0, max=120.0, step=1.0),
            ],
            outputs=[io.Video.Output()],
        )

    @classmethod
    def execute(cls, images: Tensor, fps: float) -> io.NodeOutput:
        return io.NodeOutput(VideoFromComponents(VideoComponents(images, Fraction(fps))))


class SaveVideo(io.ComfyNode):
    """A video file in the output folder, with the workflow in it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveVideo",
            display_name="Save Video",
            category="image/video",
            inputs=[
                io.Video.Input("video"),
                io.String.Input("filename_prefix", default="video/ComfyUI"),
                io.Combo.Input("format", options=["auto", "mp4"], default="auto"),
                io.Combo.Input("codec", options=["auto", "h264"], default="auto"),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        video: Any,
        filename_prefix: str,
        format: str,  # noqa: A002 - the input's name in workflows
        codec: str,
    ) -> io.NodeOutput:
        if not isinstance(video, VideoFromFile):
            raise InputError("video", f"a {type(video).__name__}", "Connect Load Video.")
        look = _format_of(video)
        target = current_host().output_target(filename_prefix, look.width, look.height)
        name = f"{target.stem}_{target.counter:05}_.mp4"
        workflow = {} if cls.hidden is None else {"prompt": json.dumps(cls.hidden.prompt)}
        if isinstance(video, VideoFromComponents):
            look = replace(look, metadata=workflow)
            _write(video.get_components(), look, target.folder / name)
        else:
            copy_video(Path(video.get_stream_source()), target.folder / name, workflow)
        saved = ui.SavedResult(name, target.subfolder, io.FolderType.output)
        return io.NodeOutput(ui=ui.SavedImages([saved], is_animated=True))


def _format_of(video: VideoFromFile) -> VideoFormat:
    if not isinstance(video, VideoFromComponents):
        return VideoFile(Path(video.get_stream_source())).format
    images, rate = video.get_components()[:2]
    return VideoFormat(images.shape[2], images.shape[1], rate, time_base=1 / rate)


def _write(components: VideoComponents, look: VideoFormat, path: Path) -> None:
    with writing_video(path, look) as video:
        for index, image in enumerate(components.images):
            video.write(Frame(image[..., :3].cpu().numpy(), index / look.rate))


VIDEO_NODES: tuple[type[io.ComfyNode], ...] = (LoadVideo, CreateVideo, SaveVideo)
