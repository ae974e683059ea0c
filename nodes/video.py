"""Video: Render Bokeh Video, which streams where Render Bokeh holds all frames in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..lens.aperture import CIRCLE, Aperture
from ..lens.defocus import Defocus
from ..lens.depth import Depth, decode_depth
from ..lens.depth_sequence import DepthStabilizer
from ..lens.focus import Focus
from ..lens.focus_path import FocusPath
from ..lens.highlights import (
    MAX_STOPS,
    Highlights,
    compress_highlights,
    in_pictures,
    recover_highlights,
)
from ..lens.image import to_interleaved, to_planar
from ..lens.optics import Camera
from ..lens.render import Lens, render, working_memory
from ..lens.sequence import defocused_frames, each_camera, lockstep
from ..photo.frames import frames_text
from ..photo.video import VideoFile
from ..photo.video_format import Frame, VideoFormat
from ..photo.video_writing import writing_video
from .comfy import io, make_room, progress, render_device, temp_path, video_from_file
from .depth import near_is_white_input, range_inputs, range_of
from .focus import FOCUS_ADVICE, point_inputs
from .node import CATEGORY, found_as, names_node
from .previews import shown
from .render import bokeh_level_input
from .sockets import (
    ApertureSocket,
    CameraSocket,
    DepthSocket,
    FocusSocket,
    LensSocket,
    expect_if_given,
)
from .video_source import VideoInMemory, read_video

STEPS_PER_FRAME = 100


class RenderBokehVideo(io.ComfyNode):
    """A video out of focus, frame by frame."""

    @classmethod
    @found_as("video depth of field", "video blur", "cinematic blur")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerRenderBokehVideo",
            display_name="Render Bokeh Video",
            category=CATEGORY,
            description="Renders an all-in-focus video out of focus, frame by frame: a video of "
            "any length, in the memory of one frame. The sound stays.",
            inputs=[
                io.Video.Input("video", tooltip="All-in-focus video, from Load Video."),
                *point_inputs(
                    "The focus follows what is there. Not used while focus is connected."
                ),
                bokeh_level_input(),
                io.Float.Input(
                    "highlight_stops",
                    default=0.0,
                    min=0.0,
                    max=MAX_STOPS,
                    step=0.1,
                    round=0.001,
                    tooltip="How far above white clipped lights were, so that they become bright "
                    "discs; each stop doubles their light. 0: as they are.",
                ),
                near_is_white_input(),
                *range_inputs(),
                io.Float.Input(
                    "depth_smoothing",
                    default=0.0,
                    min=0.0,
                    max=0.98,
                    step=0.05,
                    round=0.001,
                    tooltip="Against depth that boils: how much of the frame before stays where "
                    "the picture does not change. 0: none.",
                ),
                io.Int.Input(
                    "crf",
                    default=16,
                    min=0,
                    max=51,
                    tooltip="Quality of the video: 0 is lossless, 16 all but indistinguishable, "
                    "51 worst.",
                ),
                io.Video.Input(
                    "depth_video",
                    optional=True,
                    tooltip="The depth as a grey video, one frame for each of the video's; or use "
                    "depth.",
                ),
                DepthSocket.Input(
                    "depth",
                    optional=True,
                    tooltip="The depth of every frame, or one for all; or use depth_video.",
                ),
                FocusSocket.Input(
                    "focus",
                    optional=True,
                    tooltip="What is sharp: one focus, or a Focus Pull, whose last focus holds. "
                    "Without it, the point x, y.",
                ),
                CameraSocket.Input(
                    "camera",
                    optional=True,
                    tooltip="Gives the strength of the blur as a real lens would; needs metric "
                    "depth (near_m).",
                ),
                LensSocket.Input(
                    "lens", optional=True, tooltip="The renderer; without one, the default."
                ),
                ApertureSocket.Input(
                    "aperture", optional=True, tooltip="Shape of the blur; without one, a circle."
                ),
            ],
            outputs=[io.Video.Output(display_name="rendered")],
        )

    @classmethod
    @names_node
    def execute(
        cls,
        video: object,
        x: float,
        y: float,
        bokeh_level: float,
        highlight_stops: float,
        near_is_white: bool,
        near_m: float,
        far_m: float,
        depth_smoothing: float,
        crf: int,
        depth_video: object | None = None,
        depth: Depth | None = None,
        focus: Focus | None = None,
        camera: Camera | None = None,
        lens: Lens | None = None,
        aperture: Aperture | None = None,
    ) -> io.NodeOutput:
        sharp = expect_if_given(focus, Focus, "focus", FOCUS_ADVICE) or FocusPath([(0, (x, y))])
        strength = expect_if_given(camera, Camera, "camera", "Connect Camera or Load Photo.")
        renderer = expect_if_given(lens, Lens, "lens", "Connect a lens of Focus Puller.")
        shape = expect_if_given(aperture, Aperture, "aperture", "Connect Aperture.") or CIRCLE
        given = expect_if_given(depth, Depth, "depth", "Connect Depth from Image or Load Depth.")
        if (given is None) == (depth_video is None):
            received = "neither" if given is None else "both"
            raise InputError("depth_video, depth", received, "Connect exactly one of them.")
        bright = Highlights(highlight_stops) if highlight_stops else None
        with read_video(video, "video") as source, ExitStack() as stack:
            count = source.count_frames()
            if given is None:
                reader = stack.enter_context(read_video(depth_video, "depth_video"))
                coding = near_is_white, *range_of(near_m, far_m)
                depths: Depth | Iterator[Depth] = _depths_in(reader, count, *coding)
            else:
                _check_count("depth", len(given.disparity), count)
                depths = given
            frames, originals = lockstep(source.frames(), 2)
            ready = defocused_frames(
                map(_planar, frames),
                depths,
                sharp,
                bokeh_level if strength is None else each_camera(strength),
                DepthStabilizer(depth_smoothing),
            )
            rendered = _rendered(ready, count, source.format, renderer, shape, bright)
            path = temp_path(".mp4")
            with writing_video(path, source.format, source.sound(), crf) as output:
                for pixels, original in zip(rendered, originals, strict=False):
                    output.write(Frame(pixels, original.time))
        text = f"{frames_text(count)}, {float(source.format.rate):.5g} per second"
        return io.NodeOutput(video_from_file(path), ui=shown(cls, text=text))


def _planar(frame: Frame) -> Tensor:
    return to_planar(torch.from_numpy(frame.pixels)[None])


def _depths_in(
    video: VideoFile | VideoInMemory,
    count: int,
    near_is_white: bool,
    near_m: float | None,
    far_m: float | None,
) -> Iterator[Depth]:
    """The depth of each frame in a grey video; of a single frame it serves all."""
    depths = video.count_frames()
    _check_count("depth_video", depths, count)
    values = (torch.from_numpy(frame.pixels)[None, None] for frame in video.grey_frames())
    for grey in values if depths == count else repeat(next(values)):
        yield decode_depth(grey, "disparity", near_is_white, near_m, far_m)


def _check_count(subject: str, depths: int, frames: int) -> None:
    if depths not in (1, frames):
        received = f"{depths} depths for {frames_text(frames)}"
        raise InputError(subject, received, "Give one per frame, or a single one for all.")


def _rendered(
    ready: Iterator[tuple[Tensor, Focus, Defocus]],
    count: int,
    look: VideoFormat,
    lens: Lens | None,
    aperture: Aperture,
    highlights: Highlights | None,
) -> Iterator[np.ndarray]:
    """The frames, `[H,W,3]`. Reports progress, which is where a user may stop it."""
    make_room(working_memory(look.height, look.width, lens))
    report = progress(STEPS_PER_FRAME * count)
    lens = (lens or Lens()).for_film()
    for index, (image, _, defocus) in enumerate(ready):
        report(STEPS_PER_FRAME * index)
        if highlights is not None:
            image = in_pictures(recover_highlights, image, highlights, device=render_device())
        picture = render(
            image,
            defocus,
            lens.frame(index),
            aperture,
            on_progress=lambda part, done=index: report(round(STEPS_PER_FRAME * (done + part))),
            device=render_device(),
            linear=False,
        )
        if highlights is not None:
            picture = in_pictures(compress_highlights, picture, highlights, device=render_device())
        yield to_interleaved(picture)[0].numpy()
