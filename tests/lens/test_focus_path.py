"""Focus that is found in every frame."""

from __future__ import annotations

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus, pull_focus
from focuspuller.lens.focus_path import FOLLOWING, FocusFollower, FocusPath

LEFT, RIGHT = (0.1, 0.5), (0.9, 0.5)


def two_things(left: float, right: float) -> Depth:
    disparity = torch.full((1, 1, 8, 16), left)
    disparity[..., 8:] = right
    return Depth(disparity, is_metric=False)


def planes(path: FocusPath, depths: list[Depth]) -> list[float]:
    follower = FocusFollower(path)
    return [float(follower.find(depth).plane) for depth in depths]


def test_between_still_things_it_is_the_pull_that_is_known_before():
    path = FocusPath([(2, LEFT), (8, RIGHT)])
    keyframes = [(2, Focus.at_disparity(0.9, False)), (8, Focus.at_disparity(0.2, False))]
    expected = pull_focus(keyframes, 11, "smooth").plane.tolist()
    assert planes(path, [two_things(0.9, 0.2)] * 11) == pytest.approx(expected, abs=1e-6)


def test_it_follows_what_moves():
    depths = [two_things(0.3 + 0.02 * n, 0.1) for n in range(30)]
    found = planes(FocusPath([(0, LEFT)]), depths)
    assert found[0] == pytest.approx(0.3)
    # It lags behind an even movement by that of so many frames, and no more.
    lag = 0.02 * (1 - FOLLOWING) / FOLLOWING
    assert found[-1] == pytest.approx(0.3 + 0.02 * 29 - lag, abs=1e-3)


def test_noise_does_not_make_it_tremble():
    torch.manual_seed(0)
    noisy = [two_things(0.5 + 0.02 * float(torch.randn(())), 0.1) for _ in range(60)]
    found = torch.tensor(planes(FocusPath([(0, LEFT)]), noisy))
    measured = torch.tensor([float(depth.disparity[0, 0, 4, 1]) for depth in noisy])
    assert found.diff().abs().mean() < 0.3 * measured.diff().abs().mean()


def test_held_it_stays_where_the_first_frame_had_it():
    depths = [two_things(0.3 + 0.02 * n, 0.1) for n in range(20)]
    found = planes(FocusPath([(0, LEFT)], follows=False), depths)
    assert found == pytest.approx([0.3] * 20)


def test_places_may_be_points_planes_and_functions():
    def nearest(depth: Depth) -> Focus:
        return Focus.at_disparity(float(depth.disparity.amax()), depth.is_metric)

    path = FocusPath([(0, Focus.at_disparity(0.0, False)), (1, RIGHT), (2, nearest)])
    assert planes(path, [two_things(0.8, 0.4)] * 3) == pytest.approx([0.0, 0.4, 0.8])


def test_the_sharp_range_goes_along():
    follower = FocusFollower(FocusPath([(0, LEFT)], width=0.2))
    focus = follower.find(two_things(0.5, 0.1))
    assert (float(focus.near), float(focus.far)) == pytest.approx((0.6, 0.4))


@pytest.mark.parametrize(
    ("keyframes", "said"), [([], "none"), ([(1, LEFT), (1, RIGHT)], "1, 1"), ([(-1, LEFT)], "-1")]
)
def test_keyframes_without_meaning_are_refused(keyframes, said):
    with pytest.raises(InputError, match=said):
        FocusPath(keyframes)


def test_an_unknown_easing_is_refused():
    with pytest.raises(InputError, match="'linear' or 'smooth'"):
        FocusPath([(0, LEFT)], easing="slow")  # pyright: ignore


def test_metric_and_relative_places_do_not_mix():
    path = FocusPath([(0, LEFT), (5, Focus.at_distance(2.0))])
    with pytest.raises(InputError, match="metric and relative"):
        FocusFollower(path).find(two_things(0.5, 0.1))
