"""How far blur discs reach, against the published numbers and a loop over all discs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.models.bokehme import dilation
from focuspuller.models.bokehme.dilation import defocus_dilated
from torch import Tensor

PUBLISHED = Path(__file__).parents[3] / "shared/conformance/bokehme_scatter/io.npz"


def naively_dilated(defocus: Tensor) -> Tensor:
    """`[H,W]`: every disc raises all pixels within its radius to its defocus, cut to whole px."""
    dilated = defocus.trunc()
    y, x = torch.meshgrid(*(torch.arange(side) for side in defocus.shape), indexing="ij")
    for row, column in np.ndindex(*defocus.shape):
        value = defocus[row, column].double()
        reached = torch.hypot((y - row).double(), (x - column).double()) <= value.abs()
        dilated = torch.where(reached, dilated.clamp(min=float(value.trunc())), dilated)
    return dilated


def defocus_noise(height: int, width: int, largest: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return largest * (2 * torch.rand(height, width, generator=generator) - 1)


def test_the_published_numbers_exactly() -> None:
    if not PUBLISHED.exists():
        pytest.skip("the conformance set bokehme_scatter is not here")
    with np.load(PUBLISHED) as arrays:
        dilated = defocus_dilated(torch.from_numpy(arrays["defocus"])[None, None])
        np.testing.assert_array_equal(dilated[0, 0], arrays["defocus_dilated"])


@pytest.mark.parametrize(
    ("height", "width", "largest"),
    [(1, 1, 3.0), (1, 17, 5.0), (23, 2, 40.0), (25, 31, 0.9), (25, 31, 4.7), (20, 40, 10.0)],
)
def test_it_is_the_loop_over_all_discs(height: int, width: int, largest: float) -> None:
    for sign in (1.0, -1.0):
        noise = defocus_noise(height, width, largest)
        # Mostly in front of, mostly behind the focus.
        defocus = noise + sign * 0.5 * largest
        assert torch.equal(defocus_dilated(defocus[None, None])[0, 0], naively_dilated(defocus))


def test_radii_that_are_distances_just_reach() -> None:
    defocus = torch.zeros(15, 15)
    defocus[7, 7] = 5.0
    dilated = defocus_dilated(defocus[None, None])[0, 0]
    assert dilated[7 + 3, 7 + 4] == dilated[7, 2] == 5.0
    assert dilated[7 + 4, 7 + 4] == dilated[7, 1] == 0.0


def test_blur_behind_the_focus_stays_within_its_region() -> None:
    defocus = torch.zeros(1, 1, 9, 20)
    defocus[..., 10:] = -6.0
    assert torch.equal(defocus_dilated(defocus), defocus)


def test_a_batch_and_many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = torch.stack([defocus_noise(9, 14, 5.0, seed) for seed in range(3)])[:, None]
    together = defocus_dilated(batch)
    monkeypatch.setattr(dilation, "CHUNK", 7)
    for index in range(3):
        assert torch.equal(defocus_dilated(batch[index : index + 1]), together[index : index + 1])


def test_without_blur_there_is_nothing_to_dilate() -> None:
    assert not defocus_dilated(torch.full((1, 1, 5, 6), -0.4)).any()
