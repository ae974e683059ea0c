"""Video files, made here: what is written is read again, and what was there is kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from focuspuller.errors import FileError, InputError, MissingDependencyError
from focuspuller.photo.sound import Sound, write_sound
from focuspuller.photo.video import VideoFile
from focuspuller.photo.video_format import Frame, VideoFormat
from focuspuller.photo.video_writing import copy_video, writing_video

av = pytest.importorskip("av", reason="PyAV is not installed")

HEIGHT, WIDTH = 32, 48
RATE = Fraction(24)


def look(**changes: object) -> VideoFormat:
    return VideoFormat(
        **({"width": WIDTH, "height": HEIGHT, "rate": RATE, "time_base": 1 / RATE} | changes)
    )


def picture(index: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A ramp of grey and of hue that grows brighter from frame to frame."""
    y, x = np.mgrid[0:height, 0:width]
    grey = 0.2 + 0.5 * x / width + 0.02 * index
    return np.stack([grey, grey, 0.8 * grey + 0.1 * y / height], axis=-1).astype(np.float32)


def write(
    path: Path, frames: int = 6, crf: int = 1, sound: Sound | None = None, **changes: object
) -> Path:
    form = look(**changes)
    with writing_video(path, form, sound, crf) as video:
        for index in range(frames):
            pixels = picture(index, form.height, form.width)
            video.write(Frame(pixels, index / form.rate))
    return path


@pytest.fixture
def tone(tmp_path: Path) -> Sound:
    """A second of sound."""
    waveform = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    write_sound(tmp_path / "tone.mp4", waveform[None].astype(np.float32), 48000)
    return Sound(tmp_path / "tone.mp4")


def sound_bytes(path: Path) -> bytes:
    with av.open(str(path)) as container:
        return b"".join(bytes(packet) for packet in container.demux(audio=0))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_what_is_written_is_read_again(tmp_path, suffix):
    video = VideoFile(write(tmp_path / f"a{suffix}"))
    frames = list(video.frames())
    assert video.count_frames() == len(frames) == 6
    assert video.format.rate == RATE
    for index, frame in enumerate(frames):
        assert frame.pixels.dtype == np.float32
        assert float(frame.time) == pytest.approx(index / 24, abs=1e-3)
        error = frame.pixels - picture(index)
        assert np.abs(error).mean() < 2 / 255
        assert abs(error.mean()) < 0.6 / 255  # neither brighter nor darker


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("is_full_range", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
def test_depth_and_colour_tags_are_kept(tmp_path, matrix, is_full_range, bits):
    tags = {"matrix": matrix, "primaries": 1, "transfer": 1, "is_full_range": is_full_range}
    video = VideoFile(write(tmp_path / "a.mp4", bits=bits, **tags))
    read = video.format
    assert (read.matrix, read.primaries, read.transfer, read.is_full_range, read.bits) == (
        *(matrix, 1, 1, is_full_range, bits),
    )
    error = next(video.frames()).pixels - picture(0)
    assert np.abs(error).mean() < 2 / 255


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(60)])
def test_the_frame_rate_is_kept(tmp_path, rate):
    video = VideoFile(write(tmp_path / "a.mp4", rate=rate, time_base=1 / rate))
    assert video.format.rate == rate
    assert [frame.time for frame in video.frames()] == [n / rate for n in range(6)]


def test_uneven_times_are_kept(tmp_path):
    times = [Fraction(n, 1000) for n in (0, 40, 90, 100, 250)]
    form = look(time_base=Fraction(1, 1000))
    with writing_video(tmp_path / "a.mp4", form) as video:
        for index, time in enumerate(times):
            video.write(Frame(picture(index), time))
    assert [frame.time for frame in VideoFile(tmp_path / "a.mp4").frames()] == times


def test_odd_sizes_are_kept(tmp_path):
    video = VideoFile(write(tmp_path / "a.mp4", height=31, width=45))
    assert next(video.frames()).pixels.shape == (31, 45, 3)


def test_sound_is_copied_as_it_is(tmp_path, tone):
    path = write(tmp_path / "a.mp4", frames=24, sound=tone)
    assert sound_bytes(path) == sound_bytes(tmp_path / "tone.mp4")
    again = write(tmp_path / "b.mov", frames=24, sound=VideoFile(path).sound())
    assert sound_bytes(again) == sound_bytes(path)
    assert VideoFile(write(tmp_path / "c.mp4")).sound() is None


def test_a_part_is_read_and_its_sound_cut(tmp_path, tone):
    whole = write(tmp_path / "a.mp4", frames=24, sound=tone)
    part = VideoFile(whole, start=0.5, duration=0.25)
    frames = list(part.frames())
    assert part.count_frames() == len(frames) == 6
    assert frames[0].time == 0
    assert frames[0].pixels.mean() == pytest.approx(picture(12).mean(), abs=0.005)
    cut = write(tmp_path / "b.mp4", frames=6, sound=part.sound())
    with av.open(str(cut)) as container:
        (stream,) = container.streams.audio
        assert float(stream.duration * stream.time_base) == pytest.approx(0.25, abs=0.03)


def test_bytes_are_read_like_a_file(tmp_path, tone):
    path = write(tmp_path / "a.mp4", sound=tone)
    video = VideoFile(BytesIO(path.read_bytes()))
    for ours, theirs in zip(video.frames(), VideoFile(path).frames(), strict=True):
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
    sound = video.sound()
    assert sound is not None
    assert sound_bytes(write(tmp_path / "b.mp4", sound=sound)) == sound_bytes(path)


