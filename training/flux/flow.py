"""Flow matching on FLUX with conditions: the velocity of noisy pictures, and its error.

A noisy latent is `(1 − σ) · clean + σ · noise`; the model predicts `noise − clean`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...models.flux.adapters import Adapter
from ...models.flux.base import FluxBase
from ...models.flux.camera import CameraProjection
from ...models.flux.conditions import Condition, Prompt, Visibility
from ...models.flux.tokens import Grid, grid_of, image_positions, packed
from ..engine.task import Batch, Trainee
from .settings import AdapterSettings


class Tokens(NamedTuple):
    """A batch of pictures as the transformer takes them: `[B,T,C]`, and rows and columns."""

    values: Tensor
    grid: Grid


class Encoder:
    """From pictures to tokens.

    Args:
        base: whose autoencoder.
    """

    def __init__(self, base: FluxBase) -> None:
        self._base = base

    def picture(self, image: Tensor) -> Tokens:
        """Tokens of pictures `[B,3,H,W]`, sRGB-coded 0..1."""
        return self.values(2.0 * image - 1.0)

    def values(self, values: Tensor) -> Tokens:
        """Tokens of maps that stand in the autoencoder's own range.

        As published, they are drawn from the latent's distribution.
        """
        seed = int(torch.randint(2**62, (), device="cpu"))
        latents = self._base.encode(values.float(), torch.Generator().manual_seed(seed))
        return Tokens(packed(latents), grid_of(*latents.shape[-2:]))


# From a trainee and a batch to what the network is shown.
Show = Callable[["FlowTrainee", Batch], Sequence[Condition]]


class FlowTrainee(Trainee):
    """FLUX with adapters, of which one learns to make a picture of an example from the others.

    Args:
        base: with frozen weights.
        adapters: by the names that conditions use.
        trained: name of the one that is.
        prompt: that all examples have.
        settings: of the training.
        target: name of the picture to be made.
        show: what the network is shown.
        checkpointing: compute activations anew in the backward pass.
    """

    def __init__(
        self,
        base: FluxBase,
        adapters: Mapping[str, Adapter],
        trained: str,
        prompt: Prompt,
        settings: AdapterSettings,
        target: str,
        show: Show,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.settings = Encoder(base), settings
        self.trained, self.target, self.show = trained, target, show
        self.model = base.transformer.requires_grad_(False)
        self.model.gradient_checkpointing = checkpointing
        self.model.adapters.clear()
        for name, adapter in adapters.items():
            self.model.adapters[name] = adapter.float().requires_grad_(name == trained)
        self.register_buffer("prompt_tokens", prompt.tokens, persistent=False)
        self.register_buffer("prompt_pooled", prompt.pooled, persistent=False)

    @property
    def prompt(self) -> Prompt:
        """That all examples have."""
        assert isinstance(self.prompt_tokens, Tensor)
        assert isinstance(self.prompt_pooled, Tensor)
        return Prompt(self.prompt_tokens, self.prompt_pooled)

    def trained_parameters(self) -> Iterator[nn.Parameter]:
        """All that has gradients."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def forward(self, phase: str, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of the velocity."""
        del phase
        clean = self.encoder.picture(batch[self.target])
        noise = torch.randn_like(clean.values)
        sigma = self.sigmas(len(noise), noise.device)
        predicted = self.velocity(clean, noise, sigma, self.show(self, batch))
        return {"loss": (predicted - (noise - clean.values)).square().mean()}

    def sigmas(self, count: int, device: torch.device) -> Tensor:
        """How noisy each example is, `[count]`, 0..1."""
        if self.settings.timesteps == "uniform":
            return torch.rand(count, device=device)
        return torch.randn(count, device=device).sigmoid()

    def velocity(
        self, clean: Tokens, noise: Tensor, sigma: Tensor, conditions: Sequence[Condition]
    ) -> Tensor:
        """What the model predicts for noisy pictures, `[B,T,C]` float32.

        Args:
            clean: the pictures.
            noise: of the same shape.
            sigma: how much of it, `[B]`.
            conditions: what the model is shown.
        """
        level = sigma[:, None, None]
        noisy = (1.0 - level) * clean.values + level * noise
        like = self.prompt.tokens
        return self.model(
            noisy.to(like),
            image_positions(clean.grid),
            sigma.to(like),
            self.settings.guidance,
            self.prompt,
            self.shown(conditions),
            Visibility(self.settings.visibility),
        ).float()

    def camera_of(self, weights: Mapping[str, Tensor]) -> CameraProjection | None:
        """What the adapter's file holds beside the adapter: only DiffCamera has a camera."""
        del weights
        return None

    def shown(self, conditions: Sequence[Condition]) -> list[Condition]:
        """Conditions in the precision that the model computes in."""
        return [replace(one, tokens=one.tokens.to(self.prompt.tokens)) for one in conditions]
