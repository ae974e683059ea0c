"""`fp.render`: one call from arrays to arrays, and how far it is."""

from __future__ import annotations

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.errors import InputError

from .ramp import CHOICE, HEIGHT, WIDTH


class TestArrays:
    @pytest.mark.parametrize("shape", [(HEIGHT, WIDTH, 3), (1, HEIGHT, WIDTH, 3)])
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("library", ["numpy", "torch"])
    def test_the_result_is_of_the_kind_of_the_image(self, image, metres, library, dtype, shape):
        given = image.reshape(shape).astype(dtype)
        reference = fp.render(image.astype("float64"), metres, **CHOICE)
        if library == "torch":
            given = torch.from_numpy(given)
        result = fp.render(given, metres, **CHOICE)
        assert type(result) is type(given)
        assert result.dtype == given.dtype
        assert tuple(result.shape) == shape
        if library == "torch":
            assert result.device == given.device
        tolerance = {"float16": 3e-3, "float32": 1e-4, "float64": 1e-9}[dtype]
        difference = np.asarray(result, np.float64).reshape(reference.shape) - reference
        assert np.abs(difference).max() < tolerance

    def test_it_really_blurs(self, image, metres):
        result = fp.render(image, metres, **CHOICE)
        assert result.std() < 0.8 * image.std()

    def test_the_device_of_a_tensor_is_kept_and_may_be_overruled(self, image, metres):
        result = fp.render(torch.from_numpy(image), metres, **CHOICE, device="cpu")
        assert result.device == torch.device("cpu")
        np.testing.assert_array_equal(result, fp.render(image, metres, **CHOICE))

    def test_inputs_are_left_as_they_were(self, image, metres):
        metres[3, 3] = np.nan
        mask = np.ones((HEIGHT, WIDTH), np.float32)
        before = image.copy(), metres.copy(), mask.copy()
        fp.render(image, metres, focus_mask=mask, bokeh_level=6.0)
        for now, then in zip((image, metres, mask), before, strict=True):
            np.testing.assert_array_equal(now, then)

    def test_the_result_shares_no_memory_with_the_image(self, image, metres):
        result = fp.render(image, metres, focus_distance=2.0, bokeh_level=0.0, lens="taf")
        assert not np.shares_memory(result, image)

    def test_several_focus_points_are_all_sharp(self, image):
        metres = np.ones((HEIGHT, WIDTH), np.float32)
        metres[:, WIDTH // 2 :] = 4.0
        near, far = (0.25, 0.5), (0.75, 0.5)
        options = {"bokeh_level": 12.0, "lens": "taf"}
        both = fp.render(image, metres, focus_point=[near, far], **options)
        np.testing.assert_allclose(both, image, atol=1e-5)
        alone = fp.render(image, metres, focus_point=near, **options)
        assert np.abs(alone - image).max() > 0.1

    def test_a_region_is_a_place_to_focus_on(self, image, metres):
        metres = np.where(np.arange(WIDTH) < WIDTH // 2, 1.0, 4.0)[None].repeat(HEIGHT, 0)
        options = {"bokeh_level": 12.0, "lens": "taf"}
        right = fp.render(image, metres, focus_point=(0.4, 0.0, 1.0, 1.0), **options)
        np.testing.assert_array_equal(
            right, fp.render(image, metres, focus_distance=4.0, **options)
        )
        both = fp.render(image, metres, focus_point=[(0.6, 0, 1, 1), (0.25, 0.5)], **options)
        np.testing.assert_allclose(both, image, atol=1e-5)

    @pytest.mark.parametrize("points", [[], (0.5,), "middle", [(0.5, 0.5), (0.5,)]])
    def test_focus_points_that_are_none_are_refused(self, image, metres, points):
        with pytest.raises(InputError, match="focus_point"):
            fp.render(image, metres, focus_point=points, bokeh_level=6.0)

    def test_a_batch_is_rendered_one_by_one(self, image, metres):
        images = np.stack([image, 1 - image])
        depths = np.stack([metres, metres[:, ::-1]])
        result = fp.render(images, depths, **CHOICE)
        assert result.shape == images.shape
        alone = fp.render(images[1], np.ascontiguousarray(depths[1]), **CHOICE)
        np.testing.assert_allclose(result[1], alone, atol=1e-5)

    def test_one_image_and_several_depths_give_several_images(self, image, metres):
        result = fp.render(image, np.stack([metres, metres * 2, metres * 3]), **CHOICE)
        assert result.shape == (3, HEIGHT, WIDTH, 3)

    def test_flipped_read_only_and_byte_swapped_arrays_are_taken(self, image, metres):
        expected = fp.render(image, metres, **CHOICE)
        flipped = np.ascontiguousarray(image[..., ::-1])[..., ::-1]
        read_only = image.copy()
        read_only.flags.writeable = False
        for given in (flipped, read_only, image.astype(">f4")):
            np.testing.assert_array_equal(fp.render(given, metres, **CHOICE), expected)
        upside_down = np.ascontiguousarray(metres[::-1])[::-1]
        np.testing.assert_array_equal(fp.render(image, upside_down, **CHOICE), expected)

    def test_a_fourth_channel_is_dropped_and_that_is_said(self, image, metres, caplog):
        four = np.concatenate([image, np.zeros_like(image[..., :1])], axis=-1)
        result = fp.render(four, metres, **CHOICE)
        np.testing.assert_array_equal(result, fp.render(image, metres, **CHOICE))
        assert "the fourth channel (opacity) is dropped" in caplog.text

    def test_one_pixel_renders_to_itself(self):
        image = np.full((1, 1, 3), 0.4, np.float32)
        result = fp.render(image, np.ones((1, 1)), **CHOICE)
        np.testing.assert_allclose(result, image, atol=1e-5)

    def test_gradients_reach_image_and_depth(self, image, metres):
        pixels = torch.from_numpy(image).requires_grad_()
        depth = torch.from_numpy(metres).requires_grad_()
        weights = torch.from_numpy(image).flip(0)
        (fp.render(pixels, depth, **CHOICE, lens="taf") * weights).sum().backward()
        assert pixels.grad.abs().sum() > 0
        assert depth.grad.abs().sum() > 0

    @pytest.mark.parametrize(
        ("shape", "dtype", "received"),
        [
            ((HEIGHT, WIDTH, 3), "uint8", "torch.uint8"),
            ((HEIGHT, WIDTH, 3), "int64", "torch.int64"),
            ((HEIGHT, WIDTH), "float32", "[24, 36]"),
            ((HEIGHT, WIDTH, 2), "float32", "[1, 24, 36, 2]"),
            ((0, HEIGHT, WIDTH, 3), "float32", "[0, 24, 36, 3]"),
        ],
    )
    def test_what_is_no_image_is_refused(self, metres, shape, dtype, received):
        with pytest.raises(InputError, match=r"^image: ") as caught:
            fp.render(np.ones(shape, dtype), metres, **CHOICE)
        assert received in caught.value.received

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_broken_pixels_are_refused(self, image, metres, value):
        image[2, 3, 1] = value
        with pytest.raises(InputError, match="NaN or infinite pixels"):
            fp.render(image, metres, **CHOICE)


class TestProgress:
    @pytest.mark.parametrize("lens", list(fp.LENSES))
    @pytest.mark.parametrize("level", [0.0, 6.0])
    def test_it_rises_from_step_to_step_and_ends_at_one(self, image, metres, lens, level):
        fractions: list[float] = []
        fp.render(
            np.stack([image] * 3),
            metres,
            focus_distance=2.0,
            bokeh_level=level,
            lens=lens,
            on_progress=fractions.append,
        )
        assert fractions == sorted(fractions)
        assert len(set(fractions)) >= 3
        assert 0.0 <= fractions[0] < 1.0
        assert fractions[-1] == 1.0

    def test_the_exact_method_reports_its_end_too(self, image, metres):
        pytest.importorskip("numba", reason="the exact method needs the extra focuspuller[fast]")
        fractions: list[float] = []
        exact = fp.Lens("bokehme", fp.BokehMeOptions(method="exact"))
        fp.render(image, metres, **CHOICE, lens=exact, on_progress=fractions.append)
        assert fractions[-1] == 1.0
