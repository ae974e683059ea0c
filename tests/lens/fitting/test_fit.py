"""Focus, f-number and bokeh level of photographs whose values are known."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import focuspuller
import numpy as np
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.defocus import defocus_from_bokeh_level, defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.fitting.comparison import Comparison
from focuspuller.lens.fitting.fit import fit_bokeh_level, fit_camera, fit_picture
from focuspuller.lens.fitting.pair import Pair
from focuspuller.lens.fitting.plane import Limits, Plane
from focuspuller.lens.fitting.search import search_planes
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import Lens, render
from focuspuller.photo.photo import load_photo
from oracles import photographs
from torch import Tensor

SAMPLE = Path(focuspuller.__file__).parent / "samples" / "still_life.jpg"
TRUTH = Path(__file__).parents[2] / "truth"
HEIGHT, WIDTH = 96, 144
CAMERA = Camera(focal_length_mm=85.0, f_number=2.0, sensor_width_mm=36.0)
EVERY_LENS = pytest.mark.parametrize("lens", ["taf", "bokehme"])


@cache
def sample() -> tuple[Tensor, Depth]:
    """A piece of the sample photo, linear light, with its metric depth."""
    photo = load_photo(SAMPLE)
    assert photo.depth is not None
    image = torch.from_numpy(photo.image).movedim(-1, 0)[None]
    height, width = image.shape[-2:]
    depth = photo.depth.resized(height, width)
    top, left = height - 2 * HEIGHT, (width - 2 * WIDTH) // 2
    rows, columns = slice(top, top + 2 * HEIGHT, 2), slice(left, left + 2 * WIDTH, 2)
    return (
        srgb_to_linear(image[..., rows, columns].contiguous()),
        Depth(depth.disparity[..., rows, columns].contiguous(), depth.is_metric),
    )


def texture(seed: int = 0) -> Tensor:
    return photographs.texture(HEIGHT, WIDTH, seed)


def slope() -> Depth:
    return photographs.slope(HEIGHT, WIDTH)


def photographed(
    sharp: Tensor, depth: Depth, focus_m: float, camera: Camera = CAMERA, lens: str = "taf"
) -> Tensor:
    return photographs.photographed(sharp, depth, focus_m, camera, lens)


class TestFitCamera:
    @EVERY_LENS
    @pytest.mark.parametrize("focus_m", [1.3, 2.5])
    def test_a_slope_tells_focus_and_f_number(self, lens: str, focus_m: float) -> None:
        sharp, depth = texture(), slope()
        fitted = fit_camera(sharp, photographed(sharp, depth, focus_m, lens=lens), depth, CAMERA)
        assert fitted.focus_distance_m == pytest.approx(focus_m, rel=0.02)
        assert fitted.f_number == pytest.approx(2.0, rel=0.03)
        assert not fitted.problems

    @EVERY_LENS
    def test_the_sample_photo_does(self, lens: str) -> None:
        sharp, depth = sample()
        camera = Camera(50.0, 1.4, 12.0)
        photo = photographed(sharp, depth, 0.75, camera, lens)
        fitted = fit_camera(sharp, photo, depth, replace(camera, f_number=5.6))
        assert fitted.focus_distance_m == pytest.approx(0.75, rel=0.02)
        assert fitted.f_number == pytest.approx(1.4, rel=0.03)

    def test_the_focus_may_lie_in_front_of_everything(self) -> None:
        sharp, depth = texture(), slope()
        fitted = fit_camera(sharp, photographed(sharp, depth, 0.9), depth, CAMERA)
        assert fitted.focus_distance_m == pytest.approx(0.9, rel=0.02)
        assert fitted.f_number == pytest.approx(2.0, rel=0.03)

    def test_a_small_blur_in_a_large_picture(self) -> None:
        # At the sizes of the first steps this blur has less than half a pixel.
        sharp, depth = texture().repeat(1, 1, 4, 4), slope().resized(4 * HEIGHT, 4 * WIDTH)
        camera = Camera(35.0, 2.0, 36.0)
        fitted = fit_camera(sharp, photographed(sharp, depth, 1.5, camera), depth, camera)
        assert fitted.focus_distance_m == pytest.approx(1.5, rel=0.02)
        assert fitted.f_number == pytest.approx(2.0, rel=0.03)

    def test_noise_and_another_exposure_do_little_harm(self) -> None:
        sharp, depth = texture(), slope()
        photo = 0.7 * photographed(sharp, depth, 1.7)
        noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(3))
        noisy = srgb_to_linear((linear_to_srgb(photo) + 0.02 * noise).clamp(0.0, 1.0))
        fitted = fit_camera(sharp, noisy, depth, CAMERA)
        assert fitted.focus_distance_m == pytest.approx(1.7, rel=0.02)
        assert fitted.f_number == pytest.approx(2.0, rel=0.03)

    def test_a_wrong_patch_does_little_harm(self) -> None:
        sharp, depth = texture(), slope()
        photo = photographed(sharp, depth, 1.7)
        photo[..., 30:50, 45:85] = 0.9
        fitted = fit_camera(sharp, photo, depth, CAMERA)
        assert fitted.focus_distance_m == pytest.approx(1.7, rel=0.02)
        assert fitted.f_number == pytest.approx(2.0, rel=0.03)

    def test_a_known_focus_leaves_the_f_number(self) -> None:
        sharp, depth = texture(), slope()
        photo = photographed(sharp, depth, 1.7, lens="bokehme")
        fitted = fit_camera(sharp, photo, depth, CAMERA, Focus.at_distance(1.7))
        assert fitted.f_number == pytest.approx(2.0, rel=0.03)
        assert fitted.focus_distance_m == pytest.approx(1.7)
        assert fitted.focus_interval[0] == fitted.focus_interval[1]

    def test_the_focus_scale_instead_of_a_known_f_number(self) -> None:
        sharp, depth = texture(), slope()
        defocus = defocus_from_camera(depth, Focus.at_distance(1.7), CAMERA, 1.4)
        photo = render(sharp, defocus, Lens("taf"))
        fitted = fit_camera(sharp, photo, depth, CAMERA, unknown="focus_scale")
        assert fitted.focus_scale == pytest.approx(1.4, rel=0.03)
        assert fitted.focus_distance_m == pytest.approx(1.7, rel=0.02)
        assert fitted.camera == CAMERA

    def test_the_interval_holds_the_truth_and_grows_with_noise(self) -> None:
        sharp, depth = texture(), slope()
        photo = linear_to_srgb(photographed(sharp, depth, 1.7))
        noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(4))
        widths = []
        for strength in (0.01, 0.04):
            noisy = srgb_to_linear((photo + strength * noise).clamp(0.0, 1.0))
            fitted = fit_camera(sharp, noisy, depth, CAMERA)
            assert fitted.f_number_interval is not None
            low, high = fitted.f_number_interval
            assert low < 2.0 < high
            near, far = fitted.focus_distance_interval_m
            assert near < 1.7 < far
            widths.append(high - low)
        assert widths[1] > 2 * widths[0]

    def test_without_detail_out_of_focus_it_says_that_nothing_is_known(self) -> None:
        # Only what is sharp has structure; any f-number makes the same picture.
        sharp, depth = texture(), slope()
        is_sharp = (1.0 / depth.disparity - 1.6).abs() < 0.02
        sharp = torch.where(is_sharp, sharp, sharp.mean())
        photo = torch.where(is_sharp, sharp, sharp.mean())
        fitted = fit_camera(sharp, photo, depth, CAMERA)
        assert fitted.problems


TRUE_SCENES = {"ground": 0.03, "hills": 0.03, "portrait": 0.03, "slanted_plane": 0.03}
# Here half of the picture hides the other half, which no gather can render.
OCCLUDED_SCENES = {"spheres": 0.05, "near_frame": 0.1, "night_lights": 0.1}


@pytest.mark.parametrize(("name", "tolerance"), [*TRUE_SCENES.items(), *OCCLUDED_SCENES.items()])
def test_path_traced_photographs_tell_their_camera(name: str, tolerance: float) -> None:
    with np.load(TRUTH / f"{name}.npz") as stored:
        sharp, photo = (
            torch.from_numpy(stored[key]).float().movedim(-1, 0)[None]
            for key in ("all_in_focus", "defocused")
        )
        depth = Depth.from_metres(torch.from_numpy(stored["depth"])[None, None])
        camera = Camera(float(stored["focal_length_mm"]), 5.6, float(stored["sensor_width_mm"]))
        f_number, focus_m = float(stored["f_number"]), float(stored["focus_distance"])
    fitted = fit_camera(sharp, photo, depth, camera)
    assert fitted.f_number == pytest.approx(f_number, rel=tolerance)
    assert fitted.focus_distance_m == pytest.approx(focus_m, rel=tolerance)


class TestFitBokehLevel:
    relative = Depth.from_relative(
        torch.linspace(0, 1, HEIGHT)[:, None].expand(HEIGHT, WIDTH)[None, None]
    )

    @EVERY_LENS
    @pytest.mark.parametrize("level", [4.0, 12.0, 30.0])
    def test_it_is_found_for_a_known_focus(self, lens: str, level: float) -> None:
        focus = Focus.at_disparity(0.6, is_metric=False)
        sharp = texture()
        photo = render(sharp, defocus_from_bokeh_level(self.relative, focus, level), Lens(lens))
        fitted = fit_bokeh_level(sharp, photo, self.relative, focus, Lens(lens))
        assert fitted.bokeh_level == pytest.approx(level, rel=0.03)
        low, high = fitted.bokeh_level_interval
        assert low <= fitted.bokeh_level <= high
        assert fitted.loss < 0.05 * fitted.sharp_loss
        assert fitted.camera is None

    @pytest.mark.parametrize("plane", [0.0, 0.3, 0.8])
    def test_it_is_found_together_with_the_focus(self, plane: float) -> None:
        focus = Focus.at_disparity(plane, is_metric=False)
        sharp = texture()
        defocus = defocus_from_bokeh_level(self.relative, focus, 12.0)
        photo = render(sharp, defocus, Lens("bokehme"))
        fitted = fit_bokeh_level(sharp, photo, self.relative)
        assert fitted.bokeh_level == pytest.approx(12.0, rel=0.03)
        assert float(fitted.focus.plane[0]) == pytest.approx(plane, abs=0.02)
        assert not fitted.focus.is_metric

    def test_it_has_the_highest_ssim_of_all_levels(self) -> None:
        from kornia.metrics import ssim

        sharp, depth = sample()
        focus = Focus.at_distance(0.75)
        photo = photographed(sharp, depth, 0.75, Camera(50.0, 1.4, 12.0), "bokehme")
        # Another renderer than that of the photograph, so that SSIM has to decide.
        fitted = fit_bokeh_level(sharp, photo, depth, focus, Lens("taf"))

        def likeness(factor: float) -> float:
            defocus = defocus_from_bokeh_level(depth, focus, factor * fitted.bokeh_level)
            pictures = (linear_to_srgb(render(sharp, defocus, Lens("taf"))), linear_to_srgb(photo))
            return float(ssim(*pictures, 11)[..., 16:-16, 16:-16].mean())

        assert likeness(1.0) > max(likeness(factor) for factor in (0.25, 0.5, 0.9, 1.1, 2.0, 4.0))

    def test_it_counts_in_pixels_of_the_photograph(self) -> None:
        focus = Focus.at_disparity(0.6, is_metric=False)
        sharp, depth = texture().repeat(1, 1, 5, 5), self.relative.resized(5 * HEIGHT, 5 * WIDTH)
        photo = render(sharp, defocus_from_bokeh_level(depth, focus, 40.0), Lens("taf"))
        fitted = fit_bokeh_level(sharp, photo, depth, focus, Lens("taf"))
        assert fitted.bokeh_level == pytest.approx(40.0, rel=0.03)

    def test_a_small_depth_map_will_do(self) -> None:
        focus = Focus.at_disparity(0.6, is_metric=False)
        sharp = texture()
        photo = render(sharp, defocus_from_bokeh_level(self.relative, focus, 12.0), Lens("taf"))
        small = self.relative.resized(HEIGHT // 2, WIDTH // 2)
        fitted = fit_bokeh_level(sharp, photo, small, focus, Lens("taf"))
        assert fitted.bokeh_level == pytest.approx(12.0, rel=0.03)

    def test_progress_rises_to_the_end(self) -> None:
        sharp, seen = texture(), []
        photo = render(
            sharp,
            defocus_from_bokeh_level(self.relative, Focus.at_disparity(0.5, False), 8.0),
            Lens("taf"),
        )
        fit_bokeh_level(sharp, photo, self.relative, on_progress=seen.append)
        assert seen == sorted(seen)
        assert seen[-1] == 1.0
        assert len(seen) > 10


class TestNoBlur:
    def test_the_bokeh_level_is_zero(self) -> None:
        fitted = fit_bokeh_level(texture(), texture(), slope(), Focus.at_distance(2.0))
        assert fitted.bokeh_level == 0.0
        assert "no more blurred" in fitted.problems[0]

    @pytest.mark.parametrize("noise", [0.0, 0.02])
    def test_the_f_number_is_the_largest_that_would_show(self, noise: float) -> None:
        sharp, depth = texture(), slope()
        grain = torch.randn(sharp.shape, generator=torch.Generator().manual_seed(5))
        photo = (sharp + noise * grain).clamp(min=0.0)
        fitted = fit_camera(sharp, photo, depth, CAMERA)
        assert fitted.bokeh_level == 0.0
        assert fitted.f_number_interval == (pytest.approx(fitted.f_number), math.inf)
        largest = defocus_from_camera(depth, fitted.focus, fitted.camera).radius.abs().amax()
        assert float(largest) == pytest.approx(0.5, rel=0.01)
        said = " ".join(fitted.problems)
        assert "no more blurred" in said
        assert "or more" in said
        assert "where the focus is" in said


class TestWhatCannotBeFitted:
    sharp = texture()
    depth = slope()

    @property
    def photo(self) -> Tensor:
        return photographed(self.sharp, self.depth, 1.7)

    def refused(self, match: str, *arguments: object) -> None:
        with pytest.raises(InputError, match=match):
            fit_camera(*arguments, CAMERA)  # pyright: ignore[reportArgumentType]

    def test_a_scene_at_one_distance(self) -> None:
        wall = Depth.from_metres(torch.full((1, 1, HEIGHT, WIDTH), 2.0))
        self.refused("all at one distance", self.sharp, self.photo, wall)

    def test_pictures_of_different_size(self) -> None:
        self.refused("144×96 and 142×96", self.sharp, self.photo[..., :-2], self.depth)

    def test_pictures_that_are_too_small(self) -> None:
        small = self.sharp[..., :20, :30]
        self.refused("30×20 px", small, small, self.depth)

    def test_a_shifted_picture(self) -> None:
        self.refused(
            r"shifted .* about \+6 px across and -4 px down",
            self.sharp,
            self.photo.roll((-4, 6), (2, 3)),
            self.depth,
        )

    @pytest.mark.parametrize("other", [texture(9).flip(-1), torch.full_like(texture(), 0.5)])
    def test_a_picture_of_something_else(self, other: Tensor) -> None:
        self.refused("hardly alike", self.sharp, other, self.depth)

    def test_broken_pixels(self) -> None:
        broken = self.photo.clone()
        broken[0, 0, 3, 3] = math.nan
        self.refused("bokeh: received 1 NaN", self.sharp, broken, self.depth)

    def test_several_pictures(self) -> None:
        self.refused(
            "all_in_focus: received 2", self.sharp.repeat(2, 1, 1, 1), self.photo, self.depth
        )
        twice = Depth(self.depth.disparity.repeat(2, 1, 1, 1), is_metric=True)
        self.refused("depth: received 2", self.sharp, self.photo, twice)

    def test_a_camera_without_metres(self) -> None:
        relative = Depth.from_relative(self.depth.disparity)
        self.refused("relative depth", self.sharp, self.photo, relative)

    def test_an_unknown_unknown(self) -> None:
        with pytest.raises(InputError, match="unknown: received 'scale'"):
            fit_camera(self.sharp, self.photo, self.depth, CAMERA, unknown="scale")  # pyright: ignore[reportArgumentType]

    def test_several_planes_of_focus(self) -> None:
        with pytest.raises(InputError, match="2 planes"):
            fit_bokeh_level(self.sharp, self.photo, self.depth, Focus.at_distance([1.0, 2.0]))

    def test_a_focus_range_that_holds_everything(self) -> None:
        with pytest.raises(InputError, match="focus range"):
            fit_bokeh_level(self.sharp, self.photo, self.depth, Focus.at_distance(3.0, 100.0))


class TestTheSearch:
    limits = Limits.of(slope().disparity, is_metric=True)

    def test_it_starts_near_the_truth(self) -> None:
        sharp, depth = texture(), slope()
        pair = Pair.of(sharp, photographed(sharp, depth, 1.7), depth.disparity)
        best = search_planes(pair, self.limits)[0]
        assert best.disparity == pytest.approx(1 / 1.7, abs=0.05 * self.limits.span)

    def test_its_derivatives_are_those_of_the_picture(self) -> None:
        sharp, depth = texture(), slope()
        pair = Pair.of(sharp, photographed(sharp, depth, 1.7), depth.disparity)
        pair = Pair(*(values.double() for values in (pair.sharp, pair.photo, pair.disparity)))
        plane, step = Plane(0.5, 0.05), 1e-5
        ours = Comparison(pair, plane, self.limits).slope() * plane.radius(pair)

        def codes(log_level: float) -> Tensor:
            comparison = Comparison(pair, plane.moved(0.0, log_level), self.limits)
            # The gain is fitted anew in each; its derivative is left out on purpose.
            return comparison.picture.detach() / comparison.gain * at_start

        at_start = Comparison(pair, plane, self.limits).gain
        by_steps = (codes(step) - codes(-step)) / (2 * step)
        is_smooth = (plane.radius(pair).abs() > 0.6).expand_as(ours)
        difference = (ours - by_steps)[is_smooth].abs()
        assert float(difference.median()) < 1e-6
        assert float((difference > 1e-3).double().mean()) < 0.01


def test_the_picture_of_a_fit_shows_rendering_photograph_and_difference() -> None:
    sharp, depth = texture(), slope()
    photo = photographed(sharp, depth, 1.7, lens="bokehme")
    fitted = fit_camera(sharp, photo, depth, CAMERA)
    picture = fit_picture(sharp, photo, depth, fitted)
    assert picture.shape == (1, 3, HEIGHT, 3 * WIDTH)
    rendered, taken, difference = picture.split(WIDTH, dim=-1)
    torch.testing.assert_close(taken, linear_to_srgb(photo.clamp(0, 1)))
    torch.testing.assert_close(difference, (4 * (rendered - taken).abs()).clamp(max=1.0))
    assert float(difference.mean()) < 0.1
