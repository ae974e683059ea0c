"""From depth and focus to signed blur radii, and their picture."""

from __future__ import annotations

import math

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.defocus import (
    Defocus,
    check_focus,
    colorize_defocus,
    defocus_from_bokeh_level,
    defocus_from_camera,
)
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus, focus_on_point
from focuspuller.lens.optics import Camera, camera_bokeh_level

CAMERA = Camera(50.0, 1.8, 36.0, 1024)
METRES = torch.tensor([[1.0, 2.0, 4.0, 10.0, math.inf]])[None, None]
SCENE = Depth.from_metres(METRES)
AT_2_M = Focus.at_distance(2.0)


def radii(defocus: Defocus) -> list[float]:
    return defocus.radius.flatten().tolist()


class TestFromACamera:
    def test_radii_by_hand(self) -> None:
        # 20.2596 px·m times 1/z - 1/2, from the worked example.
        expected = [10.1298, 0.0, -5.0649, -8.1038, -10.1298]
        assert radii(defocus_from_camera(SCENE, AT_2_M, CAMERA)) == pytest.approx(
            expected, abs=1e-4
        )

    def test_positive_in_front_and_negative_behind(self) -> None:
        signs = torch.sign(defocus_from_camera(SCENE, AT_2_M, CAMERA).radius)
        assert signs.flatten().tolist() == [1, 0, -1, -1, -1]

    def test_is_the_bokeh_level_of_the_camera(self) -> None:
        by_level = defocus_from_bokeh_level(SCENE, AT_2_M, camera_bokeh_level(CAMERA, 0.5))
        by_camera = defocus_from_camera(SCENE, AT_2_M, CAMERA)
        torch.testing.assert_close(by_camera.radius, by_level.radius)

    def test_without_a_width_the_longest_edge_of_the_depth_counts(self) -> None:
        unset = defocus_from_camera(SCENE, AT_2_M, Camera(50.0, 1.8, 36.0))
        five_px = defocus_from_camera(SCENE, AT_2_M, Camera(50.0, 1.8, 36.0, 5))
        assert torch.equal(unset.radius, five_px.radius)

    def test_focus_scale_per_image(self) -> None:
        defocus = defocus_from_camera(SCENE, AT_2_M, CAMERA, torch.tensor([1.0, 2.0]))
        plain, scaled = defocus.radius.flatten(1)
        # The denominator f_s z_f - f grows from 1950 mm to 3950 mm.
        torch.testing.assert_close(scaled, plain * 1950 / 3950)

    def test_each_focus_of_a_batch_has_its_own_level(self) -> None:
        two = defocus_from_camera(SCENE, Focus.at_distance([2.0, 0.5]), CAMERA).radius
        for index, distance in enumerate([2.0, 0.5]):
            alone = defocus_from_camera(SCENE, Focus.at_distance(distance), CAMERA).radius
            torch.testing.assert_close(two[index : index + 1], alone)

    @pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
    def test_no_focus_scale(self, scale: float) -> None:
        with pytest.raises(InputError, match="focus_scale"):
            defocus_from_camera(SCENE, Focus.at_distance(2.0), CAMERA, scale)

    def test_a_sharp_range_does_not_change_the_lens(self) -> None:
        focus = Focus.at_distance(2.0, range_m=2.0)
        expected = [0.0, 0.0, 20.2596 * (1 / 4 - 1 / 3), 20.2596 * (1 / 10 - 1 / 3), -20.2596 / 3]
        assert radii(defocus_from_camera(SCENE, focus, CAMERA)) == pytest.approx(expected, abs=1e-4)

    def test_relative_depth_needs_a_bokeh_level(self) -> None:
        relative = Depth.from_relative(torch.rand(1, 1, 2, 2))
        with pytest.raises(InputError, match="bokeh_level"):
            defocus_from_camera(relative, Focus.at_disparity(0.5, False), CAMERA)

    def test_relative_focus_does_not_fit(self) -> None:
        with pytest.raises(InputError, match="metric depth with relative focus"):
            defocus_from_camera(SCENE, Focus.at_disparity(0.5, False), CAMERA)

    def test_focus_within_the_focal_length(self) -> None:
        with pytest.raises(InputError, match="focal length"):
            defocus_from_camera(SCENE, Focus.at_distance(0.04), CAMERA)


