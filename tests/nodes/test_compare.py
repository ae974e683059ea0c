"""Compare: what the browser and what everybody else gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from focuspuller.lens.defocus import Defocus
from focuspuller.nodes import Compare
from focuspuller.nodes.standin import installed_host
from PIL import Image


@pytest.fixture
def in_browser(host):
    with installed_host(replace(host, has_browser=True)):
        yield


@pytest.fixture
def pixels(outputs):
    def read(file: dict[str, str]) -> np.ndarray:
        assert file["type"] == "temp"
        with Image.open(outputs / file["filename"]) as picture:
            return np.asarray(picture)

    return read


def pairs_of(output):
    return output.ui["focus_puller_compare"]


def test_the_browser_gets_both_pictures(in_browser, picture, pixels):
    before, after = picture(), 1.0 - picture()
    (pair,) = pairs_of(Compare.execute(before, after))
    assert "defocus" not in pair
    for name, given in (("before", before), ("after", after)):
        assert np.array_equal(pixels(pair[name]), (255 * given[0]).byte().numpy())


def test_the_browser_gets_the_blur_radius(in_browser, picture, pixels):
    radius = torch.linspace(-30.0, 10.0, 24 * 36).view(1, 1, 24, 36)
    (pair,) = pairs_of(Compare.execute(picture(), picture(), Defocus(radius)))
    red, green, _ = np.moveaxis(pixels(pair["defocus"]["picture"]).astype(float), -1, 0)
    low, high = pair["defocus"]["low"], pair["defocus"]["high"]
    found = low + (256 * red + green) / 65535 * (high - low)
    assert np.abs(found - radius[0, 0].numpy()).max() < 0.001


def test_of_a_batch_the_ends_are_compared(in_browser, picture, pixels):
    first, last = pairs_of(Compare.execute(picture(1), picture(5)))
    assert np.array_equal(pixels(first["after"]), (255 * picture(5)[0]).byte().numpy())
    assert np.array_equal(pixels(last["after"]), (255 * picture(5)[4]).byte().numpy())
    assert np.array_equal(pixels(first["before"]), pixels(last["before"]))


def test_without_a_browser_they_are_side_by_side(picture, preview):
    output = Compare.execute(torch.zeros(1, 12, 18, 3), torch.ones(1, 24, 36, 3))
    shown = preview(output)
    assert shown.shape == (24, 72, 3)
    assert (shown[:, :36] == 0).all()
    assert (shown[:, 36:] == 1).all()


def test_pictures_that_do_not_belong_together_are_refused(picture, refuses):
    assert "36×24 px and 24×24 px" in refuses(
        Compare, "before, after", before=picture(), after=picture(1, 24, 24)
    )
    assert "2 and 3" in refuses(Compare, "before, after", before=picture(2), after=picture(3))
    assert "Defocus Map" in refuses(
        Compare, "defocus", before=picture(), after=picture(), defocus=torch.ones(1)
    )
