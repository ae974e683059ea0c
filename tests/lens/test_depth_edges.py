"""Depth edges made hard, and unevenness made smooth, in maps of blur radii."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from focuspuller.lens import blocks
from focuspuller.lens.depth_edges import hardened, repaired, smoothed
from torch import Tensor

HEIGHT, WIDTH, EDGE = 40, 64, 32


def step(near: float = 12.0, far: float = -6.0) -> Tensor:
    """Near left of column `EDGE`, far right of it."""
    return torch.where(torch.arange(WIDTH) < EDGE, near, far).expand(1, 1, HEIGHT, WIDTH).clone()


def softened(defocus: Tensor, reach: int) -> Tensor:
    """A step drawn as a ramp over `2·reach + 1` px."""
    padded = F.pad(defocus, (reach,) * 4, mode="replicate")
    return F.avg_pool2d(padded, (2 * reach + 1, 2 * reach + 1), stride=1)


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_a_soft_edge_becomes_hard_where_it_was(reach: int) -> None:
    assert torch.equal(hardened(softened(step(), reach), WIDTH).round(), step())


def test_no_pixel_stays_in_focus_between_two_blurred_surfaces() -> None:
    soft = softened(step(9.0, -9.0), 3)
    assert soft.abs().amin() < 2.0
    assert repaired(soft).abs().amin() > 8.9


@pytest.mark.parametrize("slope", [0.02, 0.2, 0.3, 0.8])
def test_a_slope_stays_a_slope(slope: float) -> None:
    plane = slope * (torch.arange(WIDTH) - EDGE).float().expand(1, 1, HEIGHT, WIDTH).contiguous()
    inner = (..., slice(4, -4))
    torch.testing.assert_close(repaired(plane)[inner], plane[inner], atol=1e-4, rtol=0)


def test_hard_edges_and_thin_things_stay_where_they_are() -> None:
    defocus = step()
    defocus[..., 10:30, 45] = 5.0  # a rod one pixel wide
    assert torch.equal(repaired(defocus), defocus)


def test_unevenness_of_eight_bits_is_smoothed() -> None:
    smooth = torch.linspace(-6.0, 6.0, WIDTH).expand(1, 1, HEIGHT, WIDTH)
    noise = torch.rand(smooth.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    uneven = smooth + 0.4 * noise
    inner = (..., slice(4, -4), slice(4, -4))
    left = (smoothed(uneven) - smooth)[inner].square().mean()
    assert left < (uneven - smooth)[inner].square().mean() / 8


def test_a_small_light_of_its_own_depth_is_kept() -> None:
    defocus = torch.full((1, 1, HEIGHT, WIDTH), -6.0)
    defocus[..., 20:22, 20:22] = -5.2
    assert torch.equal(smoothed(defocus)[..., 20:22, 20:22], defocus[..., 20:22, 20:22])


def test_blocks_repair_as_the_whole_does(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(5)
    coarse = 20 * torch.rand(1, 1, 12, 18, generator=generator) - 10
    defocus = softened(F.interpolate(coarse, scale_factor=16), 3)
    whole = repaired(defocus)
    assert not torch.equal(whole, defocus)
    monkeypatch.setattr(blocks, "LEAST_SIDE", 64)
    monkeypatch.setattr(blocks, "CPU_BYTES", 100 * 100**2)
    torch.testing.assert_close(repaired(defocus), whole, atol=1e-6, rtol=0)
