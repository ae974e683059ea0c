"""The thin lens against numbers worked by hand, against rays, and against itself."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens import optics
from focuspuller.lens.blur_disc import BlurDisc
from focuspuller.lens.optics import Camera

# The worked example of the reference sheet: full frame, 50 mm f/1.8, subject at 2 m, background at
# 10 m, 1024 px wide. Each number was computed by hand from the published formula.
CAMERA = Camera(focal_length_mm=50.0, f_number=1.8, sensor_width_mm=36.0, image_width_px=1024)
SUBJECT, BACKGROUND = 2.0, 10.0
LEVEL = 20.2596

# What the browser's formulas give, in a file that its tests read too; null is infinity.
BROWSERS_NUMBERS = Path(__file__).parents[1] / "web" / "camera" / "optics.json"
CAMERA_FIELDS = ("focal_length_mm", "f_number", "sensor_width_mm")

CAMERAS = [
    CAMERA,
    Camera(85.0, 1.4, 36.0, 6000),
    Camera(24.0, 8.0, 23.5, 640),
    Camera(4.25, 1.6, 5.7, 4032),
]


def ray_blur_mm(depth_m: float, focus_distance_m: float, camera: Camera) -> float:
    """Diameter on the sensor of the cone of light that a point on the axis sends through the lens.

    A ray through the rim, at height h, arrives with slope h/z; a thin lens takes h/f from it.
    """
    focal_length, focused = camera.focal_length_mm, 1000.0 * focus_distance_m
    sensor = 1.0 / (1.0 / focal_length - 1.0 / focused)
    rim = camera.focal_length_mm / camera.f_number / 2.0
    slope = rim / (1000.0 * depth_m) - rim / focal_length
    return 2.0 * abs(rim + sensor * slope)


class TestTheWorkedExample:
    def test_pixels_per_mm(self) -> None:
        assert CAMERA.pixels_per_mm == pytest.approx(28.4444, abs=5e-5)

    def test_focal_length_in_pixels(self) -> None:
        assert CAMERA.focal_length_px == pytest.approx(50.0 * 1024 / 36.0)

    def test_circle_of_confusion_on_the_sensor(self) -> None:
        diameter = optics.circle_of_confusion_mm(BACKGROUND, SUBJECT, CAMERA)
        assert diameter == pytest.approx(-0.569801, abs=5e-7)

    def test_circle_of_confusion_in_pixels(self) -> None:
        diameter = optics.circle_of_confusion_px(BACKGROUND, SUBJECT, CAMERA)
        assert diameter == pytest.approx(-16.2077, abs=5e-5)

    def test_bokeh_level(self) -> None:
        level = optics.camera_bokeh_level(CAMERA, 1 / SUBJECT)
        assert level == pytest.approx(LEVEL, abs=5e-5)
        radius = optics.signed_blur_radius(1 / BACKGROUND, 1 / SUBJECT, level)
        assert radius == pytest.approx(-8.1038, abs=5e-5)

    def test_condition_of_generative_refocusing(self) -> None:
        radius = optics.signed_blur_radius(1 / BACKGROUND, 1 / SUBJECT, LEVEL)
        assert abs(radius) / 100 == pytest.approx(0.0810, abs=5e-5)

    @pytest.mark.parametrize(
        ("near", "far", "level", "focus", "background"),
        [
            (1.0, 10.0, 18.2336, 0.4444, 0.0),
            (2.0, 10.0, 8.1038, 1.0, 0.0),
            (1.0, math.inf, 20.2596, 0.5, 0.1),
        ],
    )
    def test_level_on_relative_disparity_depends_on_the_scene(
        self, near: float, far: float, level: float, focus: float, background: float
    ) -> None:
        scene = (1 / near, 1 / far)
        relative_level = optics.relative_bokeh_level(LEVEL, *scene)
        relative_focus = optics.relative_disparity(1 / SUBJECT, *scene)
        relative_background = optics.relative_disparity(1 / BACKGROUND, *scene)
        assert relative_level == pytest.approx(level, abs=1e-4)
        assert relative_focus == pytest.approx(focus, abs=5e-5)
        assert relative_background == pytest.approx(background, abs=5e-5)
        radius = optics.signed_blur_radius(relative_background, relative_focus, relative_level)
        assert radius == pytest.approx(-8.1038, abs=1e-4)

    def test_focus_at_infinity(self) -> None:
        assert optics.camera_bokeh_level(CAMERA, 0.0) == pytest.approx(19.753, abs=5e-4)
        far_away = optics.circle_of_confusion_px(BACKGROUND, math.inf, CAMERA)
        assert far_away == pytest.approx(2 * 19.753 / BACKGROUND, abs=1e-4)

    @pytest.mark.parametrize(
        ("f_number", "diameter"),
        [
            (1.8, 16.21),
            (2.8, 10.42),
            (4.0, 7.29),
            (5.6, 5.21),
            (8.0, 3.65),
            (11.0, 2.65),
            (16.0, 1.82),
            (22.0, 1.33),
        ],
    )
    def test_stopping_down(self, f_number: float, diameter: float) -> None:
        stopped_down = replace(CAMERA, f_number=f_number)
        blur = optics.circle_of_confusion_px(BACKGROUND, SUBJECT, stopped_down)
        assert abs(blur) == pytest.approx(diameter, abs=5e-3)

    def test_kernel_size_of_the_taf_lens(self) -> None:
        assert 2 * BlurDisc().reach(8.1038) + 1 == 19


class TestConversionsAgree:
    @pytest.mark.parametrize("camera", CAMERAS)
    @pytest.mark.parametrize("focus", [0.6, 2.0, 30.0])
    @pytest.mark.parametrize("depth", [0.5, 1.7, 8.0, 1e4])
    def test_circle_of_confusion_with_rays(
        self, camera: Camera, focus: float, depth: float
    ) -> None:
        expected = ray_blur_mm(depth, focus, camera)
        diameter = optics.circle_of_confusion_mm(depth, focus, camera)
        assert abs(diameter) == pytest.approx(expected, rel=1e-9)
        assert math.copysign(1, diameter) == (1 if depth < focus else -1)

    @pytest.mark.parametrize("camera", CAMERAS)
    def test_diameter_is_twice_level_times_disparity_difference(self, camera: Camera) -> None:
        level = optics.camera_bokeh_level(camera, 1 / 1.3)
        diameter = optics.circle_of_confusion_px(4.0, 1.3, camera)
        assert diameter == pytest.approx(2 * level * (1 / 4.0 - 1 / 1.3), rel=1e-12)

    @pytest.mark.parametrize("camera", CAMERAS)
    def test_pixels_are_millimetres_times_pixels_per_millimetre(self, camera: Camera) -> None:
        in_mm = optics.circle_of_confusion_mm(0.9, 3.0, camera)
        in_px = optics.circle_of_confusion_px(0.9, 3.0, camera)
        assert in_px == pytest.approx(in_mm * camera.pixels_per_mm, rel=1e-12)

    @pytest.mark.parametrize("scale", [0.5, 1.0, 1.7])
    def test_focus_scale_with_the_formula_as_published(self, scale: float) -> None:
        focal_length, focused, depth = 50.0, 2000.0, 10_000.0
        literal = (
            abs(depth - focused)
            / depth
            * focal_length**2
            / (1.8 * (scale * focused - focal_length))
        )
        diameter = optics.circle_of_confusion_mm(BACKGROUND, SUBJECT, CAMERA, scale)
        assert diameter == pytest.approx(-literal, rel=1e-9)

    def test_bokeh_level_with_the_formula_as_published(self) -> None:
        focal_length, focused = 50.0, 2000.0
        in_px_mm = focal_length**2 * focused / (2 * 1.8 * (focused - focal_length)) * 1024 / 36
        level = optics.bokeh_level(50.0, 1.8, 1024 / 36, 0.5)
        assert level == pytest.approx(in_px_mm / 1000, rel=1e-12)

    @pytest.mark.parametrize("f_number", [0.95, 1.8, 22.0])
    def test_f_number_for_a_bokeh_level_inverts_it(self, f_number: float) -> None:
        camera = replace(CAMERA, f_number=f_number)
        level = optics.camera_bokeh_level(camera, 0.4)
        assert optics.f_number_for_bokeh_level(level, CAMERA, 0.4) == pytest.approx(f_number)

    @pytest.mark.parametrize("focus_scale", [0.6, 1.0, 2.5])
    def test_focus_scale_for_a_bokeh_level_inverts_it(self, focus_scale: float) -> None:
        level = optics.camera_bokeh_level(CAMERA, 0.4, focus_scale)
        found = optics.focus_scale_for_bokeh_level(level, CAMERA, 0.4)
        assert found == pytest.approx(focus_scale)

    @pytest.mark.parametrize("level", [0.0, -1.0, float("nan")])
    def test_no_focus_scale_makes_no_blur(self, level: float) -> None:
        with pytest.raises(InputError, match="bokeh_level"):
            optics.focus_scale_for_bokeh_level(level, CAMERA, 0.4)

    def test_blur_in_pixels_scales_with_the_image_and_on_the_sensor_not_at_all(self) -> None:
        half = replace(CAMERA, image_width_px=512)
        full_px = optics.circle_of_confusion_px(BACKGROUND, SUBJECT, CAMERA)
        assert optics.circle_of_confusion_px(BACKGROUND, SUBJECT, half) == pytest.approx(
            full_px / 2
        )
        full_mm = optics.circle_of_confusion_mm(BACKGROUND, SUBJECT, CAMERA)
        assert optics.circle_of_confusion_mm(BACKGROUND, SUBJECT, half) == full_mm

    def test_what_is_in_focus_is_sharp(self) -> None:
        assert optics.circle_of_confusion_px(SUBJECT, SUBJECT, CAMERA) == 0.0


class TestDepthOfField:
    @pytest.mark.parametrize("camera", CAMERAS)
    @pytest.mark.parametrize("focus", [0.6, 1.5])
    def test_blur_at_the_limits_is_the_acceptable_one(self, camera: Camera, focus: float) -> None:
        acceptable = 0.004
        near, far = optics.depth_of_field(camera, focus, acceptable)
        assert near < focus < far < math.inf
        at_near = optics.circle_of_confusion_mm(near, focus, camera)
        at_far = optics.circle_of_confusion_mm(far, focus, camera)
        assert at_near == pytest.approx(acceptable, rel=1e-9)
        assert at_far == pytest.approx(-acceptable, rel=1e-9)

    @pytest.mark.parametrize("focus", [0.5, 2.0, 20.0])
    def test_limits_with_the_textbook_formulas(self, focus: float) -> None:
        hyperfocal = 50.0**2 / (1.8 * 0.03) + 50.0
        distance = 1000 * focus
        near = distance * (hyperfocal - 50) / (hyperfocal + distance - 100) / 1000
        far = distance * (hyperfocal - 50) / (hyperfocal - distance) / 1000
        assert optics.depth_of_field(CAMERA, focus) == pytest.approx((near, far), rel=1e-9)

    def test_hyperfocal_distance_by_hand(self) -> None:
        # 2500 / (1.8 · 0.03) + 50 = 46346.3 mm
        assert optics.hyperfocal_distance(CAMERA) == pytest.approx(46.3463, abs=5e-5)
        assert optics.hyperfocal_distance(CAMERA, 0.015) == pytest.approx(92.6426, abs=5e-5)

    @pytest.mark.parametrize("camera", CAMERAS)
    def test_from_the_hyperfocal_distance_on_infinity_is_sharp(self, camera: Camera) -> None:
        hyperfocal = optics.hyperfocal_distance(camera)
        near, far = optics.depth_of_field(camera, hyperfocal)
        assert far == math.inf
        assert near == pytest.approx(hyperfocal / 2, rel=1e-9)
        assert optics.depth_of_field(camera, 1.01 * hyperfocal)[1] == math.inf
        assert optics.depth_of_field(camera, 0.99 * hyperfocal)[1] < math.inf

    @pytest.mark.parametrize("case", json.loads(BROWSERS_NUMBERS.read_text()))
    def test_the_browser_has_the_same_numbers(self, case: dict[str, float | None]) -> None:
        def metres(name: str) -> float:
            value = case[name]
            return math.inf if value is None else value

        camera = Camera(*(metres(name) for name in CAMERA_FIELDS))
        limits = optics.depth_of_field(camera, metres("focus_distance_m"))
        assert limits == pytest.approx((metres("near_m"), metres("far_m")), rel=1e-12)
        hyperfocal = optics.hyperfocal_distance(camera)
        assert hyperfocal == pytest.approx(metres("hyperfocal_m"), rel=1e-12)

    def test_focus_at_infinity(self) -> None:
        near, far = optics.depth_of_field(CAMERA, math.inf)
        assert near == pytest.approx(optics.hyperfocal_distance(CAMERA) - 0.05, rel=1e-9)
        assert far == math.inf

    def test_a_smaller_sensor_tolerates_less_blur(self) -> None:
        assert CAMERA.acceptable_coc_mm == pytest.approx(0.03)
        assert replace(CAMERA, sensor_width_mm=18.0).acceptable_coc_mm == pytest.approx(0.015)


class TestTensors:
    def test_agree_with_floats(self) -> None:
        depth = torch.tensor([0.5, 2.0, 10.0, math.inf], dtype=torch.float64)
        diameters = optics.circle_of_confusion_px(depth, SUBJECT, CAMERA)
        one_by_one = [optics.circle_of_confusion_px(z, SUBJECT, CAMERA) for z in depth.tolist()]
        assert diameters.tolist() == pytest.approx(one_by_one, rel=1e-12)

    def test_formulas_are_differentiable_by_every_number(self) -> None:
        def radius(depth, focus, scale, f_number, focal_length):
            level = optics.bokeh_level(focal_length, f_number, 28.4, 1 / focus, scale)
            return optics.signed_blur_radius(1 / depth, 1 / focus, level)

        numbers = [
            torch.tensor(value, dtype=torch.float64, requires_grad=True)
            for value in ([0.7, 2.5, 9.0], [2.0], [1.1], [1.8], [50.0])
        ]
        assert torch.autograd.gradcheck(radius, numbers)

    def test_a_camera_may_hold_an_f_number_to_differentiate_by(self) -> None:
        f_number = torch.tensor(1.8, dtype=torch.float64, requires_grad=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            camera = replace(CAMERA, f_number=f_number)
            level = optics.camera_bokeh_level(camera, 1 / SUBJECT)
        level.backward()
        assert f_number.grad.item() == pytest.approx(-LEVEL / 1.8, abs=1e-4)

    def test_a_camera_may_hold_one_f_number_per_image(self) -> None:
        camera = replace(CAMERA, f_number=torch.tensor([1.8, 3.6]))
        levels = optics.camera_bokeh_level(camera, 1 / SUBJECT)
        assert levels.tolist() == pytest.approx([LEVEL, LEVEL / 2], abs=5e-5)
        with pytest.raises(InputError, match="f_number"):
            replace(CAMERA, f_number=torch.tensor([1.8, 0.0]))


class TestCamera:
    def test_width_is_taken_from_the_longest_edge_unless_set(self) -> None:
        camera = Camera(50.0, 1.8)
        assert camera.for_image(300, 200).image_width_px == 300
        assert camera.for_image(200, 300).image_width_px == 300
        assert CAMERA.for_image(300, 200).image_width_px == 1024

    def test_without_a_width_there_are_no_pixels(self) -> None:
        with pytest.raises(InputError, match="for_image"):
            _ = Camera(50.0, 1.8).pixels_per_mm

    def test_equivalent_focal_length(self) -> None:
        assert Camera(35.0, 2.0, 24.0).equivalent_focal_length_mm == pytest.approx(52.5)

    @pytest.mark.parametrize(
        "name", ["focal_length_mm", "f_number", "sensor_width_mm", "image_width_px"]
    )
    @pytest.mark.parametrize("value", [0, -1.8, math.nan, math.inf])
    def test_values_must_be_finite_and_above_zero(self, name: str, value: float) -> None:
        with pytest.raises(InputError, match=name):
            replace(CAMERA, **{name: value})

    @pytest.mark.parametrize("focus_distance", [0.05, 0.049, math.nan])
    def test_no_image_forms_within_the_focal_length(self, focus_distance: float) -> None:
        with pytest.raises(InputError, match=r"focal length \(50 mm\)"):
            optics.circle_of_confusion_px(1.0, focus_distance, CAMERA)
        assert math.isfinite(optics.circle_of_confusion_px(1.0, 0.051, CAMERA))

    def test_one_focus_of_many_within_the_focal_length(self) -> None:
        with pytest.raises(InputError, match="focus_distance"):
            optics.camera_bokeh_level(CAMERA, torch.tensor([0.5, 30.0]))

    @pytest.mark.parametrize("level", [0.0, -1.0, math.nan])
    def test_no_f_number_without_blur(self, level: float) -> None:
        with pytest.raises(InputError, match="bokeh_level"):
            optics.f_number_for_bokeh_level(level, CAMERA, 0.5)
