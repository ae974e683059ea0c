"""BokehDiff as a lens: SDXL, BokehDiff's adapter, and a picture."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ...lens.aperture import Aperture
from ...lens.color import linear_to_srgb, srgb_to_linear
from ...lens.progress import OnProgress
from ...lens.render import Lens, LensKind
from ...lens.view import View
from ..lending import compute_dtype, lent
from ..loaded import loaded
from ..places import located
from ..sdxl.base import base_of, load_text_encoders, load_unet, load_vae
from ..sdxl.config import SDXL, SdxlConfig
from ..sdxl.pictures import WORKING_BYTES, decoded, encoded
from ..sdxl.published import SDXL_BASE
from ..sdxl.text import PromptEmbedding, embedded_prompt
from .layout import adapt, files_of
from .one_step import PROMPT, blurred_latents, condition_maps, overlap_for, padded
from .processor import PisaProcessor, install_pisa
from .published import BOKEHDIFF

# Half precision where it is fast: it has more digits than bfloat16, and what must not overflow, the
# VAE, computes in float32.
DTYPES = (torch.float16, torch.bfloat16)
# Shares of the progress.
ENCODED, DENOISED = 0.15, 0.8

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BokehDiffOptions:
    """Where the weights are, and how strong the blur is.

    Args:
        weights: folder with BokehDiff's two files, or the adapter's file.
        base: SDXL checkpoint: a single file, or a folder in diffusers' layout.
        strength: factor on the blur radius. At 1 the model is told such a radius that it should
            blur, on average, by that of the defocus map; at 1.52 it is told the map's radius
            itself, as in the published K.
    """

    weights: Path
    base: Path
    strength: float = 1.0


@dataclass(frozen=True)
class Networks:
    """SDXL as BokehDiff, on the CPU."""

    unet: Any
    processor: PisaProcessor
    vae: Any
    prompt: PromptEmbedding


def bokehdiff_lens(
    weights: str | Path | None = None, base: str | Path | None = None, strength: float = 1.0
) -> Lens:
    """BokehDiff, ready to render.

    Args:
        weights: as in `BokehDiffOptions`; by default where models are kept.
        base: the same.
        strength: the same, >= 0.

    Raises:
        InputError: the strength has no meaning.
        FileError: weights are missing.
    """
    if not (math.isfinite(strength) and strength >= 0):
        raise InputError("strength", f"{strength:g}", "Give a number, zero or more.")
    folder = located(BOKEHDIFF, weights)
    files_of(folder)
    checkpoint = base_of(located(SDXL_BASE, base))
    return Lens("bokehdiff", BokehDiffOptions(folder, checkpoint, strength), BOKEHDIFF_KIND)


def load_networks(
    weights: Path, base: Path, dtype: torch.dtype, config: SdxlConfig = SDXL
) -> Networks:
    """BokehDiff's networks; the text encoders are only needed once.

    Raises:
        FileError: a file is missing, unreadable or for another network.
        MissingDependencyError: diffusers or transformers is not installed.
    """
    unet, vae = load_unet(base, dtype, config), load_vae(base, config)
    adapt(unet, vae, weights)
    prompt = embedded_prompt(PROMPT, *load_text_encoders(base, torch.float32, config))
    return Networks(unet, install_pisa(unet), vae, prompt)


@torch.no_grad()
def render_bokehdiff(
    image: Tensor,
    defocus: Tensor,
    aperture: Aperture,
    options: BokehDiffOptions,
    on_progress: OnProgress | None = None,
    view: View | None = None,
) -> Tensor:
    """Render a picture with BokehDiff's networks.

    Args:
        image: linear light `[B,3,H,W]`. What is brighter than white is taken as white.
        defocus: signed blur radius `[B,1,H,W]`, px.
        aperture: the model knows round ones, of even brightness. That is logged.
        options: weights and strength.
        on_progress: called with the finished fraction, 0..1.
        view: not used: `image` is always the whole picture.

    Returns:
        Linear light `[B,3,H,W]`, 0..1.

    Raises:
        InputError: the image has not three colours.
        FileError: as `load_networks`.
    """
    del view
    if image.shape[1] != 3:
        received = f"{image.shape[1]} channels"
        raise InputError("image", received, "BokehDiff renders colour pictures.")
    if not (aperture.is_circle and aperture.is_bare_iris):
        _say_that_it_is_round()
    dtype = compute_dtype(image.device, DTYPES)
    networks = loaded(load_networks, options.weights, options.base, dtype)
    report = on_progress or (lambda fraction: None)
    maps = condition_maps(padded(defocus.float()), options.strength)
    coded = padded(linear_to_srgb(image).float().clamp(0.0, 1.0))
    latents = encoded(networks.vae, coded)
    report(ENCODED)
    with lent(networks.unet, image.device, WORKING_BYTES):
        blurred = blurred_latents(
            networks.unet,
            networks.processor,
            latents,
            maps,
            networks.prompt,
            overlap_for(options.strength * float(defocus.abs().amax())),
            lambda fraction: report(ENCODED + (DENOISED - ENCODED) * fraction),
        )
    picture = decoded(networks.vae, blurred)[..., : image.shape[-2], : image.shape[-1]]
    report(1.0)
    return srgb_to_linear(picture).to(image)


@lru_cache(maxsize=1)
def _say_that_it_is_round() -> None:
    """Once is enough."""
    logger.warning("BokehDiff knows round discs of even brightness only: the aperture is a circle.")


BOKEHDIFF_KIND = LensKind(
    render_bokehdiff,
    BokehDiffOptions,
    "one step of a diffusion model: plausible edges even where the depth is wrong",
)