class TestGradients:
    def test_reach_everything_physical(self) -> None:
        """Against the derivatives of K (1/z - 1/z_f), K = A / (N (f_s - f/z_f))."""
        depth = torch.full((1, 1, 1, 1), 5.0, requires_grad=True)
        distance = torch.tensor([2.0], requires_grad=True)
        scale = torch.tensor([1.1], requires_grad=True)
        f_number = torch.tensor(1.8, requires_grad=True)
        camera = Camera(50.0, f_number, 36.0, 1024)
        defocus = defocus_from_camera(
            Depth.from_metres(depth), Focus.at_distance(distance), camera, scale
        )
        radius = defocus.radius.sum()
        radius.backward()

        z, z_f, f_s, n, f = 5.0, 2.0, 1.1, 1.8, 0.05
        extension = f_s - f / z_f
        level = f * f * 1000 * (1024 / 36) / (2 * n * extension)
        by_focus = (level - level * f / extension * (1 / z - 1 / z_f)) / z_f**2
        assert radius.item() == pytest.approx(level * (1 / z - 1 / z_f), rel=1e-5)
        assert depth.grad.item() == pytest.approx(-level / z**2, rel=1e-5)
        assert f_number.grad.item() == pytest.approx(-radius.item() / n, rel=1e-5)
        assert scale.grad.item() == pytest.approx(-radius.item() / extension, rel=1e-5)
        assert distance.grad.item() == pytest.approx(by_focus, rel=1e-4)

    def test_vanish_inside_a_sharp_range(self) -> None:
        depth = torch.full((1, 1, 1, 1), 2.2, requires_grad=True)
        focus = Focus.at_distance(2.0, range_m=1.0)
        defocus = defocus_from_camera(Depth.from_metres(depth), focus, CAMERA)
        defocus.radius.sum().backward()
        assert depth.grad.item() == 0.0


class TestFromABokehLevel:
    DISPARITY = torch.tensor([[0.0, 0.25, 0.5, 1.0]])[None, None]

    def test_relative_depth(self) -> None:
        focus = Focus.at_disparity(0.25, False)
        defocus = defocus_from_bokeh_level(Depth.from_relative(self.DISPARITY), focus, 8.0)
        assert radii(defocus) == [-2.0, 0.0, 2.0, 6.0]

    def test_zero_inside_the_focus_range_and_continuous_at_its_ends(self) -> None:
        focus = Focus.at_disparity(0.4, False, width=0.3)
        depth = Depth.from_relative(torch.tensor([0.15, 0.25, 0.4, 0.55, 0.65]).view(1, 1, 1, 5))
        defocus = defocus_from_bokeh_level(depth, focus, 10.0)
        assert radii(defocus) == pytest.approx([-1.0, 0.0, 0.0, 0.0, 1.0], abs=1e-5)

    def test_level_zero_is_sharp(self) -> None:
        assert radii(defocus_from_bokeh_level(SCENE, AT_2_M, 0.0)) == [0.0] * 5

    def test_a_level_per_image(self) -> None:
        depth = Depth.from_relative(self.DISPARITY.repeat(2, 1, 1, 1))
        focus = Focus.at_disparity(0.0, False)
        defocus = defocus_from_bokeh_level(depth, focus, torch.tensor([2.0, 4.0]))
        assert radii(defocus) == [0.0, 0.5, 1.0, 2.0, 0.0, 1.0, 2.0, 4.0]

    def test_one_depth_for_several_focuses(self) -> None:
        focus = Focus.at_disparity([0.0, 0.5, 1.0], False)
        defocus = defocus_from_bokeh_level(Depth.from_relative(self.DISPARITY), focus, 4.0)
        assert defocus.radius[:, 0, 0].tolist() == [[0, 1, 2, 4], [-2, -1, 0, 2], [-4, -3, -2, 0]]

    def test_several_depths_for_one_focus(self) -> None:
        depth = Depth.from_relative(torch.cat([self.DISPARITY, self.DISPARITY / 2]))
        defocus = defocus_from_bokeh_level(depth, Focus.at_disparity(0.5, False), 4.0)
        assert defocus.radius[:, 0, 0].tolist() == [[-2, -1, 0, 2], [-2, -1.5, -1, 0]]

    def test_numbers_that_do_not_fit(self) -> None:
        depth = Depth.from_metres(torch.ones(3, 1, 2, 2))
        with pytest.raises(InputError, match="2 focus values for 3 images"):
            defocus_from_bokeh_level(depth, Focus.at_distance([1.0, 2.0]), 4.0)

    def test_levels_that_do_not_fit(self) -> None:
        depth = Depth.from_metres(torch.ones(2, 1, 2, 2))
        with pytest.raises(InputError, match="3 levels for 2 images"):
            defocus_from_bokeh_level(depth, AT_2_M, torch.ones(3))

    @pytest.mark.parametrize("level", [-1.0, math.nan, math.inf])
    def test_no_level(self, level: float) -> None:
        with pytest.raises(InputError, match="bokeh_level"):
            defocus_from_bokeh_level(SCENE, AT_2_M, level)

    def test_kinds_must_agree(self) -> None:
        relative = Depth.from_relative(self.DISPARITY)
        with pytest.raises(InputError, match="relative depth with metric focus"):
            defocus_from_bokeh_level(relative, AT_2_M, 4.0)


