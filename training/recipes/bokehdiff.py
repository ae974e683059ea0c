"""BokehDiff: from a picture with everything in focus and its depth to a photograph, in one step.

BokehDiff (section 3, and 4.1 for numbers). Where the paper is silent the published code's choice is
taken: an adapter in all blocks, 120 000 steps, a mask whose edge hardens. Otherwise the paper's
counts where the two differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError
from ...models.bokehdiff.condition import PX_PER_TOKEN, PX_PER_UNIT
from ...models.bokehdiff.one_step import PROMPT, TRUE_PER_TOLD
from ...models.places import located
from ...models.sdxl.base import base_of, load_text_encoders, load_unet, load_vae
from ...models.sdxl.published import SDXL_BASE
from ...models.sdxl.text import embedded_prompt
from ...models.state_dict import below, write_weights
from ..bokehdiff.discriminator import Discriminator, load_backbone, tiny_backbone
from ..bokehdiff.networks import (
    Networks,
    prepared,
    tiny_networks,
)
from ..bokehdiff.trainee import (
    DISCRIMINATOR,
    GENERATOR,
    BokehDiffTrainee,
    LossWeights,
    hardness_at,
)
from ..engine.config import Optimizer, Run
from ..engine.task import Phase, Recipe, Task, Trainee, Validation
from ..procedural import procedural_series
from ..recorded_series import Dataset, RecordedSeries, Scale, pairs_of
from ..sdxl_adapter import adapter_state
from ..series import Series, SeriesSource

TINY = "tiny"
UNSEEN = 6
LEAST_TOLD = 2 / 3
BRIGHTER_SHARE = 0.75
RADIUS_SHARE = 0.2
VAE_FILE = "vae.safetensors"
# "published": at random, somewhat less than the true one. "true": the true radius, divided by how
# much more the published model blurs than it is told, which is what the lens tells it.
Told = Literal["published", "true"]


@dataclass(frozen=True)
class BokehDiffConfig:
    """A training run.

    Args:
        run: settings of every training.
        optimizer: of adapter and encoder.
        discriminator_optimizer: of the discriminator.
        weights: of the losses.
        base: SDXL checkpoint, a file or a folder of diffusers; looked for if None. "tiny" is a
            small random one, to try things out.
        backbone: folder with the discriminator's ConvNeXt, such as facebook/convnext-base-224-22k.
        rank: of the adapter.
        told: which blur radius the network is told.
        datasets: composites of `focuspuller simulate bokehdiff`.
        size_px: height and width of the examples, a multiple of 16.
        scale: which part of a picture an example is.
        procedural_scenes: how many scenes are made in memory instead, for trying out.
        licence: of the weights that come out, as their file will say.
    """

    run: Run
    optimizer: Optimizer
    discriminator_optimizer: Optimizer
    weights: LossWeights = LossWeights()
    base: str | None = None
    backbone: str | None = None
    rank: int = 8
    told: Told = "published"
    datasets: tuple[Dataset, ...] = ()
    size_px: int = 512
    scale: Scale = "native"
    procedural_scenes: int = 0
    licence: str = "CreativeML Open RAIL++-M"

    def __post_init__(self) -> None:
        if self.size_px < PX_PER_TOKEN or self.size_px % PX_PER_TOKEN:
            raise InputError("size_px", str(self.size_px), f"Give a multiple of {PX_PER_TOKEN}.")
        if self.rank < 1:
            raise InputError("rank", str(self.rank), "Give 1 or more.")


PAPER = BokehDiffConfig(
    run=Run(
        steps=120_000,
        batch_size=2,
        gradient_checkpointing=True,
        workers=4,
        log_every=50,
        validate_every=2000,
        save_every=1000,
        seed=42,
    ),
    optimizer=Optimizer(learning_rate=1e-4, warmup_steps=20, schedule="cosine"),
    discriminator_optimizer=Optimizer(learning_rate=1e-4, warmup_steps=20, schedule="cosine"),
)
TINY_PRESET = replace(
    PAPER,
    run=Run(steps=60, batch_size=4, log_every=10, validate_every=30, save_every=30),
    optimizer=Optimizer(learning_rate=1e-2, schedule="cosine"),
    weights=LossWeights(lpips=0.0),
    base=TINY,
    backbone=TINY,
    size_px=64,
    scale="whole",
    procedural_scenes=8,
    licence="none: made for a random base model",
)


PRESETS = {"paper": PAPER, "tiny": TINY_PRESET}


class BokehDiffTask(Task):
    """Training of BokehDiff."""

    def __init__(self, config: BokehDiffConfig, device: torch.device) -> None:
        self.config, self.run = config, config.run
        self.source = _source(config)
        lpips, discriminator = _lpips(config), _discriminator(config)
        networks = _networks(config, device)
        if config.run.gradient_checkpointing:
            networks.unet.enable_gradient_checkpointing()
        self.trainee = BokehDiffTrainee(networks, config.weights, lpips, discriminator)
        self.phases = [Phase(GENERATOR, _generator, config.optimizer)]
        if discriminator is not None:
            self.phases.append(
                Phase(DISCRIMINATOR, _discriminators, config.discriminator_optimizer)
            )

    def example(self, step: int, random: np.random.Generator) -> dict[str, Tensor]:
        """A composite in another light, perhaps mirrored."""
        series = self.source.draw(step, random)
        example = _example(series, self.config.told, random)
        flips = [axis for axis in (-1, -2) if random.random() < 0.5]
        brightness = 1.0
        if random.random() < BRIGHTER_SHARE:
            brightness = float(np.clip(0.7 + random.random(), 0.5, 1.1))
        for name in ("all_in_focus", "bokeh"):
            example[name] = (brightness * example[name]).clamp(0.0, 1.0)
        example = {name: one.flip(flips).contiguous() for name, one in example.items()}
        examples = self.run.batch_size * self.run.accumulate
        return {**example, "hardness": torch.tensor([hardness_at(step, examples)])}

    def validate(self, trainee: Trainee) -> Validation:
        """Squared error of pictures that were not trained with, and some of them."""
        assert isinstance(trainee, BokehDiffTrainee)
        place = next(trainee.parameters()).device
        randoms = [np.random.default_rng([self.run.seed, UNSEEN, index]) for index in range(4)]
        errors, rows = [], []
        for random in randoms:
            example = self.example(self.run.steps, random)
            batch = {name: one[None].to(place) for name, one in example.items()}
            made = trainee.rendered(2.0 * batch["all_in_focus"] - 1.0, batch)
            made = (made / 2.0 + 0.5).clamp(0.0, 1.0)
            errors.append((made - batch["bokeh"]).square().mean())
            rows += [batch["all_in_focus"], made, batch["bokeh"]]
        metrics = {"mse": float(torch.stack(errors).mean())}
        return Validation(metrics, torch.cat(rows).cpu(), columns=3)

    def export(
        self, weights: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]
    ) -> None:
        """The adapter, and beside it the trained parts of the VAE, in the published layouts."""
        said = {**metadata, "data": self.source.digest, "licence": self.config.licence}
        write_weights(file.with_name(VAE_FILE), below(weights, "vae."), said)
        said |= {"rank": str(self.config.rank), "base_model": self.config.base or SDXL_BASE.file}
        write_weights(file, adapter_state(weights, "unet."), said)


def _generator(trainee: BokehDiffTrainee):
    return trainee.generator_parameters()


def _discriminators(trainee: BokehDiffTrainee):
    return trainee.discriminator_parameters()


def _example(series: Series, told: Told, random: np.random.Generator) -> dict[str, Tensor]:
    """Pictures, relative disparity and the radius that the network is told, in units of 10 px."""
    photograph = series.photographs[0]
    if series.depth is None or photograph.blur is None or series.all_in_focus is None:
        advice = "Give what focuspuller simulate bokehdiff makes."
        received = f"{series.name}, without sharp picture, depth or bokeh level"
        raise InputError("datasets", received, advice)
    disparity = series.depth.disparity[0]
    low, high = disparity.amin(), disparity.amax()
    radius = photograph.blur.defocus(series.depth).radius[0].abs()
    return {
        "all_in_focus": series.all_in_focus,
        "bokeh": photograph.image,
        "disparity": (disparity - low) / (high - low).clamp(min=1e-6),
        "radius": radius * _told_share(told, photograph.blur.focus_disparity, random) / PX_PER_UNIT,
    }


def _told_share(told: Told, plane: float, random: np.random.Generator) -> float:
    """Which part of the blur radius the network is told."""
    if told == "true":
        return 1.0 / TRUE_PER_TOLD
    return max(plane, 1.0 - plane) * random.uniform(LEAST_TOLD, 1.0)


def _source(config: BokehDiffConfig) -> SeriesSource:
    if config.procedural_scenes:
        return procedural_series(
            config.procedural_scenes, config.size_px, RADIUS_SHARE, config.run.seed
        )
    return RecordedSeries([pairs_of(config.datasets, "datasets")], config.size_px, config.scale)


def _lpips(config: BokehDiffConfig) -> nn.Module | None:
    """LPIPS with VGG16; where its weights are missing that is an error, not a loss less."""
    if config.weights.lpips == 0:
        return None
    from ...models.perceptual.handle import lpips

    return lpips("vgg")


def _discriminator(config: BokehDiffConfig) -> Discriminator | None:
    if config.weights.adversarial == 0:
        return None
    if config.backbone is None:
        advice = "Give the folder of a ConvNeXt, or set weights.adversarial to 0."
        raise InputError("backbone", "none, for the adversarial loss", advice)
    if config.backbone == TINY:
        return Discriminator(tiny_backbone())
    return Discriminator(load_backbone(Path(config.backbone)))


def _networks(config: BokehDiffConfig, device: torch.device) -> Networks:
    if config.base == TINY:
        return tiny_networks(config.rank)
    base = base_of(located(SDXL_BASE, config.base))
    unet, vae = load_unet(base, torch.float32), load_vae(base)
    vae.disable_tiling()
    encoders = [one.to(device) for one in load_text_encoders(base, torch.float32)]
    prompt = embedded_prompt(PROMPT, encoders[0], encoders[1])
    on_cpu = type(prompt)(prompt.tokens.cpu(), prompt.pooled.cpu())
    return prepared(unet, vae, on_cpu, config.rank)


RECIPE = Recipe(
    name="bokehdiff",
    summary="blurs pictures in one step (BokehDiff), an adapter for SDXL",
    presets=PRESETS,
    make=BokehDiffTask,
    product="pytorch_lora_weights.safetensors",
)
