"""A photo refocused from beginning to end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus, focus_on_mask, focus_on_point
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import Lens, render
from focuspuller.models.flux.networks import Kind
from focuspuller.models.refocus.bokeh import render_bokeh
from focuspuller.models.refocus.deblur import deblur
from focuspuller.models.refocus.photo import Estimate, Refocused, refocus_photo
from focuspuller.models.refocus.sampling import Sampling, Watch
from oracles.refocus import known_model, picture, tiny_model
from torch import Tensor

FEW = Sampling(steps=2)
SIZE = (40, 56)


def near_left(pictures: Tensor) -> Depth:
    """1 m in the left half, 4 m in the right one, wherever it is asked."""
    height, width = pictures.shape[-2:]
    metres = torch.full((len(pictures), 1, height, width), 4.0)
    metres[..., : width // 2] = 1.0
    return Depth.from_metres(metres)


def left(depth: Depth) -> Focus:
    return focus_on_point(depth, 0.2, 0.5)


def refocused(model: Any, photo: Tensor, strength: Any = 8.0, **others: Any) -> Refocused:
    values = {"focus": left, "depth": Estimate(near_left, "halves"), "sampling": FEW} | others
    return refocus_photo(model, photo, strength=strength, **values)


def test_it_is_its_stages_one_after_the_other() -> None:
    model, photo = tiny_model(), picture(*SIZE)
    result = refocused(model, photo)
    sharp = deblur(model.base, model.adapter(Kind.DEBLUR), photo, sampling=FEW)
    assert torch.equal(result.all_in_focus, sharp)
    assert torch.equal(result.depth.disparity, near_left(sharp).disparity)
    assert float(result.focus.distance_m) == 1.0
    assert result.defocus.radius[0, 0, 0, [0, -1]].tolist() == [0.0, -6.0]
    adapter = model.adapter(Kind.BOKEH)
    blurred = render_bokeh(model.base, adapter, sharp, result.defocus, sampling=FEW)
    assert torch.equal(result.picture, blurred)


def test_a_lens_instead_of_bokehnet() -> None:
    model, photo = tiny_model(Kind.DEBLUR), picture(*SIZE)
    aperture = Aperture(blades=5)
    result = refocused(model, photo, lens=Lens("taf"), aperture=aperture)
    wanted = render(result.all_in_focus, result.defocus, Lens("taf"), aperture, linear=False)
    assert torch.equal(result.picture, wanted)


def test_a_sharp_photo_is_not_deblurred() -> None:
    photo = picture(*SIZE)
    result = refocused(tiny_model(Kind.BOKEH), photo, is_sharp=True)
    assert torch.equal(result.all_in_focus, photo)
    assert torch.equal(result.picture[..., :20], photo[..., :20])


def test_no_strength_gives_the_all_in_focus_picture() -> None:
    result = refocused(tiny_model(), picture(*SIZE), strength=0.0)
    assert torch.equal(result.picture, result.all_in_focus)


def test_a_camera_gives_the_blur_of_its_lens() -> None:
    model, photo = tiny_model(), picture(*SIZE)
    radii = [
        float(refocused(model, photo, Camera(50.0, number), lens=Lens("taf")).defocus.radius.amin())
        for number in (2.0, 4.0)
    ]
    assert radii[0] == pytest.approx(2.0 * radii[1])
    assert radii[0] < 0.0


def test_given_depth_is_taken_at_the_size_of_the_photo() -> None:
    small = near_left(torch.zeros(1, 3, 10, 14))
    result = refocused(tiny_model(), picture(*SIZE), depth=small)
    assert result.depth.size == SIZE


def test_another_strength_takes_the_last_stage_alone() -> None:
    model, photo = known_model(), picture(*SIZE)
    asked = []

    def counted(pictures: Tensor) -> Depth:
        asked.append(pictures)
        return near_left(pictures)

    def passes() -> list[str]:
        transformer: Any = model.base.transformer
        adapters = [one["conditions"][0].adapter for one in transformer.passes]
        transformer.passes.clear()
        return adapters

    estimate = Estimate(counted, "halves")
    first = refocused(model, photo, 4.0, depth=estimate)
    assert passes() == ["deblur"] * 2 + ["bokeh"] * 2
    second = refocused(model, photo, 12.0, depth=estimate)
    assert passes() == ["bokeh"] * 2
    assert second.all_in_focus is first.all_in_focus
    assert len(asked) == 1
    refocused(model, photo, 4.0, depth=estimate, sampling=replace(FEW, seed=1))
    assert passes() == ["deblur"] * 2 + ["bokeh"] * 2
    refocused(model, photo + 0.001, 4.0, depth=Estimate(counted, "halves"))
    assert passes() == ["deblur"] * 2 + ["bokeh"] * 2
    refocused(model, photo, 4.0, depth=Estimate(counted, "another network"))
    assert passes() == ["bokeh"] * 2


@pytest.mark.parametrize(
    ("others", "wanted"),
    [
        ({}, [(1, 8), (2, 8), (3, 8), (4, 8), (5, 8), (6, 8), (7, 8), (8, 8)]),
        ({"is_sharp": True}, [(1, 4), (2, 4), (3, 4), (4, 4)]),
        ({"lens": Lens("taf")}, [(1, 4), (2, 4), (3, 4), (4, 4)]),
    ],
)
def test_steps_of_all_stages_are_counted_together(
    others: dict[str, Any], wanted: list[tuple[int, int]]
) -> None:
    told = []
    watch = Watch(on_step=lambda done, total, _: told.append((done, total)))
    refocused(tiny_model(), picture(*SIZE, batch=2), watch=watch, **others)
    assert told == wanted


def test_missing_adapters_are_missed_before_anything_is_computed() -> None:
    model = replace(known_model(), adapters={})
    bokeh_alone = replace(known_model(), adapters=tiny_model(Kind.DEBLUR).adapters)
    for one in (model, bokeh_alone):
        with pytest.raises(InputError, match="model"):
            refocused(one, picture(*SIZE))
        transformer: Any = one.base.transformer
        assert not transformer.passes


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"focus": lambda depth: focus_on_point(depth, 2.0, 0.5)}, "focus_point"),
        ({"focus": lambda depth: focus_on_mask(depth, torch.zeros(1, 1, 9, 9))}, "empty mask"),
        ({"strength": -1.0}, "bokeh_level"),
        ({"strength": Camera(50.0, 2.0), "focus": lambda _: Focus.at_distance(0.01)}, "focal"),
    ],
)
def test_what_cannot_be_focused_is_refused_before_anything_is_computed(
    others: dict[str, Any], message: str
) -> None:
    model = known_model()
    with pytest.raises(InputError, match=message):
        refocused(model, picture(*SIZE), **others)
    transformer: Any = model.base.transformer
    assert not transformer.passes


def test_a_relative_focus_needs_no_depth_to_be_checked() -> None:
    relative = Depth.from_relative(near_left(picture(*SIZE)).disparity)
    focus = Focus.at_disparity(0.5, is_metric=False)
    result = refocused(tiny_model(), picture(*SIZE), focus=lambda _: focus, depth=relative)
    assert result.focus is focus


def test_a_shape_needs_its_adapter() -> None:
    model = tiny_model(Kind.DEBLUR, Kind.BOKEH)
    with pytest.raises(InputError, match="shape of the aperture"):
        refocused(model, picture(*SIZE), aperture=Aperture(blades=5))
