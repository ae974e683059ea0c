"""`refine_depth` on arrays."""

from __future__ import annotations

import focuspuller as fp
import numpy as np
import pytest
import torch


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture of a red square on a grey wall, its exact disparity, and one too wide and soft."""
    noise = np.random.default_rng(4).normal(0, 0.04, (96, 96, 3))
    inside = np.zeros((96, 96), bool)
    inside[30:66, 30:66] = True
    colour = np.where(inside[..., None], [0.6, 0.2, 0.1], [0.6, 0.6, 0.6]) + noise
    exact = inside.astype(np.float32)
    wide = np.zeros((96, 96), np.float32)
    wide[28:68, 28:68] = 1.0
    shifts = [np.roll(wide, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return colour.clip(0, 1).astype(np.float32), exact, np.mean(shifts, axis=0, dtype=np.float32)


def wrong_px(depth: fp.Depth, exact: np.ndarray) -> int:
    return int((np.abs(depth.disparity[0, 0].numpy() - exact) > 0.2).sum())


def test_disparity_gets_the_edges_of_the_picture(scene):
    picture, exact, wide = scene
    given = fp.Depth.from_relative(torch.from_numpy(wide)[None, None])
    refined = fp.refine_depth(None, picture, disparity=wide)
    assert not refined.is_metric
    assert wrong_px(refined, exact) < 0.3 * wrong_px(given, exact)


def test_metres_and_depth_objects_are_taken_and_stay_metric(scene):
    picture, _, wide = scene
    metres = 1 / (0.2 + wide)
    from_array = fp.refine_depth(metres, picture)
    from_object = fp.refine_depth(
        fp.Depth.from_metres(torch.from_numpy(metres)[None, None]), picture
    )
    assert from_array.is_metric
    torch.testing.assert_close(from_array.disparity, from_object.disparity)


def test_small_depth_gets_the_size_of_the_picture(scene):
    picture, exact, _ = scene
    assert fp.refine_depth(None, picture, disparity=exact[::3, ::3]).size == (96, 96)


def test_linear_light_is_seen_as_its_picture(scene):
    picture, exact, wide = scene
    light = torch.from_numpy(picture)
    light = torch.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4).numpy()
    seen = [
        fp.refine_depth(None, image, disparity=wide, linear=linear)
        for image, linear in ((picture, False), (light, True))
    ]
    assert wrong_px(seen[0], exact) == pytest.approx(wrong_px(seen[1], exact), abs=5)


def test_exactly_one_kind_of_depth_is_taken(scene):
    picture, _, wide = scene
    with pytest.raises(fp.FocusPullerError, match="exactly one"):
        fp.refine_depth(wide, picture, disparity=wide)
