"""`focuspuller render`: pictures, cameras and places to focus on."""

from __future__ import annotations

from pathlib import Path

import focuspuller as fp
import numpy as np
import pytest
from focuspuller.photo.photo import load_photo
from oracles.photo_folder import HEIGHT, RENDER, WIDTH
from PIL import Image

pytestmark = pytest.mark.usefixtures("folder")


class TestRender:
    def test_it_writes_the_picture_and_prints_its_path_and_nothing_else(self, cli, folder):
        done = cli(*RENDER, "--bokeh-level", 6, "-o", "soft.png")
        assert done == (0, "soft.png\n", "")
        image = load_photo(folder / "photo.png").image
        expected = fp.render(
            image, np.load(folder / "depth.npy"), focus_point=(0.1, 0.5), bokeh_level=6.0
        )
        saved = load_photo(folder / "soft.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)
        assert np.abs(saved - image).max() > 0.1

    def test_the_camera_of_the_exif_is_used_and_kept(self, cli, folder, photo_with_exif):
        options = ["--depth", "depth.npy", "--focus-distance", 1.5]
        assert cli("render", photo_with_exif, *options, "-o", "out.png").code == 0
        photo = load_photo(photo_with_exif)
        expected = fp.render(
            photo.image,
            np.load(folder / "depth.npy"),
            focus_distance=1.5,
            camera=fp.Camera(50.0, 5.6, 24.0),
        )
        saved = load_photo(folder / "out.png")
        np.testing.assert_allclose(saved.image, expected.clip(0, 1), atol=0.6 / 255)
        assert saved.camera_data.make == "Sony"
        assert saved.camera_data.f_number == pytest.approx(5.6)
        assert saved.camera_data.subject_distance_m == pytest.approx(1.5)

    def test_a_bokeh_level_is_written_as_the_f_number_that_has_it(self, cli, photo_with_exif):
        """50 mm at 2 m on 24 mm and 36 px: K = 0.05² · 2 · 1500 / (2 N · 1.95) = 1.923 / N."""
        options = ["--depth", "depth.npy", "--focus-distance", 2, "--bokeh-level", 1.923 / 2.8]
        assert cli("render", photo_with_exif, *options, "-o", "out.jpg").code == 0
        data = load_photo("out.jpg").camera_data
        assert data.f_number == pytest.approx(2.8, rel=1e-3)
        assert data.subject_distance_m == pytest.approx(2.0)

    def test_an_f_number_replaces_that_of_the_exif(self, cli, folder, photo_with_exif):
        options = ["--depth", "depth.npy", "--focus-distance", 1.5, "--f-number", 0.1]
        assert cli("render", photo_with_exif, *options, "-o", "out.png").code == 0
        expected = fp.render(
            load_photo(photo_with_exif).image,
            np.load(folder / "depth.npy"),
            focus_distance=1.5,
            camera=fp.Camera(50.0, 0.1, 24.0),
        )
        saved = load_photo(folder / "out.png")
        np.testing.assert_allclose(saved.image, expected.clip(0, 1), atol=0.6 / 255)
        assert saved.camera_data.f_number == pytest.approx(0.1)

    def test_a_camera_can_be_given_in_full(self, cli, folder):
        camera = ["--f-number", 0.2, "--focal-length", 35, "--sensor-width", 23.5]
        assert cli(*RENDER, *camera, "-o", "out.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            focus_point=(0.1, 0.5),
            camera=fp.Camera(35.0, 0.2, 23.5),
        )
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    @pytest.mark.parametrize(
        ("words", "choice"),
        [
            (["--focus", "0.9,0.2"], {"focus_point": (0.9, 0.2)}),
            (["--focus", "0.9,0.2; 0.1,0.2"], {"focus_point": [(0.9, 0.2), (0.1, 0.2)]}),
            (["--focus", "0,0.2,0.4,1"], {"focus_point": (0, 0.2, 0.4, 1)}),
            (["--focus-distance", "2.5"], {"focus_distance": 2.5}),
            (
                ["--focus-distance", "3", "--focus-range", "1"],
                {"focus_distance": 3.0, "focus_range": 1.0},
            ),
            (["--focus-disparity", "0.5"], {"focus_disparity": 0.5}),
        ],
        ids=lambda value: value[0] if isinstance(value, list) else "",
    )
    def test_the_focus_has_the_same_words_as_in_python(self, cli, folder, words, choice):
        options = ["render", "photo.png", "--depth", "depth.npy", "--bokeh-level", 12]
        assert cli(*options, *words, "-o", "out.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            **choice,
            bokeh_level=12.0,
        )
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_a_mask_file_marks_the_subject(self, cli, folder):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[:, 30:] = 255
        Image.fromarray(mask).save("mask.png")
        options = ["render", "photo.png", "--depth", "depth.npy", "--bokeh-level", 12]
        assert cli(*options, "--focus-mask", "mask.png", "-o", "out.png").code == 0
        expected = fp.render(
            load_photo(folder / "photo.png").image,
            np.load(folder / "depth.npy"),
            focus_mask=mask / 255.0,
            bokeh_level=12.0,
        )
        saved = load_photo(folder / "out.png").image
        np.testing.assert_allclose(saved, expected.clip(0, 1), atol=0.6 / 255)

    def test_the_folder_of_the_result_is_made(self, cli, folder):
        done = cli(*RENDER, "--bokeh-level", 6, "-o", Path("new") / "deep" / "soft.png")
        assert (done.code, done.stdout) == (0, f"{Path('new') / 'deep' / 'soft.png'}\n")
        assert (folder / "new" / "deep" / "soft.png").is_file()

    def test_an_older_result_is_replaced(self, cli, folder):
        (folder / "soft.png").write_text("older")
        assert cli(*RENDER, "--bokeh-level", 6, "-o", "soft.png").code == 0
        assert load_photo(folder / "soft.png").image.shape == (HEIGHT, WIDTH, 3)
