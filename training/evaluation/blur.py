"""Whether blur follows what was asked for, judged from a series of pictures of one scene.

Pictures are `[1,3,H,W]`, sRGB-coded 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...lens.color import srgb_to_linear

# Rec. 601, of which the published measures of sharpness make their grey.
GREY = (0.299, 0.587, 0.114)


def signal_energy(picture: Tensor) -> float:
    """Sum of squares over all pixels and channels.

    By Parseval's theorem that of the Fourier spectrum. Blurring with any kernel of non-negative
    weights that sum to 1 lowers it (Fine-grained Defocus, theorem F.1).
    """
    return float(picture.double().square().sum())


def blur_monotonicity(pictures: Sequence[Tensor]) -> float:
    """Percentage of steps to a smaller aperture at which the picture gets sharper.

    Fine-grained Defocus, section 4.1: of neighbours in the series, how often the signal energy
    rises with the f-number.

    Args:
        pictures: of one scene, by rising f-number; two or more.
    """
    energies = [signal_energy(picture) for picture in pictures]
    rises = [low < high for low, high in pairwise(energies)]
    return 100.0 * sum(rises) / len(rises)


def light_monotonicity(pictures: Sequence[Tensor]) -> float:
    """`blur_monotonicity` of linear light, where lenses blur and the theorem holds.

    Coding is concave: what spreads light evenly raises the mean of the coded values, so that the
    energy of coded pictures may rise with blur that is physically right.
    """
    return blur_monotonicity([srgb_to_linear(picture.double()) for picture in pictures])


def laplacian_variance(picture: Tensor) -> float:
    """Variance of the Laplacian of the grey picture, in levels of 0..255: higher is sharper."""
    grey = (picture.double() * picture.new_tensor(GREY).double().view(1, 3, 1, 1)).sum(1)
    padded = F.pad(255.0 * grey[:, None], (1, 1, 1, 1), mode="reflect")
    kernel = torch.tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=torch.float64)
    edges = F.conv2d(padded, kernel.to(padded.device)[None, None])
    return float(edges.var(correction=0))


def level_correlation(pictures: Sequence[Tensor], levels: Sequence[float]) -> float:
    """LVCorr: how evenly blur grows with the bokeh level, -1..1; 1 is in proportion.

    DiffCamera section 4.2, Generative Refocusing section 4.1.4: Pearson's correlation of the
    levels with the variance of the Laplacian. That variance falls as blur grows; the papers give
    positive figures, so the sign is turned. 0 where nothing changes.

    Args:
        pictures: of one scene, three or more.
        levels: the bokeh level K of each.
    """
    sharpness = np.array([laplacian_variance(picture) for picture in pictures])
    asked = np.asarray(levels, np.float64)
    sharpness, asked = sharpness - sharpness.mean(), asked - asked.mean()
    scale = np.sqrt((sharpness**2).sum() * (asked**2).sum())
    return float(-(sharpness * asked).sum() / scale) if scale > 0 else 0.0
