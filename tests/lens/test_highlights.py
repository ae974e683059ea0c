"""Recovering clipped highlights: the curve, colours, energy, and the way back."""

from __future__ import annotations

import math

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.bokehme import BokehMeOptions
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.highlights import (
    Highlights,
    clipped_part,
    compress_highlights,
    in_pictures,
    recover_highlights,
)
from focuspuller.lens.render import Lens, render
from torch import Tensor

EXAMPLES = [Highlights(), Highlights(stops=1.0), Highlights(10.0, 0.5), Highlights(4.0, 0.98)]
every_example = pytest.mark.parametrize("highlights", EXAMPLES, ids=str)


def grey(values: Tensor) -> Tensor:
    """`[1,3,1,N]` of brightnesses `[N]`."""
    return values.double().view(1, 1, 1, -1).expand(1, 3, -1, -1)


def curve(values: Tensor, highlights: Highlights) -> Tensor:
    """Recovered brightness of grey pixels `[N]`."""
    return recover_highlights(grey(values), highlights)[0, 0, 0]


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


class TestCurve:
    @every_example
    def test_below_the_threshold_not_one_bit_changes(self, highlights: Highlights) -> None:
        image = noise(1, 3, 8, 9).float() * highlights.linear_threshold
        assert torch.equal(recover_highlights(image, highlights), image)

    def test_the_threshold_is_a_coded_value(self) -> None:
        highlights = Highlights(threshold=0.6)
        just = srgb_to_linear(torch.tensor([0.599, 0.601]).double())
        below, above = (curve(just, highlights) - just).tolist()
        assert below == 0.0
        assert above > 0.0

    @every_example
    def test_white_gets_the_stops(self, highlights: Highlights) -> None:
        white = curve(torch.ones(1), highlights).item()
        assert white == pytest.approx(2.0**highlights.stops)

    @every_example
    def test_brighter_stays_brighter(self, highlights: Highlights) -> None:
        assert (curve(torch.linspace(0.0, 3.0, 20001), highlights).diff() > 0).all()

    @every_example
    def test_the_slope_has_no_step_at_threshold_and_white(self, highlights: Highlights) -> None:
        step = 1e-7
        for place in (highlights.linear_threshold, 1.0):
            around = torch.tensor([place - step, place, place + step], dtype=torch.float64)
            left, right = (curve(around, highlights).diff() / step).tolist()
            assert left == pytest.approx(1.0, abs=0.05)
            assert right == pytest.approx(1.0, abs=0.05)

    def test_light_beyond_white_gets_as_much_as_white(self) -> None:
        beyond = torch.tensor([1.0, 2.0, 50.0])
        added = curve(beyond, Highlights(stops=3.0)) - beyond
        torch.testing.assert_close(added, torch.full_like(added, 7.0))

    def test_noise_at_white_is_not_made_larger(self) -> None:
        jpeg_noise = torch.tensor([253, 255]) / 255
        low, high = curve(srgb_to_linear(jpeg_noise.double()), Highlights()).tolist()
        assert 1 - low / high < 0.02

    def test_no_stops_change_nothing(self) -> None:
        image = noise(1, 3, 8, 9).float() * 2
        for halo_color in (0.0, 1.0):
            highlights = Highlights(stops=0.0, halo_color=halo_color)
            assert torch.equal(recover_highlights(image, highlights), image)
            assert torch.equal(compress_highlights(image, highlights), image)

    def test_gradients(self) -> None:
        image = (0.2 + noise(1, 3, 3, 4)).requires_grad_()
        for halo_color in (0.0, 0.7):
            highlights = Highlights(2.0, 0.7, halo_color)
            assert (clipped_part(image, highlights, linear=True) > 0).any()
            assert torch.autograd.gradcheck(lambda x, h=highlights: recover_highlights(x, h), image)

    def test_black_has_finite_gradients(self) -> None:
        black = torch.zeros(1, 3, 2, 2, requires_grad=True)
        recover_highlights(black, Highlights(halo_color=1.0)).sum().backward()
        assert torch.isfinite(black.grad).all()


