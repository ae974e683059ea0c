"""BokehMe's classical renderer: every pixel scatters its light over its own blur disc.

BokehMe (Peng et al. 2022), classical part. Discs of all pixels are summed and divided by the
accumulated weight; there is no ordering in depth, so light bleeds both ways over depth edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..errors import InputError
from .aperture import Aperture
from .blur_disc import BlurDisc, Weighting
from .color import decode_gamma, encode_gamma, linear_to_srgb, srgb_to_linear
from .layered_fft import Layers, scatter
from .progress import OnProgress
from .view import View

Method = Literal["fft", "exact"]

# A target that hardly any disc reaches (a ring-shaped aperture at the frame) keeps its own light.
LEAST_WEIGHT = 1e-3

# Highlights: coded values from here on are brightened, the brightest by this fraction, where the
# defocus is more than a tenth of its range. All three as published.
HIGHLIGHT_THRESHOLD = 220 / 255
HIGHLIGHT_GAIN = 0.4
HIGHLIGHT_LEAST_DEFOCUS = 0.1


@dataclass(frozen=True)
class BokehMeOptions:
    """Options of the classical scatter.

    Args:
        gamma: None renders in linear light; 1..5 renders in `coded ** gamma` as BokehMe does (4 in
            its demo), which makes highlights stand out.
        weighting: "bokehme" weighs discs by `1 / (r² + 0.2)` as published; "energy" makes every
            pixel spread exactly the light that it has.
        method: "fft" runs everywhere and is differentiable; "exact" follows the definition more
            closely (numba, CPU only, not differentiable).
        highlights: brightens what is nearly white and out of focus before it is spread.
    """

    gamma: float | None = None
    weighting: Weighting = "bokehme"
    method: Method = "fft"
    highlights: bool = False

    def __post_init__(self) -> None:
        if self.gamma is not None and not 1.0 <= self.gamma <= 5.0:
            raise InputError("gamma", str(self.gamma), "Give 1 to 5, or none for linear light.")
        if self.weighting not in get_args(Weighting):
            raise InputError("weighting", repr(self.weighting), f"Give {_either(Weighting)}.")
        if self.method not in get_args(Method):
            raise InputError("method", repr(self.method), f"Give {_either(Method)}.")


def _either(choices: Any) -> str:
    return " or ".join(repr(choice) for choice in get_args(choices))


def render_bokehme(
    image: Tensor,
    defocus: Tensor,
    aperture: Aperture,
    options: BokehMeOptions,
    on_progress: OnProgress | None = None,
    view: View | None = None,
) -> Tensor:
    """Scatter every pixel over a disc of its own blur radius.

    Weight at distance ρ: `(0.5 + 0.5 tanh(4 (r - ρ))) / (r² + 0.2)`; what leaves the frame is
    dropped and the division by the accumulated weight makes up for it.

    Args:
        image: linear light `[B,C,H,W]`.
        defocus: signed blur radius `[B,1,H,W]`, px.
        aperture: shape of the disc, upside down in front of the focus as in a real lens.
        options: gamma, weighting and method.
        on_progress: called with the finished fraction, 0..1.
        view: where the image lies in the whole picture; it is all of it if None.

    Returns:
        Linear light `[B,C,H,W]`; differentiable in `image` and `defocus` with method "fft".

    Raises:
        InputError: a gradient is asked for of method "exact".
    """
    if options.highlights:
        image = brighten_highlights(image, defocus, view)
    if options.gamma is None:
        return _scatter_average(image, defocus, aperture, options, on_progress, view)
    powered = decode_gamma(linear_to_srgb(image), options.gamma)
    blurred = _scatter_average(powered, defocus, aperture, options, on_progress, view)
    return srgb_to_linear(encode_gamma(blurred, options.gamma))


def brighten_highlights(image: Tensor, defocus: Tensor, view: View | None = None) -> Tensor:
    """Give clipped highlights that are out of focus some of their light back.

    BokehMe multiplies coded values by up to 1.4. It measures defocus in disparity, of a map that
    spans 0..1: that is the blur radius by the range of radii (at least 1 px).

    Args:
        image: linear light `[B,C,H,W]`.
        defocus: signed blur radius `[B,1,H,W]`, px.
        view: the range of radii is that of this whole picture; of each image if None.

    Returns:
        Linear light `[B,C,H,W]`.
    """
    coded = linear_to_srgb(image)
    if view is None:
        span = defocus.amax((1, 2, 3), keepdim=True) - defocus.amin((1, 2, 3), keepdim=True)
    else:
        span = defocus.new_tensor(view.largest_radius - view.least_radius)
    disparity = defocus / span.clamp(min=1.0)
    is_blurred = torch.tanh(200.0 * (disparity.square() - HIGHLIGHT_LEAST_DEFOCUS**2)).clamp(min=0)
    is_light = torch.tanh(10.0 * (coded - HIGHLIGHT_THRESHOLD)).clamp(min=0)
    return srgb_to_linear(coded * (1.0 + HIGHLIGHT_GAIN * is_blurred * is_light))


def _scatter_average(
    light: Tensor,
    defocus: Tensor,
    aperture: Aperture,
    options: BokehMeOptions,
    on_progress: OnProgress | None,
    view: View | None,
) -> Tensor:
    disc = BlurDisc(aperture, edge="tanh", weighting=options.weighting)
    source = torch.cat([light, torch.ones_like(light[:, :1])], dim=1)
    if options.method == "exact":
        sums = _scatter_exactly(source, defocus, disc, view)
    else:
        sums = scatter(source, defocus, Layers.for_defocus(disc, defocus, on_progress, view))
    # Transforms leave tiny negatives where there is no light.
    total, weight = sums[:, :-1].clamp(min=0.0), sums[:, -1:]
    reached = weight > LEAST_WEIGHT
    return torch.where(reached, total / torch.where(reached, weight, 1.0), light)


def _scatter_exactly(source: Tensor, defocus: Tensor, disc: BlurDisc, view: View | None) -> Tensor:
    if torch.is_grad_enabled() and (source.requires_grad or defocus.requires_grad):
        received = "'exact' for a picture or a defocus map that requires a gradient"
        raise InputError("method", received, "Choose 'fft', which has one, or torch.no_grad().")
    # Imported here because numba is an extra and slow to import.
    from .run_length import scatter_over_field, scatter_run_length

    def scattered(light: Tensor, in_front: bool) -> Tensor:
        if disc.aperture.varies_over_field:
            whole = view or View(light.shape[-2], light.shape[-1])
            return scatter_over_field(light, signed.abs(), disc, whole, in_front)
        return scatter_run_length(light, signed.abs(), disc, in_front)

    on_cpu = source.detach().cpu().float()
    signed = defocus.detach().cpu().float()
    if disc.is_point_symmetric:
        result = scattered(on_cpu, False)
    else:
        in_front = (signed > 0).float()
        result = scattered(on_cpu * (1 - in_front), False) + scattered(on_cpu * in_front, True)
    return result.to(source)
