"""`focuspuller render`: depth from files and photos, and its improvement."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
import pytest
import torch
from focuspuller.headless.depth_options import improved_depth
from focuspuller.lens.color import srgb_to_linear
from focuspuller.lens.depth import Depth
from focuspuller.photo.photo import load_photo
from oracles.photo_folder import HEIGHT, NEAR_FOCUS, RENDER, WIDTH
from PIL import Image, ImageFilter

pytestmark = pytest.mark.usefixtures("folder")


class TestDepth:
    def test_the_depth_in_the_photo_is_used(self, cli, folder, portrait):
        assert cli("render", portrait, *NEAR_FOCUS, "--f-number", 0.2, "-o", "inner.png").code == 0
        given = ["--depth", "depth.npy", *NEAR_FOCUS, "--f-number", 0.2]
        assert cli("render", portrait, *given, "-o", "given.png").code == 0
        inner, outer = (load_photo(folder / name).image for name in ("inner.png", "given.png"))
        np.testing.assert_allclose(inner, outer, atol=2.1 / 255)

    def test_an_image_is_relative_depth_unless_its_range_is_given(self, cli, folder):
        words = ["render", "photo.png", "--depth", "disparity.png", *NEAR_FOCUS, "-o", "out.png"]
        camera = ["--f-number", 0.5, "--focal-length", 50, "--sensor-width", 36]
        assert cli(*words, "--bokeh-level", 12).code == 0
        assert cli(*words, *camera, "--near", 1, "--far", 5).code == 0
        saved = load_photo(folder / "out.png")
        # At a tenth of the width: disparity a tenth of the way from 1/1 m to 1/5 m.
        assert saved.camera_data.subject_distance_m == pytest.approx(1 / 0.92, rel=0.03)

    def test_dark_may_be_near(self, cli, folder):
        codes = 255 - np.asarray(Image.open("disparity.png"))
        Image.fromarray(codes).save("dark_is_near.png")
        options = [*NEAR_FOCUS, "--bokeh-level", 12]
        cli("render", "photo.png", "--depth", "disparity.png", *options, "-o", "a.png")
        depth = ["--depth", "dark_is_near.png", "--near-is-black"]
        cli("render", "photo.png", *depth, *options, "-o", "b.png")
        first, second = (load_photo(folder / name).image for name in ("a.png", "b.png"))
        np.testing.assert_allclose(first, second, atol=1.01 / 255)

    def test_coarse_depth_can_be_aligned(self, cli, folder):
        np.save("coarse.npy", np.array([[1.0, 5.0]], np.float32))
        options = ["--focus-distance", 1, "--bokeh-level", 12]
        depth = ["--depth", "coarse.npy"]
        assert cli("render", "photo.png", *depth, *options, "-o", "a.png").code == 0
        aligned = cli("render", "photo.png", *depth, "--align-depth", *options, "-o", "b.png")
        assert aligned.code == 0
        first, second = (load_photo(folder / name).image for name in ("a.png", "b.png"))
        assert np.abs(first - second).max() > 4 / 255

    def test_edges_are_those_that_one_sees_in_linear_light_too(self):
        # A dark ramp, of little contrast in linear light.
        coded = np.tile(np.linspace(0.02, 0.2, WIDTH, dtype=np.float32)[:, None], (HEIGHT, 1, 3))
        light = srgb_to_linear(torch.from_numpy(coded)).numpy()
        depth = Depth.from_metres(torch.tensor([[[[1.0, 5.0]]]]))
        options = Namespace(repair_depth=False, depth_holes=None, align_depth=True)
        seen, measured = (
            improved_depth(options, depth, image, linear)
            for image, linear in ((coded, False), (light, True))
        )
        torch.testing.assert_close(seen.disparity, measured.disparity, atol=1e-4, rtol=0)

    def test_soft_depth_can_be_refined(self, cli, folder):
        codes = np.asarray(Image.open("disparity.png").convert("F"))
        box = np.zeros_like(codes)
        box[codes.shape[0] // 4 : codes.shape[0] // 2, codes.shape[1] // 4 : -8] = 255
        soft = Image.fromarray(box.astype(np.uint8)).filter(ImageFilter.GaussianBlur(2))
        soft.save("soft.png")
        options = ["--depth", "soft.png", "--focus-disparity", 0, "--bokeh-level", 12]
        assert cli("render", "photo.png", *options, "-o", "a.png").code == 0
        refined = cli("render", "photo.png", *options, "--refine-depth", "-o", "b.png")
        assert refined.code == 0
        first, second = (load_photo(folder / name).image for name in ("a.png", "b.png"))
        assert np.abs(first - second).max() > 4 / 255

    def test_depth_with_holes_can_be_repaired(self, cli, folder):
        metres = np.load("depth.npy")
        hole = np.zeros((HEIGHT, WIDTH), np.uint8)
        hole[4:12, 10:24] = 255
        Image.fromarray(hole).save("holes.png")
        np.save("spoiled.npy", np.where(hole > 0, 0.3, metres))
        options = [*RENDER[:2], "--depth", "spoiled.npy", "--focus-distance", 1]
        options += ["--bokeh-level", 12]
        masked = [*options, "--depth-holes", "holes.png"]
        assert cli(*options, "-o", "a.png").code == 0
        assert cli(*masked, "--repair-depth", "-o", "b.png").code == 0
        first, second = (load_photo(folder / name).image for name in ("a.png", "b.png"))
        assert np.abs(first - second).max() > 4 / 255
        assert "Give it, too" in cli(*masked, "-o", "c.png").stderr
        assert "an input" in cli(*masked, "--repair-depth", "-o", "holes.png").stderr

    def test_depth_is_aligned_or_refined_but_not_both(self, cli):
        done = cli(*RENDER, "--bokeh-level", 6, "--align-depth", "--refine-depth", "-o", "a.png")
        assert done.code == 2
        assert "not allowed with" in done.stderr
