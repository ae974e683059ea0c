"""`focuspuller aperture`: what a shape makes of points of light."""

from __future__ import annotations

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.photo.photo import load_photo
from PIL import Image

pytestmark = pytest.mark.usefixtures("folder")


class TestAperture:
    def test_the_picture_shows_behind_above_in_front(self, cli, folder):
        done = cli("aperture", "--blades", 3, "--cats-eye", 0.7, "--radius", 10, "-o", "k.png")
        assert (done.code, done.stdout.strip()) == (0, "k.png")
        expected = fp.bokeh_preview(fp.Aperture(3, cats_eye=0.7), radius=10)
        assert expected.shape == (2, 640, 960, 3)
        saved = load_photo(folder / "k.png").image
        np.testing.assert_allclose(saved, np.concatenate([*expected]), atol=0.6 / 255)

    def test_size_and_shape_are_options(self, cli, folder):
        bar = np.zeros((30, 30), np.uint8)
        bar[:, 12:18] = 255
        Image.fromarray(bar).save("bar.png")
        options = ["--aperture-image", "bar.png", "--radius", 8, "--size", "90x60"]
        assert cli("aperture", *options, "-o", "new/k.png").code == 0
        aperture = fp.Aperture(image=torch.from_numpy(bar / 255.0))
        expected = fp.bokeh_preview(aperture, radius=8, width=90, height=60)
        saved = load_photo(folder / "new" / "k.png").image
        np.testing.assert_allclose(saved, np.concatenate([*expected]), atol=0.6 / 255)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--radius", "400"], "radius: received 400.0 px for a picture of 960×640"),
            (["--swirl", "3"], "swirl: received 3.0"),
            (["--blades", "5", "--aperture-image", "bar.png"], "bar.png"),
        ],
    )
    def test_what_has_no_meaning_is_refused(self, cli, folder, words, said):
        done = cli("aperture", *words, "-o", "k.png")
        assert (done.code, done.stdout) == (1, "")
        assert said in done.stderr
        assert not (folder / "k.png").exists()

    def test_its_own_shape_is_not_overwritten(self, cli, folder):
        Image.fromarray(np.full((9, 9), 255, np.uint8)).save("shape.png")
        before = (folder / "shape.png").read_bytes()
        done = cli("aperture", "--aperture-image", "shape.png", "-o", "shape.png")
        assert "--out: received shape.png, an input." in done.stderr
        assert (folder / "shape.png").read_bytes() == before
