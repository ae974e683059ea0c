"""render_frames: as render, but one frame at a time."""

from __future__ import annotations

import weakref

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.errors import InputError

HEIGHT, WIDTH = 12, 16


def frame(index: int = 0) -> np.ndarray:
    return np.random.default_rng(index).random((HEIGHT, WIDTH, 3), np.float32)


def metres() -> np.ndarray:
    return np.linspace(1, 4, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)


def test_each_frame_is_what_render_gives():
    frames = [frame(index) for index in range(3)]
    options = {"focus_distance": 2.0, "bokeh_level": 6.0, "lens": "taf"}
    streamed = list(fp.render_frames(iter(frames), iter([metres()] * 3), **options))
    assert len(streamed) == 3
    for picture, result in zip(frames, streamed, strict=True):
        np.testing.assert_allclose(result, fp.render(picture, metres(), **options), atol=1e-6)


def test_a_focus_pull_and_a_level_pull_are_those_of_render():
    distances, levels = [1.0, 2.0, 4.0], [2.0, 4.0, 6.0]
    pull = fp.Focus.at_distance(distances)
    streamed = fp.render_frames([frame()] * 3, metres(), focus=pull, bokeh_level=levels, lens="taf")
    for result, metre, level in zip(streamed, distances, levels, strict=True):
        expected = fp.render(frame(), metres(), focus_distance=metre, bokeh_level=level, lens="taf")
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_torch_in_torch_out():
    (result,) = fp.render_frames(
        [torch.from_numpy(frame())], metres(), focus_distance=1.0, bokeh_level=3.0, lens="taf"
    )
    assert isinstance(result, torch.Tensor)
    assert result.shape == (HEIGHT, WIDTH, 3)


def test_two_hundred_frames_take_the_memory_of_a_few():
    alive = most = 0

    class Pixels(np.ndarray):
        """Arrays that can be watched."""

    def watched(array: np.ndarray) -> np.ndarray:
        nonlocal alive, most
        view = array.copy().view(Pixels)
        weakref.finalize(view, gone)
        alive += 1
        most = max(most, alive)
        return view

    def gone() -> None:
        nonlocal alive
        alive -= 1

    frames = (watched(frame(index)) for index in range(200))
    depths = (watched(metres()) for _ in range(200))
    count = 0
    for result in fp.render_frames(
        frames, depths, focus_point=(0.5, 0.5), bokeh_level=1.0, lens="taf", depth_smoothing=0.5
    ):
        count += 1
        del result
    assert count == 200
    assert most <= 8


def test_relative_depth_is_stabilized_unless_told_not_to():
    calm = np.linspace(0.2, 0.6, HEIGHT, dtype=np.float32)[:, None].repeat(WIDTH, axis=1)
    entered = calm.copy()
    entered[3:, :3] = 0.9
    own = [(each - each.min()) / (each.max() - each.min()) for each in (calm, entered)]
    picture = frame()
    options = {"focus_disparity": 0.0, "bokeh_level": 4.0, "lens": "taf"}

    def change(stabilize: bool) -> float:
        first, second = fp.render_frames(
            [picture] * 2, disparities=own, stabilize=stabilize, **options
        )
        return float(np.abs(first - second)[:, 10:].mean())

    assert change(stabilize=True) < 0.1 * change(stabilize=False)


def test_progress_names_the_frame():
    reports = []
    list(
        fp.render_frames(
            *([frame()] * 2, metres()),
            focus_distance=1.0,
            bokeh_level=3.0,
            on_progress=lambda index, fraction: reports.append((index, fraction)),
        )
    )
    assert reports == sorted(reports)
    assert {index for index, _ in reports} == {0, 1}
    assert reports[-1] == (1, 1.0)


def test_an_error_in_on_progress_stops_within_the_frame():
    read = []

    def frames():
        for index in range(5):
            read.append(index)
            yield frame(index)

    def stop(index: int, fraction: float) -> None:
        if index == 2:
            raise KeyboardInterrupt

    results = fp.render_frames(
        frames(), metres(), focus_distance=1.0, bokeh_level=3.0, on_progress=stop
    )
    with pytest.raises(KeyboardInterrupt):
        list(results)
    assert read == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"depths": None}, "depths, disparities"),
        ({"disparities": metres()}, "depths, disparities"),
        ({"bokeh_level": None}, "camera, bokeh_level"),
        ({"focus_distance": None}, "focus"),
        ({"focus_point": (0.5, 0.5)}, "focus"),
        ({"depth_smoothing": 1.0}, "smoothing"),
        ({"lens": "fisheye"}, "fisheye"),
    ],
)
def test_what_has_no_meaning_is_refused_at_once(changes, said):
    options = {"depths": metres(), "focus_distance": 1.0, "bokeh_level": 3.0} | changes
    with pytest.raises(InputError, match=said):
        fp.render_frames([frame()], options.pop("depths"), **options)


def test_a_batch_is_no_frame():
    batch = np.zeros((2, HEIGHT, WIDTH, 3), np.float32)
    with pytest.raises(InputError, match="2 images in one"):
        list(fp.render_frames([batch], metres(), focus_distance=1.0, bokeh_level=1.0))
