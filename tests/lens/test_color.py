"""sRGB, gamma and luminance."""

from __future__ import annotations

import pytest
import torch
from focuspuller.lens.color import (
    decode_gamma,
    encode_gamma,
    linear_to_srgb,
    luminance,
    srgb_to_linear,
)

# (coded, linear) from the definition in IEC 61966-2-1.
SRGB = [(0.0, 0.0), (0.04, 0.00309598), (0.25, 0.0508761), (0.5, 0.2140411), (1.0, 1.0)]


@pytest.mark.parametrize(("coded", "linear"), SRGB)
def test_known_values_of_srgb(coded: float, linear: float) -> None:
    assert srgb_to_linear(torch.tensor(coded)).item() == pytest.approx(linear, abs=1e-6)
    assert linear_to_srgb(torch.tensor(linear)).item() == pytest.approx(coded, abs=1e-6)


def test_the_curve_goes_on_above_white() -> None:
    # 1.055 · 2^(1/2.4) - 0.055
    assert linear_to_srgb(torch.tensor(2.0)).item() == pytest.approx(1.353256, abs=1e-6)


def test_srgb_there_and_back() -> None:
    linear = torch.cat([torch.linspace(0, 1, 257), torch.logspace(0, 2, 50)]).double()
    torch.testing.assert_close(srgb_to_linear(linear_to_srgb(linear)), linear)


def test_the_two_pieces_of_the_curve_meet() -> None:
    around = torch.tensor([0.04045 - 1e-6, 0.04045 + 1e-6], dtype=torch.float64)
    below, above = srgb_to_linear(around).tolist()
    assert 0 < above - below < 1e-6


@pytest.mark.parametrize("convert", [srgb_to_linear, linear_to_srgb])
def test_gradient_at_black_is_the_slope_of_the_toe(convert) -> None:
    black = torch.zeros((), dtype=torch.float64, requires_grad=True)
    convert(black).backward()
    expected = 12.92 if convert is linear_to_srgb else 1 / 12.92
    assert black.grad.item() == pytest.approx(expected)


@pytest.mark.parametrize("convert", [srgb_to_linear, linear_to_srgb])
def test_negative_values_stay_on_the_toe(convert) -> None:
    negative = torch.tensor(-0.5, dtype=torch.float64, requires_grad=True)
    result = convert(negative)
    result.backward()
    slope = 12.92 if convert is linear_to_srgb else 1 / 12.92
    assert result.item() == pytest.approx(-0.5 * slope)
    assert negative.grad.item() == pytest.approx(slope)


@pytest.mark.parametrize("gamma", [1.0, 2.2, 4.0, 5.0])
class TestGamma:
    def test_there_and_back(self, gamma: float) -> None:
        coded = torch.linspace(0.01, 3.0, 100, dtype=torch.float64)
        torch.testing.assert_close(encode_gamma(decode_gamma(coded, gamma), gamma), coded)

    def test_black_stays_black(self, gamma: float) -> None:
        black = torch.zeros(1)
        assert encode_gamma(decode_gamma(black, gamma), gamma).item() < 0.1 / 255

    def test_gradient_is_finite_at_black(self, gamma: float) -> None:
        black = torch.zeros(1, requires_grad=True)
        (decode_gamma(black, gamma) + encode_gamma(black, gamma)).backward()
        assert torch.isfinite(black.grad).all()

    def test_negative_light_is_none(self, gamma: float) -> None:
        assert decode_gamma(torch.tensor(-0.5), gamma).item() == 0.0


def test_luminance_keeps_grey() -> None:
    grey = torch.rand(2, 1, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(luminance(grey.expand(-1, 3, -1, -1)), grey)


def test_luminance_of_the_primaries() -> None:
    primaries = torch.eye(3).view(3, 3, 1, 1)
    assert luminance(primaries).flatten().tolist() == pytest.approx([0.2126, 0.7152, 0.0722])
