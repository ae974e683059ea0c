"""Pictures into depth networks and maps back: sizes, values, and every pixel in its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from focuspuller.models.depth.depth_anything import DEVIATION, MEAN
from focuspuller.models.depth.pixels import network_size, prepared, restored, scaled_to_unit
from PIL import Image

ODD_SIZES = [(67, 101), (333, 64), (518, 518), (1201, 1602), (7, 5), (1, 1)]


class TestSize:
    @pytest.mark.parametrize(
        ("picture", "expected"),
        [
            ((518, 518), (518, 518)),
            ((480, 640), (518, 686)),  # The example of the published code.
            ((640, 480), (686, 518)),
            ((4000, 6000), (518, 784)),
            ((30, 40), (518, 686)),
            ((1, 1), (518, 518)),
        ],
    )
    def test_the_shorter_side_has_the_resolution(
        self, picture: tuple[int, int], expected: tuple[int, int]
    ) -> None:
        assert network_size(*picture, 518, 14) == expected

    @pytest.mark.parametrize("picture", ODD_SIZES)
    @pytest.mark.parametrize("resolution", [1, 100, 518, 1036])
    def test_sides_are_whole_patches_and_never_too_small(
        self, picture: tuple[int, int], resolution: int
    ) -> None:
        size = network_size(*picture, resolution, 14)
        assert all(side % 14 == 0 and side > 0 for side in size)
        if max(picture) <= 4 * min(picture):
            assert min(size) >= resolution

    def test_a_long_panorama_gets_smaller_instead_of_ever_longer(self) -> None:
        assert network_size(1000, 4000, 518, 14) == (518, 2072)
        assert network_size(1000, 20000, 518, 14) == (98, 2072)
        assert network_size(9000, 3, 518, 14) == (2072, 14)


class TestPreparing:
    def test_as_transformers_prepares_pictures(self) -> None:
        processing = pytest.importorskip("transformers.models.dpt.image_processing_pil_dpt")
        processor = processing.DPTImageProcessorPil(
            size={"height": 518, "width": 518},
            ensure_multiple_of=14,
            keep_aspect_ratio=True,
            resample=Image.Resampling.BICUBIC,
            image_mean=MEAN,
            image_std=DEVIATION,
        )
        generator = np.random.default_rng(0)
        coarse = generator.integers(0, 256, (90, 120, 3), np.uint8)
        codes = np.asarray(Image.fromarray(coarse).resize((901, 700), Image.Resampling.BILINEAR))
        expected = processor(codes, return_tensors="pt").pixel_values
        picture = torch.from_numpy(codes.copy()).permute(2, 0, 1)[None] / 255
        size = network_size(700, 901, 518, 14)
        difference = prepared(picture, size, MEAN, DEVIATION) - expected
        # It rounds to 8 bits in between.
        assert difference.abs().max() < 1.1 / 255 / min(DEVIATION)

    def test_mean_and_deviation(self) -> None:
        picture = torch.tensor([0.485, 0.456, 0.406])[None, :, None, None].expand(-1, -1, 20, 30)
        assert prepared(picture, (14, 28), MEAN, DEVIATION).abs().max() < 1e-5
        whiter = picture + torch.tensor(DEVIATION)[:, None, None]
        assert (prepared(whiter, (20, 30), MEAN, DEVIATION) - 1.0).abs().max() < 1e-5

    def test_what_lies_beyond_white_is_white(self) -> None:
        bright = torch.full((1, 3, 20, 20), 7.0)
        white = torch.ones(1, 3, 20, 20)
        assert torch.equal(
            prepared(bright, (14, 14), MEAN, DEVIATION), prepared(white, (14, 14), MEAN, DEVIATION)
        )

    def test_bicubic_does_not_overshoot(self) -> None:
        edge = torch.zeros(1, 3, 40, 40)
        edge[..., 20:] = 1.0
        assert prepared(edge, (112, 112), (0.0,) * 3, (1.0,) * 3).amin() >= 0.0

    def test_half_precision_is_prepared_in_full(self) -> None:
        picture = torch.rand(1, 3, 33, 44)
        half = prepared(picture.half(), (28, 42), MEAN, DEVIATION)
        assert half.dtype == torch.float32
        full = prepared(picture, (28, 42), MEAN, DEVIATION)
        assert (half - full).abs().max() < 0.01


class TestPlaces:
    @pytest.mark.parametrize("picture", [(67, 101), (333, 164), (518, 518), (1201, 1602), (31, 23)])
    @pytest.mark.parametrize("mode", [("bicubic", True), ("bilinear", False)])
    def test_a_pixel_comes_back_where_it_was(
        self, picture: tuple[int, int], mode: tuple[str, bool]
    ) -> None:
        """A network that hands its input through gives each pixel its own coordinates."""
        height, width = picture
        rows = (torch.arange(height) + 0.5) / height
        columns = (torch.arange(width) + 0.5) / width
        places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
        image = torch.cat([places, places[:1]])[None]
        size = network_size(height, width, 518, 14)
        through = prepared(image, size, (0.0,) * 3, (1.0,) * 3, mode[0], mode[1])
        error = (restored(through[:, :1], height, width) - image[:, :1]) * height
        across = (restored(through[:, 1:2], height, width) - image[:, 1:2]) * width
        # Half a cell at the borders, where resampling has nothing beyond; nothing inside.
        border = 2 + 2 * max(height, width) // 518
        inside = (..., slice(border, height - border), slice(border, width - border))
        for one in (error, across):
            assert one[inside].abs().max() < 0.02
            assert one.abs().max() < 1.0

    @pytest.mark.parametrize("size", ODD_SIZES)
    def test_a_constant_stays_constant(self, size: tuple[int, int]) -> None:
        restored_map = restored(torch.full((1, 1, 37, 52), 3.5), *size)
        assert restored_map.shape[-2:] == size
        assert (restored_map - 3.5).abs().max() < 1e-5


class TestScaling:
    def test_reaches_from_0_to_1(self) -> None:
        values = 5.0 + 30.0 * torch.rand(1, 1, 9, 9)
        scaled = scaled_to_unit(values)
        assert (scaled.min(), scaled.max()) == (0.0, 1.0)
        assert torch.equal(scaled.flatten().argsort(), values.flatten().argsort())

    def test_a_constant_map(self) -> None:
        assert torch.equal(scaled_to_unit(torch.full((1, 1, 3, 3), 4.0)), torch.zeros(1, 1, 3, 3))
