"""Aperture and Bokeh Preview."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.blur_disc import BlurDisc
from focuspuller.lens.bokeh_preview import bokeh_preview
from focuspuller.nodes import ApertureNode, BokehPreview
from focuspuller.nodes.previews import APERTURE_PREVIEW_RADIUS_PX

SEVEN_BLADES = {"blades": 7, "rotation_degrees": 0.0, "roundness": 0.0}
TRAITS = {
    "squeeze": 1.5,
    "obstruction": 0.4,
    "spherical_aberration": -0.5,
    "cats_eye": 0.8,
    "swirl": 0.6,
    "axial_chromatism": -1.5,
}
PREVIEW = {"radius": 12.0, "width": 210, "height": 140}


class TestAperture:
    def test_the_numbers_become_an_aperture(self):
        aperture = ApertureNode.execute(blades=5, rotation_degrees=20.0, roundness=0.4)[0]
        assert (aperture.blades, aperture.rotation_degrees) == (5, 20.0)
        assert (aperture.roundness, aperture.image) == (0.4, None)
        assert aperture.is_bare_iris, "workflows from before the other inputs render as they did"
        assert aperture.axial_chromatism == 0.0

    @pytest.mark.parametrize(("name", "value"), TRAITS.items())
    def test_every_trait_reaches_the_aperture(self, name, value):
        aperture = ApertureNode.execute(**SEVEN_BLADES, **{name: value})[0]
        assert getattr(aperture, name) == value

    def test_the_defaults_of_the_traits_change_nothing(self):
        ports = {port.id: port for port in ApertureNode.GET_SCHEMA().inputs}
        defaults = {name: ports[name].default for name in TRAITS}
        aperture = ApertureNode.execute(**SEVEN_BLADES, **defaults)[0]
        assert aperture.key() == Aperture(7).key()
        assert all(ports[name].optional for name in TRAITS)

    def test_a_disc_that_changes_over_the_field_is_shown_in_the_corner_too(self, preview):
        plain = preview(ApertureNode.execute(**SEVEN_BLADES))
        both = preview(ApertureNode.execute(**SEVEN_BLADES, cats_eye=0.9))
        side = len(plain)
        assert both.shape == (side, 2 * side, 3)
        np.testing.assert_array_equal(both[:, side:], plain)
        cut = both[:, :side, 0]
        assert (cut > 0.5).sum() < 0.6 * (plain[..., 0] > 0.5).sum()

    def test_no_blades_are_a_circle(self):
        assert ApertureNode.execute(**SEVEN_BLADES | {"blades": 0})[0].is_circle

    def test_its_picture_shows_a_disc_of_the_right_area(self, preview):
        shown = preview(ApertureNode.execute(**SEVEN_BLADES | {"blades": 0}))[..., 0]
        area = math.pi * APERTURE_PREVIEW_RADIUS_PX**2
        assert (shown > 0.5).sum() == pytest.approx(area, rel=0.02)
        assert shown.max() == 1.0

    def test_its_picture_shows_fewer_corners_than_the_circle(self, preview):
        circle = preview(ApertureNode.execute(**SEVEN_BLADES | {"blades": 0})).mean()
        triangle = preview(ApertureNode.execute(**SEVEN_BLADES | {"blades": 3})).mean()
        # An inscribed triangle fills 3√3/4π of its circle.
        assert triangle / circle == pytest.approx(3 * math.sqrt(3) / (4 * math.pi), rel=0.02)

    def test_a_drawn_shape_replaces_the_blades(self):
        bar = torch.zeros(1, 40, 40, 3)
        bar[:, :, 15:25] = 1.0
        aperture = ApertureNode.execute(**SEVEN_BLADES, shape=bar)[0]
        disc = BlurDisc(aperture).draw(12.0)
        assert aperture.image.shape == (40, 40)
        # Tall and narrow: the light reaches far up but not as far aside.
        assert disc.sum(1).count_nonzero() > 2 * disc.sum(0).count_nonzero()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("blades", 2),
            ("blades", 21),
            ("blades", -3),
            ("roundness", 1.5),
            ("roundness", math.nan),
            ("rotation_degrees", math.inf),
            ("squeeze", 0.5),
            ("obstruction", 1.0),
            ("spherical_aberration", -1.5),
            ("cats_eye", math.nan),
            ("swirl", 1.01),
            ("axial_chromatism", 11.0),
        ],
    )
    def test_numbers_without_meaning_are_refused(self, refuses, name, value):
        assert str(value) in refuses(ApertureNode, name, **SEVEN_BLADES | {name: value})

    @pytest.mark.parametrize("value", [0.0, math.nan])
    def test_a_shape_without_light_is_refused(self, refuses, value):
        shape = torch.full((1, 8, 8, 3), value)
        assert "without light" in refuses(ApertureNode, "shape", **SEVEN_BLADES, shape=shape)

    def test_an_empty_batch_of_shapes_is_refused(self, refuses):
        shape = torch.ones(0, 8, 8, 3)
        assert "[0, 8, 8, 3]" in refuses(ApertureNode, "shape", **SEVEN_BLADES, shape=shape)

    def test_a_shape_that_its_mirror_hides_is_refused(self, refuses):
        shape = torch.zeros(1, 101, 101, 3)
        shape[:, 45:56, 45:56] = 1.0
        shape[:, 0, 0] = 1.0
        hidden = {"shape": shape, "obstruction": 0.9, "cats_eye": 1.0}
        assert "hides completely" in refuses(ApertureNode, "shape", **SEVEN_BLADES, **hidden)


class TestBokehPreview:
    def test_it_returns_both_sides_of_the_focus_and_shows_them(self, outputs):
        aperture = Aperture(5, cats_eye=0.8)
        output = BokehPreview.execute(aperture, **PREVIEW)
        expected = bokeh_preview(aperture, 12.0, 140, 210)
        assert output[0].shape == (2, 140, 210, 3)
        assert torch.equal(output[0], expected.permute(0, 2, 3, 1))
        assert len(output.ui["images"]) == 2

    def test_a_disc_without_room_is_refused(self, refuses):
        values = PREVIEW | {"aperture": Aperture(), "radius": 90.0}
        assert "90.0 px for a picture of 210×140" in refuses(BokehPreview, "radius", **values)

    @pytest.mark.parametrize("foreign", [None, {"blades": 5}, torch.eye(4)])
    def test_another_packs_aperture_is_refused(self, refuses, foreign):
        refuses(BokehPreview, "aperture", aperture=foreign, **PREVIEW)
