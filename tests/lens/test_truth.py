"""The lenses against path-traced photographs: `tests/truth/*.npz`, made by `make_scenes.py` there.

On smooth depth, where nothing hides anything, both lenses must reach 42 dB; that bar never moves
down. Where things hide each other neither lens can be right: a sharp foreground bleeds into blurred
surroundings, and what a blurred foreground reveals behind it is not in the picture. `OCCLUDED`
records how well they do there, 0.3 dB below what was measured. Raising those figures is the work of
lenses that know about occlusion; no change may lower them.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from focuspuller.lens.bokehme import BokehMeOptions
from focuspuller.lens.render import Lens
from oracles.truth import TRUTH, load

SMOOTH = ["ground", "hills", "slanted_plane"]
SMOOTH_PSNR = 42.0
# PSNR in dB that must be reached: (taf, bokehme, layered, drbokeh).
OCCLUDED = {
    "near_frame": (27.0, 26.0, 33.6, 33.6),
    "night_lights": (21.1, 27.8, 35.8, 32.2),
    "portrait": (34.6, 34.1, 38.5, 36.6),
    "spheres": (34.4, 32.1, 41.1, 40.8),
}

LENSES = {
    "taf": Lens("taf"),
    "bokehme": Lens("bokehme"),
    "layered": Lens("layered"),
    "drbokeh": Lens("drbokeh"),
}
ENERGY = Lens("bokehme", BokehMeOptions(weighting="energy"))


every_lens = pytest.mark.parametrize("lens", LENSES)


def every_scene(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", names)


def test_every_scene_is_compared() -> None:
    stored = {path.stem for path in TRUTH.glob("*.npz")}
    assert stored == {*SMOOTH, *OCCLUDED}
    assert {name for name in stored if load(name).smooth} == set(SMOOTH)


def test_the_scenes_stay_small() -> None:
    assert sum(path.stat().st_size for path in TRUTH.glob("*.npz")) <= 2e6


@every_scene(*SMOOTH, *OCCLUDED)
def test_blur_radii_are_the_path_tracer_s(name: str) -> None:
    scene = load(name)
    largest = float(scene.defocus().radius.abs().max())
    assert largest == pytest.approx(scene.max_radius_px, rel=1e-4)
    assert largest > 3, "the scene is meant to be out of focus"


@every_lens
@every_scene(*SMOOTH)
def test_smooth_depth_is_photographic(name: str, lens: str) -> None:
    scene = load(name)
    assert scene.psnr(scene.rendered(LENSES[lens])) >= SMOOTH_PSNR
    assert scene.psnr(scene.all_in_focus) < SMOOTH_PSNR - 5, "the blur is meant to matter"


@every_scene(*SMOOTH)
def test_smooth_depth_is_photographic_with_energy_weighting(name: str) -> None:
    scene = load(name)
    assert scene.psnr(scene.rendered(ENERGY)) >= SMOOTH_PSNR


@every_lens
@every_scene(*OCCLUDED)
def test_occlusion_is_no_worse_than_recorded(name: str, lens: str) -> None:
    scene = load(name)
    recorded = OCCLUDED[name][list(LENSES).index(lens)]
    assert scene.psnr(scene.rendered(LENSES[lens])) >= recorded
    assert recorded > scene.psnr(scene.all_in_focus), "rendering is meant to help"


@every_lens
@every_scene(*SMOOTH)
def test_the_photograph_tells_the_f_number(name: str, lens: str) -> None:
    """A tenth more blur than the camera's is worse, and so is a tenth less."""
    scene = load(name)
    likeness = [
        scene.psnr(
            scene.rendered(
                LENSES[lens], replace(scene.camera, f_number=factor * scene.camera.f_number)
            )
        )
        for factor in (0.9, 1.0, 1.1)
    ]
    assert likeness[1] > max(likeness[0], likeness[2]) + 1


@every_lens
def test_another_f_number_makes_another_picture(lens: str) -> None:
    scene = load("spheres")
    pictures = [
        scene.rendered(LENSES[lens], replace(scene.camera, f_number=f_number))
        for f_number in (1.2, 2.4, 16.0)
    ]
    likeness = [scene.psnr(picture) for picture in pictures]
    assert likeness == sorted(likeness, reverse=True)
    for sharper, blurred in zip(pictures[1:], pictures, strict=False):
        assert float((sharper - blurred).abs().max()) > 0.1
