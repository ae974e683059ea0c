"""SDXL with BokehDiff's adapter, to be trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...models.bokehdiff.layout import LORA_TARGETS, VAE_PARTS
from ...models.bokehdiff.processor import PisaProcessor, install_pisa
from ...models.sdxl.text import PromptEmbedding
from ..sdxl_adapter import add_adapter
from ..tiny_sdxl import tiny_base


@dataclass(frozen=True, eq=False)
class Networks:
    """SDXL, with PISA and a trainable adapter.

    Args:
        unet: its base weights are frozen.
        vae: parts of its encoder are trained.
        processor: of the physics-inspired self-attentions.
        prompt: the one that BokehDiff has.
    """

    unet: Any
    vae: Any
    processor: PisaProcessor
    prompt: PromptEmbedding


def prepared(unet: Any, vae: Any, prompt: PromptEmbedding, rank: int) -> Networks:
    """Freeze networks but for what BokehDiff trains.

    Args:
        unet: SDXL's; it gets an adapter that changes nothing at first.
        vae: SDXL's.
        prompt: encoded.
        rank: of the adapter.

    Raises:
        MissingDependencyError: peft is not installed.
    """
    add_adapter(unet, LORA_TARGETS, rank, init="gaussian")
    for name, parameter in vae.named_parameters():
        parameter.requires_grad_(name.startswith(VAE_PARTS))
    return Networks(unet, vae, install_pisa(unet), prompt)


def tiny_networks(rank: int) -> Networks:
    """Random ones with SDXL's layout, ready to be trained."""
    return prepared(*tiny_base(), rank)
