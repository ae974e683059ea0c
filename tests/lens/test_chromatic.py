"""Colours that focus at different distances, around every renderer."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from focuspuller.lens.aperture import CIRCLE, Aperture
from focuspuller.lens.chromatic import axial_shift, render_in_colors
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.render import LENSES, Lens, render
from focuspuller.lens.taf import TafOptions, render_taf
from torch import Tensor

every_lens = pytest.mark.parametrize("name", LENSES)

STRONG = Aperture(axial_chromatism=10.0)


def light(radius: float, aperture: Aperture, name: str, side: int = 301) -> Tensor:
    """`[3,side,side]`: one white point at a signed blur radius, px."""
    image = torch.zeros(1, 3, side, side)
    image[..., side // 2, side // 2] = 1000.0
    return render(image, Defocus(torch.full((1, 1, side, side), radius)), Lens(name), aperture)[0]


def spread(channel: Tensor) -> float:
    """Blur radius of the even disc with the same second moment, px."""
    steps = torch.arange(len(channel)) - len(channel) // 2
    square = steps[:, None] ** 2 + steps**2
    return math.sqrt(2.0 * float((channel * square).sum() / channel.sum()))


def test_the_shift_is_a_part_of_the_picture_s_diagonal() -> None:
    assert axial_shift(Aperture(axial_chromatism=2.0), 3000, 4000) == pytest.approx(10.0)
    assert axial_shift(Aperture(axial_chromatism=2.0), 300, 400) == pytest.approx(1.0)
    assert axial_shift(CIRCLE, 3000, 4000) == 0.0


@every_lens
class TestFringes:
    def test_red_and_blue_are_larger_in_front_and_smaller_behind(self, name: str) -> None:
        shift = axial_shift(STRONG, 301, 301)
        for defocus in (-12.0, 12.0):
            red, green, blue = light(defocus, STRONG, name)
            assert spread(green) == pytest.approx(12.0, rel=0.03)
            assert spread(red) == pytest.approx(abs(defocus + shift), rel=0.03)
            torch.testing.assert_close(red, blue, atol=1e-5, rtol=0)

    def test_the_rim_is_green_behind_the_focus_and_magenta_in_front(self, name: str) -> None:
        behind, in_front = (light(radius, STRONG, name)[:, 150] for radius in (-12.0, 12.0))
        assert float(behind[1, 150 + 11]) > 10 * float(behind[0, 150 + 11])
        assert float(in_front[0, 150 + 14]) > 10 * float(in_front[1, 150 + 14])

    def test_below_zero_it_is_the_other_way_round(self, name: str) -> None:
        red, green, _ = light(-12.0, replace(STRONG, axial_chromatism=-10.0), name)
        assert spread(red) > spread(green) + 3

    def test_green_is_sharp_in_focus(self, name: str) -> None:
        red, green, _ = light(0.0, STRONG, name)
        assert float(green[150, 150]) > 0.99 * float(green.sum())
        assert spread(red) == pytest.approx(axial_shift(STRONG, 301, 301), rel=0.1)

    def test_a_white_surface_stays_white(self, name: str) -> None:
        image = torch.full((1, 3, 60, 80), 0.8)
        slope = torch.linspace(-9, 9, 80).expand(1, 1, 60, 80)
        rendered = render(image, Defocus(slope), Lens(name), STRONG)
        torch.testing.assert_close(rendered, image, atol=1e-3, rtol=0)

    def test_without_it_nothing_changes(self, name: str) -> None:
        generator = torch.Generator().manual_seed(1)
        image = torch.rand(1, 3, 30, 40, generator=generator)
        defocus = 8 * torch.rand(1, 1, 30, 40, generator=generator) - 4
        kind = LENSES[name]
        alone = kind.render(image, defocus, CIRCLE, kind.options())
        wrapped = render_in_colors(kind.render, image, defocus, CIRCLE, kind.options())
        assert torch.equal(wrapped, alone)


def test_a_picture_of_one_colour_has_no_fringes() -> None:
    image, defocus = torch.rand(1, 1, 20, 30), torch.full((1, 1, 20, 30), 3.0)
    expected = render_taf(image, defocus, STRONG, TafOptions())
    rendered = render_in_colors(render_taf, image, defocus, STRONG, TafOptions())
    assert torch.equal(rendered, expected)


def test_progress_runs_once_from_start_to_end() -> None:
    image, seen = torch.rand(1, 3, 40, 60), []
    defocus = torch.full((1, 1, 40, 60), 3.0)
    render_in_colors(render_taf, image, defocus, STRONG, TafOptions(), seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert min(seen) <= 0.5
