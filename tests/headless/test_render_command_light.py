"""`focuspuller render`: linear light, highlights, and files that hold all of it."""

from __future__ import annotations

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.lens.depth import Depth
from focuspuller.photo.photo import load_photo
from oracles.photo_folder import HEIGHT, RENDER, WIDTH
from PIL import Image

pytestmark = pytest.mark.usefixtures("folder")


class TestLight:
    def test_linear_light_stays_linear(self, cli, folder):
        assert cli(*RENDER, "--bokeh-level", 12, "--linear", "-o", "linear.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            focus_point=(0.1, 0.5),
            bokeh_level=12.0,
            linear=True,
        )
        saved = load_photo(folder / "linear.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_clipped_lights_become_brighter_and_roll_off(self, cli, folder):
        words = ["--bokeh-level", 12, "--highlights", 4, "--highlight-threshold", 0.8]
        assert cli(*RENDER, *words, "--halo-color", 0.5, "-o", "lights.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            focus_point=(0.1, 0.5),
            bokeh_level=12.0,
            highlights=fp.Highlights(4.0, 0.8, 0.5),
        )
        saved = load_photo(folder / "lights.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)
        assert cli(*RENDER, "--bokeh-level", 12, "-o", "plain.png").code == 0
        assert saved.mean() > 1.05 * load_photo(folder / "plain.png").image.mean()

    @pytest.mark.parametrize(("bits", "tolerance"), [("16", 1e-3), ("32", 1e-5)])
    def test_an_exr_in_gives_all_of_its_light_to_an_exr_out(self, cli, folder, bits, tolerance):
        pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
        light = 20.0 * np.random.default_rng(1).random((HEIGHT, WIDTH, 3), np.float32) ** 4
        depth = Depth.from_metres(torch.from_numpy(np.load(folder / "depth.npy"))[None, None])
        fp.save_photo("in.exr", light, depth=depth, linear=True, exr_bits=32)
        words = ["render", "in.exr", "--focus-distance", 2, "--bokeh-level", 12]
        expected = fp.render(
            light, depth, focus_distance=2.0, bokeh_level=12.0, linear=True, highlights=None
        )
        # An EXR holds linear light, with or without being told so.
        for extra in ([], ["--linear"]):
            done = cli(*words, *extra, "--exr-bits", bits, "-o", "out.exr")
            assert (done.code, done.stderr) == (0, "")
            result = fp.load_photo("out.exr", linear=True)
            np.testing.assert_allclose(result.image, expected, rtol=tolerance, atol=tolerance)
            assert result.camera_data.subject_distance_m == 2.0

    def test_a_radiance_picture_in_gives_all_of_its_light_to_one_out(self, cli, folder):
        light = np.full((24, 36, 3), 8.0, np.float32)
        fp.save_photo("in.hdr", light, linear=True)
        words = ["render", "in.hdr", "--depth", "depth.npy", "--focus-distance", 2]
        for extra in ([], ["--linear"]):
            assert cli(*words, "--bokeh-level", 12, *extra, "-o", "out.hdr").code == 0
            result = fp.load_photo("out.hdr", linear=True).image
            np.testing.assert_allclose(result, 8.0, rtol=1 / 128)

    def test_an_exr_keeps_recovered_light(self, cli, folder):
        pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
        Image.new("RGB", (WIDTH, HEIGHT), "white").save("photo.png")
        words = [*RENDER, "--bokeh-level", 12, "--highlights", 3]
        assert cli(*words, "-o", "out.exr").code == 0
        np.testing.assert_allclose(fp.load_photo("out.exr", linear=True).image, 8.0, rtol=1e-2)
        assert cli(*words, "-o", "out.png").code == 0
        np.testing.assert_allclose(fp.load_photo("out.png").image, 1.0, atol=1 / 255)

    def test_linear_light_of_another_file_goes_into_an_exr_as_it_is(self, cli, folder):
        pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")
        words = [*RENDER, "--bokeh-level", 0, "--lens", "taf", "--linear", "--exr-bits", 32]
        assert cli(*words, "-o", "out.exr").code == 0
        stored = load_photo(folder / "photo.png").image
        result = fp.load_photo("out.exr", linear=True).image
        np.testing.assert_allclose(result, stored, atol=1e-5)
