"""Adapters (LoRA) for SDXL's UNet: added to be trained, and taken out to be saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..errors import MissingDependencyError
from ..models.state_dict import below

# How peft calls the adapter within names of parameters.
ADAPTER = ".default."


def add_adapter(
    unet: Any, targets: tuple[str, ...], rank: int, alpha: float | None = None, init: Any = True
) -> None:
    """Freeze a UNet and give it an adapter that changes nothing at first.

    Args:
        unet: diffusers' `UNet2DConditionModel`.
        targets: last parts of the names of the adapted layers.
        rank: of the adapter.
        alpha: its update counts alpha / rank; once if None.
        init: of the first matrices, as peft calls it.

    Raises:
        MissingDependencyError: peft is not installed.
    """
    try:
        from peft import LoraConfig
    except ImportError as error:
        advice = "Install it: pip install 'focuspuller[diffusion]'."
        raise MissingDependencyError("peft", "a missing library", advice) from error
    unet.requires_grad_(False)
    unet.add_adapter(
        LoraConfig(
            r=rank,
            lora_alpha=rank if alpha is None else alpha,  # pyright: ignore[reportArgumentType]
            init_lora_weights=init,
            target_modules=list(targets),
        )
    )


def adapter_state(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The adapter under its published names.

    Args:
        weights: of the whole, by name of the parameter.
        prefix: of the UNet's.
    """
    return {name.replace(ADAPTER, "."): one for name, one in below(weights, prefix).items()}
