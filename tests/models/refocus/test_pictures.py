"""What surrounds the networks: sizes, colours, kept pixels, previews, memory."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.depth import Depth
from focuspuller.lens.render import Lens, render
from focuspuller.models.refocus.canvas import TOKEN_PX, cut_back, extended
from focuspuller.models.refocus.colors import MOST_GAIN, without_drift
from focuspuller.models.refocus.keeping import changed_by, kept
from focuspuller.models.refocus.latent_colors import LatentColors
from focuspuller.models.refocus.maps import (
    APERTURE_SIDE,
    aperture_picture,
    defocus_values,
    depth_picture,
)
from focuspuller.models.refocus.memory import Memory, digest, encoded, memory_of
from focuspuller.models.refocus.sampling import Sampling, Watch
from oracles.flux_base import tiny_base
from oracles.refocus import picture


class TestCanvas:
    @pytest.mark.parametrize("size", [(1, 1), (16, 32), (17, 3), (100, 47), (5, 200)])
    def test_it_has_whole_tokens_and_the_picture_untouched(self, size: tuple[int, int]) -> None:
        original = picture(*size)
        larger = extended(original)
        for old, new in zip(size, larger.shape[-2:], strict=True):
            assert new % TOKEN_PX == 0
            assert old <= new < old + TOKEN_PX
        assert torch.equal(cut_back(larger, *size), original)

    def test_what_is_added_mirrors_the_picture(self) -> None:
        ramp = torch.arange(20.0).expand(1, 3, 20, 20)
        assert extended(ramp)[0, 0, 0, 18:23].tolist() == [18, 19, 18, 17, 16]


class TestColors:
    def test_an_equal_picture_stays(self) -> None:
        original = picture(60, 90)
        torch.testing.assert_close(without_drift(original, original), original)

    def test_a_smooth_tint_goes_and_detail_stays(self) -> None:
        original = picture(128, 96)
        light = srgb_to_linear(original)
        tint = torch.tensor([1.05, 1.0, 0.94]).view(1, 3, 1, 1)
        across = torch.linspace(0.97, 1.04, 96)
        drifted = linear_to_srgb((light * tint * across).clamp(0, 1))
        corrected = without_drift(drifted, original)
        assert (drifted - original).abs().amax() > 0.02
        assert (corrected - original).abs().amax() < 0.008
        # Middle of the picture: where neighbourhoods are cut off by its edge, less.
        assert (corrected - original)[..., 30:66].abs().mean() < 0.001

    def test_blur_is_no_drift(self) -> None:
        """Blur leaves the averages of light as they are, so nothing is corrected."""
        original = picture(128, 160)
        blurred = render(original, Defocus(torch.full((1, 1, 128, 160), -4.0)), linear=False)
        corrected = without_drift(blurred, original)
        inside = (..., slice(20, -20), slice(20, -20))
        assert (blurred - original)[inside].abs().mean() > 0.02
        assert (corrected - blurred)[inside].abs().mean() < 0.003

    def test_black_stays_black_and_another_picture_is_left_alone(self) -> None:
        black, other = torch.zeros(1, 3, 40, 40), torch.full((1, 3, 40, 40), 0.5)
        assert torch.equal(without_drift(black, other), black)
        changed = srgb_to_linear(without_drift(other, torch.ones(1, 3, 40, 40) * 0.9))
        assert changed.amax() <= srgb_to_linear(other).amax() * MOST_GAIN + 1e-6

    def test_only_what_counts_counts(self) -> None:
        """Drift is measured in the left half; the right half was changed on purpose."""
        original = picture(64, 128)
        result = linear_to_srgb(srgb_to_linear(original) * 1.05)
        result[..., 64:] *= 0.6
        weight = torch.zeros(1, 1, 64, 128)
        weight[..., :64] = 1.0
        corrected = without_drift(result, original, weight)
        torch.testing.assert_close(corrected[..., :64], original[..., :64], atol=2e-3, rtol=0)
        wanted = linear_to_srgb(srgb_to_linear(result) / 1.05)
        torch.testing.assert_close(corrected[..., 64:], wanted[..., 64:], atol=2e-3, rtol=0)

    def test_nothing_that_counts_changes_nothing(self) -> None:
        result, original = picture(32, 32), picture(32, 32, seed=3)
        corrected = without_drift(result, original, torch.zeros(1, 1, 32, 32))
        torch.testing.assert_close(corrected, result)


class TestKeeping:
    def test_no_blur_changes_nothing(self) -> None:
        assert not changed_by(Defocus(torch.zeros(1, 1, 30, 40))).any()

    def test_the_original_is_kept_bit_by_bit(self) -> None:
        radius = torch.zeros(1, 1, 64, 64)
        radius[..., 40:] = -8.0
        original, result = picture(64, 64), torch.full((1, 3, 64, 64), 7.0)
        mixed = kept(original, result, changed_by(Defocus(radius)))
        assert torch.equal(mixed[..., :40], original[..., :40])
        assert bool(mixed[..., 40:].eq(7.0).all())

    @pytest.mark.parametrize("radius_px", [2.0, 7.0, 20.0])
    def test_every_pixel_that_a_renderer_changes_counts_as_changed(self, radius_px: float) -> None:
        """A disc in front of the focus covers sharp pixels around it."""
        radius = torch.zeros(1, 1, 96, 96)
        radius[..., 40:56, 40:56] = radius_px
        original = picture(96, 96)
        lens = Lens("bokehme")
        rendered = render(original, Defocus(radius), lens, linear=False)
        differs = (rendered - original).abs().amax(1, keepdim=True) > 0.01
        changed = changed_by(Defocus(radius))
        assert changed[differs].amin() > 0.3
        assert (changed == 0).any()

    def test_a_blurred_background_does_not_reach_over_a_sharp_foreground(self) -> None:
        radius = torch.full((1, 1, 96, 96), -20.0)
        radius[..., 30:60, 30:60] = 0.0
        assert not changed_by(Defocus(radius))[..., 30:60, 30:60].any()

    def test_the_edge_is_soft(self) -> None:
        ramp = torch.linspace(0.0, 3.0, 61).neg().expand(1, 1, 5, 61)
        changed = changed_by(Defocus(ramp))[0, 0, 2]
        assert bool((changed.diff() >= 0).all())
        assert changed.diff().amax() < 0.1
        assert changed[0] == 0.0
        assert changed[-1] == 1.0


class TestMaps:
    def test_the_published_normalization(self) -> None:
        radius = torch.tensor([[-20.0, 0.0, 50.0, 300.0]]).view(1, 1, 1, 4)
        values = defocus_values(Defocus(radius))
        assert values.shape == (1, 3, 1, 4)
        torch.testing.assert_close(values[0, 1, 0], torch.tensor([0.2, 0.0, 0.5, 1.0]))

    def test_larger_radii_are_told(self, caplog: pytest.LogCaptureFixture) -> None:
        defocus_values(Defocus(torch.full((1, 1, 2, 2), 100.0)))
        assert not caplog.records
        defocus_values(Defocus(torch.full((1, 1, 2, 2), 150.0)))
        assert "150" in caplog.text

    def test_the_picture_of_an_aperture_is_its_disc(self) -> None:
        circle, square = aperture_picture(Aperture()), aperture_picture(Aperture(blades=4))
        assert circle.shape == (1, 3, APERTURE_SIDE, APERTURE_SIDE)
        assert circle.amax() == 1.0
        assert circle[..., 0, :].amax() == 0.0
        area, radius = float(circle[0, 0].sum()), APERTURE_SIDE / 2 - 1.5
        assert area == pytest.approx(torch.pi * radius**2, rel=0.02)
        assert float(square[0, 0].sum()) < 0.8 * area
        middle = (circle - circle.flip(-1).roll(-1, -1)).abs().mean()
        assert middle < 0.02

    def test_depth_reaches_from_zero_to_one_in_each_picture(self) -> None:
        metres = torch.tensor([1.0, 2.0, 4.0, torch.inf]).view(1, 1, 1, 4).expand(1, 1, 4, 4)
        pair = Depth.from_metres(torch.cat([metres, 0.5 * metres]))
        shown = depth_picture(pair, 4, 4)
        assert shown.shape == (2, 3, 4, 4)
        torch.testing.assert_close(shown[:, 0, 0], torch.tensor([[1.0, 0.5, 0.25, 0.0]] * 2))

    def test_no_depth_and_flat_depth_show_nothing(self) -> None:
        assert not depth_picture(None, 4, 6).any()
        flat = Depth.from_metres(torch.full((1, 1, 4, 6), 2.0))
        assert not depth_picture(flat, 4, 6).any()


class TestLatentColors:
    def test_they_show_the_picture_that_they_were_fitted_to(self) -> None:
        base, original = tiny_base(), picture(64, 96)
        latents = base.encode(2 * original - 1)
        shown = LatentColors.fitted(latents, original).picture(latents)
        assert shown.shape == (1, 3, 8, 12)
        wanted = torch.nn.functional.avg_pool2d(original, 8)
        torch.testing.assert_close(shown, wanted, atol=0.02, rtol=0)

    def test_channels_without_colour_say_nothing(self) -> None:
        base, original = tiny_base(), picture(64, 96)
        latents = base.encode(2 * original - 1)
        colors = LatentColors.fitted(latents, original)
        noisy = latents.clone()
        noisy[:, 3:] = 5.0
        torch.testing.assert_close(colors.picture(noisy), colors.picture(latents))


class TestMemory:
    def test_equal_pictures_are_encoded_once(self) -> None:
        base, original = tiny_base(), picture(16, 16)
        first = encoded(base, original)
        assert encoded(base, original.clone()) is first
        assert encoded(base, original + 0.001) is not first
        assert encoded(tiny_base(), original) is not first

    def test_digests_know_values_shapes_and_types(self) -> None:
        values = torch.arange(6.0)
        digests = {
            digest(one)
            for one in (values, values.view(2, 3), values.double(), values.flip(0), values[:0])
        }
        assert len(digests) == 5

    def test_what_was_used_last_is_kept(self) -> None:
        memory, made = Memory(most_bytes=100), []

        def recall(key: str) -> None:
            memory.recall(key, lambda: made.append(key) or torch.zeros(10))

        for key in ("a", "b", "a", "c", "a", "b"):
            recall(key)
        assert made == ["a", "b", "c", "b"]

    def test_something_large_is_kept_alone(self) -> None:
        memory = Memory(most_bytes=10)
        large = memory.recall("large", lambda: torch.zeros(100))
        assert memory.recall("large", lambda: torch.ones(1)) is large

    def test_it_goes_with_its_base_model(self) -> None:
        base = tiny_base()
        memory = weakref.ref(memory_of(base))
        assert memory() is not None
        del base
        gc.collect()
        assert memory() is None


class TestSampling:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("steps", 0), ("seed", -1), ("seed", 2**64), ("refresh_every", 0)),
            *(("tiles_at_once", 0), ("guidance", -1.0), ("guidance", float("nan"))),
        ],
    )
    def test_values_without_meaning_are_refused(self, name: str, value: float) -> None:
        with pytest.raises(InputError) as caught:
            Sampling(**{name: value})
        assert caught.value.subject == name

    def test_stages_are_counted_together(self) -> None:
        told = []
        watch = Watch(on_step=lambda done, total, _: told.append((done, total)))
        watch.step(2, 4, lambda: torch.zeros(1))
        watch.stage(4, 10).step(3, 6, lambda: torch.zeros(1))
        assert told == [(2, 4), (7, 10)]
