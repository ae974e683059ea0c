"""BokehDiff's rendering: one step of SDXL from a picture in focus to the picture out of focus.

The latents of the sharp picture are taken as those of the blurred one with noise that is to be
removed, at one timestep for which the network was trained (section 3.1). No noise is added.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...lens.progress import OnProgress
from ...lens.window import Window
from ..sdxl.pictures import PX_PER_LATENT
from ..sdxl.schedule import clean_from_noise
from ..sdxl.text import PromptEmbedding, time_ids
from ..sdxl.tiles import Blend, grouped, tiles_of
from .condition import PX_PER_TOKEN, PX_PER_UNIT, PisaCondition
from .processor import PisaProcessor, conditioned

TIMESTEP = 499
# "an excellent photo with a large aperture", in CLIP's vocabulary.
PROMPT = (550, 4239, 1125, 593, 320, 3638, 13681, 941)
# How much wider the blur is with which the model was trained than the radius that it was told, on
# average over its training data. Told and true radius of a point at disparity d are
# |d − d_f| K ρ and |d − d_f| K / max(d_f, 1 − d_f), with ρ drawn from 2/3..1 and d_f the mean
# disparity of the foreground or the background. The ratio varies from 1.1 to 2.3.
TRUE_PER_TOLD = 1.52

# The model was trained on pictures of this size, in latents.
TILE = 64
# Neighbouring tiles share so much: a fourth as published, or both sides of the widest blur.
LEAST_OVERLAP, MOST_OVERLAP = 16, 32
TILES_AT_ONCE = 4


def condition_maps(defocus: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """What the model is told of a picture's depth and blur.

    Signed blur grows linearly with disparity, so that the normalised disparity which the model
    wants is the normalised blur, too. Its range is that of surfaces, not of stray pixels: bright
    ones smaller than 3 × 3 px do not count.

    Args:
        defocus: signed blur radius of a whole picture, `[1,1,H,W]`, px.
        strength: factor on the radius.

    Returns:
        Disparity, 0..1 with 1 = nearest, and radius as the model counts it, in units of 10 px.
    """
    eroded = -F.max_pool2d(-defocus, 3, stride=1, padding=1)
    least, largest = F.max_pool2d(eroded, 3, stride=1, padding=1).aminmax()
    spread = (largest - least).clamp(min=torch.finfo(defocus.dtype).tiny)
    disparity = ((defocus - least) / spread).clamp(0.0, 1.0)
    return disparity, defocus.abs() * (strength / TRUE_PER_TOLD / PX_PER_UNIT)


def padded(values: Tensor) -> Tensor:
    """`[B,C,H,W]`, continued to the right and below to whole tokens."""
    height, width = values.shape[-2:]
    margins = (0, -width % PX_PER_TOKEN, 0, -height % PX_PER_TOKEN)
    return F.pad(values, margins, mode="replicate")


def overlap_for(radius: float) -> int:
    """How much tiles should share where blur is up to `radius` px wide, in latents."""
    wanted = 2 * math.ceil(radius / PX_PER_LATENT)
    return min(max(wanted, LEAST_OVERLAP), MOST_OVERLAP)


def blurred_latents(
    unet: Any,
    processor: PisaProcessor,
    latents: Tensor,
    maps: tuple[Tensor, Tensor],
    prompt: PromptEmbedding,
    overlap: int,
    on_progress: OnProgress,
) -> Tensor:
    """One step for latents of any size, tile by tile.

    Args:
        unet: SDXL's network with BokehDiff's adapter.
        processor: that of its physics-inspired self-attentions.
        latents: of the sharp picture, `[1,4,h,w]` with even sides.
        maps: disparity and radius, `[1,1,8h,8w]`, see `condition_maps`.
        prompt: `[1,…]`.
        overlap: of the tiles, in latents.
        on_progress: called with the finished fraction, 0..1.

    Returns:
        Latents of the blurred picture, `[1,4,h,w]` float32.
    """
    height, width = latents.shape[-2:]
    tiles = tiles_of(height, width, TILE, overlap)
    blend = Blend(tuple(latents.shape), overlap, latents.device)
    done = 0
    for group in grouped(tiles, TILES_AT_ONCE):
        noise = _noise(unet, processor, latents, maps, prompt, group)
        for tile, values in zip(group, noise, strict=True):
            blend.add(tile, values[None])
        done += len(group)
        on_progress(done / len(tiles))
    return clean_from_noise(latents, blend.result(), TIMESTEP)


def _noise(
    unet: Any,
    processor: PisaProcessor,
    latents: Tensor,
    maps: tuple[Tensor, Tensor],
    prompt: PromptEmbedding,
    group: list[Window],
) -> Tensor:
    """What the network takes for noise in some tiles, `[tiles,4,h,w]`."""
    seen = torch.cat([tile.of(latents) for tile in group]).to(unet.dtype)
    disparity, radius = (torch.cat([_in_px(tile).of(one) for tile in group]) for one in maps)
    size = PX_PER_LATENT * latents.shape[-2], PX_PER_LATENT * latents.shape[-1]
    # As published, the place of a tile counts in latents. Half precision knows no odd numbers above
    # 2048, so these stay in float32.
    ids = [time_ids(size, (tile.top, tile.left), size, latents) for tile in group]
    text = prompt.to(seen, len(group))
    with conditioned(processor, PisaCondition(disparity, radius)):
        return unet(
            seen,
            TIMESTEP,
            encoder_hidden_states=text.tokens,
            added_cond_kwargs={"text_embeds": text.pooled, "time_ids": torch.cat(ids)},
            return_dict=False,
        )[0]


def _in_px(tile: Window) -> Window:
    return Window(
        *(PX_PER_LATENT * side for side in (tile.top, tile.left, tile.bottom, tile.right))
    )
