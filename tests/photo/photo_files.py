"""What several tests of loading and saving share: primaries of colour spaces, EXIF of a lens."""

from __future__ import annotations

import numpy as np
from PIL import Image

SRGB_PRIMARIES = np.array(
    [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]]
)
DISPLAY_P3_PRIMARIES = np.array(
    [[0.51512, 0.24120, -0.00105], [0.29198, 0.69225, 0.04189], [0.15710, 0.06657, 0.78407]]
)
LENS = {0x829D: 5.6, 0x920A: 50.0, 0xA405: 75, 0x9206: 3.0}


def lens_exif(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Canon"
    exif[0x0112] = orientation
    exif[0x8769] = LENS
    return exif.tobytes()


def assert_same_picture(image: np.ndarray, pixels: np.ndarray) -> None:
    """Up to what JPEG and WebP lose, mostly where colours meet."""
    assert image.shape == pixels.shape
    assert np.abs(image - pixels / 255).mean() < 0.02
