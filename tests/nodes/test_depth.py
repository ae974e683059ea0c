"""Load Depth, Depth from Image and Align Depth."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch
from focuspuller.lens.depth import Depth
from focuspuller.nodes import AlignDepth, DepthFromImage, LoadDepth, RefineDepth, RepairDepth
from PIL import Image

FROM_FILE = {"encoding": "automatic", "near_is_white": True, "near_m": 0.0, "far_m": 0.0}
FROM_IMAGE = FROM_FILE | {"encoding": "disparity"}
RAMP = torch.linspace(0.0, 1.0, 5).repeat(4, 1)[None]  # [1,4,5], brighter to the right


class TestLoadDepth:
    def test_number_files_hold_metres(self, inputs):
        metres = np.array([[1.0, 2.0], [4.0, np.inf]], np.float32)
        np.save(inputs / "depth.npy", metres)
        depth = LoadDepth.execute("depth.npy", **FROM_FILE)[0]
        assert depth.is_metric
        np.testing.assert_allclose(depth.metres[0, 0], metres)

    def test_images_hold_relative_disparity(self, inputs):
        codes = np.array([[0, 65535], [32768, 13107]], np.uint16)
        Image.fromarray(codes).save(inputs / "depth.png")
        depth = LoadDepth.execute("depth.png", **FROM_FILE)[0]
        assert not depth.is_metric
        np.testing.assert_allclose(depth.disparity[0, 0], codes / 65535, atol=1e-6)

    def test_dark_may_be_near(self, inputs):
        Image.fromarray(np.array([[0, 51, 255]], np.uint8)).save(inputs / "depth.png")
        depth = LoadDepth.execute("depth.png", **FROM_FILE | {"near_is_white": False})[0]
        np.testing.assert_allclose(depth.disparity[0, 0], [[1.0, 0.8, 0.0]], atol=1e-6)

    @pytest.mark.parametrize(
        ("encoding", "expected"),
        # Halfway between 1 m and 5 m: in distance 3 m, in disparity 1 / ((1 + 1/5) / 2).
        [("automatic", 1 / 0.6), ("disparity", 1 / 0.6), ("depth", 3.0)],
    )
    def test_a_range_makes_codes_metric(self, inputs, encoding, expected):
        Image.fromarray(np.array([[0, 32768, 65535]], np.uint16)).save(inputs / "depth.png")
        values = FROM_FILE | {"encoding": encoding, "near_m": 1.0, "far_m": 5.0}
        depth = LoadDepth.execute("depth.png", **values)[0]
        np.testing.assert_allclose(depth.metres[0, 0], [[5.0, expected, 1.0]], rtol=1e-4)

    def test_a_near_distance_alone_means_up_to_infinity(self, inputs):
        Image.fromarray(np.array([[0, 255]], np.uint8)).save(inputs / "depth.png")
        depth = LoadDepth.execute("depth.png", **FROM_FILE | {"near_m": 2.0})[0]
        assert depth.metres[0, 0].tolist() == [[math.inf, 2.0]]

    def test_invalid_pixels_are_filled_from_their_surroundings(self, inputs, caplog):
        metres = np.full((8, 8), 2.0, np.float32)
        metres[2, 2], metres[3, 3], metres[4, 4] = np.nan, 0.0, -5.0
        np.save(inputs / "depth.npy", metres)
        depth = LoadDepth.execute("depth.npy", **FROM_FILE)[0]
        np.testing.assert_allclose(depth.metres, 2.0, rtol=1e-6)
        assert "3 of 64 depth values are invalid" in caplog.text

    def test_it_shows_near_as_white_and_tells_the_range(self, inputs, preview):
        np.save(inputs / "depth.npy", np.array([[1.0, 2.0, 4.0]], np.float32))
        output = LoadDepth.execute("depth.npy", **FROM_FILE)
        # Disparity 1, 1/2, 1/4 of the range 1/4 to 1.
        np.testing.assert_allclose(preview(output)[0, :, 0], [1.0, 1 / 3, 0.0], atol=1.01 / 255)
        assert output.ui["text"] == ("metric, 1 m to 4 m",)

    def test_a_missing_file_is_named(self, refuses, inputs):
        refuses(LoadDepth, str(inputs / "gone.npy"), file="gone.npy", **FROM_FILE)

    def test_a_file_without_one_valid_value_is_named(self, refuses, inputs):
        np.save(inputs / "depth.npy", np.full((4, 4), np.nan, np.float32))
        message = refuses(LoadDepth, str(inputs / "depth.npy"), file="depth.npy", **FROM_FILE)
        assert "without a single valid value" in message

    @pytest.mark.parametrize(
        ("near_m", "far_m", "received"), [(0.0, 3.0, "None and 3.0"), (3.0, 1.0, "3 and 1")]
    )
    def test_half_or_swapped_ranges_are_refused(self, refuses, inputs, near_m, far_m, received):
        Image.fromarray(np.array([[0, 255]], np.uint8)).save(inputs / "depth.png")
        values = FROM_FILE | {"near_m": near_m, "far_m": far_m}
        assert received in refuses(LoadDepth, "near_m, far_m", file="depth.png", **values)

    def test_the_choice_is_files_that_can_hold_depth(self, inputs):
        for name in ("b.npy", "a.exr", "c.png", "notes.txt"):
            (inputs / name).touch()
        assert LoadDepth.GET_SCHEMA().inputs[0].options == ["a.exr", "b.npy", "c.png"]
        assert LoadDepth.validate_inputs("b.npy") is True
        assert "'gone.npy'" in str(LoadDepth.validate_inputs("gone.npy"))

    def test_a_file_is_loaded_again_when_it_or_a_setting_changes(self, inputs):
        path = inputs / "depth.npy"
        np.save(path, np.ones((2, 2)))
        before = LoadDepth.fingerprint_inputs("depth.npy", **FROM_FILE)
        assert LoadDepth.fingerprint_inputs("depth.npy", **FROM_FILE) == before
        changed = FROM_FILE | {"far_m": 2.0}
        assert LoadDepth.fingerprint_inputs("depth.npy", **changed) != before
        os.utime(path, ns=(1, 1))
        assert LoadDepth.fingerprint_inputs("depth.npy", **FROM_FILE) != before


class TestDepthFromImage:
    def test_a_picture_and_a_mask_give_the_same_relative_depth(self):
        from_mask = DepthFromImage.execute(**FROM_IMAGE, mask=RAMP)[0]
        from_image = DepthFromImage.execute(**FROM_IMAGE, image=RAMP[..., None].expand(1, 4, 5, 3))[
            0
        ]
        assert not from_mask.is_metric
        assert from_mask.disparity.shape == (1, 1, 4, 5)
        torch.testing.assert_close(from_mask.disparity[:, 0], RAMP)
        torch.testing.assert_close(from_image.disparity[:, 0], RAMP)

    def test_a_batch_stays_a_batch(self):
        masks = torch.stack([RAMP[0], 1 - RAMP[0], RAMP[0]])
        depth = DepthFromImage.execute(**FROM_IMAGE, mask=masks)[0]
        torch.testing.assert_close(depth.disparity[:, 0], masks)

    @pytest.mark.parametrize("encoding", ["disparity", "depth"])
    def test_a_range_makes_it_metric(self, encoding):
        values = FROM_IMAGE | {"encoding": encoding, "near_m": 1.0, "far_m": 4.0}
        depth = DepthFromImage.execute(**values, mask=RAMP)[0]
        nearness = RAMP[0, 0].double()
        linear = 4 - 3 * nearness
        inverse = 1 / (0.25 + 0.75 * nearness)
        expected = linear if encoding == "depth" else inverse
        torch.testing.assert_close(depth.metres[0, 0, 0].double(), expected, rtol=1e-5, atol=0)

    def test_dark_may_be_near(self):
        depth = DepthFromImage.execute(**FROM_IMAGE | {"near_is_white": False}, mask=RAMP)[0]
        torch.testing.assert_close(depth.disparity[:, 0], 1 - RAMP)

    def test_nan_is_filled_and_infinity_and_negative_values_are_cut(self):
        values = torch.full((1, 6, 6), 0.5)
        values[0, 1, 1] = math.nan
        values[0, 3, 3] = math.inf
        values[0, 5, 5] = -3.0
        disparity = DepthFromImage.execute(**FROM_IMAGE, mask=values)[0].disparity[0, 0]
        assert (disparity[3, 3], disparity[5, 5]) == (1.0, 0.0)
        assert (disparity == 0.5).sum() == 34

    def test_constant_depth_stays_constant(self, preview):
        output = DepthFromImage.execute(**FROM_IMAGE, mask=torch.full((1, 4, 5), 0.3))
        assert (output[0].disparity == 0.3).all()
        assert np.isfinite(preview(output)).all()
        assert output.ui["text"] == ("relative disparity 0.3 to 0.3",)

    def test_a_fourth_channel_is_dropped(self, picture, caplog):
        four = picture(channels=4)
        depth = DepthFromImage.execute(**FROM_IMAGE, image=four)[0]
        without = DepthFromImage.execute(**FROM_IMAGE, image=four[..., :3])[0]
        assert torch.equal(depth.disparity, without.disparity)
        assert "image: the fourth channel (opacity) is dropped." in caplog.text

    def test_exactly_one_source_has_to_be_connected(self, refuses, picture):
        assert "nothing" in refuses(DepthFromImage, "image, mask", **FROM_IMAGE)
        both = {"image": picture(), "mask": RAMP}
        assert "both an image and a mask" in refuses(
            DepthFromImage, "image, mask", **FROM_IMAGE, **both
        )

    @pytest.mark.parametrize("name", ["image", "mask"])
    def test_a_source_without_one_valid_value_is_refused(self, refuses, picture, name):
        nothing = picture() * math.nan
        source = {name: nothing if name == "image" else nothing[..., 0]}
        message = refuses(DepthFromImage, "image, mask", **FROM_IMAGE, **source)
        assert "without a single valid value" in message

    @pytest.mark.parametrize(
        ("name", "shape"), [("image", (0, 4, 4, 3)), ("mask", (0, 4, 4)), ("mask", (1, 0, 4))]
    )
    def test_an_empty_batch_is_refused(self, refuses, name, shape):
        message = refuses(DepthFromImage, name, **FROM_IMAGE, **{name: torch.ones(shape)})
        assert str(list(shape)) in message

    @pytest.mark.parametrize(
        ("near_m", "far_m"), [(0.0, 2.0), (3.0, 2.0), (2.0, 2.0), (-1.0, 2.0), (math.nan, 2.0)]
    )
    def test_ranges_without_meaning_are_refused(self, refuses, near_m, far_m):
        values = FROM_IMAGE | {"near_m": near_m, "far_m": far_m}
        refuses(DepthFromImage, "near_m, far_m", **values, mask=RAMP)

    def test_linear_depth_up_to_infinity_is_refused(self, refuses):
        values = FROM_IMAGE | {"encoding": "depth", "near_m": 1.0}
        assert "infinity" in refuses(DepthFromImage, "far_m", **values, mask=RAMP)


class TestAlignDepth:
    @pytest.fixture
    def edge(self) -> torch.Tensor:
        """A picture with an edge in the middle, at column 20."""
        picture = torch.zeros(1, 30, 40, 3)
        picture[:, :, 20:] = 1.0
        return picture

    def test_a_soft_depth_edge_moves_onto_the_pictures_edge(self, edge):
        column = torch.arange(40, dtype=torch.float32)
        soft = ((column - 16) / 8).clamp(0, 1).expand(1, 1, 30, 40)  # 0 to 1 over columns 16..24
        aligned = AlignDepth.execute(
            Depth.from_relative(soft), edge, radius=8, edge_threshold=0.02
        )[0]
        steps = aligned.disparity.diff(dim=3)[0, 0]  # between columns 19 and 20: steps[:, 19]
        assert (steps[:, 19] > 5 / 8).all()
        assert (steps[:, [17, 18, 20, 21]] < 1 / 16).all()

    def test_a_coarse_map_becomes_as_large_as_the_picture(self, edge):
        coarse = Depth.from_metres(torch.tensor([[[[1.0, 2.0]]]]))
        aligned = AlignDepth.execute(coarse, edge, radius=4, edge_threshold=0.02)[0]
        assert aligned.size == (30, 40)
        assert aligned.is_metric

    def test_depth_stays_within_its_range(self, picture):
        depth = Depth.from_relative(picture()[..., :1].permute(0, 3, 1, 2))
        aligned = AlignDepth.execute(depth, picture(), radius=2, edge_threshold=0.3)[0]
        assert aligned.disparity.amin() >= depth.disparity.amin()
        assert aligned.disparity.amax() <= depth.disparity.amax()

    def test_constant_depth_stays_constant(self, edge):
        depth = Depth.from_metres(torch.full((1, 1, 30, 40), 2.0))
        aligned = AlignDepth.execute(depth, edge, radius=8, edge_threshold=0.02)[0]
        torch.testing.assert_close(aligned.metres, depth.metres)

    @pytest.mark.parametrize(("size", "radius"), [((1, 1), 1), ((1, 1), 128), ((6, 9), 128)])
    def test_the_reach_may_be_larger_than_the_picture(self, picture, size, radius):
        depth = Depth.from_metres(torch.full((1, 1, *size), 2.0))
        image = picture(1, *size)
        aligned = AlignDepth.execute(depth, image, radius=radius, edge_threshold=0.02)[0]
        torch.testing.assert_close(aligned.metres, depth.metres)

    def test_one_depth_serves_a_batch_of_pictures(self, edge):
        depth = Depth.from_relative(torch.rand(1, 1, 30, 40))
        flipped = torch.cat([edge, edge.flip(2)])
        aligned = AlignDepth.execute(depth, flipped, radius=4, edge_threshold=0.02)[0]
        alone = AlignDepth.execute(depth, edge, radius=4, edge_threshold=0.02)[0]
        assert aligned.disparity.shape == (2, 1, 30, 40)
        torch.testing.assert_close(aligned.disparity[:1], alone.disparity)

    def test_batches_that_do_not_fit_are_refused(self, refuses, edge):
        depth = Depth.from_relative(torch.rand(3, 1, 30, 40))
        values = {"depth": depth, "radius": 4, "edge_threshold": 0.02}
        message = refuses(AlignDepth, "image", **values, image=edge.repeat(2, 1, 1, 1))
        assert "2 images for 3 depths" in message

    def test_a_picture_with_nan_is_refused(self, refuses, edge, near_and_far):
        edge[0, 3, 3, 0] = math.nan
        values = {"depth": near_and_far, "radius": 4, "edge_threshold": 0.02}
        assert "NaN" in refuses(AlignDepth, "image", **values, image=edge)

    @pytest.mark.parametrize("foreign", [None, {}, torch.rand(1, 1, 30, 40)])
    def test_what_is_no_depth_is_refused(self, refuses, edge, foreign):
        values = {"depth": foreign, "radius": 4, "edge_threshold": 0.02}
        refuses(AlignDepth, "depth", **values, image=edge)


class TestRepairDepth:
    def test_holes_are_filled_by_the_picture_s_colours(self, refuses):
        exact = torch.full((1, 1, 64, 96), 0.2)
        exact[..., 20:44, 30:60] = 1.0
        image = torch.where(exact > 0.5, 0.8, 0.2)[0, 0, None, :, :, None].expand(-1, -1, -1, 3)
        spoiled, holes = exact.clone(), torch.zeros(1, 64, 96)
        spoiled[..., 28:36, 24:36], holes[..., 28:36, 24:36] = 0.6, 1.0
        values = {"depth": Depth(spoiled, True), "flying_pixels": True}
        repaired = RepairDepth.execute(**values, image=image, holes=holes)[0]
        torch.testing.assert_close(repaired.disparity, exact, atol=0.02, rtol=0)
        assert "Leave some depth" in refuses(RepairDepth, "holes", **values, holes=holes + 1)

    def test_flying_pixels_are_removed_or_kept(self):
        ramp = torch.zeros(1, 1, 64, 96)
        ramp[..., 40:], ramp[..., 38:40] = 1.0, torch.tensor([0.4, 0.7])
        given = Depth.from_relative(ramp)
        cleared = RepairDepth.execute(given, True)[0].disparity
        assert set(cleared.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(RepairDepth.execute(given, False)[0].disparity, ramp)


class TestRefineDepth:
    def test_an_edge_comes_to_where_the_picture_has_it(self, picture):
        image, wide = picture(1, 64, 96) * 0.1, torch.zeros(1, 1, 64, 96)
        image[:, :, 48:] += torch.tensor([0.7, 0.4, 0.2])
        wide[..., 45:] = 1.0
        refined = RefineDepth.execute(Depth.from_relative(wide), image)[0]
        assert not refined.is_metric
        assert (refined.disparity[..., 45:48] < 0.5).float().mean() > 0.8
        assert (refined.disparity[..., 48:] > 0.5).float().mean() > 0.98

    def test_a_coarse_map_becomes_as_large_as_the_picture(self, picture):
        coarse = Depth.from_metres(torch.tensor([[[[1.0, 2.0]]]]))
        refined = RefineDepth.execute(coarse, picture(2, 24, 36))[0]
        assert refined.disparity.shape == (2, 1, 24, 36)
        assert refined.is_metric

    def test_a_picture_with_nan_is_refused(self, refuses, picture, near_and_far):
        image = picture(1, *near_and_far.size)
        image[0, 3, 3, 0] = math.nan
        assert "NaN" in refuses(RefineDepth, "image", depth=near_and_far, image=image)
