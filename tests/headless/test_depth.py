"""`refine_depth` and `repair_depth` on arrays."""

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


class TestRepairing:
    def test_a_hole_goes_to_the_side_that_the_picture_tells(self, scene):
        picture, exact, _ = scene
        metres = 1 / (0.2 + exact)
        metres[40:50, 24:36] = 0.0  # half of it before the square, half beside
        blind = fp.repair_depth(metres)
        seeing = fp.repair_depth(metres, picture)
        assert seeing.is_metric
        assert wrong_px(fp.Depth(seeing.disparity - 0.2, False), exact) < 6
        assert wrong_px(fp.Depth(blind.disparity - 0.2, False), exact) == 60
        linear = fp.repair_depth(metres, np.where(picture > 0.5, 0.5, 0.02), linear=True)
        assert wrong_px(fp.Depth(linear.disparity - 0.2, False), exact) < 6

    def test_holes_may_come_as_a_mask(self, scene):
        picture, exact, _ = scene
        spoiled, mask = exact.copy(), np.zeros_like(exact)
        spoiled[40:50, 24:36], mask[40:50, 24:36] = 0.5, 1.0
        repaired = fp.repair_depth(None, picture, disparity=spoiled, holes=mask)
        assert wrong_px(repaired, exact) < 6

    def test_flying_pixels_stay_if_asked(self, scene):
        _, _, soft = scene
        assert ((soft > 0.2) & (soft < 0.8)).any()
        kept = fp.repair_depth(None, disparity=soft, flying_pixels=False)
        np.testing.assert_array_equal(kept.disparity[0, 0].numpy(), soft)
        cleared = fp.repair_depth(None, disparity=soft).disparity
        assert not ((cleared > 0.2) & (cleared < 0.8)).any()
