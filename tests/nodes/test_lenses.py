"""TAF Lens and BokehMe Lens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from focuspuller.lens.bokehme import BokehMeOptions
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.render import Lens
from focuspuller.lens.taf import TafOptions
from focuspuller.models.bokehme.architecture import ARNet, IUNet
from focuspuller.models.bokehme.handle import HybridOptions
from focuspuller.nodes import BokehMeLens, RenderBokeh, TafLens
from focuspuller.nodes.standin import Host, installed_host
from oracles.weights import filled

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


class TestNetworks:
    @pytest.fixture(autouse=True)
    def models(self, host: Host, tmp_path: Path) -> Iterator[Path]:
        """A folder of models with the weights of both networks, one of them in a folder below."""
        folder = tmp_path / "models" / "bokehme"
        (folder / "mine").mkdir(parents=True)
        torch.save({"model": filled(ARNet()).state_dict()}, folder / "arnet.pth")
        torch.save({"model": filled(IUNet()).state_dict()}, folder / "mine" / "iunet.pth")
        (folder / "notes.txt").write_text("no weights")
        with installed_host(replace(host, models_dir=tmp_path / "models")):
            yield folder

    def test_are_offered_from_the_folder_of_models(self):
        ports = {port.id: port for port in BokehMeLens.GET_SCHEMA().inputs}
        for name in ("arnet", "iunet"):
            assert ports[name].options == ["none", "arnet.pth", "mine/iunet.pth"]
            assert ports[name].default == "none"

    def test_make_another_picture(self, picture):
        image, defocus = picture(), Defocus(torch.linspace(-15, 15, 36).expand(1, 1, 24, 36))
        output = BokehMeLens.execute(**BOKEHME, arnet="arnet.pth", iunet="mine/iunet.pth")
        assert isinstance(output[0].options, HybridOptions)
        assert output.ui["text"] == ("with networks: arnet.pth, mine/iunet.pth",)
        repaired = RenderBokeh.execute(image, defocus, lens=output[0])[0]
        classical = RenderBokeh.execute(image, defocus, lens=BokehMeLens.execute(**BOKEHME)[0])[0]
        assert float((repaired - classical).abs().amax()) > 0.01

    def test_without_them_the_node_says_so(self):
        (text,) = BokehMeLens.execute(**BOKEHME).ui["text"]
        assert text.startswith("classical; with arnet.pth and iunet.pth in models/bokehme")

    def test_one_alone_is_refused(self, refuses):
        assert "only arnet" in refuses(BokehMeLens, "arnet, iunet", **BOKEHME, arnet="arnet.pth")

    def test_swapped_ones_are_refused(self, refuses, models):
        swapped = {"arnet": "mine/iunet.pth", "iunet": "arnet.pth"}
        path = str(models / "mine" / "iunet.pth")
        assert "do not fit BokehMe's ARNet" in refuses(BokehMeLens, path, **BOKEHME, **swapped)

    def test_a_changed_file_is_noticed(self, models):
        chosen = BOKEHME | {"arnet": "arnet.pth", "iunet": "mine/iunet.pth"}
        before = BokehMeLens.fingerprint_inputs(**chosen)
        assert BokehMeLens.fingerprint_inputs(**chosen) == before
        (models / "arnet.pth").write_bytes(b"other")
        assert BokehMeLens.fingerprint_inputs(**chosen) != before

    def test_files_that_are_gone_do_not_break_the_fingerprint(self):
        assert BokehMeLens.fingerprint_inputs(**BOKEHME, arnet="gone.pth", iunet="none")


def test_weights_are_in_the_folder_that_the_environment_names(monkeypatch, tmp_path):
    assert Host().models_dir == Path("models")
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(tmp_path))
    assert Host().models_dir == tmp_path
    assert Host().model_files("bokehme", [".pth"]) == []


def test_highlights_are_an_option():
    assert BokehMeLens.execute(**BOKEHME, highlights=True)[0].options.highlights


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
