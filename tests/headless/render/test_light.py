"""`fp.render`: lenses, apertures, highlights."""

from __future__ import annotations

import math

import focuspuller as fp
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from focuspuller.errors import InputError
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear

from .ramp import CAMERA, CHOICE, HEIGHT, WIDTH


class TestLensAndLight:
    def test_lenses_have_names_and_options(self, image, metres):
        taf, bokehme, layered = (
            fp.render(image, metres, **CHOICE, lens=name) for name in ("taf", "bokehme", "layered")
        )
        assert np.abs(taf - bokehme).max() > 0.01
        np.testing.assert_array_equal(
            bokehme, fp.render(image, metres, **CHOICE, lens=fp.Lens("bokehme"))
        )
        np.testing.assert_array_equal(layered, fp.render(image, metres, **CHOICE))
        gamma = fp.Lens("bokehme", fp.BokehMeOptions(gamma=4.0))
        assert np.abs(bokehme - fp.render(image, metres, **CHOICE, lens=gamma)).max() > 0.01

    def test_an_unknown_lens_is_refused_and_the_known_are_named(self, image, metres):
        with pytest.raises(InputError, match=r"'petzval'.*layered, drbokeh, bokehme, taf"):
            fp.render(image, metres, **CHOICE, lens="petzval")

    def test_options_of_another_lens_are_refused(self):
        with pytest.raises(InputError, match=r"a BokehMeOptions for the lens 'taf'"):
            fp.Lens("taf", fp.BokehMeOptions())

    @pytest.mark.parametrize(
        ("name", "value"),
        [("camera", "50mm"), ("aperture", "heart"), ("focus_point", 0.5), ("depth", "d.npy")],
    )
    def test_other_kinds_of_values_are_refused_by_name(self, image, metres, name, value):
        arguments = {"depth": metres, "focus_point": (0.5, 0.5), "camera": CAMERA} | {name: value}
        with pytest.raises(InputError, match=repr(value)):
            fp.render(image, **arguments)

    def test_an_unknown_device_is_refused(self, image, metres):
        with pytest.raises(InputError, match=r"^device: received abacus, which is none\. Give cpu"):
            fp.render(image, metres, **CHOICE, device="abacus")

    @pytest.mark.parametrize("lens", list(fp.LENSES))
    def test_a_linear_rendering_coded_again_is_the_default(self, image, metres, lens):
        coded = torch.from_numpy(image)
        default = fp.render(coded, metres, **CHOICE, lens=lens)
        linear = fp.render(srgb_to_linear(coded), metres, **CHOICE, lens=lens, linear=True)
        torch.testing.assert_close(linear_to_srgb(linear), default, atol=1e-5, rtol=0)
        assert (linear - default).abs().max() > 0.1

    def test_linear_light_may_be_brighter_than_white(self, metres):
        light = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        light[12, 18] = 100.0
        result = fp.render(light, metres, focus_distance=1.0, bokeh_level=6.0, linear=True)
        assert result.max() > 1.0
        assert result.sum() == pytest.approx(light.sum(), rel=0.3)

    def test_an_aperture_shapes_the_light(self):
        light = np.zeros((41, 41, 3), np.float32)
        light[20, 20] = 1.0
        options = {"focus_distance": 1.0, "bokeh_level": 16.0, "linear": True}
        depth = np.full((41, 41), 2.0)  # r = 16 · |1/2 − 1| = 8 px
        circle = fp.render(light, depth, **options)[..., 0]
        square = fp.render(light, depth, **options, aperture=fp.Aperture(blades=4))[..., 0]
        area = [disc.sum() / disc.max() for disc in (circle, square)]
        assert area[0] == pytest.approx(math.pi * 8**2, rel=0.05)
        assert area[1] == pytest.approx(2 * 8**2, rel=0.05)  # the square within that circle

    @pytest.mark.parametrize("lens", list(fp.LENSES))
    def test_half_the_size_is_the_same_picture(self, lens):
        """Rendering and then halving looks like halving and then rendering."""
        generator = torch.Generator().manual_seed(1)
        coarse = torch.rand(1, 3, 9, 12, generator=generator)
        scene = F.interpolate(coarse, (96, 128), mode="bicubic").clamp(0, 1)
        slope = torch.linspace(1.0, 4.0, 128).expand(1, 1, 96, 128)

        def halved(planar: torch.Tensor) -> torch.Tensor:
            return F.avg_pool2d(planar, 2)

        def rendered(planar: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
            result = fp.render(
                planar[0].permute(1, 2, 0),
                depth[0, 0],
                focus_distance=2.0,
                camera=fp.Camera(85.0, 0.5),
                lens=lens,
                linear=True,
            )
            return result.permute(2, 0, 1)[None]

        large = halved(rendered(scene, slope))
        small = rendered(halved(scene), 1 / halved(1 / slope))
        blur = float((small - halved(scene)).square().mean())
        error = float((large - small).square().mean())
        assert 10 * math.log10(1 / error) > 44
        # What is steep enough at full size to be an edge is none at half size, or the reverse.
        assert error < blur / (50 if lens == "layered" else 100)


class TestHighlights:
    STRONG = fp.Highlights(stops=5.0, threshold=0.8)

    @pytest.fixture
    def night(self) -> np.ndarray:
        image = np.full((HEIGHT, WIDTH, 3), 0.1, np.float32)
        image[12, 30] = 1.0
        return image

    @pytest.mark.parametrize("lens", list(fp.LENSES))
    def test_left_out_not_one_bit_changes(self, image, metres, lens):
        plain = fp.render(image, metres, **CHOICE, lens=lens)
        for highlights in (None, fp.Highlights(stops=0.0)):
            same = fp.render(image, metres, **CHOICE, lens=lens, highlights=highlights, linear=True)
            linear = fp.render(image, metres, **CHOICE, lens=lens, linear=True)
            np.testing.assert_array_equal(same, linear)
        assert np.array_equal(plain, fp.render(image, metres, **CHOICE, lens=lens, highlights=None))

    @pytest.mark.parametrize("lens", list(fp.LENSES))
    def test_a_clipped_light_becomes_a_bright_disc(self, night, metres, lens):
        options = {"focus_distance": 1.0, "bokeh_level": 6.0, "lens": lens}
        plain = fp.render(night, metres, **options)
        bright = fp.render(night, metres, **options, highlights=self.STRONG)
        # r = 6 · (1 − 1/4.4) = 4.6 px
        assert plain[12, 30].max() < 0.25
        assert bright[12, 30].min() > 0.5
        assert bright.max() <= 1.0 + 1e-6

    # A lens whose discs have no rim outside their radius: nothing leaks where nothing is blurred.
    SHARP = {"focus_distance": 2.0, "bokeh_level": 0.0, "lens": "taf"}  # noqa: RUF012

    def test_what_is_sharp_stays_as_it_was(self, image, metres):
        sharp = fp.render(image, metres, **self.SHARP, highlights=self.STRONG)
        np.testing.assert_allclose(sharp, image, atol=1e-4)

    def test_without_roll_off_all_of_the_light_stays(self, image, metres):
        bright = fp.render(image, metres, **self.SHARP, highlights=self.STRONG, roll_off=False)
        np.testing.assert_allclose(bright, fp.recover_highlights(image, self.STRONG), atol=1e-4)
        assert bright.max() > 2.0
        back = fp.compress_highlights(bright, self.STRONG)
        np.testing.assert_allclose(back, image, atol=1e-4)

    @pytest.mark.parametrize("library", ["numpy", "torch"])
    def test_arrays_keep_their_kind_and_shape(self, image, library):
        given = torch.from_numpy(image) if library == "torch" else image
        for pictures in (given, given[None]):
            recovered = fp.recover_highlights(pictures, linear=True)
            assert type(recovered) is type(pictures)
            assert recovered.shape == pictures.shape

    def test_another_kind_of_value_is_refused(self, image, metres):
        with pytest.raises(InputError, match=r"^highlights: received 3"):
            fp.render(image, metres, **CHOICE, highlights=3.0)

    def test_negative_light_is_taken_as_none_and_that_is_said(self, image, metres, caplog):
        negative = image.copy()
        negative[3, 4, 1] = -2.0
        result = fp.render(negative, metres, **CHOICE)
        np.testing.assert_array_equal(result, fp.render(negative.clip(min=0), metres, **CHOICE))
        assert caplog.messages == ["image: negative light in 1 pixels is taken as none."]
