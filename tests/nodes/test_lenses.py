"""The lenses of the papers as nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.bokehme import BokehMeOptions
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.drbokeh import DrBokehOptions
from focuspuller.lens.render import Lens
from focuspuller.lens.taf import TafOptions
from focuspuller.models.bokehme.architecture import ARNet, IUNet
from focuspuller.models.bokehme.handle import HybridOptions
from focuspuller.nodes import BokehMeLens, DrBokehLens, RenderBokeh, TafLens
from focuspuller.nodes.standin import Host, installed_host
from oracles.weights import filled
from torch import Tensor

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
        with installed_host(replace(host, model_roots=[tmp_path / "models"])):
            yield folder

    def test_are_offered_from_the_folder_of_models(self):
        ports = {port.id: port for port in BokehMeLens.GET_SCHEMA().inputs}
        for name in ("arnet", "iunet"):
            assert ports[name].options == ["none", "automatic", "arnet.pth", "mine/iunet.pth"]
            assert ports[name].default == "none"

    def test_make_another_picture(self, picture):
        image, defocus = picture(), Defocus(torch.linspace(-15, 15, 36).expand(1, 1, 24, 36))
        output = BokehMeLens.execute(**BOKEHME, arnet="arnet.pth", iunet="mine/iunet.pth")
        assert isinstance(output[0].options, HybridOptions)
        assert output.ui["text"] == ("with networks: arnet.pth, iunet.pth",)
        repaired = RenderBokeh.execute(image, defocus, lens=output[0])[0]
        classical = RenderBokeh.execute(image, defocus, lens=BokehMeLens.execute(**BOKEHME)[0])[0]
        assert float((repaired - classical).abs().amax()) > 0.01

    def test_refuse_an_aperture_that_they_do_not_know(self, picture, refuses):
        defocus = Defocus(torch.linspace(-15, 15, 36).expand(1, 1, 24, 36))
        lens = BokehMeLens.execute(**BOKEHME, arnet="arnet.pth", iunet="mine/iunet.pth")[0]
        inputs = {"image": picture(), "defocus": defocus, "lens": lens}
        shaped = Aperture(cats_eye=0.5)
        assert "cats_eye 0.5 for" in refuses(RenderBokeh, "aperture", **inputs, aperture=shaped)

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
    assert Host().model_roots == (Path("models"),)
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(tmp_path))
    assert Host().model_roots == (tmp_path,)
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


class TestDrBokeh:
    """A dark object on the right of a bright wall."""

    @pytest.fixture
    def mask(self) -> Tensor:
        mask = torch.zeros(1, 24, 36)
        mask[..., 18:] = 1.0
        return mask

    @staticmethod
    def photograph(lens: Lens, mask: Tensor) -> Tensor:
        image = (0.9 - 0.7 * mask)[..., None].expand(-1, -1, -1, 3)
        return RenderBokeh.execute(image, Defocus(6.0 * mask[:, None]), lens=lens)[0]

    def test_the_widgets_start_with_the_defaults_of_the_renderer(self):
        ports = DrBokehLens.GET_SCHEMA().inputs
        values = {port.id: port.default for port in ports if hasattr(port, "default")}
        chosen = DrBokehLens.execute(**values)[0]
        assert (chosen.name, chosen.options.layers) == ("drbokeh", DrBokehOptions().layers)
        assert chosen.options.kernel == DrBokehOptions().kernel
        assert chosen.options.foreground is None

    def test_the_background_shows_through_the_rim_of_the_foreground(self, mask):
        red = torch.tensor([0.9, 0.0, 0.0]).expand(1, 24, 36, 3)
        made_up, given = (
            self.photograph(
                DrBokehLens.execute(layers=2, kernel="lens", foreground=mask, background=plate)[0],
                mask,
            )[0, 12, 19]
            for plate in (None, red)
        )
        assert float(made_up[0]) == pytest.approx(float(made_up[1]), abs=1e-4)
        assert float(given[0]) > float(given[1]) + 0.05

    def test_a_mask_per_frame(self, mask):
        masks = torch.cat([mask, mask.flip(2)])
        lens = DrBokehLens.execute(layers=2, kernel="lens", foreground=masks)[0]
        pictures = self.photograph(lens, masks)
        torch.testing.assert_close(pictures[1], pictures[0].flip(1), atol=1e-5, rtol=0)

    def test_the_published_kernel_is_another(self, mask):
        first, second = (
            self.photograph(DrBokehLens.execute(layers=2, kernel=kernel)[0], mask)
            for kernel in ("lens", "published")
        )
        assert float((first - second).abs().amax()) > 0.01

    @pytest.mark.parametrize(
        ("subject", "values"),
        [
            ("layers", {"layers": 0}),
            ("layers", {"layers": 1, "foreground": torch.ones(1, 4, 4)}),
            ("kernel", {"kernel": "x"}),
            ("foreground", {"foreground": torch.full((1, 4, 4), torch.nan)}),
            ("foreground", {"background": torch.ones(1, 4, 4, 3)}),
            ("background", {"foreground": torch.ones(1, 4, 4), "background": torch.ones(4, 4)}),
        ],
    )
    def test_inputs_without_meaning_are_refused(self, refuses, subject, values):
        refuses(DrBokehLens, subject, **{"layers": 3, "kernel": "lens"} | values)

    @pytest.mark.parametrize("shape", [(1, 64, 64), (2, 24, 36)])
    def test_a_mask_of_another_picture_is_refused_where_it_is_used(self, refuses, picture, shape):
        lens = DrBokehLens.execute(layers=2, kernel="lens", foreground=torch.zeros(shape))[0]
        values = {"image": picture(), "defocus": Defocus(torch.zeros(1, 1, 24, 36)), "lens": lens}
        assert "Dr.Bokeh's foreground" in refuses(RenderBokeh, "lens", **values)
