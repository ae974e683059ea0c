"""Load Photo and Save Photo."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from focuspuller.lens.color import linear_to_srgb
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.nodes import LoadPhoto, SamplePhoto, SavePhoto
from focuspuller.nodes import photo as photo_nodes
from focuspuller.photo.embedded_depth import embed_depth
from focuspuller.photo.exr import write_exr
from focuspuller.photo.photo import load_photo
from PIL import Image

F_NUMBER, SUBJECT_DISTANCE, MAKE = 0x829D, 0x9206, 0x010F


def save(images: torch.Tensor, **values: object):
    defaults = {"filename_prefix": "shot", "format": "JPEG", "quality": 95}
    return SavePhoto.execute(**{"images": images, **defaults, **values})


def saved_names(output) -> list[str]:
    return [result["filename"] for result in output.ui.as_dict()["images"]]


def photo_tags(path: Path) -> dict[int, object]:
    with Image.open(path) as file:
        return dict(file.getexif().get_ifd(0x8769))


class TestLoadPhoto:
    def test_pixels_are_those_of_the_file(self, jpeg):
        image = LoadPhoto.execute(jpeg().name)[0]
        assert image.shape == (1, 48, 64, 3)
        assert image.dtype == torch.float32
        ramp = torch.linspace(0, 1, 64)[None, None, :, None].expand(1, 48, 64, 3)
        torch.testing.assert_close(image, ramp, atol=0.01, rtol=0)

    def test_exif_becomes_the_camera(self, jpeg):
        camera = LoadPhoto.execute(jpeg().name)[3]
        # 50 mm that look like 75 mm: crop factor 1.5, sensor 36 mm / 1.5.
        assert camera == Camera(focal_length_mm=50.0, f_number=5.6, sensor_width_mm=24.0)

    def test_a_photo_is_turned_upright(self, jpeg):
        image = LoadPhoto.execute(jpeg(orientation=6).name)[0]
        assert image.shape == (1, 64, 48, 3)
        # Orientation 6: the stored left side is the top.
        assert image[0, 0].mean() < 0.01
        assert image[0, -1].mean() > 0.99

    def test_embedded_depth_comes_out_in_metres(self, jpeg):
        path = jpeg()
        metres = torch.linspace(1.0, 8.0, 12).view(1, 1, 3, 4)
        path.write_bytes(embed_depth(path.read_bytes(), Depth.from_metres(metres)))
        depth = LoadPhoto.execute(path.name)[2]
        assert depth.is_metric
        torch.testing.assert_close(depth.metres, metres, rtol=1e-3, atol=0)

    def test_a_plain_picture_has_neither_depth_nor_camera_and_says_so(self, inputs):
        Image.new("RGB", (8, 6), (255, 0, 0)).save(inputs / "plain.png")
        output = LoadPhoto.execute("plain.png")
        assert output[2] is None
        assert output[3] is None
        (text,) = output.ui["text"]
        assert text.splitlines() == [
            "The photo does not tell the focal length, the f-number and the sensor width.",
            "No depth in the file.",
        ]

    def test_the_mask_is_one_where_the_picture_is_transparent(self, inputs):
        pixels = np.full((6, 8, 4), 200, np.uint8)
        pixels[:, :3, 3] = 0
        pixels[:, 3:, 3] = 255
        Image.fromarray(pixels).save(inputs / "cutout.png")
        output = LoadPhoto.execute("cutout.png")
        assert output[0].shape == (1, 6, 8, 3)
        assert output[1].shape == (1, 6, 8)
        assert (output[1][..., :3] == 1).all()
        assert (output[1][..., 3:] == 0).all()

    def test_an_opaque_photo_has_an_empty_mask_of_its_size(self, jpeg):
        mask = LoadPhoto.execute(jpeg().name)[1]
        assert mask.shape == (1, 48, 64)
        assert not mask.any()

    def test_it_shows_the_photo_and_what_its_file_tells(self, jpeg, preview):
        output = LoadPhoto.execute(jpeg().name)
        np.testing.assert_allclose(preview(output), output[0][0], atol=1.01 / 255)
        (text,) = output.ui["text"]
        assert text.startswith("50 mm f/5.6, 24 mm sensor")

    def test_a_missing_file_is_named(self, refuses, inputs):
        refuses(LoadPhoto, str(inputs / "gone.jpg"), photo="gone.jpg")

    def test_a_file_that_is_no_photo_is_named(self, refuses, inputs):
        (inputs / "notes.jpg").write_text("not a picture")
        message = refuses(LoadPhoto, str(inputs / "notes.jpg"), photo="notes.jpg")
        assert "no image that can be read" in message

    def test_the_choice_is_the_folders_photos(self, inputs, jpeg):
        jpeg("b.jpg")
        jpeg("a.jpg")
        (inputs / "depth.npy").touch()
        assert LoadPhoto.GET_SCHEMA().inputs[0].options == ["a.jpg", "b.jpg"]

    def test_names_are_checked_before_anything_runs(self, jpeg):
        assert LoadPhoto.validate_inputs(jpeg().name) is True
        assert LoadPhoto.validate_inputs(None) is True  # it comes through a link
        assert "'gone.jpg'" in str(LoadPhoto.validate_inputs("gone.jpg"))

    def test_a_photo_is_loaded_again_only_when_its_file_changes(self, jpeg):
        path = jpeg()
        before = LoadPhoto.fingerprint_inputs(path.name)
        assert LoadPhoto.fingerprint_inputs(path.name) == before
        os.utime(path, ns=(1, 1))
        assert LoadPhoto.fingerprint_inputs(path.name) != before
        path.unlink()
        assert LoadPhoto.fingerprint_inputs(path.name) != before


class TestExr:
    @pytest.fixture(autouse=True)
    def openexr(self):
        pytest.importorskip("OpenEXR", reason="needs the extra focuspuller[exr]")

    def test_light_and_depth_go_out_and_come_in_again(self, inputs, outputs, near_and_far):
        coded = 4.0 * torch.rand(1, 24, 36, 3)
        save(coded, format="EXR 32-bit", depth=near_and_far)
        (outputs / "shot_00001_.exr").rename(inputs / "light.exr")
        image, mask, depth, camera, photo = LoadPhoto.execute("light.exr").args
        torch.testing.assert_close(image, coded, atol=1e-5, rtol=1e-5)
        assert float(mask.max()) == 0.0
        torch.testing.assert_close(depth.metres, near_and_far.metres)
        assert camera is None
        assert photo.is_hdr

    @pytest.mark.parametrize(("format_name", "kind"), [("EXR", "half"), ("EXR 32-bit", "float")])
    def test_the_format_decides_on_the_bits(self, outputs, format_name, kind):
        light = torch.full((1, 4, 4, 3), 1.0001)
        save(light, format=format_name, linear=True)
        stored = load_photo(outputs / "shot_00001_.exr", linear=True).image
        assert (stored == np.float32(1.0001)).all() == (kind == "float")

    def test_radiance_goes_out_and_in(self, inputs, outputs):
        bright = torch.full((1, 4, 4, 3), 3.0)
        assert "files" in save(bright, format="HDR", linear=True).ui
        (outputs / "shot_00001_.hdr").rename(inputs / "light.hdr")
        image, _, depth, camera, photo = LoadPhoto.execute("light.hdr").args
        torch.testing.assert_close(image, linear_to_srgb(bright))
        assert (depth, camera, photo.is_hdr) == (None, None, True)

    @pytest.mark.parametrize("linear", [False, True])
    def test_it_shows_a_preview_that_a_browser_can_show(self, preview, linear):
        output = save(torch.full((1, 4, 4, 3), 0.25), format="EXR", linear=linear)
        assert [file["filename"] for file in output.ui["files"]] == ["shot_00001_.exr"]
        shown = 0.537 if linear else 0.25
        np.testing.assert_allclose(preview(output), shown, atol=1.5 / 255)

    def test_linear_pictures_are_coded_for_other_formats(self, outputs):
        (name,) = saved_names(save(torch.full((1, 8, 8, 3), 0.2140411), format="PNG", linear=True))
        np.testing.assert_allclose(load_photo(outputs / name).image, 0.5, atol=1 / 255)

    def test_broken_pixels_name_the_node(self, inputs, refuses):
        path = inputs / "bad.exr"
        write_exr(path, {name: np.full((4, 4), np.inf, np.float32) for name in "RGB"}, {})
        message = refuses(LoadPhoto, str(path), photo="bad.exr")
        assert "16 NaN or infinite pixels of 16" in message


class TestSamplePhoto:
    def test_the_choice_is_what_comes_along(self):
        options = SamplePhoto.GET_SCHEMA().inputs[0].options
        assert options == ["phone_portrait", "still_life", "still_life_wide_open"]

    def test_it_has_camera_and_metric_depth(self):
        image, mask, depth, camera, photo = SamplePhoto.execute("still_life").args
        assert image.shape == (1, 720, 1080, 3)
        assert mask.max() == 0
        assert camera == Camera(focal_length_mm=50.0, f_number=22.0, sensor_width_mm=36.0)
        assert photo.problems == ()
        # The front of the orange and a light, measured in the scene that was path-traced.
        assert float(depth.metres[0, 0, 540, 259]) == pytest.approx(0.677, abs=0.005)
        assert float(depth.metres[0, 0, 155, 594]) == pytest.approx(3.155, abs=0.02)


class TestSavePhoto:
    def test_exif_is_kept_and_the_new_focus_written(self, jpeg, picture, outputs):
        original = LoadPhoto.execute(jpeg().name)[4]
        output = save(
            picture(),
            photo=original,
            camera=Camera(50.0, 1.8),
            focus=Focus.at_distance(2.5),
        )
        (name,) = saved_names(output)
        assert name == "shot_00001_.jpg"
        data = load_photo(outputs / name).camera_data
        assert (data.make, data.focal_length_mm) == ("Sony", 50.0)
        assert data.equivalent_focal_length_mm == 75
        assert data.f_number == pytest.approx(1.8)
        assert data.subject_distance_m == pytest.approx(2.5)
        assert data.orientation == 1

    def test_without_camera_and_focus_the_exif_says_what_it_said(self, jpeg, picture, outputs):
        original = LoadPhoto.execute(jpeg().name)[4]
        tags = photo_tags(outputs / saved_names(save(picture(), photo=original))[0])
        assert (tags[F_NUMBER], tags[SUBJECT_DISTANCE]) == (5.6, 3.0)

    def test_without_a_photo_the_focus_alone_is_written(self, picture, outputs):
        output = save(picture(), focus=Focus.at_distance(math.inf), camera=Camera(50.0, 2.0))
        data = load_photo(outputs / saved_names(output)[0]).camera_data
        assert (data.f_number, data.subject_distance_m, data.make) == (2.0, math.inf, None)

    def test_a_relative_focus_is_no_distance_and_is_not_written(self, picture, outputs):
        output = save(picture(), focus=Focus.at_disparity(0.5, is_metric=False))
        assert SUBJECT_DISTANCE not in photo_tags(outputs / saved_names(output)[0])

    def test_every_picture_of_a_focus_pull_gets_its_own_distance(self, picture, outputs):
        names = saved_names(save(picture(3), focus=Focus.at_distance([1.0, 2.0, 4.0])))
        distances = [load_photo(outputs / name).camera_data.subject_distance_m for name in names]
        assert distances == pytest.approx([1.0, 2.0, 4.0])

    @pytest.mark.parametrize(
        ("format_name", "suffix"),
        [("JPEG", ".jpg"), ("PNG", ".png"), ("WebP", ".webp"), ("TIFF", ".tif")],
    )
    def test_pixels_come_back(self, outputs, format_name, suffix):
        flat = torch.full((1, 16, 24, 3), 0.25)
        (name,) = saved_names(save(flat, format=format_name))
        assert name == f"shot_00001_{suffix}"
        image = load_photo(outputs / name).image
        assert image.shape == (16, 24, 3)
        np.testing.assert_allclose(image, 0.25, atol=1.5 / 255)

    def test_quality_decides_on_the_size(self, picture, outputs):
        small, large = (
            (outputs / saved_names(save(picture(), quality=quality))[0]).stat().st_size
            for quality in (10, 100)
        )
        assert small < large / 2

    def test_depth_goes_into_the_jpeg_and_out_again(self, picture, outputs, near_and_far):
        (name,) = saved_names(save(picture(), depth=near_and_far))
        depth = load_photo(outputs / name).depth
        assert depth is not None
        assert depth.is_metric
        torch.testing.assert_close(depth.metres, near_and_far.metres, rtol=1e-3, atol=0)

    def test_each_picture_gets_its_own_depth_or_all_the_same(self, picture, outputs):
        two = Depth.from_metres(torch.tensor([1.0, 3.0]).view(2, 1, 1, 1).expand(2, 1, 4, 6))
        names = saved_names(save(picture(2), depth=two))
        near = [float(load_photo(outputs / name).depth.metres[0, 0, 0, 0]) for name in names]
        assert near == pytest.approx([1.0, 3.0], rel=1e-3)

        one = Depth.from_metres(torch.full((1, 1, 4, 6), 2.0))
        names = saved_names(save(picture(2), depth=one))
        near = [float(load_photo(outputs / name).depth.metres[0, 0, 0, 0]) for name in names]
        assert near == pytest.approx([2.0, 2.0], rel=1e-3)

    def test_a_png_carries_the_prompt_and_the_workflow(self, picture, outputs):
        prompt = {"1": {"class_type": "FocusPullerSavePhoto", "inputs": {}}}
        hidden = SimpleNamespace(prompt=prompt, extra_pnginfo={"workflow": {"nodes": []}})
        node = type("Node", (SavePhoto,), {"hidden": hidden})
        output = node.execute(picture(), filename_prefix="shot", format="PNG", quality=95)
        with Image.open(outputs / saved_names(output)[0]) as file:
            assert json.loads(file.text["prompt"]) == prompt
            assert json.loads(file.text["workflow"]) == {"nodes": []}

    def test_a_png_carries_nothing_where_the_user_forbids_it(self, picture, outputs, monkeypatch):
        monkeypatch.setattr(photo_nodes, "metadata_enabled", lambda: False)
        hidden = SimpleNamespace(prompt={"1": {}}, extra_pnginfo=None)
        node = type("Node", (SavePhoto,), {"hidden": hidden})
        output = node.execute(picture(), filename_prefix="shot", format="PNG", quality=95)
        with Image.open(outputs / saved_names(output)[0]) as file:
            assert file.text == {}

    def test_saving_again_never_replaces_a_file(self, picture, outputs):
        save(picture(2))
        first = (outputs / "shot_00001_.jpg").read_bytes()
        assert saved_names(save(1 - picture())) == ["shot_00003_.jpg"]
        # Another format does not take a number again either.
        assert saved_names(save(picture(), format="PNG")) == ["shot_00004_.png"]
        assert (outputs / "shot_00001_.jpg").read_bytes() == first

    def test_saving_again_never_replaces_a_file_numbered_by_batch(self, picture, outputs):
        first = saved_names(save(picture(2), filename_prefix="frame_%batch_num%"))
        second = saved_names(save(picture(2), filename_prefix="frame_%batch_num%"))
        assert first[0].startswith("frame_0_")
        assert first[1].startswith("frame_1_")
        assert len({*first, *second}) == 4
        assert {path.name for path in outputs.iterdir()} == {*first, *second}

    def test_the_prefix_may_hold_a_folder_but_not_lead_out(self, picture, outputs, refuses):
        result = save(picture(), filename_prefix="trip/day").ui.as_dict()["images"][0]
        assert result == {
            "filename": "day_00001_.jpg",
            "subfolder": "trip",
            "type": "output",
        }
        assert (outputs / "trip" / "day_00001_.jpg").is_file()
        values = {"images": picture(), "format": "JPEG", "quality": 95}
        refuses(SavePhoto, "filename_prefix", **values, filename_prefix="../day")

    def test_a_fourth_channel_is_dropped_and_that_is_said(self, picture, outputs, caplog):
        four = picture(channels=4)
        (name,) = saved_names(save(four, format="PNG"))
        expected = (four[0, ..., :3] * 255).round() / 255
        np.testing.assert_allclose(load_photo(outputs / name).image, expected, atol=1e-6)
        assert [record.getMessage() for record in caplog.records] == [
            "images: the fourth channel (opacity) is dropped."
        ]

    def test_one_pixel_is_a_picture(self, picture, outputs):
        (name,) = saved_names(save(picture(1, 1, 1), format="PNG"))
        assert load_photo(outputs / name).image.shape == (1, 1, 3)

    @pytest.fixture
    def refused_without_a_trace(self, refuses, outputs, picture):
        def check(subject: str, **values: object) -> str:
            defaults = {"filename_prefix": "shot", "format": "JPEG", "quality": 95}
            message = refuses(SavePhoto, subject, **{"images": picture(3), **defaults, **values})
            assert not outputs.exists() or list(outputs.iterdir()) == []
            return message

        return check

    def test_depth_in_anything_but_jpeg_is_refused(self, refused_without_a_trace, near_and_far):
        message = refused_without_a_trace("depth", format="PNG", depth=near_and_far)
        assert "Only JPEG and EXR can hold depth." in message

    def test_batches_that_do_not_fit_are_refused(self, refused_without_a_trace):
        focus = Focus.at_distance([1.0, 2.0])
        assert "2 focus values for 3 images" in refused_without_a_trace("focus", focus=focus)
        depth = Depth.from_metres(torch.ones(2, 1, 4, 6))
        assert "2 depths for 3 images" in refused_without_a_trace("depth", depth=depth)

    @pytest.mark.parametrize("name", ["photo", "camera", "focus", "depth"])
    @pytest.mark.parametrize("foreign", [{}, torch.eye(3), np.eye(3), "", 0])
    def test_another_packs_object_is_refused(self, refused_without_a_trace, name, foreign):
        assert type(foreign).__name__ in refused_without_a_trace(name, **{name: foreign})

    @pytest.mark.parametrize(
        "images", [torch.zeros(0, 4, 4, 3), torch.zeros(1, 4, 4, 2), torch.zeros(4, 4, 3)]
    )
    def test_what_is_no_batch_of_images_is_refused(self, refused_without_a_trace, images):
        assert str(list(images.shape)) in refused_without_a_trace("images", images=images)

    @pytest.mark.parametrize("quality", [0, 101])
    def test_an_impossible_quality_is_refused(self, refused_without_a_trace, quality):
        assert str(quality) in refused_without_a_trace("quality", quality=quality)

    def test_nan_leaves_only_the_complete_pictures_before_it(self, refuses, picture, outputs):
        images = picture(3)
        images[1, 0, 0, 0] = math.nan
        values = {"filename_prefix": "shot", "format": "PNG", "quality": 95}
        assert "NaN" in refuses(SavePhoto, "images", images=images, **values)
        assert [path.name for path in outputs.iterdir()] == ["shot_00001_.png"]
        assert load_photo(outputs / "shot_00001_.png").problems == ()

    def test_a_full_disk_leaves_nothing_half_written(self, refuses, picture, outputs, monkeypatch):
        def write_half(path: Path, content: bytes) -> None:
            with path.open("wb") as file:
                file.write(content[: len(content) // 2])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", write_half)
        values = {"filename_prefix": "shot", "format": "JPEG", "quality": 95}
        subject = str(outputs / "shot_00001_.jpg")
        assert "No space left" in refuses(SavePhoto, subject, images=picture(), **values)
        assert list(outputs.iterdir()) == []
