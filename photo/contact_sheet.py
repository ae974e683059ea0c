"""Several pictures in one, with captions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import InputError

# In shares of a picture's height.
TEXT_SIZE, MARGIN = 0.05, 0.02
LEAST_TEXT_PX = 8
# Between pictures, in px.
GAP_PX = 4


def contact_sheet(
    pictures: np.ndarray, captions: Sequence[str] = (), columns: int = 0
) -> np.ndarray:
    """Pictures in rows, on black.

    Args:
        pictures: `[N,H,W,3]`, sRGB-coded 0..1.
        captions: one for each, or none.
        columns: in a row; 0: about as many as rows.

    Returns:
        `[H',W',3]` float32.

    Raises:
        InputError: there are not as many captions as pictures, no pictures, or negative columns.
    """
    if columns < 0:
        raise InputError("columns", str(columns), "Give 1 or more, or 0 to let it choose.")
    count, height, width = _checked(pictures, captions)
    across = min(columns or math.ceil(math.sqrt(count)), count)
    down = math.ceil(count / across)
    shape = (down * (height + GAP_PX) - GAP_PX, across * (width + GAP_PX) - GAP_PX, 3)
    sheet = np.zeros(shape, np.float32)
    for index, picture in enumerate(captioned(pictures, captions)):
        top, left = (index // across) * (height + GAP_PX), (index % across) * (width + GAP_PX)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def captioned(pictures: np.ndarray, captions: Sequence[str]) -> np.ndarray:
    """Pictures with white captions on black in their lower left corner.

    Args:
        pictures: `[N,H,W,3]`, sRGB-coded 0..1.
        captions: one for each, or none.

    Returns:
        `[N,H,W,3]` float32.

    Raises:
        InputError: as `contact_sheet`.
    """
    _, height, width = _checked(pictures, captions)
    result = pictures.astype(np.float32)
    for picture, caption in zip(result, captions, strict=False):
        text = _drawn(caption, height, width)
        rows, columns = text.shape
        picture[height - rows :, :columns] = text[..., None]
    return result


def _drawn(caption: str, height: int, width: int) -> np.ndarray:
    """White text on black, `[h,w]` 0..1, no larger than a picture."""
    font = ImageFont.load_default(max(LEAST_TEXT_PX, TEXT_SIZE * height))
    left, top, right, bottom = font.getbbox(caption)
    margin = max(2, round(MARGIN * height))
    size = math.ceil(right - left) + 2 * margin, math.ceil(bottom - top) + 2 * margin
    plate = Image.new("L", size)
    ImageDraw.Draw(plate).text((margin - left, margin - top), caption, fill=255, font=font)
    return (np.asarray(plate, np.float32) / 255.0)[:height, :width]


def _checked(pictures: np.ndarray, captions: Sequence[str]) -> tuple[int, int, int]:
    if pictures.ndim != 4 or 0 in pictures.shape or pictures.shape[-1] != 3:
        raise InputError("pictures", f"shape {list(pictures.shape)}", "Give [N,H,W,3].")
    count, height, width, _ = pictures.shape
    if captions and len(captions) != count:
        received = f"{len(captions)} captions for {count} pictures"
        raise InputError("captions", received, "Give one for each, or none.")
    return count, height, width