class TestCheckedBeforeTheDepthIsKnown:
    def test_what_fits_some_scene_passes(self) -> None:
        check_focus(lambda depth: focus_on_point(depth, 1.0, 0.0), CAMERA, 4, 5)
        check_focus(lambda depth: focus_on_point(depth, 0.0, 1.0), Camera(3000.0, 8.0), 4, 5)
        check_focus(lambda _: Focus.at_disparity(0.5, is_metric=False), 20.0, 4, 5)
        check_focus(lambda _: Focus.at_disparity(torch.tensor([0.5, 0.2]), True), 20.0, 4, 5)

    def test_what_fits_no_scene_does_not(self) -> None:
        relative = Focus.at_disparity(0.5, is_metric=False)
        with pytest.raises(InputError, match="focus_point"):
            check_focus(lambda depth: focus_on_point(depth, 1.1, 0.0), 20.0, 4, 5)
        with pytest.raises(InputError, match="camera"):
            check_focus(lambda _: relative, CAMERA, 4, 5)
        with pytest.raises(InputError, match="focal length"):
            check_focus(lambda _: Focus.at_distance(0.05), CAMERA, 4, 5)
        with pytest.raises(InputError, match="bokeh_level"):
            check_focus(lambda _: relative, -1.0, 4, 5)


class TestResizing:
    def test_blur_scales_with_the_picture(self) -> None:
        defocus = Defocus(torch.full((2, 1, 6, 8), -3.0)).resized(12, 16)
        assert defocus.size == (12, 16)
        assert torch.equal(defocus.radius, torch.full((2, 1, 12, 16), -6.0))

    def test_is_what_the_camera_gives_at_that_size(self) -> None:
        disparity = torch.linspace(0.1, 1.0, 32).expand(1, 1, 24, 32)
        depth = Depth.from_metric_disparity(disparity)
        camera = Camera(50.0, 1.8)
        small = defocus_from_camera(depth.resized(12, 16), AT_2_M, camera)
        resized = defocus_from_camera(depth, AT_2_M, camera).resized(12, 16)
        torch.testing.assert_close(resized.radius, small.radius)


class TestPicture:
    def test_orange_in_front_blue_behind_white_where_sharp(self) -> None:
        picture = colorize_defocus(Defocus(torch.tensor([4.0, 0.0, -4.0]).view(1, 1, 1, 3)))
        front, sharp, behind = picture[0, :, 0].T.tolist()
        assert front[0] > front[1] > front[2]
        assert sharp == [1.0, 1.0, 1.0]
        assert behind[2] > behind[1] > behind[0]

    def test_colour_grows_with_the_square_root_of_the_radius(self) -> None:
        picture = colorize_defocus(Defocus(torch.tensor([-1.0, -4.0, -16.0]).view(1, 1, 1, 3)))
        away_from_white = (1 - picture[0, 0, 0]).tolist()
        assert away_from_white[1] == pytest.approx(2 * away_from_white[0])
        assert away_from_white[2] == pytest.approx(4 * away_from_white[0])

    def test_the_batch_shares_one_scale(self) -> None:
        picture = colorize_defocus(Defocus(torch.tensor([4.0, 16.0]).view(2, 1, 1, 1)))
        assert picture.shape == (2, 3, 1, 1)
        assert picture[0].sum() > picture[1].sum()

    def test_a_sharp_picture_is_white_and_faint_blur_stays_faint(self) -> None:
        assert torch.equal(
            colorize_defocus(Defocus(torch.zeros(1, 1, 2, 2))), torch.ones(1, 3, 2, 2)
        )
        assert colorize_defocus(Defocus(torch.full((1, 1, 1, 1), 0.01))).min() > 0.9
