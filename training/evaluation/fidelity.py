"""How close a picture comes to another, pixel by pixel.

Pictures are `[1,3,H,W]`, coded as a screen shows them, 0..1; what lies outside is clipped.
"""

from __future__ import annotations

import math

from torch import Tensor

# Window and constants of Wang et al., "Image Quality Assessment: From Error Visibility to
# Structural Similarity": a Gaussian of 1.5 px, cut off at 11 px.
SSIM_WINDOW = 11


def mean_absolute_error(picture: Tensor, target: Tensor) -> float:
    """MAE, 0..1; 0 is equal."""
    return float((picture.clamp(0, 1) - target.clamp(0, 1)).abs().mean())


def psnr(picture: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, over all pixels and channels; infinite for equal ones."""
    error = float((picture.clamp(0, 1) - target.clamp(0, 1)).square().mean())
    return -10.0 * math.log10(error) if error > 0 else math.inf


def ssim(picture: Tensor, target: Tensor) -> float:
    """Structural similarity, -1..1; the mean over all pixels and channels."""
    # Imported here because kornia is slow to import.
    from kornia.metrics import ssim as similarity

    return float(similarity(picture.clamp(0, 1), target.clamp(0, 1), SSIM_WINDOW).mean())
