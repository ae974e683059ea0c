"""Defocus Map and Render Bokeh."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.defocus import BEHIND, IN_FRONT, Defocus
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus, pull_focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import LENSES, Lens
from focuspuller.nodes import DefocusMap, RenderBokeh
from focuspuller.nodes.standin import Host, installed_host

LEVEL = {"bokeh_level": 8.0, "focus_scale": 1.0}
# By how much of full light a sharp pixel may change. BokehMe's disc of radius 0 has a soft edge:
# each of four neighbours counts (1 + tanh −4) / (1 + tanh 0) = 0.00067 of the pixel itself.
SHARP = {"taf": 1e-6, "bokehme": 0.003, "drbokeh": 1e-6, "layered": 1e-6}
EVERY_LENS = [Lens(name) for name in LENSES]
every_lens = pytest.mark.parametrize("lens", EVERY_LENS, ids=lambda lens: lens.name)


def constant_defocus(radius: float, height: int = 24, width: int = 36) -> Defocus:
    return Defocus(torch.full((1, 1, height, width), radius))


class TestDefocusMap:
    def test_bokeh_level_is_px_per_unit_of_disparity(self, near_and_far):
        defocus = DefocusMap.execute(near_and_far, Focus.at_distance(2.0), **LEVEL)[0]
        # 1 m is δ = 1, 4 m is δ = 1/4; the focus is at δ = 1/2: r = 8 · (δ − 1/2).
        assert defocus.radius.shape == (1, 1, 24, 36)
        assert (defocus.radius[..., :18] == 4.0).all()
        assert (defocus.radius[..., 18:] == -2.0).all()

    def test_a_camera_blurs_as_a_thin_lens_does(self, near_and_far):
        camera = Camera(focal_length_mm=50.0, f_number=1.8, sensor_width_mm=36.0)
        defocus = DefocusMap.execute(near_and_far, Focus.at_distance(2.0), **LEVEL, camera=camera)[
            0
        ]
        # c = |z − z_f|/z · f²/(N (z_f − f)) in mm, half of it in px of a 36 px wide image.
        for column, metres, sign in ((0, 1000.0, 1), (35, 4000.0, -1)):
            coc = abs(metres - 2000.0) / metres * 50.0**2 / (1.8 * (2000.0 - 50.0))
            expected = sign * coc / 2 * 36 / 36.0
            assert float(defocus.radius[0, 0, 0, column]) == pytest.approx(expected, rel=1e-5)

    def test_the_focus_scale_changes_only_the_strength(self, near_and_far):
        camera = Camera(focal_length_mm=50.0, f_number=1.8)
        plain, scaled = (
            DefocusMap.execute(
                near_and_far,
                Focus.at_distance(2.0),
                bokeh_level=0.0,
                focus_scale=scale,
                camera=camera,
            )[0].radius
            for scale in (1.0, 1.5)
        )
        ratio = (2000.0 - 50.0) / (1.5 * 2000.0 - 50.0)
        torch.testing.assert_close(scaled, plain * ratio)

    def test_the_map_is_made_at_the_pictures_size_and_that_is_said_once(
        self, near_and_far, picture, caplog
    ):
        image = picture(1, 48, 72)
        camera = Camera(50.0, 1.8)
        focus = Focus.at_distance(2.0)
        defocus = DefocusMap.execute(near_and_far, focus, **LEVEL, camera=camera, image=image)[0]
        RenderBokeh.execute(image, defocus)
        assert defocus.size == (48, 72)
        said = [record.getMessage() for record in caplog.records]
        assert said == ["The depth is 36×24 px, the image 72×48: the depth is resampled."]
        # A camera's blur has twice the pixels in a picture of twice the size.
        small = DefocusMap.execute(near_and_far, focus, **LEVEL, camera=camera)[0]
        assert float(defocus.radius[0, 0, 0, 0]) == pytest.approx(
            2 * float(small.radius[0, 0, 0, 0])
        )

    def test_one_depth_and_a_focus_pull_give_a_map_per_frame(self, near_and_far):
        pull = pull_focus([(0, Focus.at_distance(1.0)), (4, Focus.at_distance(4.0))], 5, "linear")
        radius = DefocusMap.execute(near_and_far, pull, **LEVEL)[0].radius
        assert radius.shape == (5, 1, 24, 36)
        assert (radius[0, ..., :18] == 0).all()
        assert (radius[4, ..., 18:] == 0).all()
        assert (radius[0, ..., 18:] == -6.0).all()

    def test_what_lies_in_the_focus_range_is_sharp(self):
        depth = Depth.from_relative(torch.tensor([0.3, 0.4, 0.5, 0.7]).view(1, 1, 1, 4))
        focus = Focus.at_disparity(0.4, is_metric=False, width=0.2)
        radius = DefocusMap.execute(depth, focus, bokeh_level=10.0, focus_scale=1.0)[0].radius
        assert radius.flatten().tolist() == pytest.approx([0.0, 0.0, 0.0, 2.0], abs=1e-5)

    def test_the_preview_is_orange_in_front_blue_behind_and_white_where_sharp(self, preview):
        depth = Depth.from_relative(torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3))
        output = DefocusMap.execute(depth, Focus.at_disparity(0.5, is_metric=False), **LEVEL)
        torch.testing.assert_close(output[1], torch.tensor([[[BEHIND, (1.0, 1.0, 1.0), IN_FRONT]]]))
        np.testing.assert_allclose(preview(output), output[1][0], atol=1.01 / 255)
        assert output.ui["text"] == ("bokeh level 8, no camera: blur radius up to 4.0 px",)

    def test_bokeh_level_zero_is_sharp_everywhere(self, near_and_far):
        output = DefocusMap.execute(
            near_and_far, Focus.at_distance(2.0), bokeh_level=0.0, focus_scale=1.0
        )
        assert (output[0].radius == 0).all()
        assert (output[1] == 1).all()

    @pytest.mark.parametrize("level", [-1.0, math.nan, math.inf])
    def test_levels_without_meaning_are_refused(self, refuses, near_and_far, level):
        values = {"depth": near_and_far, "focus": Focus.at_distance(2.0), "focus_scale": 1.0}
        assert str(level) in refuses(DefocusMap, "bokeh_level", **values, bokeh_level=level)

    def test_a_camera_needs_metric_depth(self, refuses):
        values = {
            "depth": Depth.from_relative(torch.rand(1, 1, 4, 6)),
            "focus": Focus.at_disparity(0.5, is_metric=False),
            "camera": Camera(50.0, 1.8),
        }
        message = refuses(DefocusMap, "camera", **values, **LEVEL)
        assert "relative depth" in message
        assert "bokeh_level" in message

    @pytest.mark.parametrize("metres", [0.05, 0.03])
    def test_focus_within_the_focal_length_is_refused(self, refuses, near_and_far, metres):
        values = {
            "depth": near_and_far,
            "focus": Focus.at_distance(metres),
            "camera": Camera(50.0, 1.8),
        }
        assert "focal length (50 mm)" in refuses(DefocusMap, "focus", **values, **LEVEL)

    def test_metric_depth_needs_a_metric_focus(self, refuses, near_and_far):
        values = {"depth": near_and_far, "focus": Focus.at_disparity(0.5, is_metric=False)}
        assert "metric depth with relative focus" in refuses(DefocusMap, "focus", **values, **LEVEL)

    @pytest.mark.parametrize(("depths", "planes"), [(2, 3), (3, 2)])
    def test_batches_that_do_not_fit_are_refused(self, refuses, depths, planes):
        values = {
            "depth": Depth.from_relative(torch.rand(depths, 1, 4, 6)),
            "focus": Focus.at_disparity([0.5] * planes, is_metric=False),
        }
        message = refuses(DefocusMap, "focus", **values, **LEVEL)
        assert f"{planes} focus values for {depths} images" in message

    def test_an_empty_batch_of_pictures_is_refused(self, refuses, near_and_far):
        values = {"depth": near_and_far, "focus": Focus.at_distance(2.0)}
        empty = torch.zeros(0, 24, 36, 3)
        assert "[0, 24, 36, 3]" in refuses(DefocusMap, "image", **values, **LEVEL, image=empty)

    @pytest.mark.parametrize("name", ["depth", "focus", "camera"])
    @pytest.mark.parametrize("foreign", [{}, torch.rand(2, 2), np.eye(3), 0])
    def test_another_packs_object_is_refused(self, refuses, near_and_far, name, foreign):
        values = {"depth": near_and_far, "focus": Focus.at_distance(2.0), **LEVEL}
        message = refuses(DefocusMap, name, **values | {name: foreign})
        assert type(foreign).__name__ in message


class TestRenderBokeh:
    @every_lens
    def test_what_is_in_focus_stays_as_it_is(self, picture, lens):
        image = picture()
        rendered = RenderBokeh.execute(image, constant_defocus(0.0), lens=lens, linear=True)[0]
        torch.testing.assert_close(rendered, image, atol=SHARP[lens.name], rtol=0)

    @every_lens
    def test_constant_depth_that_is_focused_on_is_sharp_everywhere(self, picture, lens):
        image = picture()
        depth = Depth.from_metres(torch.full((1, 1, 24, 36), 3.0))
        focus = Focus.at_distance(3.0)
        camera = Camera(50.0, 1.4)
        defocus = DefocusMap.execute(depth, focus, **LEVEL, camera=camera)[0]
        rendered = RenderBokeh.execute(image, defocus, lens=lens, linear=True)[0]
        torch.testing.assert_close(rendered, image, atol=SHARP[lens.name], rtol=0)

    @every_lens
    def test_an_even_picture_stays_even(self, near_and_far, lens):
        image = torch.tensor([0.2, 0.5, 0.9]).expand(1, 24, 36, 3)
        defocus = DefocusMap.execute(near_and_far, Focus.at_distance(2.0), **LEVEL)[0]
        rendered = RenderBokeh.execute(image, defocus, lens=lens)[0]
        torch.testing.assert_close(rendered, image, atol=1e-4, rtol=0)

    @every_lens
    @pytest.mark.parametrize("radius", [6.0, -6.0])
    def test_a_light_becomes_a_disc_of_the_blur_radius(self, lens, radius):
        light = torch.zeros(1, 41, 41, 3)
        light[:, 20, 20] = 1.0
        defocus = constant_defocus(radius, 41, 41)
        rendered = RenderBokeh.execute(light, defocus, lens=lens, linear=True)[0][0, ..., 0]
        assert float(rendered.sum()) == pytest.approx(1.0, rel=0.02)
        steps = torch.arange(41) - 20.0
        distance = torch.hypot(steps[:, None], steps[None, :])
        # Even within the disc, black outside it.
        inside = rendered[distance < 5]
        torch.testing.assert_close(inside, inside.mean().expand_as(inside), rtol=0.05, atol=0)
        assert float(rendered[distance > 7.5].abs().max()) < 1e-3 * float(inside.mean())
        assert float(inside.mean()) == pytest.approx(1 / (math.pi * 36), rel=0.05)

    @every_lens
    def test_linear_pictures_stay_linear(self, picture, near_and_far, lens):
        coded = picture()
        defocus = DefocusMap.execute(near_and_far, Focus.at_distance(2.0), **LEVEL)[0]
        rendered = RenderBokeh.execute(coded, defocus, lens=lens)[0]
        linear = RenderBokeh.execute(srgb_to_linear(coded), defocus, lens=lens, linear=True)[0]
        torch.testing.assert_close(linear_to_srgb(linear), rendered, atol=1e-5, rtol=0)
        # Blurred light is brighter than blurred codes.
        mistaken = RenderBokeh.execute(coded, defocus, lens=lens, linear=True)[0]
        assert float(rendered.mean()) > float(mistaken.mean()) + 0.02

    @every_lens
    def test_one_picture_serves_a_whole_focus_pull(self, picture, near_and_far, lens):
        image = picture()
        focus = Focus.at_distance([1.0, 2.0, 4.0])
        defocus = DefocusMap.execute(near_and_far, focus, **LEVEL)[0]
        rendered = RenderBokeh.execute(image, defocus, lens=lens)[0]
        assert rendered.shape == (3, 24, 36, 3)
        for index, metres in enumerate([1.0, 2.0, 4.0]):
            alone = DefocusMap.execute(near_and_far, Focus.at_distance(metres), **LEVEL)[0]
            expected = RenderBokeh.execute(image, alone, lens=lens)[0]
            torch.testing.assert_close(rendered[index : index + 1], expected, atol=1e-4, rtol=0)

    def test_one_map_serves_a_batch_of_pictures(self, picture):
        images = picture(2)
        rendered = RenderBokeh.execute(images, constant_defocus(3.0))[0]
        second = RenderBokeh.execute(images[1:], constant_defocus(3.0))[0]
        assert rendered.shape == (2, 24, 36, 3)
        torch.testing.assert_close(rendered[1:], second)

    def test_without_a_lens_it_is_layered_with_a_circle(self, picture):
        image, defocus = picture(), constant_defocus(4.0)
        rendered = RenderBokeh.execute(image, defocus)[0]
        chosen = RenderBokeh.execute(image, defocus, lens=Lens("layered"), aperture=Aperture())[0]
        assert torch.equal(rendered, chosen)
        other = RenderBokeh.execute(image, defocus, lens=Lens("taf"))[0]
        assert not torch.allclose(rendered, other, atol=1e-3)

    @every_lens
    def test_the_aperture_is_upside_down_in_front_of_the_focus(self, lens):
        light = torch.zeros(1, 41, 41, 3)
        light[:, 20, 20] = 1.0
        triangle = Aperture(blades=3)
        behind, in_front = (
            RenderBokeh.execute(
                light,
                constant_defocus(radius, 41, 41),
                lens=lens,
                aperture=triangle,
                linear=True,
            )[0][0, ..., 0]
            for radius in (-8.0, 8.0)
        )
        torch.testing.assert_close(in_front, behind.flip(0, 1), atol=1e-5, rtol=0)
        assert not torch.allclose(in_front, behind, atol=1e-3)

    @every_lens
    def test_a_single_pixel_stays_as_it_is(self, picture, lens):
        image = picture(1, 1, 1)
        rendered = RenderBokeh.execute(image, constant_defocus(3.0, 1, 1), lens=lens)[0]
        torch.testing.assert_close(rendered, image, atol=1e-5, rtol=0)

    @every_lens
    @pytest.mark.parametrize("size", [(1, 17), (17, 1), (13, 31)])
    def test_odd_sizes_render(self, picture, lens, size):
        image = picture(1, *size)
        rendered = RenderBokeh.execute(image, constant_defocus(4.0, *size), lens=lens)[0]
        assert rendered.shape == image.shape
        assert torch.isfinite(rendered).all()
        assert rendered.std() < image.std()

    def test_a_fourth_channel_is_dropped_and_that_is_said(self, picture, caplog):
        four = picture(channels=4)
        rendered = RenderBokeh.execute(four, constant_defocus(3.0))[0]
        assert [record.getMessage() for record in caplog.records] == [
            "image: the fourth channel (opacity) is dropped."
        ]
        assert torch.equal(rendered, RenderBokeh.execute(four[..., :3], constant_defocus(3.0))[0])

    def test_a_map_of_another_size_is_resampled_with_its_blur_and_that_is_said(
        self, picture, caplog
    ):
        image = picture(1, 48, 72)
        rendered = RenderBokeh.execute(image, constant_defocus(3.0, 24, 36))[0]
        assert [record.getMessage() for record in caplog.records] == [
            "The defocus map is 36×24, the image 72×48: the map is resampled."
        ]
        expected = RenderBokeh.execute(image, constant_defocus(6.0, 48, 72))[0]
        torch.testing.assert_close(rendered, expected, atol=1e-5, rtol=0)

    def test_blur_beyond_a_quarter_of_the_picture_is_limited_and_that_is_said(
        self, picture, caplog
    ):
        image = picture()
        rendered = RenderBokeh.execute(image, constant_defocus(500.0))[0]
        assert "above 9 px" in caplog.text
        expected = RenderBokeh.execute(image, constant_defocus(9.0))[0]
        torch.testing.assert_close(rendered, expected)

    def test_inputs_are_left_as_they_were(self, picture):
        image, defocus = picture(), constant_defocus(3.0)
        before = image.clone()
        RenderBokeh.execute(image, defocus)
        assert torch.equal(image, before)
        assert (defocus.radius == 3.0).all()

    @every_lens
    def test_progress_reaches_the_end(self, picture, lens):
        steps: list[tuple[int, int]] = []
        host = Host(device=torch.device("cpu"), on_step=lambda *step: steps.append(step))
        with installed_host(host):
            RenderBokeh.execute(picture(3), constant_defocus(3.0), lens=lens)
        done = [step for step, _ in steps]
        assert done == sorted(done)
        assert len(set(done)) >= 3
        assert steps[-1] == (100, 100)

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_broken_pixels_are_refused(self, refuses, picture, value):
        image = picture()
        image[0, 2, 3, 1] = value
        message = refuses(RenderBokeh, "image", image=image, defocus=constant_defocus(3.0))
        assert "NaN or infinite" in message

    @pytest.mark.parametrize("shape", [(0, 24, 36, 3), (1, 24, 36, 2), (24, 36, 3)])
    def test_what_is_no_batch_of_images_is_refused(self, refuses, shape):
        image = torch.zeros(shape)
        values = {"image": image, "defocus": constant_defocus(3.0)}
        assert str(list(shape)) in refuses(RenderBokeh, "image", **values)

    def test_batches_that_do_not_fit_are_refused(self, refuses, picture):
        defocus = Defocus(torch.ones(3, 1, 24, 36))
        message = refuses(RenderBokeh, "defocus", image=picture(2), defocus=defocus)
        assert "3 maps for 2 images" in message

    @pytest.mark.parametrize("name", ["defocus", "lens", "aperture"])
    @pytest.mark.parametrize("foreign", [{}, torch.rand(2, 2), np.eye(3), "", 0])
    def test_another_packs_object_is_refused(self, refuses, picture, name, foreign):
        values = {"image": picture(), "defocus": constant_defocus(3.0)}
        message = refuses(RenderBokeh, name, **values | {name: foreign})
        assert type(foreign).__name__ in message
