"""`fp.render`: what is sharp, and how strong the blur is."""

from __future__ import annotations

import math

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.optics import camera_bokeh_level

from .ramp import CAMERA, HEIGHT, WIDTH


class TestFocus:
    def test_every_way_to_name_a_plane_gives_the_same_picture(self, image, metres):
        expected = fp.render(image, metres, focus_distance=float(metres[0, 9]), bokeh_level=6.0)
        mask = np.zeros((HEIGHT, WIDTH), np.float32)
        mask[:, 9] = 1.0
        for choice in (
            {"focus_point": (9.5 / WIDTH, 0.3)},
            {"focus_mask": mask},
            {"focus_mask": torch.from_numpy(mask)},
            {"focus_mask": mask > 0.5},
            {"focus_disparity": 1 / float(metres[0, 9])},
            {"focus": fp.Focus.at_distance(float(metres[0, 9]))},
        ):
            result = fp.render(image, metres, **choice, bokeh_level=6.0)
            np.testing.assert_allclose(result, expected, atol=1e-4, err_msg=str(choice))

    def test_the_plane_is_sharp_and_the_rest_is_not(self, image, metres):
        column = 9
        result = fp.render(
            image, metres, focus_distance=float(metres[0, column]), bokeh_level=20.0, lens="taf"
        )
        change = np.abs(result - image).mean(axis=(0, 2))
        assert change[column] < 1e-5
        assert (change[:5] > 0.05).all()
        assert (change[-15:] > 0.05).all()

    def test_a_focus_range_in_metres_stays_sharp(self, image, metres):
        result = fp.render(
            image, metres, focus_distance=3.0, focus_range=2.0, bokeh_level=40.0, lens="taf"
        )
        change = np.abs(result - image).mean(axis=(0, 2))
        is_sharp = np.abs(metres[0] - 3.0) <= 1.0
        assert (change[is_sharp] < 1e-5).all()
        assert (change[np.abs(metres[0] - 3.0) > 1.5] > 0.05).all()

    def test_a_focus_pull_gives_a_frame_per_plane(self, image, metres):
        near, far = fp.Focus.at_distance(1.0), fp.Focus.at_distance(5.0)
        pull = fp.pull_focus([(0, near), (3, far)], frames=4, easing="linear")
        frames = fp.render(image, metres, focus=pull, bokeh_level=6.0)
        assert frames.shape == (4, HEIGHT, WIDTH, 3)
        for frame, focus in ((frames[0], near), (frames[3], far)):
            alone = fp.render(image, metres, focus=focus, bokeh_level=6.0)
            np.testing.assert_allclose(frame, alone, atol=1e-4)

    @pytest.mark.parametrize(
        ("choice", "subject"),
        [
            ({"focus_point": (1.5, 0.5)}, "focus_point"),
            ({"focus_mask": np.zeros((4, 4))}, "mask"),
            ({"focus_distance": 0.0}, "focus_distance"),
            ({"focus_distance": -1.0}, "focus_distance"),
            ({"focus_distance": math.nan}, "focus_distance"),
            ({"focus_disparity": -1.0}, "focus_disparity"),
            ({"focus_distance": 2.0, "focus_range": -1.0}, "focus_range"),
        ],
    )
    def test_a_focus_without_meaning_is_refused(self, image, metres, choice, subject):
        with pytest.raises(InputError) as caught:
            fp.render(image, metres, **choice, bokeh_level=6.0)
        assert caught.value.subject == subject

    @pytest.mark.parametrize(
        ("choice", "received"),
        [
            ({}, "none of them"),
            (
                {"focus_point": (0.5, 0.5), "focus_distance": 2.0},
                "focus_point and focus_distance",
            ),
        ],
    )
    def test_exactly_one_place_is_needed(self, image, metres, choice, received):
        with pytest.raises(InputError, match="Give exactly one") as caught:
            fp.render(image, metres, **choice, bokeh_level=6.0)
        assert caught.value.received == received

    def test_a_distance_in_metres_needs_metric_depth(self, image, metres):
        with pytest.raises(InputError, match="relative depth with metric focus"):
            fp.render(image, disparity=1 / metres, focus_distance=2.0, bokeh_level=6.0)

    def test_planes_and_depths_have_to_fit(self, image, metres):
        focus = fp.Focus.at_distance([1.0, 2.0, 3.0])
        with pytest.raises(InputError, match="3 focus values for 2 images"):
            fp.render(image, np.stack([metres] * 2), focus=focus, bokeh_level=6.0)


class TestStrength:
    @pytest.mark.parametrize("lens", list(fp.LENSES))
    def test_a_camera_is_its_bokeh_level(self, image, metres, lens):
        level = float(camera_bokeh_level(CAMERA.for_image(HEIGHT, WIDTH), 1 / 2.0))
        # f² z_f / (2 N (z_f − f)) · px/mm, in px per 1/m
        assert level == pytest.approx(0.05**2 * 2 / (2 * 1.4 * 1.95) * 1000 * WIDTH / 36)
        level_scaled = 30 * level
        wide = fp.Camera(50.0, 1.4 / 30)
        by_camera = fp.render(image, metres, focus_distance=2.0, camera=wide, lens=lens)
        by_level = fp.render(image, metres, focus_distance=2.0, bokeh_level=level_scaled, lens=lens)
        np.testing.assert_allclose(by_camera, by_level, atol=1e-4)
        assert np.abs(by_camera - image).max() > 0.05

    def test_a_larger_f_number_blurs_less(self, image, metres):
        spread = [
            fp.render(
                image, metres, focus_distance=1.0, camera=fp.Camera(200.0, n), lens="taf"
            ).std()
            for n in (1.0, 2.0, 8.0, 64.0)
        ]
        assert spread == sorted(spread)
        assert spread[-1] == pytest.approx(image.std(), abs=1e-3)

    def test_the_focus_scale_divides_the_level(self, image, metres):
        wide = fp.Camera(50.0, 0.05)
        scaled = fp.render(image, metres, focus_distance=2.0, camera=wide, focus_scale=2.0)
        level = float(camera_bokeh_level(wide.for_image(HEIGHT, WIDTH), 1 / 2.0))
        # The denominator z_f − f becomes f_s z_f − f.
        expected = fp.render(
            image,
            metres,
            focus_distance=2.0,
            bokeh_level=level * (2.0 - 0.05) / (2.0 * 2.0 - 0.05),
        )
        np.testing.assert_allclose(scaled, expected, atol=1e-4)

    @pytest.mark.parametrize(
        "given", [{}, {"camera": CAMERA, "bokeh_level": 6.0}], ids=["none", "both"]
    )
    def test_exactly_one_strength_is_needed(self, image, metres, given):
        with pytest.raises(InputError, match=r"^camera, bokeh_level: .*Give exactly one"):
            fp.render(image, metres, focus_distance=2.0, **given)

    @pytest.mark.parametrize("level", [-1.0, math.nan, math.inf])
    def test_a_level_without_meaning_is_refused(self, image, metres, level):
        with pytest.raises(InputError, match=f"^bokeh_level: received {level}"):
            fp.render(image, metres, focus_distance=2.0, bokeh_level=level)

    def test_a_camera_needs_metric_depth(self, image, metres):
        with pytest.raises(InputError, match="A camera needs metres"):
            fp.render(image, disparity=1 / metres, focus_disparity=0.5, camera=CAMERA)

    def test_focus_within_the_focal_length_is_refused(self, image, metres):
        with pytest.raises(InputError, match="focal length"):
            fp.render(image, metres, focus_distance=0.04, camera=CAMERA)
