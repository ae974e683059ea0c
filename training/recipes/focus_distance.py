"""The focus distance transformer on its own: to focus where photographers did.

Fine-grained Defocus (section 3.2) trains it together with a generator, through what the pictures
look like. On its own it learns from photographs whose focus is known: their focus distance, and a
frozen copy of VST that it must not leave far behind. The focus scale has no such truth and stays 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError
from ...lens.depth import Depth
from ...models.focus_distance.architecture import FocusDistanceTransformer
from ...models.focus_distance.files import load_focus_transformer, save_focus_transformer
from ...models.focus_distance.loss import DELTA_M, FocusRegularization
from ...models.places import located
from ...models.vst.architecture import VST
from ...models.vst.published import VST as VST_WEIGHTS
from ...models.vst.sizes import VstSizes
from ..engine.config import Optimizer, Run
from ..engine.task import Batch, Phase, Recipe, Task, Trainee, Validation
from ..procedural import procedural_series
from ..recorded_series import Dataset, RecordedSeries, Scale, pairs_of
from ..series import Series, SeriesSource

TINY = "tiny"
UNSEEN = 6
TINY_SIZES = VstSizes(
    image=64,
    width=64,
    token_width=16,
    backbone_blocks=1,
    convertor_blocks=1,
    token_blocks=1,
    decoder_blocks=1,
    classes=2,
)
# Procedural scenes lie between these distances, m.
NEAREST_M, FARTHEST_M = 1.0, 6.0
RADIUS_SHARE = 0.12
VALIDATION_EXAMPLES = 8


@dataclass(frozen=True)
class FocusDistanceConfig:
    """A training run.

    Args:
        run: settings of every training.
        optimizer: of the transformer.
        start: VST's weights, or a transformer to go on from; looked for if None. "tiny" is a small
            random one, to try things out.
        focus_weight: of the Huber loss between predicted and true focus distance.
        copy_weight: of that between predicted distance and the frozen copy's, λ3.
        datasets: photographs with metric depth and focus plane.
        size_px: height and width of the examples.
        scale: which part of a picture an example is.
        procedural_scenes: how many scenes are made in memory instead, for trying out.
        licence: of the weights that come out, as their file will say.
    """

    run: Run
    optimizer: Optimizer
    start: str | None = None
    focus_weight: float = 200.0
    copy_weight: float = 20.0
    datasets: tuple[Dataset, ...] = ()
    size_px: int = 512
    scale: Scale = "whole"
    procedural_scenes: int = 0
    licence: str = "unclear: that of VST's weights"


DEFAULT = FocusDistanceConfig(
    run=Run(steps=20_000, batch_size=8, workers=4, validate_every=1000, save_every=500),
    optimizer=Optimizer(learning_rate=1e-5, warmup_steps=100),
)
TINY_PRESET = replace(
    DEFAULT,
    run=Run(steps=120, batch_size=4, log_every=20, validate_every=60, save_every=60),
    optimizer=Optimizer(learning_rate=1e-3),
    start=TINY,
    copy_weight=0.0,
    size_px=64,
    procedural_scenes=3,
    licence="none: random weights",
)
PRESETS = {"default": DEFAULT, "tiny": TINY_PRESET}


def tiny_transformer() -> FocusDistanceTransformer:
    """A random one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return FocusDistanceTransformer(VST(TINY_SIZES))


class FocusTrainee(Trainee):
    """The transformer, and the copy of VST that keeps it near.

    Args:
        transformer: to be trained.
        config: with the weights of the losses.
    """

    def __init__(self, transformer: FocusDistanceTransformer, config: FocusDistanceConfig) -> None:
        super().__init__()
        self.config = config
        self.regularization = FocusRegularization(transformer.vst)
        self.transformer = transformer.unfreeze()
        # The scale has no truth here: its head stays as it is.
        self.transformer.scale_head.requires_grad_(False)

    def trained_parameters(self) -> Iterator[nn.Parameter]:
        """Those that the focus depends on."""
        return (one for one in self.transformer.parameters() if one.requires_grad)

    def forward(self, phase: str, batch: Batch) -> dict[str, Tensor]:
        """Huber losses of the focus distance, m²."""
        del phase
        image, depth = batch["image"], Depth(batch["disparity"], is_metric=True)
        prediction = self.transformer(image, depth)
        found, true = prediction.focus.distance_m, batch["distance_m"][:, 0]
        focus = F.huber_loss(found, true, delta=DELTA_M)
        copy = self.regularization(prediction, image, depth)
        loss = self.config.focus_weight * focus + self.config.copy_weight * copy
        return {"loss": loss, "focus": focus, "copy": copy}


