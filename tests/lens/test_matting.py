"""Masks refined against pictures whose opacity is known."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from focuspuller.errors import InputError
from focuspuller.lens.matting import _Affinity, refined_mask
from kornia.filters import guided_blur
from torch import Tensor


def smooth(seed: int, size: int = 96, cells: int = 4) -> Tensor:
    """A picture `[1,3,size,size]` that changes slowly."""
    noise = torch.rand(1, 3, cells, cells, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(noise, (size, size), mode="bicubic").clamp(0.0, 1.0)


def hairy(size: int = 96) -> Tensor:
    """Opacity `[1,1,size,size]` of a soft disc with thin hairs around it."""
    axis = torch.arange(size) - (size - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    distance, angle = torch.hypot(x, y), torch.atan2(y, x)
    disc = torch.sigmoid((0.25 * size - distance) / 1.5)
    hairs = torch.exp(-((torch.sin(12 * angle) * distance / 12 / 0.8) ** 2))
    reach = torch.sigmoid(0.34 * size - distance)
    return torch.maximum(disc, 0.9 * hairs * reach)[None, None]


def composed(opacity: Tensor) -> Tensor:
    """A warm subject before a cold background."""
    subject = 0.5 * smooth(1) + torch.tensor([0.5, 0.3, 0.0])[:, None, None]
    background = 0.5 * smooth(2) + torch.tensor([0.0, 0.1, 0.5])[:, None, None]
    return opacity * subject + (1.0 - opacity) * background


def error(mask: Tensor, truth: Tensor) -> float:
    return float((mask - truth).square().mean().sqrt())


OPACITY = hairy()
PICTURE = composed(OPACITY)
# What a segmentation network gives: the body, without hairs, hard.
CRUDE = (F.avg_pool2d(OPACITY, 9, 1, 4) > 0.55).float()


class TestQuality:
    def test_hair_comes_back(self) -> None:
        refined = refined_mask(CRUDE, PICTURE, radius=10)
        assert error(refined, OPACITY) < 0.27 * error(CRUDE, OPACITY)

    @pytest.mark.parametrize("radius", [16, 24, 60])
    def test_a_band_far_too_wide_still_helps(self, radius: int) -> None:
        refined = refined_mask(CRUDE, PICTURE, radius)
        assert error(refined, OPACITY) < 0.4 * error(CRUDE, OPACITY)

    def test_better_than_a_guided_filter(self) -> None:
        refined = refined_mask(CRUDE, PICTURE, radius=10)
        guided = min(
            error(guided_blur(PICTURE, CRUDE, size, epsilon).clamp(0, 1), OPACITY)
            for size in (5, 17, 33)
            for epsilon in (1e-2, 1e-4, 1e-6)
        )
        assert error(refined, OPACITY) < 0.75 * guided

    @pytest.mark.parametrize("shift", [-3, 3])
    def test_a_mask_too_small_or_too_large(self, shift: int) -> None:
        size = 2 * abs(shift) + 1
        hard = (OPACITY > 0.5).float()
        grown = F.max_pool2d(hard, size, 1, abs(shift))
        shrunk = 1 - F.max_pool2d(1 - hard, size, 1, abs(shift))
        wrong = grown if shift > 0 else shrunk
        refined = refined_mask(wrong, PICTURE, radius=12)
        assert error(refined, OPACITY) < 0.6 * error(wrong, OPACITY)

    def test_the_right_opacity_stays(self) -> None:
        assert error(refined_mask(OPACITY, PICTURE, radius=10), OPACITY) < 0.03

    def test_noise_in_the_picture(self) -> None:
        noise = 0.01 * torch.randn(PICTURE.shape, generator=torch.Generator().manual_seed(3))
        refined = refined_mask(CRUDE, PICTURE + noise, radius=10)
        assert error(refined, OPACITY) < 0.3 * error(CRUDE, OPACITY)


class TestBand:
    def test_nothing_changes_away_from_the_outline(self) -> None:
        refined = refined_mask(CRUDE, PICTURE, radius=4)
        near = F.max_pool2d(CRUDE, 9, 1, 4) - (1 - F.max_pool2d(1 - CRUDE, 9, 1, 4)) > 0
        assert torch.equal(refined[~near], CRUDE[~near])
        assert not torch.equal(refined[near], CRUDE[near])

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_a_mask_without_outline(self, value: float) -> None:
        mask = torch.full((1, 1, 20, 30), value)
        assert torch.equal(refined_mask(mask, torch.rand(1, 3, 20, 30)), mask)

    @pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 40), (33, 7)])
    @pytest.mark.parametrize("radius", [1, 10, 100])
    def test_any_size(self, size: tuple[int, int], radius: int) -> None:
        mask = (torch.rand(1, 1, *size) > 0.5).float()
        refined = refined_mask(mask, torch.rand(1, 3, *size), radius)
        assert refined.shape == mask.shape
        assert torch.isfinite(refined).all()
        assert refined.min() >= 0.0
        assert refined.max() <= 1.0

    def test_batches(self) -> None:
        masks, pictures = torch.cat([CRUDE, 1 - CRUDE]), torch.cat([PICTURE, PICTURE.flip(1)])
        fractions: list[float] = []
        together = refined_mask(masks, pictures, 6, fractions.append)
        assert fractions == [0.5, 1.0]
        for index in (0, 1):
            alone = refined_mask(masks[index][None], pictures[index][None], 6)
            assert torch.equal(together[index], alone[0])
        same_picture = refined_mask(masks, PICTURE, 6)
        assert torch.equal(same_picture[0], together[0])


class TestAffinity:
    def test_against_the_matrix_of_the_paper(self) -> None:
        """Levin et al. eq. 12, entry by entry, with the window's own size as it is at borders."""
        height, width, epsilon = 5, 6, 1e-5
        picture = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(5))
        flat = picture[0].flatten(1).T.double()  # [N,3]
        matrix = torch.zeros(height * width, height * width, dtype=torch.float64)
        for y in range(height):
            for x in range(width):
                window = [
                    row * width + column
                    for row in range(max(0, y - 1), min(height, y + 2))
                    for column in range(max(0, x - 1), min(width, x + 2))
                ]
                colours = flat[window]
                centred = colours - colours.mean(dim=0)
                covariance = centred.T @ centred / len(window) + epsilon * torch.eye(3)
                likeness = 1 + centred @ torch.linalg.inv(covariance) @ centred.T
                own = torch.eye(len(window)) - likeness / len(window)
                matrix[torch.tensor(window)[:, None], torch.tensor(window)] += own
        opacity = torch.rand(height * width, 1, dtype=torch.float64)
        expected = (matrix @ opacity).reshape(1, 1, height, width)
        found = _Affinity(picture.double()).gradient(opacity.reshape(1, 1, height, width))
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)

    def test_what_is_affine_in_the_colours_costs_almost_nothing(self) -> None:
        opacity = (PICTURE * torch.tensor([0.3, -0.2, 0.5])[:, None, None]).sum(1, keepdim=True)
        assert _Affinity(PICTURE).gradient(opacity).abs().max() < 0.02


class TestRefusing:
    @pytest.mark.parametrize(
        ("mask", "image", "radius", "subject"),
        [
            (torch.zeros(1, 1, 4, 5), torch.zeros(1, 3, 5, 4), 3, "image"),
            (torch.zeros(2, 1, 4, 4), torch.zeros(3, 3, 4, 4), 3, "image"),
            (torch.zeros(1, 1, 4, 4), torch.full((1, 3, 4, 4), math.nan), 3, "image"),
            (torch.full((1, 1, 4, 4), math.nan), torch.zeros(1, 3, 4, 4), 3, "mask"),
            (torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 4, 4), 0, "radius"),
        ],
    )
    def test_what_does_not_fit(
        self, mask: Tensor, image: Tensor, radius: int, subject: str
    ) -> None:
        with pytest.raises(InputError) as caught:
            refined_mask(mask, image, radius)
        assert caught.value.subject == subject
