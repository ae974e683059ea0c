"""`focuspuller render`: lenses, their options and files, and apertures."""

from __future__ import annotations

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.models.bokehme.architecture import ARNet, IUNet
from focuspuller.photo.photo import load_photo
from oracles.photo_folder import BOKEHME, RENDER
from oracles.weights import filled
from PIL import Image

pytestmark = pytest.mark.usefixtures("folder")


class TestLenses:
    @pytest.mark.parametrize(
        ("words", "lens", "aperture"),
        [
            (["--lens", "taf"], "taf", None),
            (
                [*BOKEHME, "--lens-option", "gamma=4", "--lens-option", "weighting=energy"],
                fp.Lens("bokehme", fp.BokehMeOptions(gamma=4.0, weighting="energy")),
                None,
            ),
            (
                [*BOKEHME, "--lens-option", "gamma=4", "--lens-option", "highlights=on"],
                fp.Lens("bokehme", fp.BokehMeOptions(gamma=4.0, highlights=True)),
                None,
            ),
            (
                ["--blades", "5", "--rotation", "20", "--roundness", "0.2"],
                "layered",
                fp.Aperture(5, 20.0, 0.2),
            ),
            (
                [
                    *["--squeeze", "1.5", "--obstruction", "0.4", "--cats-eye", "0.8"],
                    *["--swirl", "0.5", "--spherical-aberration", "-0.6"],
                    *["--axial-chromatism", "-3"],
                ],
                "layered",
                fp.Aperture(
                    squeeze=1.5,
                    obstruction=0.4,
                    cats_eye=0.8,
                    swirl=0.5,
                    spherical_aberration=-0.6,
                    axial_chromatism=-3.0,
                ),
            ),
        ],
        ids=["lens", "options", "switch", "aperture", "traits"],
    )
    def test_lens_and_aperture_have_options(self, cli, folder, words, lens, aperture):
        assert cli(*RENDER, "--bokeh-level", 12, *words, "-o", "out.png").code == 0
        image, metres = load_photo(folder / "photo.png").image, np.load(folder / "depth.npy")
        choice = {"focus_point": (0.1, 0.5), "bokeh_level": 12.0}
        expected = fp.render(image, metres, **choice, lens=lens, aperture=aperture)
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)
        plain = fp.render(image, metres, **choice)
        assert np.abs(saved - plain).max() > 4 / 255

    def test_a_picture_can_be_the_aperture(self, cli, folder):
        bar = np.zeros((30, 30), np.uint8)
        bar[:, 12:18] = 255
        Image.fromarray(bar).save("bar.png")
        options = ["--bokeh-level", 12, "--aperture-image", "bar.png"]
        assert cli(*RENDER, *options, "-o", "out.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            focus_point=(0.1, 0.5),
            bokeh_level=12.0,
            aperture=fp.Aperture(image=torch.from_numpy(bar / 255.0)),
        )
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_networks_come_from_files(self, cli, refused, folder):
        files = {}
        for name, network in {"arnet": ARNet(), "iunet": IUNet()}.items():
            files[name] = folder / f"{name}.pth"
            torch.save({"model": filled(network).state_dict()}, files[name])
        words = [f"--lens-option={name}={path}" for name, path in files.items()]
        shaped = [*RENDER, *BOKEHME, "--bokeh-level", 12, *words, "--swirl", 0.4]
        said = "aperture: received swirl 0.4 for BokehMe with its networks"
        assert said in refused(*shaped, "-o", "out.png")
        assert cli(*RENDER, *BOKEHME, "--bokeh-level", 12, *words, "-o", "out.png").code == 0
        image, metres = load_photo(folder / "photo.png").image, np.load(folder / "depth.npy")
        lens = fp.bokehme_lens(**files)
        expected = fp.render(image, metres, focus_point=(0.1, 0.5), bokeh_level=12.0, lens=lens)
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_bokehdiff_renders_with_files_of_its_own(self, cli, folder, monkeypatch):
        pytest.importorskip("diffusers")
        from oracles.tiny_sdxl import save_model_folders, use_tiny_networks

        use_tiny_networks(monkeypatch)
        save_model_folders(folder / "models")
        files = {
            "weights": folder / "models" / "bokehdiff" / "small",
            "base": folder / "models" / "checkpoints" / "RealVisXL_V5.0_fp16.safetensors",
        }
        words = [f"--lens-option={name}={path}" for name, path in files.items()]
        words += ["--lens", "bokehdiff", "--lens-option", "strength=1.5"]
        assert cli(*RENDER, "--bokeh-level", 12, *words, "-o", "out.png").code == 0
        image, metres = load_photo(folder / "photo.png").image, np.load(folder / "depth.npy")
        lens = fp.bokehdiff_lens(**files, strength=1.5)
        expected = fp.render(image, metres, focus_point=(0.1, 0.5), bokeh_level=12.0, lens=lens)
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_the_foreground_and_what_is_behind_it_come_from_files(self, cli, refused, folder):
        image, metres = load_photo(folder / "photo.png").image, np.load(folder / "depth.npy")
        height, width = image.shape[:2]
        mask = np.zeros((height, width), np.uint8)
        mask[:, : width // 2] = 255
        plate = np.full((height, width, 3), 200, np.uint8)
        for name, pixels in {"mask.png": mask, "clean.png": plate}.items():
            Image.fromarray(pixels).save(folder / name)
        named = {"foreground": "mask.png", "background": "clean.png", "layers": "2"}
        words = ["--lens", "drbokeh"]
        words += [f"--lens-option={name}={value}" for name, value in named.items()]
        assert cli(*RENDER, "--bokeh-level", 12, *words, "-o", "out.png").code == 0
        options = fp.DrBokehOptions.from_arrays(
            mask.astype(np.float32) / 255, plate.astype(np.float32) / 255, layers=2
        )
        place = {"focus_point": (0.1, 0.5), "bokeh_level": 12.0}
        expected = fp.render(image, metres, **place, lens=fp.Lens("drbokeh", options))
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)
        plain = fp.render(image, metres, **place, lens="drbokeh")
        assert np.abs(saved - plain).max() > 4 / 255
        assert "an input" in refused(*RENDER, "--bokeh-level", 12, *words, "-o", "mask.png")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (
                [*BOKEHME, "--lens-option", "gamma"],
                "Options of bokehme: gamma, weighting, method, highl",
            ),
            ([*BOKEHME, "--lens-option", "blur=3"], "method, highlights, arnet, iunet."),
            ([*BOKEHME, "--lens-option", "highlights=some"], "Give highlights=on or off."),
            ([*BOKEHME, "--lens-option", "arnet=a.pth"], "arnet, iunet: received only arnet"),
            (
                [*BOKEHME, "--lens-option", "arnet=a.pth", "--lens-option", "iunet=b.pth"],
                "a.pth: received a file that does not exist",
            ),
            ([*BOKEHME, "--lens-option", "gamma=strong"], "Give a number for gamma."),
            ([*BOKEHME, "--lens-option", "gamma=nan"], "Give a number for gamma."),
            ([*BOKEHME, "--lens-option", "gamma=9"], "Give 1 to 5"),
            ([*BOKEHME, "--lens-option", "weighting=4"], "Give 'energy' or 'bokehme'."),
            (["--lens", "taf", "--lens-option", "gamma=4"], "Options of taf: none."),
            (["--lens", "bokehdiff", "--lens-option", "x=4"], "strength, weights, base."),
            (["--lens", "bokehdiff", "--lens-option", "weights=gone"], "gone: received a file"),
            (
                ["--lens", "drbokeh", "--lens-option", "scene=x"],
                "Options of drbokeh: layers, kernel, linear, foreground, background.",
            ),
            (["--lens", "drbokeh", "--lens-option", "layers=2.5"], "layers: received 2.5"),
            (["--lens", "drbokeh", "--lens-option", "layers=two"], "Give a number for layers."),
            (
                ["--lens", "drbokeh", "--lens-option", "foreground=none.png"],
                "none.png: received a file that does not exist",
            ),
            (["--blades", "2"], "blades: received 2"),
            (["--blades", "5", "--roundness", "3"], "roundness: received 3.0"),
            (["--cats-eye", "2"], "cats_eye: received 2.0"),
            (["--squeeze", "0"], "squeeze: received 0.0"),
            (["--axial-chromatism", "nan"], "axial_chromatism: received nan"),
            (["--device", "abacus"], "device: received abacus"),
        ],
    )
    def test_options_without_meaning(self, refused, words, said):
        assert said in refused(*RENDER, "--bokeh-level", 6, *words, "-o", "out.png")
