"""The same picture at several apertures."""

from __future__ import annotations

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.defocus import Defocus, defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import Lens, render
from focuspuller.lens.sweep import APERTURES, f_numbers_in, swept

IMAGE = torch.rand(1, 3, 24, 36, generator=torch.Generator().manual_seed(4))
METRES = torch.linspace(1, 6, 36).expand(1, 1, 24, 36)


def test_each_picture_is_that_of_a_camera_with_this_aperture() -> None:
    depth, focus = Depth.from_metres(METRES), Focus.at_distance(2.0)
    taf = Lens("taf")
    given = defocus_from_camera(depth, focus, Camera(50, 0.8))
    pictures = list(swept(IMAGE, given, 0.8, [0.4, 0.8, 3.2], taf))
    for f_number, picture in zip([0.4, 0.8, 3.2], pictures, strict=True):
        expected = render(IMAGE, defocus_from_camera(depth, focus, Camera(50, f_number)), taf)
        torch.testing.assert_close(picture, expected)
    assert not torch.equal(pictures[0], pictures[1])


def test_stopping_down_keeps_more_energy() -> None:
    """The paper's blur monotonicity, for its apertures."""
    defocus = Defocus(torch.full((1, 1, 24, 36), 6.0))
    energies = [float(one.square().sum()) for one in swept(IMAGE, defocus, 1.8)]
    assert len(energies) == len(APERTURES) == 8
    assert energies == sorted(energies)
    assert energies[0] < energies[-1]


def test_progress_is_that_of_all() -> None:
    told: list[float] = []
    defocus = Defocus(torch.full((1, 1, 24, 36), 2.0))
    list(swept(IMAGE, defocus, 2.0, [2.0, 4.0], on_progress=told.append))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "expected"), [("1.8, 2.8", [1.8, 2.8]), ("f/4 F/5.6;8", [4, 5.6, 8])]
)
def test_f_numbers_are_read_as_people_write_them(text: str, expected: list[float]) -> None:
    assert f_numbers_in(text) == expected


@pytest.mark.parametrize("text", ["", "2.8, wide", "0", "-2", "nan", "inf"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^f_numbers: received"):
        f_numbers_in(text)
