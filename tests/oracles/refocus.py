"""Base models for refocusing: a tiny FLUX, and one whose result is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from focuspuller.models.flux.adapters import FluxShape
from focuspuller.models.flux.attention import ConditionCache
from focuspuller.models.flux.base import FluxBase
from focuspuller.models.flux.camera import CameraProjection
from focuspuller.models.flux.conditions import Condition, Visibility
from focuspuller.models.flux.layout import AdapterFile, AdapterInfo, save_adapter
from focuspuller.models.flux.networks import PROMPTS, Kind
from focuspuller.models.flux_base.prompts import save_prompts
from focuspuller.models.flux_base.published import FLUX_PROMPTS
from focuspuller.models.refocus.model import RefocusModel
from oracles.flux import filled_adapter, flux
from oracles.flux_base import (
    BASE_CONFIG,
    original_autoencoder,
    prompt_of,
    save_file_of,
    tiny_base,
    vae,
)
from torch import Tensor, nn

SHAPE = FluxShape.of(BASE_CONFIG)

# From the tokens of conditions to those of the clean picture.
Clean = Callable[[Sequence[Tensor]], Tensor]


@lru_cache
def adapter_for(kind: Kind, visibility: Visibility = Visibility.PUBLISHED) -> AdapterFile:
    """Filled by the published names, another one for each kind."""
    camera = CameraProjection(SHAPE.width) if kind is Kind.DIFFCAMERA else None
    if camera is not None:
        generator = torch.Generator().manual_seed(5)
        camera.weight.data = torch.randn(camera.weight.shape, generator=generator)
        camera.bias.data.zero_()
        camera.requires_grad_(False)
    adapter = filled_adapter(SHAPE, salt=kind.value).requires_grad_(False)
    return AdapterFile(adapter, AdapterInfo(kind, visibility), camera)


@lru_cache(maxsize=1)
def _tiny_base() -> FluxBase:
    return tiny_base()


def tiny_model(*kinds: Kind) -> RefocusModel:
    """A tiny FLUX, without memory, with adapters for everything, or for what is named."""
    return RefocusModel(replace(_tiny_base()), {kind: adapter_for(kind) for kind in kinds or Kind})


class KnownTransformer(nn.Module):
    """Flows straight to a clean picture that follows from the conditions, token by token.

    Args:
        clean: the picture's tokens; by default those of the first condition.
    """

    def __init__(self, clean: Clean = lambda tokens: tokens[0]) -> None:
        super().__init__()
        self.clean = clean
        self.shape = SHAPE
        self.adapters = nn.ModuleDict()
        self.passes: list[dict[str, Any]] = []
        self.encoded: list[Sequence[Condition]] = []

    def forward(
        self,
        picture: Tensor,
        positions: Tensor,
        timestep: Tensor,
        guidance: float,
        prompt: Any,
        conditions: Sequence[Condition] = (),
        visibility: Visibility = Visibility.PUBLISHED,
        **others: Any,
    ) -> Tensor:
        """Noise minus clean, as the flow has it at that noise."""
        self.passes.append(
            {"conditions": conditions, "guidance": guidance, "tokens": picture.shape[1], **others}
        )
        tokens = [condition.tokens for condition in conditions]
        return (picture - self.clean(tokens)) / timestep.view(-1, 1, 1)

    def encode(self, conditions: Sequence[Condition], pooled: Tensor) -> ConditionCache:
        """Nothing: what is clean does not follow from it."""
        self.encoded.append(conditions)
        return ConditionCache()


def known_model(clean: Clean | None = None, base: FluxBase | None = None) -> RefocusModel:
    """A base model whose pictures are known, with adapters for everything."""
    transformer: Any = KnownTransformer() if clean is None else KnownTransformer(clean)
    base = replace(base or _tiny_base(), transformer=transformer)
    return RefocusModel(base, {kind: adapter_for(kind) for kind in Kind})


FILES = {
    Kind.DEBLUR: "deblurNet.safetensors",
    Kind.PRE_DEBLUR: "deblurNet_with_pre_deblur.safetensors",
    Kind.BOKEH: "bokehNet.safetensors",
    Kind.APERTURE: "shapes.safetensors",
    Kind.DIFFCAMERA: "diffcamera.safetensors",
}


def save_models(root: Path) -> Path:
    """A folder of models as people have it: a tiny FLUX, its prompts, adapters for everything."""
    save_file_of(
        root / "diffusion_models" / "flux1-dev.safetensors", flux(BASE_CONFIG).state_dict()
    )
    save_file_of(root / "vae" / "ae.safetensors", original_autoencoder(vae().state_dict()))
    (root / "text_encoders").mkdir()
    prompts = {text: prompt_of(text) for text in PROMPTS.values()}
    save_prompts(root / "text_encoders" / FLUX_PROMPTS.file, prompts)
    (root / "loras").mkdir()
    for kind, name in FILES.items():
        adapter = adapter_for(kind)
        save_adapter(root / "loras" / name, adapter.adapter, adapter.info, adapter.camera)
    return root


def picture(height: int, width: int, batch: int = 1, seed: int = 7) -> Tensor:
    """Smooth colours with fine noise, `[B,3,H,W]`, away from black and white."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 3, 4, generator=generator)
    smooth = nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    noise = torch.rand(batch, 3, height, width, generator=generator)
    return 0.15 + 0.6 * smooth + 0.1 * noise