def test_a_turned_video_is_read_upright(tmp_path):
    plain = write(tmp_path / "a.mp4")
    with av.open(str(plain)) as source, av.open(str(tmp_path / "b.mp4"), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(90)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    turned = VideoFile(tmp_path / "b.mp4")
    assert (turned.format.width, turned.format.height) == (HEIGHT, WIDTH)
    upright = next(turned.frames()).pixels
    stored = next(VideoFile(plain).frames()).pixels
    np.testing.assert_array_equal(upright, np.rot90(stored))


class TestDepthVideo:
    def ramp(self) -> np.ndarray:
        return np.linspace(0, 1, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)

    @pytest.mark.parametrize(("kind", "most"), [("gray", 255), ("gray16le", 65535)])
    def test_lossless_grey_is_read_exactly(self, tmp_path, kind, most):
        codes = (self.ramp() * most).round().astype(np.uint8 if most == 255 else np.uint16)
        with av.open(str(tmp_path / "d.mkv"), "w") as output:
            stream = output.add_stream("ffv1", rate=24)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, kind
            output.mux(stream.encode(av.VideoFrame.from_ndarray(codes, format=kind)))
            output.mux(stream.encode(None))
        (frame,) = VideoFile(tmp_path / "d.mkv").grey_frames()
        np.testing.assert_allclose(frame.pixels, codes / most, atol=1e-6)

    def test_compressed_grey_spans_black_to_white(self, tmp_path):
        grey = np.repeat(self.ramp()[..., None], 3, axis=2)
        with writing_video(tmp_path / "d.mp4", look(), crf=1) as video:
            video.write(Frame(grey, Fraction(0)))
        (frame,) = VideoFile(tmp_path / "d.mp4").grey_frames()
        np.testing.assert_allclose(frame.pixels, self.ramp(), atol=3 / 255)

    def test_colour_is_refused(self, tmp_path):
        with writing_video(tmp_path / "d.mp4", look()) as video:
            video.write(Frame(picture(0) * np.float32([1, 0, 0]), Fraction(0)))
        with pytest.raises(FileError, match="colour video"):
            VideoFile(tmp_path / "d.mp4").grey_frames()


class TestNothingHalfWritten:
    def test_an_error_leaves_an_older_video_as_it_was(self, tmp_path):
        before = write(tmp_path / "a.mp4").read_bytes()
        with pytest.raises(ZeroDivisionError), writing_video(tmp_path / "a.mp4", look()) as video:
            video.write(Frame(picture(0), Fraction(0)))
            _ = 1 / 0
        assert (tmp_path / "a.mp4").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]

    def test_a_frame_of_another_size_is_refused(self, tmp_path):
        with (
            pytest.raises(InputError, match=r"48×32"),
            writing_video(tmp_path / "a.mp4", look()) as video,
        ):
            video.write(Frame(picture(0, 16, 16), Fraction(0)))
        assert list(tmp_path.iterdir()) == []

    def test_nan_is_refused(self, tmp_path):
        with (
            pytest.raises(InputError, match="NaN"),
            writing_video(tmp_path / "a.mp4", look()) as video,
        ):
            video.write(Frame(np.full((HEIGHT, WIDTH, 3), np.nan, np.float32), Fraction(0)))


def test_metadata_is_kept_and_added_to(tmp_path):
    source = write(tmp_path / "a.mp4", metadata={"title": "Rack", "prompt": "{}"})
    copy_video(source, tmp_path / "b.mp4", {"prompt": '{"1": {}}'})
    copy = VideoFile(tmp_path / "b.mp4")
    assert copy.format.metadata["title"] == "Rack"
    assert copy.format.metadata["prompt"] == '{"1": {}}'
    for ours, theirs in zip(copy.frames(), VideoFile(source).frames(), strict=True):
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)


class TestRefusals:
    def damaged(self, tmp_path: Path) -> Iterator[Path]:
        (tmp_path / "text.mp4").write_text("no video")
        (tmp_path / "empty.mp4").touch()
        write(tmp_path / "whole.mp4", frames=24)
        (tmp_path / "cut.mp4").write_bytes((tmp_path / "whole.mp4").read_bytes()[:200])
        yield from (tmp_path / f"{name}.mp4" for name in ("text", "empty", "cut", "missing"))

    def test_damaged_and_missing_files_are_named(self, tmp_path):
        for path in self.damaged(tmp_path):
            with pytest.raises(FileError, match=path.name):
                VideoFile(path)

    def test_sound_alone_is_no_video(self, tone):
        with pytest.raises(FileError, match="without video"):
            VideoFile(tone.source)

    def test_sound_that_a_container_cannot_hold(self, tmp_path, tone):
        with pytest.raises(InputError, match=r"\.mkv"):
            write(tmp_path / "a.webm", sound=tone)
        assert not (tmp_path / "a.webm").exists()

    @pytest.mark.parametrize("crf", [-1, 52])
    def test_a_quality_without_meaning(self, tmp_path, crf):
        with pytest.raises(InputError, match="crf"):
            write(tmp_path / "a.mp4", crf=crf)

    def test_another_kind_of_file(self, tmp_path):
        with pytest.raises(InputError, match=r"a\.avi"):
            write(tmp_path / "a.avi")

    def test_without_pyav_it_says_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(MissingDependencyError, match=r"focuspuller\[video\]"):
            VideoFile(tmp_path / "a.mp4")
