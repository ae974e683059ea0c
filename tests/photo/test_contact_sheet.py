"""Several pictures in one."""

from __future__ import annotations

import numpy as np
import pytest
from focuspuller.errors import InputError
from focuspuller.photo.contact_sheet import GAP_PX, captioned, contact_sheet

PICTURES = np.linspace(0.2, 0.6, 5, dtype=np.float32)[:, None, None, None] * np.ones(
    (1, 60, 90, 3), np.float32
)


def test_pictures_stand_in_rows() -> None:
    sheet = contact_sheet(PICTURES, columns=2)
    assert sheet.shape == (3 * 60 + 2 * GAP_PX, 2 * 90 + GAP_PX, 3)
    for index, picture in enumerate(PICTURES):
        top, left = (index // 2) * (60 + GAP_PX), (index % 2) * (90 + GAP_PX)
        np.testing.assert_array_equal(sheet[top : top + 60, left : left + 90], picture)
    assert sheet[-60:, -90:].max() == 0  # There is no sixth.


@pytest.mark.parametrize(("columns", "shape"), [(0, (2, 3)), (1, (5, 1)), (9, (1, 5))])
def test_the_number_of_columns(columns: int, shape: tuple[int, int]) -> None:
    sheet = contact_sheet(PICTURES, columns=columns)
    assert sheet.shape[0] == shape[0] * (60 + GAP_PX) - GAP_PX
    assert sheet.shape[1] == shape[1] * (90 + GAP_PX) - GAP_PX


def test_captions_are_white_on_black_in_the_corner_and_differ() -> None:
    texts = ["f/1.8", "f/2.8", "f/4", "f/5.6", "f/22"]
    result = captioned(PICTURES, texts)
    np.testing.assert_array_equal(result[:, :30], PICTURES[:, :30])
    np.testing.assert_array_equal(result[:, :, 60:], PICTURES[:, :, 60:])
    corners = result[:, -8:, :30]
    assert corners.max() > 0.8
    assert corners.min() == 0
    assert (corners[0] != corners[1]).any()


def test_a_caption_larger_than_its_picture_is_cut() -> None:
    assert captioned(np.zeros((1, 6, 8, 3)), ["f/2.8"]).shape == (1, 6, 8, 3)


def test_pictures_are_left_as_they_are() -> None:
    before = PICTURES.copy()
    captioned(PICTURES, ["a"] * 5)
    np.testing.assert_array_equal(PICTURES, before)


def test_columns_are_counted_from_one() -> None:
    with pytest.raises(InputError, match="columns"):
        contact_sheet(PICTURES, columns=-1)


def test_there_has_to_be_a_caption_for_each() -> None:
    with pytest.raises(InputError, match="2 captions for 5 pictures"):
        contact_sheet(PICTURES, ["a", "b"])
    with pytest.raises(InputError, match="shape"):
        contact_sheet(PICTURES[0])
