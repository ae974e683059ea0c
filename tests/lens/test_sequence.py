"""Defocus of frames that stream past."""

from __future__ import annotations

import logging
import math
import weakref

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.sequence import defocused_frames, lockstep, strength_pull


def image(height: int = 6, width: int = 8) -> torch.Tensor:
    return torch.rand(1, 3, height, width)


def flat(value: float, height: int = 6, width: int = 8) -> Depth:
    return Depth(torch.full((1, 1, height, width), value), is_metric=False)


FAR = Focus.at_disparity(0.0, is_metric=False)


def radii(ready) -> list[float]:
    return [float(defocus.radius[0, 0, 0, 0]) for _, _, defocus in ready]


def test_each_frame_has_its_own_depth():
    ready = defocused_frames([image()] * 3, [flat(0.1), flat(0.2), flat(0.3)], FAR, 10.0)
    assert radii(ready) == pytest.approx([1.0, 2.0, 3.0])


@pytest.mark.parametrize("depths", [flat(0.5), Depth(torch.full((4, 1, 6, 8), 0.5), False)])
def test_one_depth_serves_all_and_a_batch_one_each(depths):
    assert radii(defocused_frames([image()] * 4, depths, FAR, 10.0)) == [5.0] * 4


def test_focus_and_strength_may_change_per_frame_and_hold_at_their_end():
    focus = Focus.at_disparity([0.0, 0.25], is_metric=False)
    ready = defocused_frames([image()] * 4, flat(0.5), focus, [10.0, 10.0, 20.0])
    assert radii(ready) == pytest.approx([5.0, 2.5, 5.0, 5.0])


def test_another_size_is_resampled_and_said_once(caplog):
    with caplog.at_level(logging.WARNING):
        ready = list(defocused_frames([image(12, 16)] * 5, flat(0.5), FAR, 10.0))
    assert all(defocus.size == (12, 16) for _, _, defocus in ready)
    assert len(caplog.records) == 1


def test_frames_are_read_when_it_is_their_turn():
    read = []

    def frames():
        for index in range(5):
            read.append(index)
            yield image()

    ready = defocused_frames(frames(), flat(0.5), FAR, 10.0)
    assert read == []
    next(ready)
    assert read == [0]


def test_depth_that_ends_early_is_an_error_that_says_where():
    ready = defocused_frames([image()] * 3, [flat(0.1), flat(0.2)], FAR, 10.0)
    with pytest.raises(InputError, match="2 depth maps for more frames"):
        list(ready)


def test_depth_that_is_left_over_is_said(caplog):
    list(defocused_frames([image()], [flat(0.1), flat(0.2)], FAR, 10.0))
    assert "more depth maps than frames" in caplog.text


class TestStrengthPull:
    def test_f_numbers_move_in_even_stops(self):
        cameras = strength_pull(Camera(50.0, 1.4), 5.6, 5, "linear")
        stops = [2 * math.log2(camera.f_number) for camera in cameras]
        assert stops == pytest.approx([2 * math.log2(1.4) + n for n in range(5)])

    def test_levels_move_evenly(self):
        assert strength_pull(10.0, 30.0, 3, "linear") == pytest.approx([10.0, 20.0, 30.0])

    def test_both_ends_are_reached_gently(self):
        levels = torch.tensor(strength_pull(0.0, 1.0, 25))
        assert levels[[0, -1]].tolist() == [0.0, 1.0]
        assert levels.diff()[0] < 0.2 * levels.diff().amax()

    def test_a_single_frame_has_the_end(self):
        assert strength_pull(10.0, 30.0, 1) == [30.0]

    @pytest.mark.parametrize("ends", [(-1.0, 8.0), (1.0, -8.0), (1.0, math.inf), (math.nan, 8.0)])
    def test_levels_without_meaning_are_refused(self, ends):
        with pytest.raises(InputError, match="bokeh_level"):
            strength_pull(*ends, 4)

    def test_no_frames_are_refused(self):
        with pytest.raises(InputError, match="frames"):
            strength_pull(10.0, 30.0, 0)

    def test_an_f_number_without_meaning_is_refused(self):
        with pytest.raises(InputError, match="f_number"):
            strength_pull(Camera(50.0, 1.4), 0.0, 3)


class TestLockstep:
    def test_every_branch_has_all_values(self):
        first, second, third = lockstep(iter(range(5)), 3)
        assert list(zip(first, second, third, strict=True)) == [(n, n, n) for n in range(5)]

    def test_what_all_have_used_is_let_go(self):
        class Value:
            pass

        alive: weakref.WeakSet[Value] = weakref.WeakSet()

        def values():
            for _ in range(100):
                value = Value()
                alive.add(value)
                yield value
                del value

        first, second = lockstep(values(), 2)
        for one, other in zip(first, second, strict=True):
            assert one is other
            assert len(alive) <= 2