class TestWhatIsALight:
    """How much of the added light a colour gets, with the defaults."""

    @staticmethod
    def part(*color: int) -> float:
        coded = torch.tensor(color).view(1, 3, 1, 1) / 255
        return clipped_part(coded, Highlights()).item()

    def test_white_gets_all_and_a_warm_bulb_a_good_part(self) -> None:
        assert self.part(255, 255, 255) == pytest.approx(1.0)
        assert 0.2 < self.part(255, 201, 124) < 0.8

    def test_vivid_objects_get_next_to_nothing(self) -> None:
        for color in ((255, 20, 20), (20, 20, 255), (255, 150, 50), (20, 200, 40)):
            assert self.part(*color) < 0.02

    def test_a_pixel_keeps_its_colour(self) -> None:
        image = torch.tensor([1.0, 0.9, 0.6]).view(1, 3, 1, 1)
        recovered = recover_highlights(image, Highlights())
        assert recovered.sum() > 2 * image.sum()
        torch.testing.assert_close(recovered / recovered.amax(), image)


class TestHaloColor:
    ORANGE = torch.tensor([1.0, 0.45, 0.1]).view(1, 3, 1, 1)

    def lamp(self, size: int = 96, radius: float = 3.0) -> Tensor:
        """A white core in an orange glow, on dark blue."""
        at = torch.arange(size) - size // 2
        distance = torch.hypot(at[:, None].float(), at[None, :].float())
        glow = self.ORANGE * torch.exp(-((0.75 * distance / radius) ** 2))
        night = torch.tensor([0.01, 0.01, 0.03]).view(1, 3, 1, 1)
        return torch.where(distance < radius, torch.ones(1, 3, 1, 1), glow + night)

    def test_a_white_lamp_takes_the_hue_of_its_halo(self) -> None:
        image = self.lamp()
        centre = (0, slice(None), 48, 48)
        plain = recover_highlights(image, Highlights())[centre]
        tinted = recover_highlights(image, Highlights(halo_color=1.0))[centre]
        assert (plain == plain[0]).all()
        added = (tinted - image[centre]) / (tinted - image[centre])[0]
        torch.testing.assert_close(added, self.ORANGE.flatten(), atol=0.1, rtol=0)

    def test_white_on_black_stays_white(self) -> None:
        image = torch.zeros(1, 3, 48, 48)
        image[..., 24, 24] = 1.0
        tinted = recover_highlights(image, Highlights(halo_color=1.0))[0, :, 24, 24]
        torch.testing.assert_close(tinted, torch.full((3,), 8.0), atol=0.05, rtol=0)

    def test_a_lamp_that_shows_its_colour_keeps_it(self) -> None:
        image = self.lamp()
        image[:, :, 40:56, 40:56] = torch.tensor([1.0, 1.0, 0.0]).view(1, 3, 1, 1)
        plain, tinted = (
            recover_highlights(image, Highlights(halo_color=share)) for share in (0.0, 1.0)
        )
        torch.testing.assert_close(tinted[..., 48, 48], plain[..., 48, 48])

    def test_half_the_size_is_the_same_picture(self) -> None:
        highlights = Highlights(halo_color=1.0)
        large = self.lamp(800, radius=12.0)
        small = torch.nn.functional.avg_pool2d(large, 2)
        colors = [
            recover_highlights(image, highlights)[0, :, image.shape[-1] // 2, image.shape[-1] // 2]
            for image in (large, small)
        ]
        assert colors[0][0] > 9.5
        torch.testing.assert_close(colors[0], colors[1], atol=1.0, rtol=0)


class TestTheWayBack:
    @every_example
    def test_compressing_undoes_recovering(self, highlights: Highlights) -> None:
        image = noise(1, 3, 40, 50)
        image[..., :10] = 1.0
        image[..., 10:20] *= 4.0
        back = compress_highlights(recover_highlights(image, highlights), highlights)
        torch.testing.assert_close(back, image, atol=1e-7, rtol=1e-7)

    @every_example
    def test_in_single_precision_no_8_bit_value_changes(self, highlights: Highlights) -> None:
        codes = torch.arange(256).view(1, 1, 1, -1).expand(1, 3, 2, -1) / 255
        recovered = in_pictures(recover_highlights, codes, highlights)
        back = in_pictures(compress_highlights, recovered, highlights)
        assert torch.equal((back * 255).round(), (codes * 255).round())

    @every_example
    def test_brighter_stays_brighter(self, highlights: Highlights) -> None:
        light = grey(torch.linspace(0.0, 2.0 + 2.0**highlights.stops, 20001))
        assert (compress_highlights(light, highlights)[0, 0, 0].diff() > 0).all()

    def test_gradients(self) -> None:
        image = (0.3 + 3.0 * noise(1, 3, 3, 4)).requires_grad_()
        highlights = Highlights(2.0, 0.7)
        assert torch.autograd.gradcheck(lambda x: compress_highlights(x, highlights), image)


class TestEnergy:
    RADIUS = 10.0

    def render(self, image: Tensor, weighting: str) -> Tensor:
        defocus = Defocus(torch.full_like(image[:, :1], -self.RADIUS))
        return render(image, defocus, Lens("bokehme", BokehMeOptions(weighting=weighting)))

    @pytest.mark.parametrize("lamp", [1, 3])
    def test_a_disc_holds_all_the_light_of_its_lamp(self, lamp: int) -> None:
        image = torch.zeros(1, 3, 61, 61)
        image[..., 30 : 30 + lamp, 30 : 30 + lamp] = 1.0
        recovered = recover_highlights(image, Highlights(stops=5.0))
        disc = self.render(recovered, "energy")
        assert disc[0, 0].sum().item() == pytest.approx(32.0 * lamp**2, rel=2e-3)

    def test_a_point_becomes_a_flat_disc_of_its_light_over_the_area(self) -> None:
        image = torch.zeros(1, 3, 61, 61)
        image[..., 30, 30] = 1.0
        highlights = Highlights(stops=5.0)
        disc = self.render(recover_highlights(image, highlights), "energy")
        level = 32.0 / (math.pi * self.RADIUS**2)
        inside = disc[..., 26:35, 26:35]
        torch.testing.assert_close(inside, torch.full_like(inside, level), rtol=0.03, atol=0)


class TestPictures:
    @pytest.mark.parametrize("change", [recover_highlights, compress_highlights])
    def test_coded_pictures_are_changed_in_linear_light(self, change) -> None:
        coded = noise(2, 3, 6, 7) * 1.5
        expected = linear_to_srgb(change(srgb_to_linear(coded), Highlights()))
        torch.testing.assert_close(in_pictures(change, coded, Highlights()), expected)
        linear = in_pictures(change, coded, Highlights(), linear=True)
        torch.testing.assert_close(linear, change(coded, Highlights()))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    def test_the_type_of_the_picture_is_kept(self, dtype: torch.dtype) -> None:
        coded = noise(1, 3, 6, 7).to(dtype)
        result = in_pictures(recover_highlights, coded, Highlights())
        assert result.dtype == dtype
        expected = in_pictures(recover_highlights, coded.double(), Highlights())
        torch.testing.assert_close(result.double(), expected, rtol=0.02, atol=0.02)

    def test_broken_pixels_are_counted(self) -> None:
        image = torch.ones(1, 3, 4, 5)
        image[0, :2, 1, 1] = math.nan
        image[0, 1, 2, 2] = math.inf
        with pytest.raises(InputError, match="2 NaN or infinite pixels of 20"):
            in_pictures(recover_highlights, image, Highlights())

    def test_negative_light_is_none_and_that_is_said_once(self, caplog) -> None:
        image = torch.ones(1, 3, 4, 5)
        image[0, 0, 1, 1:3] = -0.5
        result = in_pictures(recover_highlights, image, Highlights(), linear=True)
        assert result.amin() == 0.0
        assert caplog.messages == ["image: negative light in 2 pixels is taken as none."]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("stops", -0.1), ("stops", 10.1), ("stops", math.nan)],
        *[("threshold", 0.0), ("threshold", 1.0), ("threshold", math.nan)],
        *[("halo_color", -0.1), ("halo_color", 1.1)],
    ],
)
def test_settings_without_meaning_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"^{name}: received {value}"):
        Highlights(**{name: value})
