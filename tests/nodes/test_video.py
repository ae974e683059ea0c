"""Render Bokeh Video, Stabilize Depth, and how an interrupt stops a render."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.lens.defocus import Defocus, defocus_from_bokeh_level
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.render import Lens, render
from focuspuller.nodes import RenderBokeh, RenderBokehVideo, StabilizeDepth
from focuspuller.nodes.standin import Host, VideoFromFile, installed_host
from focuspuller.photo.sound import Sound, write_sound
from focuspuller.photo.video import VideoFile
from focuspuller.photo.video_format import Frame, VideoFormat
from focuspuller.photo.video_writing import writing_video

HEIGHT, WIDTH, FRAMES = 24, 36, 4
TAF = Lens("taf")
DEFAULTS = {
    "x": 0.1,
    "y": 0.5,
    "bokeh_level": 6.0,
    "highlight_stops": 0.0,
    "near_is_white": True,
    "near_m": 0.0,
    "far_m": 0.0,
    "depth_smoothing": 0.0,
    "crf": 1,
    "lens": TAF,
}


class StopError(Exception):
    """What ComfyUI raises when the user has asked to stop."""


def pixels(index: int) -> np.ndarray:
    """Grey, as the colour of a video has half its pixels."""
    grey = np.random.default_rng(index).random((HEIGHT, WIDTH, 1), np.float32)
    return grey.repeat(3, axis=2)


def ramp() -> np.ndarray:
    return np.linspace(1, 0, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)


@pytest.fixture
def movie(inputs: Path) -> tuple[VideoFromFile, VideoFromFile]:
    """A shot with sound and its depth."""
    pytest.importorskip("av", reason="PyAV is not installed")
    write_sound(inputs / "tone.mp4", np.zeros((2, 8000), np.float32), 48000)
    look = VideoFormat(WIDTH, HEIGHT, Fraction(25), Fraction(1, 25))
    grey = ramp()[..., None].repeat(3, axis=2)
    with (
        writing_video(inputs / "shot.mp4", look, Sound(inputs / "tone.mp4"), crf=1) as shot,
        writing_video(inputs / "depth.mp4", look, crf=1) as depth,
    ):
        for index in range(FRAMES):
            shot.write(Frame(pixels(index), Fraction(index, 25)))
            depth.write(Frame(grey, Fraction(index, 25)))
    return VideoFromFile(inputs / "shot.mp4"), VideoFromFile(inputs / "depth.mp4")


@pytest.fixture
def temporary(host: Host, tmp_path: Path):
    """The folder for what is handed on, empty."""
    with installed_host(replace(host, temp_dir=tmp_path / "temp")):
        yield tmp_path / "temp"


def relative(count: int = 1) -> Depth:
    return Depth(torch.from_numpy(ramp()).expand(count, 1, -1, -1), is_metric=False)


def read(video: VideoFromFile) -> VideoFile:
    return VideoFile(Path(video.get_stream_source()))


class TestRenderBokehVideo:
    def test_every_frame_is_rendered_and_times_and_sound_stay(self, movie, temporary):
        output = RenderBokehVideo.execute(movie[0], depth_video=movie[1], **DEFAULTS)
        rendered, shot = read(output[0]), read(movie[0])
        assert rendered.format == shot.format
        assert rendered.sound() is not None
        focus = Focus.at_disparity(float(ramp()[12, 3]), is_metric=False)
        defocus = defocus_from_bokeh_level(relative(), focus, 6.0)
        frames = list(zip(rendered.frames(), shot.frames(), strict=True))
        assert len(frames) == FRAMES
        for after, before in frames:
            image = torch.from_numpy(before.pixels).movedim(-1, 0)[None]
            expected = render(image, defocus, TAF, linear=False)[0].movedim(0, -1).numpy()
            assert after.time == before.time
            assert np.abs(after.pixels - expected).mean() < 3 / 255
        assert output.ui["text"] == ("4 frames, 25 per second",)

    @pytest.mark.parametrize("count", [1, FRAMES])
    def test_depth_may_come_from_a_batch_or_serve_all(self, movie, temporary, count):
        inner = RenderBokehVideo.execute(movie[0], depth=relative(count), **DEFAULTS)
        streamed = RenderBokehVideo.execute(movie[0], depth_video=movie[1], **DEFAULTS)
        for one, other in zip(read(inner[0]).frames(), read(streamed[0]).frames(), strict=True):
            assert np.abs(one.pixels - other.pixels).mean() < 3 / 255

    def test_clipped_lights_become_brighter_discs_and_the_rest_stays(self, movie, temporary):
        focus = Focus.at_disparity(0.0, is_metric=False)
        common = {"depth": relative(), "focus": focus}
        plain, bright = (
            next(read(RenderBokehVideo.execute(movie[0], **common, **values)[0]).frames()).pixels
            for values in (DEFAULTS, DEFAULTS | {"highlight_stops": 3.0})
        )
        assert bright[:, :18].mean() > plain[:, :18].mean() + 0.05
        np.testing.assert_allclose(bright[:, -4:].mean(), plain[:, -4:].mean(), atol=0.02)

    def test_a_short_focus_pull_holds_its_end(self, movie, temporary):
        pull = Focus.at_disparity([1.0, 0.0], is_metric=False)
        output = RenderBokehVideo.execute(movie[0], depth=relative(), focus=pull, **DEFAULTS)
        right = [np.abs(np.diff(f.pixels[:, -8:], axis=0)).mean() for f in read(output[0]).frames()]
        assert right[0] < 0.5 * right[1]
        assert right[2] > 0.8 * right[1]
        assert right[3] > 0.8 * right[1]

    def test_an_interrupt_stops_within_the_frame_and_leaves_nothing(self, host, movie, temporary):
        steps = []

        def stop(done: int, total: int) -> None:
            steps.append(done)
            if done >= total // 2:
                raise StopError

        with (
            installed_host(replace(host, temp_dir=temporary, on_step=stop)),
            pytest.raises(StopError),
        ):
            RenderBokehVideo.execute(movie[0], depth_video=movie[1], **DEFAULTS)
        assert steps == sorted(steps)
        assert max(steps) == FRAMES * 100 // 2
        assert list(temporary.iterdir()) == []

    @pytest.mark.parametrize(
        ("values", "subject"),
        [
            ({}, "depth_video, depth"),
            ({"depth": relative(3)}, "depth"),
            ({"depth": "a depth"}, "depth"),
            ({"depth": relative(), "focus": "near"}, "focus"),
            ({"depth": relative(), "crf": 99}, "crf"),
            ({"depth": relative(), "video": None}, "video"),
            ({"depth_video": torch.zeros(1, 2, 2, 3)}, "depth_video"),
        ],
    )
    def test_what_has_no_meaning_is_refused(self, refuses, movie, temporary, values, subject):
        refuses(RenderBokehVideo, subject, **({"video": movie[0]} | DEFAULTS | values))
        assert not temporary.exists() or list(temporary.iterdir()) == []


class TestInterruptOfRenderBokeh:
    """ComfyUI's progress raises when the user has asked to stop."""

    def stopped(self, host: Host, picture, lens: str, at_step: int) -> list[int]:
        steps: list[int] = []

        def stop(done: int, total: int) -> None:
            steps.append(done)
            if done >= at_step:
                raise StopError

        defocus = Defocus(torch.full((1, 1, HEIGHT, WIDTH), 3.0))
        with installed_host(replace(host, on_step=stop)), pytest.raises(StopError):
            RenderBokeh.execute(picture(batch=8), defocus, Lens(lens))
        return steps

    @pytest.mark.parametrize("lens", ["taf", "bokehme", "drbokeh", "layered"])
    def test_between_frames_it_stops_with_the_frame_at_hand(self, host, picture, lens):
        steps = self.stopped(host, picture, lens, at_step=25)
        assert max(steps[:-1], default=0) < 25
        assert steps[-1] < 25 + 13  # the next report after an eighth of the work at most


class TestStabilizeDepth:
    def flickering(self) -> Depth:
        """A room, then with somebody nearer in it: each frame scaled on its own."""
        room = torch.linspace(0.2, 0.6, HEIGHT)[:, None].repeat(1, WIDTH)
        visited = room.clone()
        visited[8:, 4:9] = 0.9
        own = [(each - each.min()) / (each.max() - each.min()) for each in (room, visited)]
        return Depth(torch.stack(own)[:, None], is_metric=False)

    def test_what_stands_still_keeps_its_depth(self):
        before = self.flickering().disparity
        steady = StabilizeDepth.execute(self.flickering(), 0.0)[0].disparity
        assert (before[0] - before[1])[..., 20:].abs().max() > 0.4
        assert (steady[0] - steady[1])[..., 20:].abs().max() < 0.005

    def test_smoothing_needs_the_frames(self, refuses):
        refuses(StabilizeDepth, "smoothing", depth=self.flickering(), smoothing=0.5)

    def test_frames_have_to_fit(self, refuses, picture):
        values = {"depth": self.flickering(), "smoothing": 0.5, "images": picture(batch=3)}
        assert "3 images for 2 depths" in refuses(StabilizeDepth, "images", **values)
