"""BokehDiff in training: one step of SDXL from a sharp picture to a blurred one, and its losses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...models.bokehdiff.condition import HARD, PisaCondition
from ...models.bokehdiff.one_step import TIMESTEP
from ...models.sdxl.schedule import clean_from_noise
from ...models.sdxl.text import PromptEmbedding, time_ids
from ..engine.task import Batch, Trainee
from .discriminator import Discriminator, adversarial_loss, discriminator_loss
from .edge_loss import edge_loss
from .networks import Networks

GENERATOR, DISCRIMINATOR = "generator", "discriminator"
# As published, the mask's edge starts soft and becomes harder by this with every example.
FIRST_HARDNESS, HARDENING = 3.0, 2.0
# Of the attention in training: points on a ray, and rays of a pair of tokens.
SEGMENTS, SUPERSAMPLES = 5, 4


@dataclass(frozen=True)
class LossWeights:
    """How much each loss counts (eq. 12); 0 leaves it out, with the network that it needs.

    Args:
        mse: squared error of pictures in -1..1.
        lpips: features of VGG16, whose weights have to be there.
        edge: of edges.
        adversarial: of the discriminator.
    """

    mse: float = 1.0
    lpips: float = 5.0
    edge: float = 1.0
    adversarial: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < float("inf"):
                raise InputError(f"weights.{name}", str(value), "Give zero or more.")


class BokehDiffTrainee(Trainee):
    """SDXL with an adapter, and its discriminator.

    Args:
        networks: SDXL's.
        weights: of the losses.
        lpips: the distance LPIPS; None if it does not count.
        discriminator: None if it does not count.
    """

    def __init__(
        self,
        networks: Networks,
        weights: LossWeights,
        lpips: nn.Module | None,
        discriminator: Discriminator | None,
    ) -> None:
        super().__init__()
        self.unet, self.vae = networks.unet, networks.vae
        self.processor, self.weights = networks.processor, weights
        self.lpips = None if lpips is None else lpips.requires_grad_(False)
        self.discriminator = discriminator
        self.register_buffer("prompt_tokens", networks.prompt.tokens, persistent=False)
        self.register_buffer("prompt_pooled", networks.prompt.pooled, persistent=False)

    def generator_parameters(self) -> Iterator[nn.Parameter]:
        """The adapter and the trained parts of the VAE's encoder."""
        both = (*self.unet.parameters(), *self.vae.parameters())
        return (parameter for parameter in both if parameter.requires_grad)

    def discriminator_parameters(self) -> Iterator[nn.Parameter]:
        """The head."""
        assert self.discriminator is not None
        return self.discriminator.head.parameters()

    def forward(self, phase: str, batch: Batch) -> dict[str, Tensor]:
        """Losses of the generator, or of the discriminator."""
        sharp, bokeh = 2.0 * batch["all_in_focus"] - 1.0, 2.0 * batch["bokeh"] - 1.0
        if phase == DISCRIMINATOR:
            return self._discriminator_loss(sharp, bokeh, batch)
        made = self.rendered(sharp, batch)
        losses = {
            "mse": F.mse_loss(made, bokeh),
            "edge": edge_loss(made, bokeh, sharp),
        }
        if self.lpips is not None:
            coded = [image.clamp(-1.0, 1.0) / 2.0 + 0.5 for image in (made, bokeh)]
            losses["lpips"] = self.lpips(*coded).mean()
        if self.discriminator is not None:
            losses["adversarial"] = adversarial_loss(self.discriminator(made))
        total = [getattr(self.weights, name) * value for name, value in losses.items()]
        return {"loss": torch.stack(total).sum(), **losses}

    def rendered(self, sharp: Tensor, batch: Batch) -> Tensor:
        """The network's pictures, about -1..1 (section 3.1).

        Args:
            sharp: `[B,3,H,W]` -1..1.
            batch: with disparity and radius, `[B,1,H,W]`, and the hardness of the mask's edge.
        """
        scaling = self.vae.config.scaling_factor
        latents = self.vae.encode(sharp).latent_dist.mode() * scaling
        hardness = float(batch["hardness"].reshape(-1)[0])
        # It stays there for the backward pass, which may compute attention anew.
        self.processor.condition = PisaCondition(
            batch["disparity"], batch["radius"], hardness, SEGMENTS, SUPERSAMPLES
        )
        count, size = len(sharp), (sharp.shape[-2], sharp.shape[-1])
        prompt = self._prompt().to(latents, count)
        ids = time_ids(size, (0, 0), size, latents).expand(count, -1)
        noise = self.unet(
            latents,
            TIMESTEP,
            encoder_hidden_states=prompt.tokens,
            added_cond_kwargs={"text_embeds": prompt.pooled, "time_ids": ids},
            return_dict=False,
        )[0]
        clean = clean_from_noise(latents, noise, TIMESTEP)
        return self.vae.decode(clean / scaling, return_dict=False)[0].float()

    def _discriminator_loss(self, sharp: Tensor, bokeh: Tensor, batch: Batch) -> dict[str, Tensor]:
        assert self.discriminator is not None
        with torch.no_grad():
            made = self.rendered(sharp, batch)
        loss = discriminator_loss(self.discriminator(bokeh), self.discriminator(made))
        return {"loss": loss}

    def _prompt(self) -> PromptEmbedding:
        tokens, pooled = self.prompt_tokens, self.prompt_pooled
        assert isinstance(tokens, Tensor) and isinstance(pooled, Tensor)
        return PromptEmbedding(tokens, pooled)


def hardness_at(step: int, examples: int) -> float:
    """Hardness of the mask's edge in a step, counted from 0, with so many examples in each."""
    return min(FIRST_HARDNESS + HARDENING * step * examples, HARD)
