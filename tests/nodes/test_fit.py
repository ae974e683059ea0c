"""Fit Lens."""

from __future__ import annotations

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.defocus import defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera, camera_bokeh_level
from focuspuller.lens.render import Lens
from focuspuller.nodes import DefocusMap, FitLens, RenderBokeh
from oracles.photographs import as_array, photographed, slope, texture
from torch import Tensor

HEIGHT, WIDTH = 72, 108
CAMERA = Camera(85.0, 2.0, 36.0)
TAF = Lens("taf")
FOCUS_M = 1.6
# 2·r = |δ − δ_f| · f² z_f / (N (z_f − f)) in px of a picture 108 px wide.
LEVEL = float(camera_bokeh_level(CAMERA.for_image(HEIGHT, WIDTH), 1 / FOCUS_M))


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    sharp = texture(HEIGHT, WIDTH)
    photo = photographed(sharp, slope(HEIGHT, WIDTH), FOCUS_M, CAMERA)
    return as_array(sharp)[None], as_array(photo)[None]


@pytest.fixture
def depth() -> Depth:
    return slope(HEIGHT, WIDTH)


def test_with_a_camera_it_finds_f_number_and_focus(pair, depth):
    done = FitLens.execute(*pair, depth, camera=Camera(85.0, 11.0, 36.0))
    camera, focus, level, preview = done.result
    assert camera.f_number == pytest.approx(2.0, rel=0.03)
    assert camera.focal_length_mm == 85.0
    assert float(focus.distance_m[0]) == pytest.approx(FOCUS_M, rel=0.02)
    assert level == pytest.approx(LEVEL, rel=0.03)
    assert preview.shape == (1, HEIGHT, 3 * WIDTH, 3)
    shown = done.ui["text"][0]
    assert shown.startswith("f/2")
    assert "focus 1.6" in shown


@pytest.mark.parametrize("without_gradients", [torch.inference_mode, torch.no_grad])
def test_it_runs_where_the_caller_wants_no_gradients(pair, depth, without_gradients):
    """As ComfyUI does, where tensors come from other nodes."""
    with without_gradients():
        sharp, photo = (image + 0.0 for image in pair)
        scene = Depth(depth.disparity + 0.0, depth.is_metric)
        done = FitLens.execute(sharp, photo, scene, camera=Camera(85.0, 11.0, 36.0))
    assert done.result[0].f_number == pytest.approx(2.0, rel=0.03)


def test_what_it_finds_goes_into_defocus_map_and_makes_the_photograph(pair, depth):
    camera, focus, _, _ = FitLens.execute(*pair, depth, camera=CAMERA).result
    defocus = DefocusMap.execute(depth, focus, 0.0, 1.0, camera=camera)[0]
    rendered = RenderBokeh.execute(pair[0], defocus, lens=TAF)[0]
    left, before = ((image - pair[1]).abs().mean() for image in (rendered, pair[0]))
    assert left < 0.1 * before


def test_without_a_camera_it_finds_the_bokeh_level_and_has_no_camera(pair, depth):
    camera, focus, level, _ = FitLens.execute(*pair, depth, lens=TAF).result
    assert camera is None
    assert level == pytest.approx(LEVEL, rel=0.03)
    assert float(focus.distance_m[0]) == pytest.approx(FOCUS_M, rel=0.02)


def test_a_known_focus_is_kept(pair, depth):
    focus = Focus.at_distance(FOCUS_M)
    done = FitLens.execute(*pair, depth, focus=focus, lens=TAF)
    assert done.result[1] is focus
    assert done.result[2] == pytest.approx(LEVEL, rel=0.03)


def test_linear_light(depth):
    sharp = texture(HEIGHT, WIDTH)
    photo = photographed(sharp, depth, FOCUS_M, CAMERA)
    linear = (image.movedim(1, -1) for image in (sharp, photo))
    camera = FitLens.execute(*linear, depth, camera=CAMERA, linear=True).result[0]
    assert camera.f_number == pytest.approx(2.0, rel=0.03)


def test_no_blur_is_shown(pair, depth):
    done = FitLens.execute(pair[0], pair[0], depth, camera=CAMERA)
    camera, focus, level, _ = done.result
    assert level == 0.0
    assert "no more blurred" in done.ui["text"][0]
    assert float(defocus_from_camera(depth, focus, camera).radius.abs().amax()) < 0.6


def test_errors_name_the_node_and_its_input(pair, depth):
    with pytest.raises(InputError, match=r"Fit Lens › depth: received a scene all at one distance"):
        FitLens.execute(*pair, Depth.from_metres(torch.full((1, 1, HEIGHT, WIDTH), 2.0)))
    with pytest.raises(InputError, match=r"Fit Lens › bokeh: received 2 images"):
        FitLens.execute(pair[0], pair[1].repeat(2, 1, 1, 1), depth)
    with pytest.raises(InputError, match=r"Fit Lens › camera: received a str"):
        FitLens.execute(*pair, depth, camera="85 mm")
