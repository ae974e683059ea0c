"""`focuspuller render` for frames and video: what it writes, keeps, resumes and refuses."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import focuspuller as fp
import numpy as np
import pytest
from focuspuller.headless import sequence_command
from focuspuller.photo.photo import load_photo
from focuspuller.photo.sound import Sound, write_sound
from focuspuller.photo.video import VideoFile
from focuspuller.photo.video_format import Frame, VideoFormat
from focuspuller.photo.video_writing import writing_video
from PIL import Image

HEIGHT, WIDTH = 24, 32
FRAMES = 4
STRENGTH = ["--bokeh-level", "6", "--lens", "taf"]
NEAR = ["--focus", "0.1,0.5"]


@pytest.fixture
def cli(cli: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    return partial(cli, "render")


@pytest.fixture
def refused(cli) -> Callable[..., str]:
    def check(*arguments: object) -> str:
        done = cli(*arguments)
        assert (done.code, done.stdout) == (1, "")
        return done.stderr

    return check


def pixels(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: frames/0009.png to 0012.png, and depth in maps/ and metres.npy."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "frames").mkdir()
    (tmp_path / "maps").mkdir()
    ramp = np.linspace(255, 0, WIDTH).round().astype(np.uint8)[None].repeat(HEIGHT, axis=0)
    for index in range(FRAMES):
        Image.fromarray(pixels(index)).save(f"frames/{index + 9:04}.png")
        Image.fromarray(ramp).save(f"maps/depth_{index}.png")
    np.save("metres.npy", np.linspace(1, 5, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0))
    return tmp_path


@pytest.fixture
def movie(folder: Path) -> Path:
    """shot.mp4, grey as its colour has half the pixels, with sound, and depth.mp4."""
    pytest.importorskip("av", reason="PyAV is not installed")
    waveform = 0.1 * np.random.default_rng(0).standard_normal((1, 8000)).astype(np.float32)
    write_sound(folder / "tone.mp4", waveform, 48000)
    rate = Fraction(30000, 1001)
    look = VideoFormat(WIDTH, HEIGHT, rate, 1 / rate)
    ramp = np.linspace(1, 0, WIDTH, dtype=np.float32)[None, :, None].repeat(HEIGHT, 0).repeat(3, 2)
    with (
        writing_video(folder / "shot.mp4", look, Sound(folder / "tone.mp4"), crf=1) as shot,
        writing_video(folder / "depth.mp4", look, crf=1) as depth,
    ):
        for index in range(FRAMES):
            shot.write(Frame(pixels(index)[..., [0, 0, 0]].astype(np.float32) / 255, index / rate))
            depth.write(Frame(ramp, index / rate))
    return folder / "shot.mp4"


def names(pattern: str) -> list[str]:
    return sorted(str(path) for path in Path().glob(pattern))


class TestFrames:
    @pytest.mark.parametrize("source", ["frames", "frames/%04d.png", "frames/*.png"])
    @pytest.mark.parametrize("depth", ["maps", "maps/depth_%d.png", "maps/depth_0.png"])
    def test_every_frame_is_what_a_single_photo_gives(self, cli, source, depth):
        out = ["-o", "out/%04d.png"]
        done = cli(source, "--depth", depth, *NEAR, *STRENGTH, *out)
        expected = [f"out/{index + 9:04}.png" for index in range(FRAMES)]
        assert done == (0, "".join(f"{name}\n" for name in expected), "")
        for index, name in enumerate(expected):
            single = ["--depth", "maps/depth_0.png", *NEAR, *STRENGTH, "-o", "single.png"]
            assert cli(f"frames/{index + 9:04}.png", *single).code == 0
            difference = load_photo(name).image - load_photo("single.png").image
            assert np.abs(difference).max() < 1.5 / 255

    def test_into_a_folder_frames_keep_their_names(self, cli):
        assert cli("frames", "--depth", "maps", *NEAR, *STRENGTH, "-o", "out").code == 0
        assert names("out/*") == [f"out/{index + 9:04}.png" for index in range(FRAMES)]

    @pytest.mark.parametrize("far_end", ["0.98,0.5", "0.97,0.4,1,0.6"])
    def test_a_photo_becomes_a_focus_pull(self, cli, far_end):
        ends = ["--focus", "0.02,0.5", "--focus-to", far_end, "--easing", "linear"]
        count = ["--frames", "5", "-o", "out/%d.png"]
        assert cli("frames/0009.png", "--depth", "metres.npy", *ends, *STRENGTH, *count).code == 0
        image = load_photo("frames/0009.png").image
        near, far = 1.0, 0.2
        for index in range(5):
            expected = fp.render(
                *(image, np.load("metres.npy")),
                focus_disparity=near + (far - near) * index / 4,
                bokeh_level=6.0,
                lens="taf",
            )
            saved = load_photo(f"out/{index + 1}.png").image
            np.testing.assert_allclose(saved, expected.clip(0, 1), atol=1.5 / 255)

    def test_keyframes_and_an_aperture_pull(self, cli):
        keys = ["--focus-key", "0:1m", "--focus-key", "3:5m", "--f-number", "1.4"]
        lens = ["--f-number-to", "11", "--focal-length", "100", "--sensor-width", "10"]
        out = ["--lens", "taf", "-o", "out"]
        assert cli("frames", "--depth", "metres.npy", *keys, *lens, *out).code == 0
        data = [load_photo(name).camera_data for name in names("out/*")]
        assert [camera.subject_distance_m for camera in data][:: FRAMES - 1] == [1.0, 5.0]
        f_numbers = [camera.f_number for camera in data]
        assert f_numbers[0] == pytest.approx(1.4)
        assert f_numbers[-1] == pytest.approx(11.0)
        assert f_numbers == sorted(f_numbers)

    def test_a_timeline_sets_focus_and_f_number(self, cli, refused):
        rack = ["--timeline", "0: 1m f/2; 3: 5m f/8"]
        lens = ["--f-number", "4", "--focal-length", "100", "--sensor-width", "10"]
        frames = ["frames", "--depth", "metres.npy", "--lens", "taf", "-o", "out"]
        assert cli(*frames, *rack, *lens).code == 0
        data = [load_photo(name).camera_data for name in names("out/*")]
        assert [camera.subject_distance_m for camera in data][:: FRAMES - 1] == [1.0, 5.0]
        ends = [camera.f_number for camera in data][:: FRAMES - 1]
        assert ends == pytest.approx([2.0, 8.0])
        assert cli(*frames, *rack, *lens[2:]).code == 0
        assert load_photo(names("out/*")[0]).camera_data.f_number == pytest.approx(2.0)
        assert "Give --f-number" in refused(*frames, "--timeline", "0: 1m", *lens[2:])
        assert "f/N" in refused(*frames, *rack, "--bokeh-level", "3")
        assert "--f-number-to" in refused(*frames, *rack, *lens, "--f-number-to", "3")

    def test_a_level_pull_ends_at_its_end(self, cli):
        options = ["--depth", "maps", *NEAR, *STRENGTH, "--bokeh-level-to", "0", "-o", "out"]
        assert cli("frames", *options).code == 0
        last = np.asarray(Image.open("out/0012.png"))
        np.testing.assert_array_equal(last, pixels(3))

    def test_highlights_are_recovered_as_in_a_single_photo(self, cli):
        options = ["--depth", "maps/depth_0.png", *NEAR, *STRENGTH, "--highlights", "3"]
        assert cli("frames", *options, "-o", "out").code == 0
        assert cli("frames/0010.png", *options, "-o", "single.png").code == 0
        assert cli("frames/0010.png", *options[:-2], "-o", "plain.png").code == 0
        frame, single, plain = (
            load_photo(name).image for name in ("out/0010.png", "single.png", "plain.png")
        )
        assert np.abs(frame - single).max() < 1.5 / 255
        assert np.abs(frame - plain).max() > 10 / 255

    def test_exr_frames_keep_their_light(self, cli):
        pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
        options = ["--depth", "maps", *NEAR, "--bokeh-level", "0", "--lens", "taf"]
        light = np.full((HEIGHT, WIDTH, 3), 4.0, np.float32)
        for index in range(FRAMES):
            fp.save_photo(f"frames/{index + 9:04}.exr", light, linear=True)
        assert cli("frames/%04d.exr", *options, "-o", "out/%04d.exr").code == 0
        saved = load_photo("out/0012.exr", linear=True).image
        np.testing.assert_allclose(saved, light, rtol=2e-3)

    def test_depth_can_be_aligned(self, cli):
        options = ["--depth", "maps", *NEAR, *STRENGTH]
        assert cli("frames", *options, "-o", "plain").code == 0
        assert cli("frames", *options, "--align-depth", "-o", "aligned").code == 0
        plain, aligned = (load_photo(f"{name}/0010.png").image for name in ("plain", "aligned"))
        assert np.abs(plain - aligned).max() > 0.01

    def test_depth_can_be_refined_frame_by_frame(self, cli, monkeypatch):
        seen = []

        def moved(depth, image, **others):
            seen.append(image.shape)
            return fp.Depth(depth.resized(*image.shape[:2]).disparity * 0.5, depth.is_metric)

        monkeypatch.setattr("focuspuller.headless.depth_options.refine_depth", moved)
        options = ["--depth", "maps", *NEAR, *STRENGTH]
        assert cli("frames", *options, "-o", "plain").code == 0
        assert cli("frames", *options, "--refine-depth", "-o", "refined").code == 0
        assert seen == FRAMES * [(HEIGHT, WIDTH, 3)]
        plain, refined = (load_photo(f"{name}/0010.png").image for name in ("plain", "refined"))
        assert np.abs(plain - refined).max() > 0.01


class TestResume:
    COMMAND = ("frames", "--depth", "maps", *NEAR, *STRENGTH, "-o", "out")

    def test_an_interrupted_run_leaves_whole_frames_and_goes_on(self, cli, monkeypatch):
        assert cli(*self.COMMAND).code == 0
        whole = {name: Path(name).read_bytes() for name in names("out/*")}
        Path("out/0011.png").unlink()
        Path("out/0012.png").unlink()
        untouched = Path("out/0009.png").stat().st_mtime_ns
        done = cli(*self.COMMAND, "--resume")
        assert done.stdout == "out/0011.png\nout/0012.png\n"
        assert Path("out/0009.png").stat().st_mtime_ns == untouched
        assert {name: Path(name).read_bytes() for name in names("out/*")} == whole

    def test_a_single_picture_that_exists_is_left_as_it_is(self, cli, caplog):
        command = ("frames/0009.png", "--depth", "metres.npy", *NEAR, *STRENGTH, "-o", "out.png")
        assert cli(*command, "--resume").stdout == "out.png\n"
        Path("out.png").write_bytes(b"finished")
        assert cli(*command, "--resume").stdout == ""
        assert caplog.messages == ["1 frame was there already."]
        assert Path("out.png").read_bytes() == b"finished"

    def test_an_interrupt_is_prompt_and_leaves_nothing_half_written(self, cli, monkeypatch):
        rendered = []
        render = sequence_command.render_with_highlights

        def interrupted(*arguments, **options):
            rendered.append(1)
            if len(rendered) == 3:
                raise KeyboardInterrupt
            return render(*arguments, **options)

        monkeypatch.setattr(sequence_command, "render_with_highlights", interrupted)
        assert cli(*self.COMMAND).code == 130
        assert sorted(path.name for path in Path("out").iterdir()) == ["0009.png", "0010.png"]


class TestVideo:
    def test_a_video_keeps_times_tags_and_sound(self, cli, movie):
        options = ["--depth", "depth.mp4", *NEAR, *STRENGTH, "--crf", "1", "-o", "out/soft.mp4"]
        assert cli(movie, *options) == (0, "out/soft.mp4\n", "")
        before, after = VideoFile(movie), VideoFile(Path("out/soft.mp4"))
        assert after.format == before.format
        assert after.sound() is not None
        frames = list(zip(before.frames(), after.frames(), strict=True))
        assert len(frames) == FRAMES
        for shot, soft in frames:
            assert soft.time == shot.time
            expected = fp.render(
                shot.pixels,
                disparity=np.linspace(1, 0, WIDTH)[None].repeat(HEIGHT, axis=0),
                focus_point=(0.1, 0.5),
                bokeh_level=6.0,
                lens="taf",
            )
            assert np.abs(soft.pixels - expected).mean() < 3 / 255

    def test_frames_become_a_video_and_a_video_frames(self, cli, movie):
        options = ["--depth", "maps", *NEAR, *STRENGTH]
        assert cli("frames", *options, "--fps", "25", "-o", "made.mp4").code == 0
        made = VideoFile(Path("made.mp4"))
        assert (made.format.rate, made.count_frames()) == (25, FRAMES)
        assert cli(movie, *options, "-o", "out").code == 0
        assert names("out/*") == [f"out/frame_{index:05}.png" for index in range(1, FRAMES + 1)]

    def test_an_interrupt_leaves_nothing(self, cli, movie, folder, monkeypatch):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(sequence_command, "render_with_highlights", interrupted)
        before = set(folder.rglob("*"))
        assert cli(movie, "--depth", "maps", *NEAR, *STRENGTH, "-o", "out.mp4").code == 130
        assert set(folder.rglob("*")) == before


class TestRefusals:
    PHOTO = ("frames/0009.png", "--depth", "metres.npy", *NEAR, *STRENGTH)
    BASE = ("frames", "--depth", "maps", *NEAR, *STRENGTH)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ([*BASE, "-o", "out.png"], "a folder, a pattern"),
            ([*BASE, "-o", "out_%d.gif"], "out_%d.gif"),
            ([*BASE, "-o", "frames"], "an input"),
            ([*BASE, "-o", "frames/%04d.png"], "an input"),
            ([*BASE, "-o", "maps/depth_%d.png", "--focus-to", "5m"], "metric"),
            ([*BASE, "-o", "out", "--frames", "3"], "--frames"),
            ([*BASE, "-o", "out", "--f-number-to", "3"], "--bokeh-level-to"),
            ([*BASE, "-o", "out", "--depth-smoothing", "1"], "smoothing"),
            ([*BASE, "-o", "out.mp4", "--crf", "99"], "crf"),
            ([*BASE, "-o", "out.mp4", "--resume"], "--resume"),
            ([*BASE, "-o", "out.avi"], "--out: received 'out.avi'"),
            (["shot.mp4", *BASE[1:], "-o", "out", "--frames", "2"], "--frames: received 2"),
            (["frames/%d.jpg", "--depth", "maps", *NEAR, *STRENGTH, "-o", "out"], "without frames"),
            (["frames", "--depth", "maps/*_[01].png", *NEAR, *STRENGTH, "-o", "out"], "2 depth"),
            (
                ["frames/*9.png", "--depth", "maps/*_[01].png", *NEAR, *STRENGTH, "-o", "out"],
                "for 1 frame.",
            ),
            (["frames", *NEAR, *STRENGTH, "-o", "out"], "--depth"),
            ([*PHOTO, "-o", "a.mp4"], "Give --frames N to make a video of it"),
            ([*PHOTO, "-o", "a.png", "--fps", "5"], "--frames"),
        ],
    )
    def test_what_cannot_be_done_is_said_and_nothing_is_written(self, refused, folder, words, said):
        if str(words[-1]).endswith((".mp4", ".avi")) or "out.mp4" in words:
            pytest.importorskip("av", reason="PyAV is not installed")
        before = set(folder.rglob("*.*"))
        assert said in refused(*words)
        assert set(folder.rglob("*.*")) == before

    def test_the_focus_mask_is_never_replaced(self, refused):
        Image.new("L", (WIDTH, HEIGHT), 255).save("mask_0009.png")
        words = ["--focus-mask", "mask_0009.png", *STRENGTH, "-o", "mask_%04d.png"]
        assert "received mask_0009.png, an input" in refused("frames", "--depth", "maps", *words)

    def test_frames_of_one_name_are_refused(self, refused):
        Image.open("frames/0009.png").save("frames/0009.jpg")
        one_depth = ["--depth", "maps/depth_0.png", *NEAR, *STRENGTH]
        assert "more than one frame" in refused("frames", *one_depth, "-o", "out/%d.png")

    @pytest.mark.parametrize(
        "words",
        [
            ["--focus-key", "5"],
            ["--focus-key", "x:1,2"],
            ["--timeline", "0: far away"],
            ["--timeline", "0: 2m", *NEAR],
            ["--focus-to", "here", *NEAR],
            ["--focus-to", "0.1,0.2,0.3", *NEAR],
            ["--fps", "0", *NEAR],
        ],
    )
    def test_wrong_usage_is_code_2(self, cli, words):
        assert cli("frames", "--depth", "maps", *words, *STRENGTH, "-o", "out").code == 2
