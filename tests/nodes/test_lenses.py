"""TAF Lens and BokehMe Lens."""

from __future__ import annotations

import pytest
import torch
from focuspuller.lens.bokehme import BokehMeOptions
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.render import Lens
from focuspuller.lens.taf import TafOptions
from focuspuller.nodes import BokehMeLens, RenderBokeh, TafLens

BOKEHME = {"light": "linear", "gamma": 4.0, "weighting": "bokehme", "method": "fft"}


def test_the_taf_lens():
    lens = TafLens.execute()[0]
    assert (lens.name, lens.options) == ("taf", TafOptions())


def test_the_bokehme_lens_is_linear_unless_asked_otherwise():
    assert BokehMeLens.execute(**BOKEHME)[0] == Lens("bokehme", BokehMeOptions(gamma=None))


def test_gamma_counts_only_with_light_gamma():
    lens = BokehMeLens.execute(**BOKEHME | {"light": "gamma", "gamma": 3.0})[0]
    assert lens.options.gamma == 3.0
    lens = BokehMeLens.execute(**BOKEHME | {"light": "linear", "gamma": 3.0})[0]
    assert lens.options.gamma is None


def test_the_widgets_start_with_the_defaults_of_the_renderer():
    ports = {port.id: port.default for port in BokehMeLens.GET_SCHEMA().inputs}
    assert BokehMeLens.execute(**ports)[0] == Lens("bokehme")


@pytest.mark.parametrize("name", ["weighting", "method"])
def test_every_choice_of_the_widget_is_understood(name):
    (port,) = (port for port in BokehMeLens.GET_SCHEMA().inputs if port.id == name)
    chosen = [
        getattr(BokehMeLens.execute(**BOKEHME | {name: option})[0].options, name)
        for option in port.options
    ]
    assert chosen == port.options
    assert len(set(chosen)) == 2


@pytest.mark.parametrize(
    ("name", "value"), [("gamma", 0.5), ("gamma", 6.0), ("weighting", "x"), ("method", "x")]
)
def test_options_without_meaning_are_refused(refuses, name, value):
    values = BOKEHME | {"light": "gamma"} | {name: value}
    assert str(value) in refuses(BokehMeLens, name, **values)


def test_gamma_makes_highlights_stand_out():
    light = torch.full((1, 41, 41, 3), 0.1)
    light[:, 20, 20] = 1.0
    defocus = Defocus(torch.full((1, 1, 41, 41), 6.0))
    linear, gamma = (
        RenderBokeh.execute(
            light, defocus, lens=BokehMeLens.execute(**BOKEHME | {"light": kind})[0]
        )
        for kind in ("linear", "gamma")
    )
    assert float(gamma[0][0, 20, 20, 0]) > float(linear[0][0, 20, 20, 0]) + 0.05


def test_the_exact_method_agrees_with_the_fast_one(picture):
    pytest.importorskip("numba", reason="the exact method needs the extra focuspuller[fast]")
    image = picture()
    ramp = torch.linspace(-6.0, 6.0, 36).expand(1, 1, 24, 36)
    fast, exact = (
        RenderBokeh.execute(
            image, Defocus(ramp), lens=BokehMeLens.execute(**BOKEHME | {"method": method})[0]
        )[0]
        for method in ("fft", "exact")
    )
    mean_square = float((fast - exact).square().mean())
    assert 0 < mean_square < 10 ** (-45 / 10)
