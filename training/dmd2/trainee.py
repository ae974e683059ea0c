"""The EXIF-conditioned generator in training (Fine-grained Defocus, section 3; DMD2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from ...models.exif_generator.conditioning import ALL_IN_FOCUS
from ...models.exif_generator.denoiser import Denoiser
from ...models.exif_generator.exif import Exif, ExifProjection, exif_conditioned
from ...models.exif_generator.sampling import few_step_latents
from ...models.sdxl.pictures import PX_PER_LATENT
from ...models.sdxl.text import PromptEmbedding, embedded_tokens
from ..engine.task import Batch, Trainee
from .backward_simulation import simulated, state_at
from .discriminator import Head, bottleneck, bottleneck_shape
from .lens import Cameras, TrainedLens
from .losses import (
    all_timesteps,
    clean,
    denoising_loss,
    discriminator_loss,
    generator_loss,
    matched_timesteps,
    matching_direction,
    matching_loss,
    noisy,
)
from .networks import Networks
from .settings import ExifGeneratorConfig

LATENT_CHANNELS = 4
GENERATOR, FAKE, FOCUS = "generator", "fake", "focus"


class ExifGeneratorTrainee(Trainee):
    """Student, teacher, fake score with its discriminator, and the lens.

    The fake score has an EXIF projection of its own, so that its bottleneck can tell the
    discriminator whether a picture is one of such a camera. It is at work in scores only where the
    teacher is told of the camera too, in words: else scores are those of all cameras.

    Args:
        networks: SDXL's.
        config: of the training.
        lens: that makes the depth of field shallow; None if the student draws the blur itself.
    """

    def __init__(
        self, networks: Networks, config: ExifGeneratorConfig, lens: TrainedLens | None
    ) -> None:
        super().__init__()
        self.config = config
        self.teacher, self.student, self.fake = networks.teacher, networks.student, networks.fake
        self.vae, self.encoders = networks.vae, nn.ModuleList(networks.encoders)
        self.projection = networks.projection
        width = self.projection.linear_2.out_features
        self.fake_projection = ExifProjection(outputs=width)
        if not self._has_told_teacher:
            # No score depends on it, so that it need not begin with saying nothing.
            self.fake_projection.linear_2.reset_parameters()
        self.head = Head(*bottleneck_shape(self.fake, config.size_px))
        self.lens = lens
        self.timesteps = config.timesteps

    def generator_parameters(self) -> Iterator[nn.Parameter]:
        """What the student's turns change: itself, its EXIF projection, and the focus."""
        networks = [self.student, self.projection, *([self.lens] if self.lens else [])]
        every = chain.from_iterable(one.parameters() for one in networks)
        return (one for one in every if one.requires_grad)

    def fake_parameters(self) -> Iterator[nn.Parameter]:
        """Fake score and discriminator."""
        networks = (self.fake, self.fake_projection, self.head)
        every = chain.from_iterable(one.parameters() for one in networks)
        return (one for one in every if one.requires_grad)

    def focus_parameters(self) -> Iterator[nn.Parameter]:
        """The focus distance transformer."""
        assert self.lens is not None
        # The scale has no other teacher than the whole pipeline.
        every = self.lens.transformer.vst.parameters()
        return (one for one in every if one.requires_grad)

    def forward(self, phase: str, batch: Batch) -> dict[str, Tensor]:
        """Losses of the student, of the fake score, or of the focus."""
        prompt = self.prompt_of(batch)
        if phase == GENERATOR:
            return self._generator_losses(batch, prompt)
        with torch.no_grad():
            made = self._made(batch, prompt)
        if phase == FAKE:
            return self._fake_losses(batch, prompt, made)
        assert self.lens is not None
        focus = self.lens.focus_loss(self.picture_of(made), _cameras(batch))
        return {"loss": self.config.weights.focus * focus, "focus": focus}

    def prompt_of(self, batch: Batch, name: str = "tokens") -> PromptEmbedding:
        """The prompts of a batch, encoded: the student's, or the teacher's "teacher_tokens"."""
        tokens, tokens_2 = batch[name].unbind(1)
        first, second = self.encoders
        found = embedded_tokens(tokens, tokens_2, first, second)
        return PromptEmbedding(*(part.float() for part in found))

    @torch.no_grad()
    def drawn(self, batch: Batch) -> Tensor:
        """Latents that the student draws in all its steps, sharp or blurred as the batch says."""
        prompt = self.prompt_of(batch)
        with exif_conditioned(self.student, self.projection, self.told(batch)):
            predict = Denoiser(self.student, prompt)
            latents = few_step_latents(predict, lambda: _noise(batch), self.timesteps)
        if self._goes_through_lens(batch):
            return self._photographed(latents, batch)[0]
        return latents

    def latents_of(self, image: Tensor) -> Tensor:
        """Latents of sRGB pictures 0..1."""
        encoded = self.vae.encode(2.0 * image - 1.0).latent_dist.mode()
        return encoded.float() * self.vae.config.scaling_factor

    def picture_of(self, latents: Tensor) -> Tensor:
        """sRGB pictures 0..1 of latents."""
        decoded = self.vae.decode(latents / self.vae.config.scaling_factor, return_dict=False)[0]
        return (decoded.float() / 2.0 + 0.5).clamp(0.0, 1.0)

    def _generator_losses(self, batch: Batch, prompt: PromptEmbedding) -> dict[str, Tensor]:
        weights = self.config.weights
        weight = weights.shallow if _is_shallow(batch) else weights.deep
        latents, losses = self._made(batch, prompt), {}
        if self._goes_through_lens(batch):
            latents, losses["focus"] = self._photographed(latents, batch)
        losses["matching"] = self._matching(latents, batch)
        losses["adversarial"] = generator_loss(self._verdict(latents, prompt, batch))
        loss = weight * (losses["matching"] + weights.generator * losses["adversarial"])
        if "focus" in losses:
            loss = loss + weights.focus * losses["focus"]
        return {"loss": loss, **losses}

    def _fake_losses(
        self, batch: Batch, prompt: PromptEmbedding, made: Tensor
    ) -> dict[str, Tensor]:
        with torch.no_grad():
            if self._goes_through_lens(batch):
                made, _ = self._photographed(made, batch)
            real = self.latents_of(batch["image"])
        noise, timesteps = torch.randn_like(made), all_timesteps(len(made), made.device)
        predicted = self._fake_noise(noisy(made, noise, timesteps), timesteps, batch)
        denoising = denoising_loss(predicted, noise)
        verdicts = (self._verdict(latents, prompt, batch) for latents in (real, made))
        adversarial = discriminator_loss(*verdicts)
        loss = denoising + self.config.weights.discriminator * adversarial
        return {"loss": loss, "denoising": denoising, "discriminator": adversarial}

    def _made(self, batch: Batch, prompt: PromptEmbedding) -> Tensor:
        """What the student makes of a state of its own, in one of its steps."""
        step = int(batch["student_step"].reshape(-1)[0])
        with exif_conditioned(self.student, self.projection, self.told(batch)):
            student = Denoiser(self.student, prompt)
            before = simulated(
                student, _noise(batch), self.timesteps, step, lambda _: _noise(batch)
            )
            state = state_at(before, _noise(batch), self.timesteps, step)
            predicted = student(state.latents, state.timesteps)
        return clean(state.latents, predicted, state.timesteps).float()

    def _photographed(self, latents: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Latents behind the lens, and the loss of its focus."""
        assert self.lens is not None
        taken = self.lens(self.picture_of(latents), _cameras(batch))
        return self.latents_of(taken.image), taken.focus_loss

    @torch.no_grad()
    def direction_at(
        self, latents: Tensor, seen: Tensor, timesteps: Tensor, batch: Batch
    ) -> Tensor:
        """Where distribution matching pulls latents that the scores see as `seen`, `[B,4,h,w]`."""
        prompt, guidance = self.prompt_of(batch, "teacher_tokens"), self.config.guidance
        # As in SDXL's own training, no prompt is zeros.
        nothing = PromptEmbedding(*(torch.zeros_like(part) for part in prompt))
        teacher = Denoiser(self.teacher, prompt, None if guidance == 1.0 else nothing, guidance)
        real = clean(seen, teacher(seen, timesteps), timesteps)
        fake = clean(seen, self._fake_noise(seen, timesteps, batch), timesteps)
        return matching_direction(latents, real, fake)

    def _matching(self, latents: Tensor, batch: Batch) -> Tensor:
        made = latents.detach()
        timesteps = matched_timesteps(len(made), made.device)
        seen = noisy(made, torch.randn_like(made), timesteps)
        direction = self.direction_at(made, seen, timesteps, batch)
        return matching_loss(latents, direction).float()

    def _fake_noise(self, seen: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        """The noise that the fake score sees."""
        predict = Denoiser(self.fake, self.prompt_of(batch))
        if not self._has_told_teacher:
            return predict(seen, timesteps)
        with exif_conditioned(self.fake, self.fake_projection, _exif(batch)):
            return predict(seen, timesteps)

    @property
    def _has_told_teacher(self) -> bool:
        return self.config.teacher_told != "none"

    def _verdict(self, latents: Tensor, prompt: PromptEmbedding, batch: Batch) -> Tensor:
        """The discriminator's logits of latents of a camera, `[B]`; it sees them with noise."""
        below = self.config.discriminator_noise
        timesteps = all_timesteps(len(latents), latents.device, below)
        seen = noisy(latents, torch.randn_like(latents), timesteps)
        with exif_conditioned(self.fake, self.fake_projection, _exif(batch)):
            return self.head(bottleneck(self.fake, seen, timesteps, prompt))

    def told(self, batch: Batch) -> Exif:
        """What the student is told of the camera: before a lens, that everything be in focus."""
        exif = _exif(batch)
        if self._goes_through_lens(batch):
            return Exif(torch.full_like(exif.f_number, ALL_IN_FOCUS), exif.focal_length_mm)
        return exif

    def _goes_through_lens(self, batch: Batch) -> bool:
        return self.lens is not None and _is_shallow(batch)


def _is_shallow(batch: Batch) -> bool:
    return bool(batch["shallow"].reshape(-1)[0])


def _cameras(batch: Batch) -> Cameras:
    names = ("f_number", "focal_length_mm", "px_per_mm")
    return Cameras(*(batch[name].reshape(-1).float() for name in names))


def _exif(batch: Batch) -> Exif:
    cameras = _cameras(batch)
    return Exif(cameras.f_number, cameras.focal_length_mm)


def _noise(batch: Batch) -> Tensor:
    """Noise of the size of a batch's latents."""
    image = batch["image"]
    height, width = (side // PX_PER_LATENT for side in image.shape[-2:])
    return torch.randn(len(image), LATENT_CHANNELS, height, width, device=image.device)
