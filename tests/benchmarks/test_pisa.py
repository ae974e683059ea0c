"""What physics-inspired self-attention is compared with computes the same."""

from __future__ import annotations

import pisa
import pytest
import torch


@pytest.mark.parametrize("radius", [0.0, 20.0, 200.0])
def test_whole_matrices_and_tiles_agree(radius: float) -> None:
    inputs = pisa.made(128, radius, "cpu")
    whole, tiles = (method(inputs) for method in pisa.METHODS.values())
    assert len(whole) == len(tiles) == pisa.LAYERS
    for expected, found in zip(whole, tiles, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert not torch.allclose(whole[0], whole[1])
