"""BiRefNet: published numbers, its deformable convolution, layouts and pictures of every shape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from focuspuller.errors import FileError, InputError
from focuspuller.models.birefnet.architecture import LARGE, BiRefNet
from focuspuller.models.birefnet.deformable import deformed_convolution
from focuspuller.models.birefnet.handle import subject_mask
from focuspuller.models.birefnet.layout import check, variant_of
from focuspuller.models.loaded import forget_models
from oracles.birefnet import TINY, tiny_birefnet
from safetensors.torch import save_file
from torch import Tensor

PUBLISHED = Path(__file__).with_name("birefnet_published.npz")


@pytest.fixture
def weights(tmp_path: Path) -> Iterator[Path]:
    """As published."""
    path = tmp_path / "model.safetensors"
    save_file({k: v.contiguous() for k, v in tiny_birefnet().state_dict().items()}, path)
    yield path
    forget_models()


class TestArchitecture:
    def test_numbers_of_the_published_code(self) -> None:
        values = np.random.default_rng(11).standard_normal((1, 3, 96, 128))
        logits = tiny_birefnet()(torch.from_numpy(values).float())
        with np.load(PUBLISHED) as file:
            expected = torch.from_numpy(file["logits"])
        torch.testing.assert_close(logits[0, 0], expected, atol=1e-5, rtol=1e-4)

    def test_the_published_size(self) -> None:
        """The publication says 221 million parameters."""
        with torch.device("meta"):
            network = BiRefNet(LARGE)
        count = sum(parameter.numel() for parameter in network.parameters())
        assert count / 1e6 == pytest.approx(221, abs=1)
        assert variant_of(network.state_dict(), Path("model.safetensors")) == LARGE

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_close(self, dtype: torch.dtype) -> None:
        network, pixels = tiny_birefnet(), torch.randn(1, 3, 64, 64)
        full = network(pixels).sigmoid()
        half = network.to(dtype)(pixels.to(dtype)).float().sigmoid()
        assert (half - full).abs().max() < (0.01 if dtype == torch.float16 else 0.06)


class TestDeformableConvolution:
    def test_without_moves_it_is_a_convolution(self) -> None:
        features, weight = torch.randn(2, 3, 7, 9), torch.randn(4, 3, 3, 3)
        found = deformed_convolution(
            features, weight, torch.zeros(2, 18, 7, 9), torch.ones(2, 9, 7, 9)
        )
        torch.testing.assert_close(found, F.conv2d(features, weight, padding=1))

    @pytest.mark.parametrize("size", [1, 3, 7])
    def test_against_its_definition(self, size: int) -> None:
        generator = torch.Generator().manual_seed(size)
        features = torch.randn(1, 2, 5, 6, generator=generator)
        weight = torch.randn(3, 2, size, size, generator=generator)
        offsets = 3.0 * torch.randn(1, 2 * size * size, 5, 6, generator=generator)
        modulation = torch.rand(1, size * size, 5, 6, generator=generator)
        expected = torch.zeros(1, 3, 5, 6)
        for y in range(5):
            for x in range(6):
                for tap in range(size * size):
                    down, right = divmod(tap, size)
                    row = y + down - size // 2 + float(offsets[0, 2 * tap, y, x])
                    column = x + right - size // 2 + float(offsets[0, 2 * tap + 1, y, x])
                    seen = bilinear(features[0], row, column) * modulation[0, tap, y, x]
                    expected[0, :, y, x] += weight[:, :, down, right] @ seen
        found = deformed_convolution(features, weight, offsets, modulation)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def bilinear(features: Tensor, row: float, column: float) -> Tensor:
    """`[C]` at a place between px of `[C,H,W]`, with zeros beyond them."""
    result = torch.zeros(len(features))
    for y in (math.floor(row), math.floor(row) + 1):
        for x in (math.floor(column), math.floor(column) + 1):
            if 0 <= y < features.shape[1] and 0 <= x < features.shape[2]:
                result += features[:, y, x] * (1 - abs(row - y)) * (1 - abs(column - x))
    return result


class TestLayout:
    def test_a_published_file_fits(self, weights: Path) -> None:
        assert not check(weights)

    @pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
    def test_what_training_puts_before_the_names(self, tmp_path: Path, prefix: str) -> None:
        state = {prefix + name: tensor for name, tensor in tiny_birefnet().state_dict().items()}
        torch.save(state, tmp_path / "epoch_1.pth")
        assert not check(tmp_path / "epoch_1.pth")

    def test_the_encoder_follows_from_the_file(self) -> None:
        assert variant_of(tiny_birefnet().state_dict(), Path("a.pth")) == TINY

    def test_what_does_not_fit_is_named(self, tmp_path: Path) -> None:
        state = tiny_birefnet().state_dict()
        del state["decoder.conv_out1.0.bias"]
        state["decoder.surplus"] = torch.zeros(1)
        path = tmp_path / "damaged.pth"
        torch.save(state, path)
        findings = check(path)
        assert findings.missing == ("decoder.conv_out1.0.bias",)
        assert findings.unexpected == ("decoder.surplus",)
        with pytest.raises(FileError, match=r"decoder\.conv_out1\.0\.bias"):
            subject_mask(torch.rand(1, 3, 8, 8), path, 64)

    def test_another_network(self, tmp_path: Path) -> None:
        torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other.pth")
        with pytest.raises(FileError, match="not those of a BiRefNet"):
            check(tmp_path / "other.pth")


class TestMasks:
    @pytest.mark.parametrize("size", [(64, 64), (37, 121), (5, 3), (200, 90)])
    def test_any_picture(self, weights: Path, size: tuple[int, int]) -> None:
        masks = subject_mask(torch.rand(1, 3, *size), weights, 64)
        assert masks.shape == (1, 1, *size)
        assert masks.min() >= 0.0
        assert masks.max() <= 1.0

    def test_a_picture_s_mask_does_not_depend_on_its_batch(self, weights: Path) -> None:
        images = torch.rand(2, 3, 40, 50)
        fractions: list[float] = []
        together = subject_mask(images, weights, 64, on_progress=fractions.append)
        assert fractions == [0.5, 1.0]
        for image, mask in zip(images.split(1), together.split(1), strict=True):
            assert torch.equal(subject_mask(image, weights, 64), mask)

    @pytest.mark.parametrize("resolution", [0, 33, -32])
    def test_resolutions_that_are_none(self, weights: Path, resolution: int) -> None:
        with pytest.raises(InputError, match="multiple of 32"):
            subject_mask(torch.rand(1, 3, 8, 8), weights, resolution)

    def test_broken_pixels(self, weights: Path) -> None:
        with pytest.raises(InputError, match="NaN"):
            subject_mask(torch.full((1, 3, 8, 8), math.nan), weights, 64)
