"""Highlights that a picture clips at white: their light before rendering, their look after it.

A lamp may be a hundred times brighter than white, but an ordinary picture stores 1.0. Spread over a
blur disc, that is too little light to be seen. `recover_highlights` raises what is nearly white by
an inverse tone curve, in linear light. With brightness x, threshold t (both linear) and the light
P = 2^stops of a clipped white pixel,

    f(x) = x + (P − 1) S((x − t) / (1 − t)),   S(u) = 3u² − 2u³ for u in 0..1, else 0 or 1.

f is the identity below t, rises everywhere and has a continuous derivative. It is flat again at
white, so that the noise of a JPEG around clipped values stays as small as it was. All channels of a
pixel get the same factor, which keeps its colour.

Brightness is the mean of the luminance and the brightest channel. Luminance alone misses coloured
lamps, whose cores are seldom white; the brightest channel alone takes any vivid orange for a lamp.

`compress_highlights` is f backwards: what was sharp gets the values that it had, lights that became
discs roll off softly towards white.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .color import linear_to_srgb, luminance, srgb_to_linear
from .image import check_finite, without_negative_light

MAX_STOPS = 10.0
# How far around a light its halo is looked for: standard deviation as a fraction of the longest
# edge, and in the pixels of the smaller picture on which that is done.
HALO_REACH = 0.01
HALO_REACH_PX = 3.0
# Light in the surroundings, relative to white, below which there is no halo.
LEAST_HALO = 1e-6


@dataclass(frozen=True)
class Highlights:
    """What light clipped highlights are taken to have had.

    Args:
        stops: how far above white a clipped white pixel was, 0..10; each stop doubles the light,
            0 changes nothing.
        threshold: sRGB-coded brightness between 0 and 1 from which on a pixel counts as clipped in
            part; everything below stays as it is.
        halo_color: 0..1, how much of the light added to white pixels takes the colour of the
            bright surroundings, where the picture still shows that of a lamp.

    Raises:
        InputError: a value out of its range.
    """

    stops: float = 3.0
    threshold: float = 0.85
    halo_color: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.stops <= MAX_STOPS:
            raise InputError("stops", repr(self.stops), f"Give 0 to {MAX_STOPS:g} stops.")
        if not 0.0 < self.threshold < 1.0:
            advice = "Give an sRGB value between 0 and 1, such as 0.85."
            raise InputError("threshold", repr(self.threshold), advice)
        if not 0.0 <= self.halo_color <= 1.0:
            raise InputError("halo_color", repr(self.halo_color), "Give 0 to 1.")

    @property
    def linear_threshold(self) -> float:
        """t, the threshold in linear light."""
        return float(srgb_to_linear(torch.tensor(self.threshold, dtype=torch.float64)))

    @property
    def added_light(self) -> float:
        """P − 1: what a clipped pixel gets beside the light it has; white is 1."""
        return 2.0**self.stops - 1.0


def recover_highlights(image: Tensor, highlights: Highlights) -> Tensor:
    """Give clipped highlights their light back.

    Args:
        image: linear light `[B,3,H,W]`, >= 0. Values above 1 are kept and get the same light on
            top as white.
        highlights: how much, and from where on.

    Returns:
        Linear light `[B,3,H,W]`, differentiable; equal to `image` below the threshold.
    """
    brightness = _brightness(image)
    clipped = _smooth_step(brightness, highlights.linear_threshold)
    gain = highlights.added_light * clipped / brightness.clamp(min=highlights.linear_threshold)
    if highlights.halo_color == 0.0:
        return image * (1.0 + gain)
    halo = brightness * _halo_hue(image, brightness, clipped)
    # A lamp that shows its colour keeps it.
    return image + gain * torch.lerp(image, halo, highlights.halo_color * _whiteness(image))


def compress_highlights(image: Tensor, highlights: Highlights) -> Tensor:
    """Bring recovered highlights back below white, the way they came.

    Undoes `recover_highlights`; the colour that white lights have got from `halo_color` stays.

    Args:
        image: linear light `[B,3,H,W]`, >= 0.
        highlights: as given to `recover_highlights`.

    Returns:
        Linear light `[B,3,H,W]`, differentiable once.
    """
    if highlights.stops == 0.0:
        return image
    brightness = _brightness(image)
    is_above = brightness > highlights.linear_threshold
    lowered = brightness.masked_scatter(is_above, _uncurved(brightness[is_above], highlights))
    return image * torch.where(is_above, lowered / brightness, 1.0)


def in_pictures(
    change: Callable[[Tensor, Highlights], Tensor],
    images: Tensor,
    highlights: Highlights,
    linear: bool = False,
    device: torch.device | None = None,
) -> Tensor:
    """`recover_highlights` or `compress_highlights` in pictures as users have them.

    Args:
        change: one of the two.
        images: `[B,3,H,W]`, any float dtype; sRGB-coded, where values above 1 continue the curve.
            Negative values are taken as 0.
        highlights: how much, and from where on.
        linear: the images hold linear light instead; so does the result.
        device: where to compute; by default where the images are.

    Returns:
        `[B,3,H,W]` coded as `images`, in their dtype and on their device.

    Raises:
        InputError: NaN or infinite pixels.
    """
    check_finite(images)
    working = torch.promote_types(images.dtype, torch.float32)
    changed = []
    for image in without_negative_light(images).split(1):  # memory does not grow with the batch
        light = image.to(device, working)
        if linear:
            result = change(light, highlights)
        else:
            result = linear_to_srgb(change(srgb_to_linear(light), highlights))
        changed.append(result.to(images))
    return torch.cat(changed)


def clipped_part(images: Tensor, highlights: Highlights, linear: bool = False) -> Tensor:
    """How much of the added light each pixel gets.

    Args:
        images: `[B,3,H,W]`, sRGB-coded.
        highlights: how much, and from where on.
        linear: the images hold linear light instead.

    Returns:
        `[B,1,H,W]`, 0..1.
    """
    light = images if linear else srgb_to_linear(images)
    return _smooth_step(_brightness(light), highlights.linear_threshold)


def _brightness(image: Tensor) -> Tensor:
    return (luminance(image) + image.amax(1, keepdim=True)) / 2.0


def _whiteness(image: Tensor) -> Tensor:
    """1 for grey, 0 for a pure colour, `[B,1,H,W]`."""
    return image.amin(1, keepdim=True) / image.amax(1, keepdim=True).clamp(min=LEAST_HALO)


def _smooth_step(brightness: Tensor, threshold: float) -> Tensor:
    """S of the module's formula."""
    u = ((brightness - threshold) / (1.0 - threshold)).clamp(0.0, 1.0)
    return u * u * (3.0 - 2.0 * u)


