"""Depth from numbers of every kind: units, ranges, holes, sizes, edges."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.depth import Depth, decode_depth
from focuspuller.lens.depth_sequence import stabilized_batch
from torch import Tensor

INVALID = [math.nan, 0.0, -1.0, -math.inf]


def grey_map(*rows: Sequence[float]) -> Tensor:
    """`[1,1,H,W]`."""
    return torch.tensor(rows, dtype=torch.float32)[None, None]


def values(depth: Depth) -> list[float]:
    return depth.disparity.flatten().tolist()


class TestFromMetres:
    def test_disparity_is_the_inverse(self) -> None:
        depth = Depth.from_metres(grey_map([0.5, 1.0, 4.0, math.inf]))
        assert depth.is_metric
        assert values(depth) == [2.0, 1.0, 0.25, 0.0]

    def test_metres_come_back(self) -> None:
        metres = grey_map([0.5, 3.0], [40.0, math.inf])
        torch.testing.assert_close(Depth.from_metres(metres).metres, metres)

    @pytest.mark.parametrize("invalid", INVALID)
    def test_a_hole_is_filled_from_around_it(self, invalid: float) -> None:
        metres = torch.full((1, 1, 5, 7), 2.0)
        metres[..., 2, 3] = invalid
        assert values(Depth.from_metres(metres)) == pytest.approx([0.5] * 35)

    def test_a_hole_between_two_surfaces_takes_the_farther(self) -> None:
        metres = torch.full((1, 1, 32, 32), 4.0)
        metres[..., :16] = 1.0
        metres[..., 10:20, 8:24] = math.nan
        filled = Depth.from_metres(metres).disparity
        assert (filled[..., 10:20, 8:24] == 0.25).float().mean() > 0.9

    def test_what_is_valid_does_not_change_by_filling(self) -> None:
        metres = 1.0 + torch.rand(2, 1, 9, 6)
        holes = torch.rand(2, 1, 9, 6) < 0.4
        holes[..., 0, 0] = False
        disparity = Depth.from_metres(torch.where(holes, math.nan, metres)).disparity
        assert torch.equal(disparity[~holes], 1 / metres[~holes])
        assert torch.isfinite(disparity).all()

    def test_one_valid_value_fills_the_whole_map(self) -> None:
        metres = torch.zeros(1, 1, 13, 6)
        metres[..., 12, 0] = 5.0
        assert values(Depth.from_metres(metres)) == pytest.approx([0.2] * 78)

    def test_holes_are_counted_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            Depth.from_metres(grey_map([1.0, math.nan, 0.0]))
        assert [record.getMessage()[:6] for record in caplog.records] == ["2 of 3"]

    def test_a_valid_map_logs_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            Depth.from_metres(grey_map([1.0, math.inf]))
        assert not caplog.records

    @pytest.mark.parametrize("invalid", INVALID)
    def test_nothing_valid_is_an_error(self, invalid: float) -> None:
        with pytest.raises(InputError, match="without a single valid value"):
            Depth.from_metres(torch.full((1, 1, 3, 3), invalid))

    def test_nothing_valid_in_one_map_of_a_batch_is_an_error(self) -> None:
        metres = torch.ones(2, 1, 3, 3)
        metres[1] = math.nan
        with pytest.raises(InputError, match="without a single valid value"):
            Depth.from_metres(metres)

    def test_maps_of_a_batch_do_not_fill_each_other(self) -> None:
        metres = torch.stack([torch.full((1, 4, 4), 1.0), torch.full((1, 4, 4), 10.0)])
        metres[:, :, 1:3, 1:3] = math.nan
        disparity = Depth.from_metres(metres).disparity
        torch.testing.assert_close(disparity[0], torch.ones(1, 4, 4))
        torch.testing.assert_close(disparity[1], torch.full((1, 4, 4), 0.1))

    def test_an_empty_batch_is_an_error(self) -> None:
        with pytest.raises(InputError, match="empty batch"):
            Depth.from_metres(torch.zeros(0, 1, 3, 3))

    def test_half_precision_does_not_overflow(self) -> None:
        depth = Depth.from_metres(torch.tensor([1e-5, 2.0], dtype=torch.float16).view(1, 1, 1, 2))
        assert torch.isfinite(depth.disparity).all()
        assert depth.disparity.dtype == torch.float32

    def test_a_distance_too_small_to_invert_is_a_hole(self) -> None:
        assert values(Depth.from_metres(grey_map([1e-40, 2.0]))) == [0.5, 0.5]

    def test_whole_numbers_are_metres_too(self) -> None:
        assert values(Depth.from_metres(torch.tensor([2, 4]).view(1, 1, 1, 2))) == [0.5, 0.25]


class TestFromMetricDisparity:
    def test_values_are_kept(self) -> None:
        depth = Depth.from_metric_disparity(grey_map([0.0, 0.5, 12.0]))
        assert depth.is_metric
        assert values(depth) == [0.0, 0.5, 12.0]
        assert depth.metres.flatten().tolist() == pytest.approx([math.inf, 2.0, 1 / 12])

    @pytest.mark.parametrize("invalid", [math.nan, math.inf, -0.1])
    def test_holes_are_filled(self, invalid: float) -> None:
        assert values(Depth.from_metric_disparity(grey_map([invalid, 3.0]))) == [3.0, 3.0]


class TestFromRelative:
    def test_values_within_0_and_1_are_kept(self) -> None:
        depth = Depth.from_relative(grey_map([0.2, 0.5, 0.9]))
        assert not depth.is_metric
        assert values(depth) == pytest.approx([0.2, 0.5, 0.9])

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ([-1.0, 0.0, 3.0], [0.0, 0.25, 1.0]),
            ([10.0, 60.0, 110.0], [0.0, 0.5, 1.0]),
            ([-0.5, 0.0, 0.5], [0.0, 0.5, 1.0]),
            ([0.5, 1.0, 1.5], [0.0, 0.5, 1.0]),
        ],
    )
    def test_other_values_are_scaled(self, given: list[float], expected: list[float]) -> None:
        assert values(Depth.from_relative(grey_map(given))) == pytest.approx(expected)

    def test_a_batch_is_scaled_as_one(self) -> None:
        batch = torch.tensor([0.0, 2.0, 2.0, 4.0]).view(2, 1, 1, 2)
        assert values(Depth.from_relative(batch)) == [0.0, 0.5, 0.5, 1.0]

    @pytest.mark.parametrize("constant", [0.0, 0.4, 1.0, 7.0, -3.0])
    def test_constant_depth_stays_constant(self, constant: float) -> None:
        result = values(Depth.from_relative(torch.full((1, 1, 2, 2), constant)))
        assert len(set(result)) == 1
        assert 0 <= result[0] <= 1

    @pytest.mark.parametrize("invalid", [math.nan, math.inf, -math.inf])
    def test_holes_are_filled_and_do_not_count_for_the_scale(self, invalid: float) -> None:
        depth = Depth.from_relative(grey_map([0.3, invalid]))
        assert values(depth) == pytest.approx([0.3, 0.3])

    def test_relative_depth_has_no_metres(self) -> None:
        with pytest.raises(InputError, match="near and far"):
            _ = Depth.from_relative(grey_map([0.0, 1.0])).metres


class TestDecoding:
    CODES = (0.0, 0.5, 1.0)

    @pytest.mark.parametrize(
        ("encoding", "near_is_white", "far_m", "metres"),
        [
            ("depth", True, 5.0, [5.0, 3.0, 1.0]),
            ("depth", False, 5.0, [1.0, 3.0, 5.0]),
            ("disparity", True, 5.0, [5.0, 5 / 3, 1.0]),
            ("disparity", False, 5.0, [1.0, 5 / 3, 5.0]),
            ("disparity", True, math.inf, [math.inf, 2.0, 1.0]),
        ],
    )
    def test_with_a_range_depth_is_metric(
        self, encoding, near_is_white: bool, far_m: float, metres: list[float]
    ) -> None:
        depth = decode_depth(grey_map(self.CODES), encoding, near_is_white, 1.0, far_m)
        assert depth.metres.flatten().tolist() == pytest.approx(metres)

    @pytest.mark.parametrize("encoding", ["depth", "disparity"])
    @pytest.mark.parametrize(
        ("near_is_white", "expected"), [(True, [0.0, 0.25, 1.0]), (False, [1.0, 0.75, 0.0])]
    )
    def test_without_a_range_it_is_relative(
        self, encoding, near_is_white: bool, expected: list[float]
    ) -> None:
        depth = decode_depth(grey_map([0.0, 0.25, 1.0]), encoding, near_is_white)
        assert not depth.is_metric
        assert values(depth) == pytest.approx(expected)

    def test_codes_beyond_their_range_are_cut_off_not_rescaled(self) -> None:
        assert values(decode_depth(grey_map([-0.1, 0.5, 1.2]))) == [0.0, 0.5, 1.0]

    @pytest.mark.parametrize(
        ("near_m", "far_m"),
        [(1.0, None), (None, 5.0), (0.0, 5.0), (-1.0, 5.0), (5.0, 1.0), (2.0, 2.0), (math.nan, 5)],
    )
    def test_a_range_that_is_none(self, near_m: float | None, far_m: float | None) -> None:
        with pytest.raises(InputError, match="near_m, far_m"):
            decode_depth(grey_map(self.CODES), "disparity", True, near_m, far_m)

    def test_linear_depth_cannot_reach_infinity(self) -> None:
        with pytest.raises(InputError, match="finite"):
            decode_depth(grey_map(self.CODES), "depth", True, 1.0, math.inf)


class TestResizing:
    def test_disparity_is_resampled_not_depth(self) -> None:
        depth = Depth.from_metres(grey_map([1.0, math.inf])).resized(1, 4)
        assert values(depth) == pytest.approx([1.0, 0.75, 0.25, 0.0])
        assert depth.is_metric

    def test_batches_and_odd_sizes(self) -> None:
        depth = Depth.from_relative(torch.rand(3, 1, 7, 5)).resized(13, 3)
        assert depth.disparity.shape == (3, 1, 13, 3)
        assert depth.size == (13, 3)

    def test_focal_length_and_confidence_go_along(self) -> None:
        sure = grey_map([0.0, 1.0])
        depth = Depth(grey_map([0.5, 0.5]), False, 100.0, sure).resized(2, 6)
        assert depth.focal_length_px == pytest.approx(300.0)
        assert depth.confidence is not None
        assert depth.confidence[0, 0, 0].tolist() == pytest.approx(
            [0, 0, 1 / 3, 2 / 3, 1, 1], abs=1e-6
        )

    def test_a_depth_of_another_size_than_the_image_is_resampled_and_that_is_said(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        depth = Depth.from_relative(torch.rand(1, 1, 4, 6))
        with caplog.at_level(logging.WARNING):
            assert depth.for_image(8, 12).size == (8, 12)
        (record,) = caplog.records
        assert record.getMessage().startswith("The depth is 6×4 px, the image 12×8")

    def test_a_depth_of_the_image_s_size_is_left_alone(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        depth = Depth.from_relative(torch.rand(1, 1, 4, 6))
        with caplog.at_level(logging.WARNING):
            assert depth.for_image(4, 6) is depth
        assert not caplog.records


class TestAlignment:
    """A depth edge at column 20, whose object ends at column 24 of the image."""

    HEIGHT, WIDTH = 24, 48

    @classmethod
    def depth(cls, edge: int = 20) -> Depth:
        disparity = torch.full((1, 1, cls.HEIGHT, cls.WIDTH), 0.1)
        disparity[..., :edge] = 0.9
        return Depth.from_relative(disparity)

    @classmethod
    def picture(cls, edge: int = 24, contrast: float = 0.8) -> Tensor:
        picture = torch.full((1, 3, cls.HEIGHT, cls.WIDTH), 0.1)
        picture[..., edge:] += contrast
        return picture

    @staticmethod
    def edges(depth: Depth) -> list[int]:
        """Column of the steepest step in the middle row of each map."""
        row = depth.disparity[:, 0, depth.size[0] // 2]
        return (row.diff(dim=1).abs().argmax(dim=1) + 1).tolist()

    def test_moves_an_edge_onto_the_edge_of_the_image(self) -> None:
        assert self.edges(self.depth()) == [20]
        assert self.edges(self.depth().aligned_to(self.picture())) == [24]
        assert self.edges(self.depth(edge=28).aligned_to(self.picture())) == [24]

    def test_leaves_an_edge_that_is_in_place(self) -> None:
        aligned = self.depth(edge=24).aligned_to(self.picture()).disparity
        torch.testing.assert_close(aligned, self.depth(edge=24).disparity, atol=0.01, rtol=0)

    def test_an_edge_out_of_reach_stays(self) -> None:
        assert self.edges(self.depth(edge=10).aligned_to(self.picture(edge=36), radius=4))[0] < 20

    def test_an_edge_too_faint_does_not_count(self) -> None:
        faint = self.picture(contrast=0.005)
        assert self.edges(self.depth().aligned_to(faint)) != [24]
        assert self.edges(self.depth().aligned_to(faint, edge_threshold=1e-4)) == [24]

    def test_stays_within_the_range_of_the_map(self) -> None:
        noisy = torch.rand(
            1, 3, self.HEIGHT, self.WIDTH, generator=torch.Generator().manual_seed(1)
        )
        aligned = self.depth().aligned_to(noisy, radius=2, edge_threshold=1e-3).disparity
        assert aligned.min() >= 0.1
        assert aligned.max() <= 0.9

    def test_kind_is_kept(self) -> None:
        metric = Depth.from_metric_disparity(self.depth().disparity)
        assert metric.aligned_to(self.picture()).is_metric

    def test_batches(self) -> None:
        two = torch.cat([self.picture(24), self.picture(17)])
        both = Depth.from_relative(self.depth().disparity.repeat(2, 1, 1, 1))
        assert self.edges(both.aligned_to(two)) == [24, 17]
        assert self.edges(self.depth().aligned_to(two)) == [24, 17]
        assert self.edges(both.aligned_to(self.picture())) == [24, 24]

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 2), (1, 40)])
    def test_pictures_smaller_than_the_reach(self, height: int, width: int) -> None:
        depth = Depth.from_relative(torch.full((1, 1, height, width), 0.3))
        aligned = depth.aligned_to(torch.rand(1, 3, height, width), radius=8).disparity
        torch.testing.assert_close(aligned, depth.disparity)

    @pytest.mark.parametrize("broken", [math.nan, math.inf])
    def test_a_broken_guide(self, broken: float) -> None:
        picture = self.picture()
        picture[0, 0, 3, 3] = broken
        with pytest.raises(InputError, match="NaN or infinite"):
            self.depth().aligned_to(picture)

    def test_guides_that_do_not_fit(self) -> None:
        with pytest.raises(InputError, match="24, 48"):
            self.depth().aligned_to(torch.zeros(1, 3, 24, 47))
        both = Depth.from_relative(self.depth().disparity.repeat(2, 1, 1, 1))
        with pytest.raises(InputError, match="3 images for 2 depths"):
            both.aligned_to(torch.zeros(3, 3, self.HEIGHT, self.WIDTH))


@pytest.mark.parametrize(("width", "stretched"), [(40, False), (30, True)])
def test_depth_of_another_shape_is_called_stretched(
    caplog: pytest.LogCaptureFixture, width: int, stretched: bool
) -> None:
    assert Depth.from_metres(torch.ones(1, 1, 10, 20)).for_image(20, width).size == (20, width)
    assert ("STRETCHED" in caplog.text) is stretched


class TestWhatElseIsKnown:
    FOCAL_LENGTHS = torch.tensor([100.0, 200.0])
    DEPTH = Depth(torch.rand(2, 1, 12, 16), False, FOCAL_LENGTHS, torch.rand(2, 1, 12, 16))

    def test_each_image_of_a_batch_keeps_its_own(self) -> None:
        assert self.DEPTH.confidence is not None
        for index, single in enumerate(self.DEPTH.split()):
            assert isinstance(single.focal_length_px, Tensor)
            assert single.focal_length_px.tolist() == [self.FOCAL_LENGTHS[index]]
            assert single.confidence is not None
            assert torch.equal(single.disparity[0], self.DEPTH.disparity[index])
            assert torch.equal(single.confidence[0], self.DEPTH.confidence[index])

    def test_a_batch_comes_together_again(self) -> None:
        joined = Depth.joined(self.DEPTH.split())
        assert torch.equal(joined.disparity, self.DEPTH.disparity)
        assert torch.equal(torch.as_tensor(joined.focal_length_px), self.FOCAL_LENGTHS)
        assert torch.equal(
            torch.as_tensor(joined.confidence), torch.as_tensor(self.DEPTH.confidence)
        )

    def test_what_one_of_a_batch_does_not_know_is_unknown(self) -> None:
        with_focal = Depth(torch.rand(2, 1, 3, 4), False, 50.0)
        joined = Depth.joined([with_focal, Depth(torch.rand(1, 1, 3, 4), False)])
        assert joined.focal_length_px is None
        assert Depth.joined([with_focal, with_focal]).focal_length_px is not None

    def test_maps_of_different_kinds_and_sizes_do_not_go_together(self) -> None:
        for other in (Depth(torch.rand(1, 1, 3, 5), False), Depth(torch.rand(1, 1, 3, 4), True)):
            with pytest.raises(InputError, match="2 kinds and sizes"):
                Depth.joined([Depth(torch.rand(1, 1, 3, 4), False), other])

    def test_one_focal_length_serves_all(self) -> None:
        depth = Depth(torch.rand(2, 1, 3, 4), False, 50.0)
        assert [single.focal_length_px for single in depth.split()] == [50.0, 50.0]

    def test_alignment_and_stabilization_keep_it(self) -> None:
        image = torch.rand(2, 3, 12, 16)
        for changed in (self.DEPTH.aligned_to(image), stabilized_batch(self.DEPTH)):
            assert changed.focal_length_px is not None
            assert torch.equal(torch.as_tensor(changed.focal_length_px), self.FOCAL_LENGTHS)
            assert changed.confidence is not None
            assert torch.equal(changed.confidence, torch.as_tensor(self.DEPTH.confidence))

    def test_several_guides_for_one_depth(self) -> None:
        single = self.DEPTH.split()[0].aligned_to(torch.rand(3, 3, 12, 16))
        assert single.confidence is not None
        assert single.confidence.shape == single.disparity.shape == (3, 1, 12, 16)