class FocusDistanceTask(Task):
    """Training of the focus distance transformer."""

    def __init__(self, config: FocusDistanceConfig, device: torch.device) -> None:
        del device
        self.config, self.run = config, config.run
        self.source = _source(config)
        self.base, transformer = _start(config)
        self.trainee = FocusTrainee(transformer, config)
        self.phases = [Phase("focus", _trained, config.optimizer)]

    def example(self, step: int, random: np.random.Generator) -> dict[str, Tensor]:
        """A photograph, its metric disparity, and the distance of its focus."""
        series = self.source.draw(step, random)
        photograph = series.photographs[0]
        depth, plane = _metric(series, bool(self.config.procedural_scenes))
        return {
            "image": photograph.image,
            "disparity": depth.disparity[0],
            "distance_m": torch.tensor([1.0 / plane]),
        }

    def validate(self, trainee: Trainee) -> Validation:
        """Mean error of the focus distance, m."""
        assert isinstance(trainee, FocusTrainee)
        place = next(trainee.parameters()).device
        errors = []
        for index in range(VALIDATION_EXAMPLES):
            random = np.random.default_rng([self.run.seed, UNSEEN, index])
            batch = {name: one[None].to(place) for name, one in self.example(0, random).items()}
            found = trainee.transformer(batch["image"], Depth(batch["disparity"], True))
            errors.append((found.focus.distance_m - batch["distance_m"][:, 0]).abs().mean())
        return Validation({"error_m": float(torch.stack(errors).mean())})

    def export(
        self, weights: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]
    ) -> None:
        """The whole transformer."""
        assert isinstance(self.trainee, FocusTrainee)
        prefix = "transformer."
        own = {name.removeprefix(prefix): one for name, one in weights.items()}
        state = {**self.trainee.transformer.state_dict(), **own}
        self.trainee.transformer.load_state_dict(state)
        notes = {**metadata, "data": self.source.digest}
        licence = self.config.licence
        save_focus_transformer(file, self.trainee.transformer, self.base, licence, notes)


def _trained(trainee: FocusTrainee) -> Iterator[nn.Parameter]:
    return trainee.trained_parameters()


def _metric(series: Series, is_procedural: bool) -> tuple[Depth, float]:
    """Depth in metres and the disparity of the focus, 1/m."""
    depth, blur = series.depth, series.photographs[0].blur
    if depth is None or blur is None:
        raise InputError("datasets", f"{series.name}, without depth or focus", "Leave it out.")
    if is_procedural:
        far, span = 1.0 / FARTHEST_M, 1.0 / NEAREST_M - 1.0 / FARTHEST_M
        metric = Depth(far + span * depth.disparity, is_metric=True)
        return metric, far + span * blur.focus_disparity
    if not (depth.is_metric and blur.is_metric and blur.focus_disparity > 0):
        received = f"{series.name}, whose depth or focus is not in metres"
        raise InputError("datasets", received, "Give metric depth.")
    return depth, blur.focus_disparity


def _source(config: FocusDistanceConfig) -> SeriesSource:
    if config.procedural_scenes:
        return procedural_series(
            config.procedural_scenes, config.size_px, RADIUS_SHARE, config.run.seed
        )
    return RecordedSeries([pairs_of(config.datasets, "datasets")], config.size_px, config.scale)


def _start(config: FocusDistanceConfig) -> tuple[str, FocusDistanceTransformer]:
    """What the training starts from, by name, and itself."""
    if config.start == TINY:
        return TINY, tiny_transformer()
    path = located(VST_WEIGHTS, config.start)
    return path.name, load_focus_transformer(path)


RECIPE = Recipe(
    name="focus-distance",
    summary="finds where to focus (the focus distance transformer)",
    presets=PRESETS,
    make=FocusDistanceTask,
    product="focus_distance.safetensors",
)
