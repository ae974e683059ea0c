"""Photographs with a colour profile become sRGB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from focuspuller.photo.photo import load_photo
from PIL import Image

from .photo_files import DISPLAY_P3_PRIMARIES, SRGB_PRIMARIES


class TestColourProfiles:
    PATCHES = np.array([[[255, 255, 255], [200, 40, 90], [20, 90, 160], [60, 60, 60]]], np.uint8)

    def linear(self, coded: np.ndarray) -> np.ndarray:
        return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)

    def coded(self, linear: np.ndarray) -> np.ndarray:
        linear = linear.clip(0, 1)
        return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)

    def test_display_p3_becomes_srgb(
        self, write: Callable[..., Path], icc_profile: Callable[[np.ndarray], bytes]
    ) -> None:
        profile = icc_profile(DISPLAY_P3_PRIMARIES)
        photo = load_photo(write(Image.fromarray(self.PATCHES), "a.png", icc_profile=profile))
        to_srgb = DISPLAY_P3_PRIMARIES @ np.linalg.inv(SRGB_PRIMARIES)
        expected = self.coded(self.linear(self.PATCHES / 255) @ to_srgb)
        np.testing.assert_allclose(photo.image, expected, atol=1.5 / 255)
        assert np.abs(photo.image - self.PATCHES / 255).max() > 5 / 255, "P3 is another space"
        assert photo.problems == ()

    def test_a_profile_that_is_srgb_leaves_every_value(
        self, write: Callable[..., Path], icc_profile: Callable[[np.ndarray], bytes]
    ) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        profile = icc_profile(SRGB_PRIMARIES)
        photo = load_photo(write(Image.fromarray(pixels), "a.png", icc_profile=profile))
        assert np.array_equal((photo.image * 255).round(), pixels)

    @pytest.mark.parametrize("mode", ["RGBA", "P"])
    def test_profiles_with_alpha_and_palette(
        self, write: Callable[..., Path], icc_profile: Callable[[np.ndarray], bytes], mode: str
    ) -> None:
        profile = icc_profile(DISPLAY_P3_PRIMARIES)
        plain = load_photo(write(Image.fromarray(self.PATCHES), "a.png", icc_profile=profile))
        image = Image.fromarray(self.PATCHES).convert(mode, palette=Image.Palette.ADAPTIVE)
        converted = load_photo(write(image, "b.png", icc_profile=profile))
        np.testing.assert_allclose(converted.image, plain.image, atol=1e-6)

    def test_a_damaged_profile_is_said_and_ignored(
        self, write: Callable[..., Path], corners: np.ndarray
    ) -> None:
        photo = load_photo(write(Image.fromarray(corners), "a.png", icc_profile=b"nonsense"))
        np.testing.assert_allclose(photo.image, corners / 255, atol=1e-6)
        assert len(photo.problems) == 1
        assert photo.problems[0].startswith("The colour profile cannot be used")

    def test_a_profile_of_another_kind_is_said_and_ignored(
        self, write: Callable[..., Path], icc_profile: Callable[[np.ndarray], bytes]
    ) -> None:
        profile = icc_profile(DISPLAY_P3_PRIMARIES)
        grey = Image.fromarray(np.full((4, 4), 90, np.uint8))
        photo = load_photo(write(grey, "a.png", icc_profile=profile))
        np.testing.assert_allclose(photo.image, 90 / 255, atol=1e-6)
        assert photo.problems[0].startswith("The colour profile cannot be used")
