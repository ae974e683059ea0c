"""The base model that a training was set to use."""

from __future__ import annotations

from dataclasses import asdict, replace

import torch

from ...models.flux.base import FluxBase
from ...models.flux.conditions import Prompt
from .settings import FluxFiles
from .tiny import NAME, tiny_base


def open_base(files: FluxFiles, device: torch.device) -> FluxBase:
    """The base model; its transformer on the CPU, where the engine fetches it.

    Args:
        files: the settings.
        device: where autoencoder and text encoders compute.

    Raises:
        FileError: a file is missing, damaged or something else.
        MissingDependencyError: a library of the extra "diffusion" is missing.
    """
    if files.transformer == NAME:
        return replace(tiny_base(), device=device)
    from ...models.flux_base.files import base_files
    from ...models.flux_base.loading import load_base

    given = {name: path for name, path in asdict(files).items() if name != "name"}
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return replace(load_base(base_files(**given), device, dtype), name=files.name)


def encoded_prompt(base: FluxBase, text: str) -> Prompt:
    """A prompt on the CPU; the text encoders leave the memory afterwards."""
    from ...models.lending import current_lender

    prompt = base.encode_prompt(text)
    current_lender().free()
    return Prompt(prompt.tokens.cpu(), prompt.pooled.cpu())