def _uncurved(light: Tensor, highlights: Highlights) -> Tensor:
    """The brightness x with f(x) = `light`, which is above the threshold."""
    threshold, added = highlights.linear_threshold, highlights.added_light
    width = 1.0 - threshold
    # On the way to white, f(x) − t = width·u + added·(3u² − 2u³).
    excess = light - threshold
    low, high = torch.zeros_like(excess), torch.ones_like(excess)
    with torch.no_grad():
        for _ in range(_bisections(light.dtype)):
            middle = (low + high) / 2.0
            is_below = width * middle + added * middle**2 * (3.0 - 2.0 * middle) < excess
            low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
    # One step of Newton's with gradients: it gives those of the inverse function.
    u = (low + high) / 2.0
    missing = excess - (width * u + added * u**2 * (3.0 - 2.0 * u))
    u = u + missing / (width + 6.0 * added * u * (1.0 - u))
    return torch.where(light < 1.0 + added, threshold + width * u, light - added)


def _bisections(dtype: torch.dtype) -> int:
    """Halvings after which one step of Newton's, which squares the error, is as good as exact."""
    return math.ceil(-math.log2(torch.finfo(dtype).eps)) * 2 // 3


def _halo_hue(image: Tensor, brightness: Tensor, clipped: Tensor) -> Tensor:
    """Colour, of brightness 1, of what is bright but not clipped around each pixel; else white."""
    from kornia.filters import gaussian_blur2d

    # Not the soft edges of the light itself: they are bright, but white.
    weight = brightness.square() * (1.0 - clipped) * (1.0 - _whiteness(image)).square()
    height, width = image.shape[-2:]
    reach = HALO_REACH * max(height, width)
    shrink = max(1, int(reach / HALO_REACH_PX))
    # Halos are smooth: a smaller picture is enough, and keeps the filter short at any size.
    small = F.avg_pool2d(
        torch.cat([weight * image, weight], dim=1), shrink, ceil_mode=True, count_include_pad=False
    )
    sigma = max(reach / shrink, 1.0)
    taps = 2 * math.ceil(3.0 * sigma) + 1
    blurred = gaussian_blur2d(small, (taps, taps), (sigma, sigma), border_type="constant")
    around = F.interpolate(blurred, (height, width), mode="bilinear", align_corners=False)
    color = around[:, :3] + LEAST_HALO
    return color / _brightness(color)
