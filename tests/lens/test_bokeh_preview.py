"""Points of light all over the picture."""

from __future__ import annotations

import math

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.bokeh_preview import bokeh_preview
from focuspuller.lens.color import srgb_to_linear
from torch import Tensor


def light_of(aperture: Aperture, radius: float = 12.0) -> Tensor:
    """`[2,3,150,210]`, linear; the brightest pixel is 1."""
    return srgb_to_linear(bokeh_preview(aperture, radius, 160, 224))


def test_discs_stand_in_an_odd_grid_around_the_middle() -> None:
    behind, in_front = light_of(Aperture())
    assert torch.equal(behind, in_front)
    # Discs of 25 px every 32 px: 7 × 32 = 224 and 5 × 32 = 160.
    assert int((behind[0, 80] > 0.5).int().diff().eq(1).sum()) == 7
    assert int((behind[0, :, 112] > 0.5).int().diff().eq(1).sum()) == 5
    disc = behind[0, 64:96, 96:128]
    assert float(disc.sum()) == pytest.approx(math.pi * 12.0**2, rel=0.01)
    assert float(behind[0].sum()) == pytest.approx(35 * float(disc.sum()), rel=1e-3)


def test_it_shows_both_sides_of_the_focus() -> None:
    behind, in_front = light_of(Aperture(3))
    torch.testing.assert_close(in_front[:, 65:96, 97:128], behind[:, 65:96, 97:128].flip(1, 2))
    assert not torch.allclose(in_front, behind, atol=0.1)


def test_cut_discs_lean_to_the_centre_behind_the_focus() -> None:
    behind, in_front = light_of(Aperture(cats_eye=1.0))
    for picture, leans_in in ((behind, True), (in_front, False)):
        first, last = picture[0, 64:96, :32], picture[0, 64:96, -32:].flip(1)
        for outer, inner in ((disc[:, :15].sum(), disc[:, 18:].sum()) for disc in (first, last)):
            assert bool(inner > 1.5 * outer) is leans_in
            assert bool(outer > 1.5 * inner) is not leans_in


def test_fringes_have_their_colours() -> None:
    behind, in_front = light_of(Aperture(axial_chromatism=8.0))
    for picture, larger, smaller in ((behind, 1, 0), (in_front, 2, 1)):
        covered = (picture > 0.05).sum((1, 2))
        assert int(covered[larger]) > int(covered[smaller])


@pytest.mark.parametrize("radius", [0.0, 0.9, -3.0, 75.0, 1e9, math.nan, math.inf])
def test_a_radius_without_room_is_refused(radius: float) -> None:
    with pytest.raises(InputError, match="radius: received"):
        bokeh_preview(Aperture(), radius, 150, 210)


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="width, height: received 0 and 50"):
        bokeh_preview(Aperture(), 4.0, 50, 0)


def test_one_disc_may_fill_the_picture() -> None:
    assert float(bokeh_preview(Aperture(), 30.0, 64, 64)[0, 0, 32, 32]) == pytest.approx(1.0)
