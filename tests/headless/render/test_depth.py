"""`fp.render` with depth of every kind."""

from __future__ import annotations

import math

import focuspuller as fp
import numpy as np
import pytest
import torch
from focuspuller.errors import InputError

from .ramp import CAMERA, CHOICE, HEIGHT, WIDTH


class TestDepth:
    def test_arrays_are_metres(self, image, metres):
        expected = fp.render(image, metres, **CHOICE)
        depth = fp.Depth.from_metres(torch.from_numpy(metres)[None, None])
        for given in (torch.from_numpy(metres), metres[None], metres[..., None], depth):
            np.testing.assert_array_equal(fp.render(image, given, **CHOICE), expected)

    def test_whole_numbers_are_metres_too(self, image):
        metres = np.repeat([[1, 2, 3, 4]], HEIGHT, axis=0).repeat(9, axis=1)
        expected = fp.render(image, metres.astype("float32"), **CHOICE)
        for dtype in ("uint8", "uint16", "int32", "float16"):
            np.testing.assert_allclose(
                fp.render(image, metres.astype(dtype), **CHOICE), expected, atol=1e-6
            )

    def test_disparity_is_relative(self, image, metres):
        nearness = 1 / metres
        relative = (nearness - nearness.min()) / (nearness.max() - nearness.min())
        # K per relative unit is K per 1/m times the range.
        level = 6.0 * float(nearness.max() - nearness.min())
        focus = float((0.5 - nearness.min()) / (nearness.max() - nearness.min()))
        result = fp.render(image, disparity=relative, focus_disparity=focus, bokeh_level=level)
        np.testing.assert_allclose(result, fp.render(image, metres, **CHOICE), atol=1e-4)

    def test_disparity_of_any_scale_is_scaled(self, image, metres):
        options = {"focus_disparity": 0.5, "bokeh_level": 6.0}
        relative = np.linspace(0.0, 1.0, WIDTH)[None].repeat(HEIGHT, axis=0)
        expected = fp.render(image, disparity=relative, **options)
        result = fp.render(image, disparity=1000.0 * relative - 300.0, **options)
        np.testing.assert_allclose(result, expected, atol=1e-5)

    def test_depth_of_another_size_is_resampled_and_that_is_said_once(self, image, caplog):
        result = fp.render(image, np.full((6, 9), 3.0), **CHOICE)
        expected = fp.render(image, np.full((HEIGHT, WIDTH), 3.0), **CHOICE)
        np.testing.assert_allclose(result, expected, atol=1e-5)
        assert [record.getMessage() for record in caplog.records] == [
            "The depth is 9×6 px, the image 36×24: the depth is resampled."
        ]

    @pytest.mark.parametrize("invalid", [np.nan, 0.0, -2.0, -np.inf])
    def test_invalid_values_are_filled_and_that_is_said(self, image, caplog, invalid):
        metres = np.full((HEIGHT, WIDTH), 3.0)
        holes = metres.copy()
        holes[4:9, 5:20] = invalid
        result = fp.render(image, holes, **CHOICE)
        np.testing.assert_allclose(result, fp.render(image, metres, **CHOICE), atol=1e-4)
        assert "75 of 864 depth values are invalid" in caplog.text

    def test_infinity_is_infinitely_far(self, image, metres):
        metres[:, 18:] = np.inf
        result = fp.render(image, metres, focus_distance=math.inf, bokeh_level=6.0, lens="taf")
        np.testing.assert_allclose(result[:, 18:], image[:, 18:], atol=1e-5)
        assert np.abs(result[:, :9] - image[:, :9]).max() > 0.1

    def test_constant_depth_is_sharp_where_it_is_focused_on(self, image):
        metres = np.full((HEIGHT, WIDTH), 2.0)
        result = fp.render(image, metres, focus_point=(0.5, 0.5), camera=CAMERA, lens="taf")
        np.testing.assert_allclose(result, image, atol=1e-5)

    @pytest.mark.parametrize(
        "depth", [np.full((4, 4), np.nan), np.zeros((4, 4)), np.full((4, 4), -1.0)]
    )
    def test_depth_without_one_valid_value_is_refused(self, image, depth):
        with pytest.raises(InputError, match="without a single valid value"):
            fp.render(image, depth, **CHOICE)

    @pytest.mark.parametrize("shape", [(0, 4), (4,), (1, 1, 4, 4), (24, 36, 3)])
    def test_what_is_no_map_is_refused(self, image, shape):
        with pytest.raises(InputError, match=r"^depth: received shape .*\[H,W\] or"):
            fp.render(image, np.ones(shape), **CHOICE)

    def test_batches_that_do_not_fit_are_refused(self, image, metres):
        with pytest.raises(InputError, match="3 maps for 2 images"):
            fp.render(np.stack([image] * 2), np.stack([metres] * 3), **CHOICE)

    @pytest.mark.parametrize("given", [("depth", "disparity"), ()])
    def test_exactly_one_map_is_needed(self, image, metres, given):
        with pytest.raises(InputError, match=r"^depth, disparity: .*Give exactly one") as caught:
            fp.render(image, **dict.fromkeys(given, metres), **CHOICE)
        assert caught.value.received == (" and ".join(given) or "none of them")
