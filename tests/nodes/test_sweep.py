"""Aperture Sweep."""

from __future__ import annotations

from typing import Any

import torch
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.nodes import ApertureSweep, DefocusMap, RenderBokeh, TafLens
from focuspuller.photo.contact_sheet import GAP_PX

GIVEN = {"f_numbers": "0.4, 0.8", "f_number": 0.8, "columns": 0, "captions": False}


def defocus_at(f_number: float, depth: Any) -> Any:
    focus = Focus.at_distance(1.0)
    return DefocusMap.execute(depth, focus, 20.0, 1.0, camera=Camera(50, f_number))[0]


def test_every_image_is_what_render_bokeh_makes_of_it(picture: Any, near_and_far: Any) -> None:
    image, lens = picture(2), TafLens.execute()[0]
    defocus = defocus_at(0.8, near_and_far)
    images, sheets = ApertureSweep.execute(image, defocus, **GIVEN, lens=lens).args
    assert images.shape == (4, 24, 36, 3)
    for index, f_number in enumerate((0.4, 0.8)):
        expected = RenderBokeh.execute(image, defocus_at(f_number, near_and_far), lens=lens)[0]
        torch.testing.assert_close(images[index::2], expected)
    assert sheets.shape == (2, 24, 2 * 36 + GAP_PX, 3)
    torch.testing.assert_close(sheets[1, :10, :36], images[2, :10])


def test_a_camera_tells_which_aperture_the_map_is_for(picture: Any, near_and_far: Any) -> None:
    image, defocus = picture(), defocus_at(0.8, near_and_far)
    by_camera = ApertureSweep.execute(
        image, defocus, **GIVEN | {"f_number": 3.0}, camera=Camera(50, 0.8)
    )
    assert torch.equal(by_camera[0], ApertureSweep.execute(image, defocus, **GIVEN)[0])


def test_captions_are_written_when_they_are_wanted(near_and_far: Any) -> None:
    image = torch.full((1, 120, 180, 3), 0.5)
    defocus = defocus_at(0.8, near_and_far)
    plain, sheet = ApertureSweep.execute(image, defocus, **GIVEN).args
    captioned = ApertureSweep.execute(image, defocus, **GIVEN | {"captions": True})[0]
    torch.testing.assert_close(captioned[:, :60], plain[:, :60])
    assert captioned[:, -12:, :40].max() > 0.8 > plain.max()
    assert sheet[0, -12:, :40].max() > 0.8


def test_what_has_no_meaning_is_refused(refuses: Any, picture: Any, near_and_far: Any) -> None:
    given = {"image": picture(), "defocus": defocus_at(0.8, near_and_far), **GIVEN}
    assert "such as 1.8" in refuses(ApertureSweep, "f_numbers", **given | {"f_numbers": "wide"})
    refuses(ApertureSweep, "defocus", **given | {"defocus": None})
