"""Training of one adapter for FLUX: base model, examples, validation and the file that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...models.flux.adapters import Adapter, adaptable_layers, new_adapter
from ...models.flux.base import DOWNSCALING, FluxBase
from ...models.flux.conditions import Visibility
from ...models.flux.denoiser import Denoiser
from ...models.flux.layout import AdapterInfo, load_adapter, save_adapter
from ...models.flux.networks import PROMPTS, Kind
from ...models.flux.sampling import denoised, flow_noise, flow_sigmas
from ...models.flux.tokens import PATCH, grid_of, unpacked
from ...models.state_dict import below
from ..engine.config import Optimizer, Run
from ..engine.task import Batch, Phase, Task, Trainee, Validation
from ..procedural import procedural_series
from ..recorded_series import Dataset, RecordedSeries, Scale, pairs_of
from ..series import SeriesSource
from .base import encoded_prompt, open_base
from .flow import FlowTrainee, Show
from .settings import AdapterSettings, FluxFiles
from .tiny import NAME as TINY

# Random streams of the adapter's first values, and of examples that are never trained with.
START, UNSEEN = 5, 6
# Of procedural scenes: the widest blur radius, as a share of the picture's side.
RADIUS_SHARE = 0.12
C = TypeVar("C", bound="FlowConfig")
# How noisy the examples are with which a validation measures the error of the velocity.
VALIDATION_SIGMAS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class ValidationSettings:
    """What is measured and shown between steps.

    Args:
        examples: how many.
        steps: of the denoising of those that are shown; 0 shows none.
    """

    examples: int = 4
    steps: int = 28


@dataclass(frozen=True)
class FlowConfig:
    """Settings of every adapter for FLUX.

    Args:
        run: settings of every training.
        optimizer: of the adapter.
        adapter: what is trained.
        flux: the base model.
        validation: what is measured between steps.
        size_px: height and width of the examples, a multiple of 16.
        scale: which part of a picture an example is: "whole", as far as a square goes; "native",
            cut out at the size that the picture has; "any", between the two.
        held_out: datasets to validate with; without them it is other examples of the same.
        procedural_scenes: how many scenes are made in memory to train with, instead of datasets;
            for trying out.
    """

    run: Run
    optimizer: Optimizer
    adapter: AdapterSettings
    flux: FluxFiles = FluxFiles()
    validation: ValidationSettings = ValidationSettings()
    size_px: int = 512
    scale: Scale = "any"
    held_out: tuple[Dataset, ...] = ()
    procedural_scenes: int = 0

    def __post_init__(self) -> None:
        if self.size_px < 16 or self.size_px % 16:
            raise InputError("size_px", str(self.size_px), "Give a multiple of 16.")


@dataclass(frozen=True)
class Network:
    """What is trained with an adapter.

    Args:
        kind: of the adapter.
        target: the picture of an example that the network shall make.
        show: what it is shown.
        example: from a source, a step and a random generator to an example.
        pictures: names of what a validation shows beside the target and what the network makes.
        trainee: makes the trainee.
        photographs: that an example is made of.
    """

    kind: Kind
    target: str
    show: Show
    example: Callable[[SeriesSource, int, np.random.Generator], dict[str, Tensor]]
    pictures: tuple[str, ...]
    trainee: Callable[..., FlowTrainee] = FlowTrainee
    photographs: int = 1

    @property
    def prompt(self) -> str:
        """The text that the network was made for."""
        return PROMPTS.get(self.kind, PROMPTS[Kind.BOKEH])


def held_out_source(config: FlowConfig, source: SeriesSource, photographs: int) -> SeriesSource:
    """Where examples to validate with come from."""
    if not config.held_out:
        return source
    held_out = [pairs_of(config.held_out, "held_out")]
    return RecordedSeries(held_out, config.size_px, config.scale, photographs=photographs)


def procedural_source(config: FlowConfig, photographs: int = 2) -> SeriesSource:
    """Scenes in memory, with so many photographs of each."""
    return procedural_series(
        config.procedural_scenes, config.size_px, RADIUS_SHARE, config.run.seed, photographs
    )


def tiny(paper: C, **changes: Any) -> C:
    """Settings with which a recipe is tried out on a CPU: a random base model, scenes in memory.

    Args:
        paper: the recipe's own.
        changes: further ones.
    """
    run = Run(steps=100, batch_size=8, log_every=10, validate_every=50, save_every=50)
    return replace(
        paper,
        **{
            "run": run,
            "optimizer": Optimizer(learning_rate=1e-2),
            "adapter": AdapterSettings(rank=16, licence="none: made for a random base model"),
            "flux": FluxFiles(transformer=TINY, name=TINY),
            "validation": ValidationSettings(steps=4),
            "size_px": 64,
            "scale": "whole",
            "procedural_scenes": 16,
            **changes,
        },
    )


class FlowTask(Task):
    """Training of an adapter.

    Args:
        network: what.
        config: settings.
        source: of the examples.
        device: where autoencoder and text encoders compute.
        others: files of further adapters that the network has, which stay as they are; None is
            one that changes nothing.
        more: further arguments of the trainee.
    """

    def __init__(
        self,
        network: Network,
        config: FlowConfig,
        source: SeriesSource,
        device: torch.device,
        others: Mapping[Kind, Path | None] | None = None,
        **more: Any,
    ) -> None:
        self.network, self.config, self.run = network, config, config.run
        self.source, self.held_out = source, held_out_source(config, source, network.photographs)
        self.base = open_base(config.flux, device)
        adapters = {
            kind.value: _loaded(path, self.base, kind) for kind, path in (others or {}).items()
        }
        adapters[network.kind.value] = self._first_adapter()
        self.trainee = network.trainee(
            self.base,
            adapters,
            network.kind.value,
            encoded_prompt(self.base, network.prompt),
            config.adapter,
            network.target,
            network.show,
            config.run.gradient_checkpointing,
            **more,
        )
        self.phases = [Phase("flow", _trained, config.optimizer)]

    def example(self, step: int, random: np.random.Generator) -> dict[str, Tensor]:
        """An example of the source."""
        return self.network.example(self.source, step, random)

    def validate(self, trainee: Trainee) -> Validation:
        """Error of the velocity at fixed noise, and some pictures made from noise."""
        assert isinstance(trainee, FlowTrainee)
        settings = self.config.validation
        examples = [
            self.network.example(self.held_out, self.run.steps, self._unseen(index))
            for index in range(settings.examples)
        ]
        place = trainee.prompt.tokens.device
        batches = [{name: one[None].to(place) for name, one in each.items()} for each in examples]
        errors = [self._velocity_error(trainee, batch) for batch in batches]
        metrics = {"velocity_error": float(torch.stack(errors).mean())}
        if settings.steps == 0:
            return Validation(metrics)
        rows = [self._row(trainee, batch) for batch in batches]
        return Validation(metrics, torch.cat(rows), columns=len(rows[0]))

    def export(
        self, weights: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]
    ) -> None:
        """The adapter in the published layout."""
        assert isinstance(self.trainee, FlowTrainee)
        config = self.config
        adapter = Adapter(adaptable_layers(self.base.shape), config.adapter.rank)
        adapter.load_state_dict(below(weights, f"model.adapters.{self.network.kind.value}."))
        info = AdapterInfo(
            self.network.kind,
            Visibility(config.adapter.visibility),
            config.flux.name,
            config.adapter.licence,
        )
        notes = {**metadata, "data": self.source.digest}
        save_adapter(file, adapter, info, self.trainee.camera_of(weights), notes)

    def _first_adapter(self) -> Adapter:
        settings, shape = self.config.adapter, self.base.shape
        if settings.start is None:
            generator = torch.Generator().manual_seed(seed_of(self.run.seed, START))
            return new_adapter(adaptable_layers(shape), settings.rank, generator)
        start = load_adapter(Path(settings.start), shape, self.network.kind)
        ranks = set(start.adapter.ranks.values())
        if ranks != {settings.rank}:
            received = f"rank {max(ranks)} in {settings.start}"
            raise InputError("adapter.rank", f"{settings.rank}, and {received}", "Give the same.")
        return start.adapter

    def _unseen(self, index: int) -> np.random.Generator:
        return np.random.default_rng([self.run.seed, UNSEEN, index])

    def _velocity_error(self, trainee: FlowTrainee, batch: Batch) -> Tensor:
        clean = trainee.encoder.picture(batch[self.network.target])
        noise = torch.randn_like(clean.values)
        conditions = trainee.show(trainee, batch)
        errors = []
        for level in VALIDATION_SIGMAS:
            sigma = noise.new_full((1,), level)
            predicted = trainee.velocity(clean, noise, sigma, conditions)
            errors.append((predicted - (noise - clean.values)).square().mean())
        return torch.stack(errors).mean()

    def _row(self, trainee: FlowTrainee, batch: Batch) -> Tensor:
        """What the network is shown, the target and what it makes, `[N,3,H,W]` of one size."""
        target = batch[self.network.target]
        made = made_by(self.base, trainee, batch, target.shape[-2:], self.config.validation.steps)
        pictures = [batch[name] for name in self.network.pictures]
        same = [F.interpolate(one, target.shape[-2:]) for one in (*pictures, target, made)]
        return torch.cat(same).cpu()


def made_by(
    base: FluxBase, trainee: FlowTrainee, batch: Batch, size: Sequence[int], steps: int
) -> Tensor:
    """The picture that a network makes of noise, `[1,3,H,W]` sRGB-coded 0..1."""
    height, width = (side // DOWNSCALING for side in size)
    grid, conditions = grid_of(height, width), trainee.shown(trainee.show(trainee, batch))
    visibility = Visibility(trainee.settings.visibility)
    denoiser = Denoiser(
        trainee.model, grid, trainee.prompt, conditions, trainee.settings.guidance, visibility
    )
    channels = base.shape.channels // PATCH**2
    noise = flow_noise(grid, [torch.Generator().manual_seed(0)], channels)
    sigmas = flow_sigmas(steps, grid[0] * grid[1])
    tokens = denoised(noise.to(trainee.prompt.tokens.device), sigmas, denoiser)
    return base.decode(unpacked(tokens, height, width))


def seed_of(*numbers: int) -> int:
    """One seed of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _loaded(path: Path | None, base: FluxBase, kind: Kind) -> Adapter:
    if path is None:
        return Adapter(adaptable_layers(base.shape), 1)
    return load_adapter(path, base.shape, kind).adapter


def _trained(trainee: FlowTrainee) -> Iterator[nn.Parameter]:
    return trainee.trained_parameters()
