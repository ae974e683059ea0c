"""BokehMe's hybrid rendering: the networks' picture where the classical one is wrong.

Discs of the classical scatter bleed over depth edges. ARNet renders a picture so small that every
disc is at most `PX_PER_UNIT` px in radius, and tells where the classical picture is wrong. IUNet
enlarges it step by step, and at each step renders anew what lies in discs that are small by then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError
from ...lens.aperture import Aperture
from ...lens.bokehme import BokehMeOptions, brighten_highlights, render_bokehme
from ...lens.color import linear_to_srgb, srgb_to_linear
from ...lens.progress import OnProgress
from ...lens.view import View
from .architecture import resized
from .dilation import defocus_dilated

# Blur radius of one unit of the networks' defocus. They are made for -1..1.
PX_PER_UNIT = 10.0
# The gammas that the networks were trained with, and the one that linear light is closest to.
LEAST_GAMMA, LARGEST_GAMMA = 1.0, 5.0
GAMMA_OF_LINEAR_LIGHT = 2.2
# Radius of the masks' soft edge, as a fraction of height + width.
SOFT_EDGE = 0.005
# How much of the progress is the classical picture.
CLASSICAL_SHARE = 0.5

AdaptiveRendering = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]
IterativeUpsampling = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def render_hybrid(
    image: Tensor,
    defocus: Tensor,
    aperture: Aperture,
    options: BokehMeOptions,
    arnet: AdaptiveRendering,
    iunet: IterativeUpsampling,
    on_progress: OnProgress | None = None,
    view: View | None = None,
) -> Tensor:
    """Render classically and by the networks, and blend the two by the error map.

    Args:
        image: linear light `[B,3,H,W]`.
        defocus: signed blur radius `[B,1,H,W]`, px.
        aperture: shape of the disc of the classical picture. The networks only know round ones,
            of even brightness, see `refuse_shapes`.
        options: of the classical picture; its gamma is the networks', too.
        arnet: (image, defocus -1..1, gamma 0..1) to (small picture, error map 0..1).
        iunet: (image, defocus, small picture, gamma) to picture.
        on_progress: called with the finished fraction, 0..1.
        view: where the image lies in the whole picture; it is all of it if None.

    Returns:
        Linear light `[B,3,H,W]`, no brighter than white or than the image.
    """
    report = on_progress or (lambda fraction: None)
    lit = brighten_highlights(image, defocus, view) if options.highlights else image
    classical = render_bokehme(
        lit,
        defocus,
        aperture,
        replace(options, highlights=False),
        lambda fraction: report(CLASSICAL_SHARE * fraction),
        view,
    )
    neural, error_map = render_neural(
        linear_to_srgb(lit).float(),
        defocus.float(),
        options.gamma or GAMMA_OF_LINEAR_LIGHT,
        arnet,
        iunet,
        lambda fraction: report(CLASSICAL_SHARE + (1.0 - CLASSICAL_SHARE) * fraction),
    )
    coded = torch.lerp(linear_to_srgb(classical), neural.to(image), error_map.to(image))
    limit = linear_to_srgb(image.detach().amax()).clamp(min=1.0)
    return srgb_to_linear(torch.minimum(coded.clamp(min=0.0), limit))


def refuse_shapes(aperture: Aperture) -> None:
    """Refuse discs that the networks would draw as round ones of even brightness.

    Raises:
        InputError: the aperture makes such discs.
    """
    if aperture.shaping:
        raise InputError(
            "aperture",
            f"{aperture.shaping} for BokehMe with its networks, which know round discs only",
            "Use a round aperture, BokehMe without arnet and iunet, or another lens.",
        )


def render_neural(
    image: Tensor,
    defocus: Tensor,
    gamma: float,
    arnet: AdaptiveRendering,
    iunet: IterativeUpsampling,
    on_progress: OnProgress,
) -> tuple[Tensor, Tensor]:
    """The networks' part: render small, then enlarge by two until the full size.

    Args:
        image: sRGB-coded `[B,3,H,W]`.
        defocus: signed blur radius `[B,1,H,W]`, px.
        gamma: 1..5.
        arnet: as in `render_hybrid`.
        iunet: as in `render_hybrid`.
        on_progress: called with the finished fraction, 0..1.

    Returns:
        The picture, sRGB-coded `[B,3,H,W]`, and the error map `[B,1,H,W]`, 0..1.
    """
    units = defocus / PX_PER_UNIT
    reach = defocus_dilated(defocus) / PX_PER_UNIT
    level = (gamma - LEAST_GAMMA) / (LARGEST_GAMMA - LEAST_GAMMA)
    shrink = max(float(units.detach().abs().amax()), 1.0)
    # Each step doubles the size of ARNet's picture; the last one may be a smaller step.
    ratios = [2 ** (step + 1) / shrink for step in range(int(math.log2(shrink)))] + [1.0]

    picture, error_map = arnet(*_scaled(image, units, ratio=1.0 / shrink), level)
    picture = picture.clamp(min=0.0)
    for step, ratio in enumerate(ratios):
        on_progress((step + 1) / (len(ratios) + 1))
        small_image, small_units = _scaled(image, units, ratio)
        size = small_image.shape[-2:]
        refined = iunet(small_image, small_units.clamp(-1.0, 1.0), picture, level).clamp(min=0.0)
        is_small = (ratio * resized(reach, size)).abs() < 1.0
        picture = torch.lerp(resized(picture, size), refined, softened(is_small.to(image)))
    return picture, resized(error_map, image.shape[-2:])


def _scaled(image: Tensor, units: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    """Image and defocus at a fraction of the size, where discs are as much smaller."""
    size = [max(1, int(side * ratio)) for side in image.shape[-2:]]
    return resized(image, size), ratio * resized(units, size)


def softened(mask: Tensor) -> Tensor:
    """A mask `[B,1,H,W]` with Gaussian edges, wider in larger pictures."""
    radius = round(SOFT_EDGE * (mask.shape[-2] + mask.shape[-1]))
    if radius == 0:
        return mask
    sigma = 0.3 * (radius - 1) + 0.8
    steps = torch.arange(-radius, radius + 1, dtype=mask.dtype, device=mask.device)
    profile = torch.exp(-(steps**2) / (2.0 * sigma**2))
    profile = profile / profile.sum()
    padded = F.pad(mask, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, profile.view(1, 1, 1, -1)), profile.view(1, 1, -1, 1))
