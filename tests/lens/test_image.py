"""Artists' images in and out."""

from __future__ import annotations

import logging

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.image import (
    check_finite,
    to_interleaved,
    to_planar,
    without_negative_light,
)


def test_channels_move_in_front_of_rows_and_columns() -> None:
    image = torch.rand(2, 4, 5, 3)
    planar = to_planar(image)
    assert planar.shape == (2, 3, 4, 5)
    assert planar[1, 2, 3, 4] == image[1, 3, 4, 2]


def test_there_and_back() -> None:
    image = torch.rand(2, 4, 5, 3)
    result = to_interleaved(to_planar(image))
    assert torch.equal(result, image)


def test_the_way_back_is_contiguous() -> None:
    assert to_interleaved(torch.rand(2, 3, 4, 5)).is_contiguous()


def test_grey_becomes_three_equal_channels() -> None:
    grey = torch.rand(1, 2, 3, 1)
    planar = to_planar(grey)
    assert planar.shape == (1, 3, 2, 3)
    for channel in range(3):
        assert torch.equal(planar[:, channel], grey[..., 0])


def test_opacity_is_dropped_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    image = torch.rand(1, 2, 3, 4)
    with caplog.at_level(logging.WARNING):
        planar = to_planar(image, "guide")
    assert torch.equal(planar, to_planar(image[..., :3]))
    assert [record.getMessage() for record in caplog.records] == [
        "guide: the fourth channel (opacity) is dropped."
    ]


@pytest.mark.parametrize(
    "shape", [(2, 3, 3), (1, 4, 4, 2), (1, 3, 4, 5), (0, 4, 4, 3), (1, 0, 4, 3), (1, 4, 0, 3)]
)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="guide") as error:
        to_planar(torch.zeros(shape), "guide")
    assert str(list(shape)) in str(error.value)


def test_broken_pixels_are_counted() -> None:
    image = torch.zeros(2, 3, 4, 5)
    check_finite(image)
    image[0, :, 1, 1] = float("nan")
    image[1, 2, 3, 3] = float("-inf")
    with pytest.raises(InputError, match="guide: received 2 NaN or infinite pixels of 40"):
        check_finite(image, "guide")


def test_negative_light_is_none_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    image = torch.rand(1, 3, 4, 5)
    assert without_negative_light(image) is image
    assert caplog.messages == []
    negative = image.clone()
    negative[0, :2, 1, 1:4] = -1.0
    clipped = without_negative_light(negative, "guide")
    assert torch.equal(clipped, negative.clamp(min=0.0))
    assert caplog.messages == ["guide: negative light in 3 pixels is taken as none."]


def test_whole_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="uint8"):
        to_planar(torch.zeros(1, 2, 2, 3, dtype=torch.uint8))
