"""DeblurNet: any photo, all in focus (Generative Refocusing, section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import InputError
from ..flux.base import FluxBase
from ..flux.layout import AdapterFile
from ..flux.networks import Kind, deblur_conditions
from .colors import without_drift
from .generation import Generation, Shown, check_pictures, one_for_each
from .sampling import NOBODY, Sampling, Watch


@torch.no_grad()
def deblur(
    base: FluxBase,
    adapter: AdapterFile,
    photo: Tensor,
    pre_deblurred: Tensor | None = None,
    sampling: Sampling | None = None,
    keep_colors: bool = True,
    watch: Watch = NOBODY,
) -> Tensor:
    """Photos as if all of them had been in focus.

    Args:
        base: FLUX.1-dev.
        adapter: DeblurNet's, or that of its pre-deblur variant.
        photo: `[B,3,H,W]` sRGB 0..1, of any size.
        pre_deblurred: a conservative restoration of each photo, of the same size; for the variant
            alone, which is shown black without one, as published.
        sampling: how the picture is made.
        keep_colors: take drift of colours out; see `colors`.
        watch: who is told how far it is.

    Returns:
        `[B,3,H,W]` sRGB 0..1, float32 on the photo's device.

    Raises:
        InputError: pictures that are none or do not fit each other, or an adapter for something
            else or another base model.
    """
    check_pictures(photo)
    kind = Kind.PRE_DEBLUR if adapter.info.kind is Kind.PRE_DEBLUR else Kind.DEBLUR
    if pre_deblurred is not None:
        _check_restoration(pre_deblurred, photo, kind)
    elif kind is Kind.PRE_DEBLUR:
        pre_deblurred = torch.zeros_like(photo[:1])
    generation = Generation(
        base, kind, {kind: adapter}, sampling or Sampling(), watch, pictures=len(photo)
    )
    results = []
    for index, picture in enumerate(photo.float().clamp(0.0, 1.0).split(1)):
        shown = Shown.of(base, picture)
        first = None
        if pre_deblurred is not None:
            restoration = pre_deblurred[min(index, len(pre_deblurred) - 1)][None]
            first = Shown.of(base, restoration.clamp(0.0, 1.0)).tokens(base)
        conditions = deblur_conditions(shown.tokens(base), shown.grid, first)
        result = generation.picture(picture, shown, conditions, index)
        results.append(without_drift(result, picture) if keep_colors else result)
    return torch.cat(results)


def _check_restoration(pictures: Tensor, photo: Tensor, kind: Kind) -> None:
    check_pictures(pictures, "pre_deblurred")
    if kind is not Kind.PRE_DEBLUR:
        advice = "Give deblurNet_with_pre_deblur.safetensors, or no restoration."
        raise InputError("pre_deblurred", "a restoration for the DeblurNet without one", advice)
    if pictures.shape[-2:] != photo.shape[-2:]:
        height, width = pictures.shape[-2:]
        received = f"{width}×{height} px for a photo of {photo.shape[-1]}×{photo.shape[-2]} px"
        raise InputError("pre_deblurred", received, "Give it in the photo's size.")
    one_for_each(len(pictures), len(photo), "pre_deblurred")
