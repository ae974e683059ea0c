"""Colours of other primaries than those of sRGB, in linear light."""

from __future__ import annotations

from typing import Any

import numpy as np

# CIE x and y of red, green, blue and white: Rec. 709, whose primaries are those of sRGB.
REC_709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
# Two files of the same colour space may differ by rounding.
_SAME_CHROMATICITY = 1e-3
# Bradford's cone responses to XYZ, for adapting one white to another.
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def in_rec_709(light: np.ndarray, chromaticities: Any) -> np.ndarray:
    """Colours of other primaries and another white, such as those of ACES, in sRGB's.

    Args:
        light: `[H,W,3]`.
        chromaticities: CIE x and y of red, green, blue and white, as a file has them; what is None
            or no such eight numbers leaves the colours as they are.
    """
    wanted = np.array(REC_709)
    try:
        given = wanted if chromaticities is None else np.array(chromaticities, np.float64)
        if np.abs(given - wanted).max() < _SAME_CHROMATICITY:
            return light
        with np.errstate(all="ignore"):
            adapted = _adaptation(given[6:], wanted[6:]) @ _to_xyz(given)
            matrix = np.linalg.solve(_to_xyz(wanted), adapted)
    except (ValueError, np.linalg.LinAlgError):  # not eight numbers, or no colour space
        return light
    return (light @ matrix.T).astype(np.float32) if np.isfinite(matrix).all() else light


def _to_xyz(chromaticities: np.ndarray) -> np.ndarray:
    """RGB to CIE XYZ `[3,3]` for CIE x and y of red, green, blue and white; white has Y = 1."""
    primaries = np.stack([_xyz(point) for point in chromaticities[:6].reshape(3, 2)], axis=1)
    return primaries * np.linalg.solve(primaries, _xyz(chromaticities[6:]))


def _xyz(point: np.ndarray) -> np.ndarray:
    x, y = point
    return np.array([x / y, 1.0, (1.0 - x - y) / y])


def _adaptation(white: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """XYZ to XYZ, `[3,3]`, that turns one white into another (Bradford)."""
    scale = (_BRADFORD @ _xyz(wanted)) / (_BRADFORD @ _xyz(white))
    return np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD


def xyz_to_rec_709(light: np.ndarray) -> np.ndarray:
    """CIE XYZ `[H,W,3]` in the primaries of sRGB, whose white has Y = 1."""
    return (light @ np.linalg.inv(_to_xyz(np.array(REC_709))).T).astype(np.float32)
