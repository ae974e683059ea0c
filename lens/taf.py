"""The TAF lens: every pixel averages its surroundings over its own circle of confusion.

The differentiable thin-lens model of Fine-grained Defocus Blur Control (its reference 32): a
gather, with a disc of unit energy and a one-pixel soft edge. Cheap gradients, no occlusion: a sharp
foreground bleeds into a blurred background beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .aperture import Aperture
from .blur_disc import BlurDisc
from .layered_fft import Layers, gather
from .progress import OnProgress
from .view import View


@dataclass(frozen=True)
class TafOptions:
    """The TAF lens has nothing to set."""


def render_taf(
    image: Tensor,
    defocus: Tensor,
    aperture: Aperture,
    options: TafOptions,
    on_progress: OnProgress | None = None,
    view: View | None = None,
) -> Tensor:
    """Blur with discs whose diameter is the circle of confusion of the target pixel.

    Weight of a neighbour at distance ρ: `clamp(r + 0.5 - ρ, 0, 1)`, normalised to sum 1; below
    1 px diameter the pixel is left alone. Beyond the frame its edge is continued.

    Args:
        image: linear light `[B,C,H,W]`.
        defocus: signed blur radius `[B,1,H,W]`, px.
        aperture: shape of the disc.
        options: none so far.
        on_progress: called with the finished fraction, 0..1.
        view: where the image lies in the whole picture; it is all of it if None.

    Returns:
        Linear light `[B,C,H,W]`; differentiable in `image` and `defocus`.
    """
    del options
    disc = BlurDisc(aperture, edge="linear", weighting="energy")
    blurred = gather(image, defocus, Layers.for_defocus(disc, defocus, on_progress, view))
    return blurred.clamp(min=0.0)
