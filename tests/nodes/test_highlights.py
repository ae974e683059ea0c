"""Recover Highlights and Compress Highlights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from focuspuller.lens.color import srgb_to_linear
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.highlights import Highlights
from focuspuller.nodes.highlights import CompressHighlights, RecoverHighlights
from focuspuller.nodes.render import RenderBokeh
from torch import Tensor

SETTINGS = {"stops": 4.0, "threshold": 0.9, "halo_color": 0.0}


@pytest.fixture
def lamp() -> Tensor:
    """Grey with one white pixel, `[1,24,36,3]`."""
    image = torch.full((1, 24, 36, 3), 0.4)
    image[:, 12, 18] = 1.0
    return image


def test_white_gets_light_and_all_else_stays(lamp):
    recovered, mask, highlights = RecoverHighlights.execute(lamp, **SETTINGS).args
    assert float(srgb_to_linear(recovered)[0, 12, 18, 0]) == pytest.approx(16.0, rel=1e-4)
    assert mask.shape == (1, 24, 36)
    assert mask.sum().item() == pytest.approx(1.0)
    assert mask[0, 12, 18].item() == pytest.approx(1.0)
    torch.testing.assert_close(recovered * (1 - mask[..., None]), lamp * (1 - mask[..., None]))
    assert highlights == Highlights(4.0, 0.9)


def test_the_way_back(picture):
    image = picture(2)
    recovered, _, highlights = RecoverHighlights.execute(image, **SETTINGS).args
    assert recovered.max() > 1.5
    back = CompressHighlights.execute(recovered, highlights)[0]
    torch.testing.assert_close(back, image, atol=1e-5, rtol=0)


@pytest.mark.parametrize("linear", [False, True])
def test_between_the_two_a_light_becomes_a_disc(lamp, linear):
    defocus = Defocus(torch.full((1, 1, 24, 36), -3.0))
    recovered, _, highlights = RecoverHighlights.execute(lamp, **SETTINGS, linear=linear).args
    rendered = RenderBokeh.execute(recovered, defocus, linear=linear)[0]
    disc = CompressHighlights.execute(rendered, highlights, linear=linear)[0]
    plain = RenderBokeh.execute(lamp, defocus, linear=linear)[0]
    assert disc[0, 12, 20].min() > plain[0, 12, 20].max() + 0.1
    assert disc.max() <= 1.0


def test_it_shows_where_and_how_much(lamp, preview):
    output = RecoverHighlights.execute(lamp, **SETTINGS)
    shown = preview(output)
    assert shown[12, 18].min() == 1.0
    assert np.count_nonzero(shown) == 3
    assert output.ui["text"] == ("0.12 % of the picture is brighter, up to 16 × white",)


def test_nothing_clipped_is_nothing_recovered():
    output = RecoverHighlights.execute(torch.full((1, 4, 4, 3), 0.3), **SETTINGS)
    assert output.ui["text"] == ("0 % of the picture is brighter, up to 1 × white",)


@pytest.mark.parametrize("node", [RecoverHighlights, CompressHighlights])
def test_broken_pixels_are_refused(refuses, node, lamp):
    lamp[0, 3, 3, 1] = math.nan
    given = SETTINGS if node is RecoverHighlights else {"highlights": Highlights()}
    assert "1 NaN or infinite pixels of 864" in refuses(node, "image", image=lamp, **given)


@pytest.mark.parametrize(
    ("name", "value"), [("stops", 11.0), ("threshold", 1.0), ("halo_color", 2.0)]
)
def test_settings_without_meaning_are_refused(refuses, lamp, name, value):
    refuses(RecoverHighlights, name, image=lamp, **SETTINGS | {name: value})


def test_highlights_of_another_pack_are_refused(refuses, lamp):
    message = refuses(CompressHighlights, "highlights", image=lamp, highlights={"stops": 3})
    assert "Connect Recover Highlights." in message
