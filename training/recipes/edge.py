"""The edge network, trained on procedural scenes with degraded depth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...lens.color import linear_to_srgb
from ...models.edge.architecture import STRIDE, EdgeNetwork, at_places, local_range
from ...models.state_dict import below, write_weights
from ..degradation import blurred, randomly_degraded
from ..engine.config import Optimizer, Run
from ..engine.task import Batch, Phase, Recipe, Task, Trainee, Validation
from ..scenes import random_scene

# Random streams of scenes, and of crops that are never trained with.
SCENES, UNSEEN = 2, 3
VALIDATION_CROPS = 16
# Away from edges an error counts this much.
FLAT_WEIGHT = 0.05
# A place is right whose defocus differs by no more than about this share of the step nearby.
TOLERANCE = 0.04
LEAST_LIKELY = -7.0


@dataclass(frozen=True)
class EdgeConfig:
    """A training run.

    Args:
        run: settings of every training.
        optimizer: of the network.
        scenes: how many are made, once, before the training.
        scene_px: their height and width.
        crop_px: height and width of what the network sees at once, a multiple of `STRIDE`.
        exact_share: of the crops whose depth is left as it is.
        max_radius: of the largest blur of a crop, drawn between a tenth of it and it, px.
    """

    run: Run = Run(
        steps=2500, batch_size=8, precision="bf16", log_every=100, validate_every=500, seed=1
    )
    optimizer: Optimizer = Optimizer(
        learning_rate=1.5e-3, warmup_steps=62, schedule="cosine", weight_decay=1e-4
    )
    scenes: int = 2000
    scene_px: int = 144
    crop_px: int = 96
    exact_share: float = 0.25
    max_radius: float = 40.0

    def __post_init__(self) -> None:
        if self.crop_px % STRIDE or not 0 < self.crop_px <= self.scene_px:
            advice = f"Give a multiple of {STRIDE}, at most scene_px."
            raise InputError("crop_px", str(self.crop_px), advice)


PRESETS = {
    "default": EdgeConfig(),
    "tiny": EdgeConfig(
        run=Run(steps=20, batch_size=2, log_every=5, validate_every=10, save_every=10, seed=1),
        optimizer=replace(EdgeConfig.optimizer, warmup_steps=2),
        scenes=8,
        scene_px=64,
        crop_px=48,
    ),
}


def _scenes(config: EdgeConfig) -> tuple[Tensor, Tensor]:
    """Pictures `[N,3,H,W]` in 8 bits, which is what pictures have, and disparities `[N,1,H,W]`."""
    images, disparities = [], []
    for index in range(config.scenes):
        random = np.random.default_rng([config.run.seed, SCENES, index])
        scene = random_scene((config.scene_px, config.scene_px), 0, random)
        coded = linear_to_srgb(scene.all_in_focus().clamp(0.0, 1.0))
        images.append((255 * coded).round().byte())
        disparities.append(scene.disparity().half())
    return torch.stack(images), torch.stack(disparities)


def _photographed(image: Tensor, random: np.random.Generator) -> Tensor:
    """Another colour cast, a lens that is not quite sharp, and a sensor's noise."""
    image = image[torch.from_numpy(random.permutation(3))]
    image = image ** random.uniform(0.7, 1.4) * random.uniform(0.7, 1.0)
    if random.random() < 0.3:
        image = blurred(image[:, None], random.uniform(0.3, 0.8))[:, 0]
    noise = torch.from_numpy(random.standard_normal(image.shape).astype(np.float32))
    return (image + random.choice([0.0, 0.01, 0.03]) * noise).clamp(0.0, 1.0)


def choice_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Negative log-likelihood that a place is chosen whose defocus is the true one.

    Unlike the error of the weighted mean, it learns where several places are as good as one
    another, and the weights become the odds that a place is right.
    """
    step, weight = _edges(batch)
    error = (at_places(batch["given"]) - batch["exact"]).abs() / (TOLERANCE * (step + 1.0))
    likely = torch.logsumexp(logits.log_softmax(dim=1) - error, dim=1, keepdim=True)
    # Where no place is right there is nothing to learn.
    return (weight * -torch.logaddexp(likely, likely.new_tensor(LEAST_LIKELY))).sum() / weight.sum()


def edge_error(refined: Tensor, batch: Batch) -> Tensor:
    """Mean error of the defocus near depth edges, as a share of the step there."""
    step, weight = _edges(batch)
    return (weight * (refined - batch["exact"]).abs() / (step + 1.0)).sum() / weight.sum()


def _edges(batch: Batch) -> tuple[Tensor, Tensor]:
    """The depth step around each pixel, px of blur, and how much the pixel counts."""
    ranges = [local_range(part) for part in (batch["exact"], batch["given"])]
    low = torch.minimum(ranges[0][0], ranges[1][0])
    high = torch.maximum(ranges[0][1], ranges[1][1])
    step = high - low
    return step, torch.where(step > 1.0, 1.0, FLAT_WEIGHT)


def refined_by(logits: Tensor, given: Tensor) -> Tensor:
    """The defocus that weights of the places make of the given one, `[B,1,H,W]`."""
    return (logits.softmax(dim=1) * at_places(given)).sum(1, keepdim=True)


class EdgeTrainee(Trainee):
    """The edge network and its loss."""

    def __init__(self) -> None:
        super().__init__()
        # Channels last is what convolutions on CPUs are fastest with.
        self.network = EdgeNetwork().to(memory_format=torch.channels_last)  # pyright: ignore

    def forward(self, phase: str, batch: Batch) -> dict[str, Tensor]:
        """Loss, and the errors of the refined and of the given defocus."""
        del phase
        logits = self.network(batch["image"], batch["given"]).float()
        refined = refined_by(logits.detach(), batch["given"])
        return {
            "loss": choice_loss(logits, batch),
            "error": edge_error(refined, batch),
            "error_given": edge_error(batch["given"], batch),
        }


class EdgeTask(Task):
    """Training of the edge network on procedural scenes, made anew at the start."""

    def __init__(self, config: EdgeConfig, device: torch.device) -> None:
        del device
        self.config, self.run = config, config.run
        self.trainee = EdgeTrainee()
        self.phases = [Phase("edge", lambda trainee: trainee.parameters(), config.optimizer)]
        self.images, self.disparities = _scenes(config)

    def example(self, step: int, random: np.random.Generator) -> dict[str, Tensor]:
        """A crop of a scene with degraded depth."""
        del step
        config = self.config
        index = int(random.integers(config.scenes))
        image = self.images[index].float() / 255
        disparity = self.disparities[index].float()
        span = (disparity.amax() - disparity.amin()).clamp(min=1e-3)
        radius = config.max_radius * 10 ** random.uniform(-1, 0)
        focus = random.uniform(float(disparity.amin()), float(disparity.amax()))
        exact = (disparity - focus) * (radius / span)
        given = exact
        if random.random() >= config.exact_share:
            given = randomly_degraded(exact[None], random)[0]
        image = _photographed(image, random)
        top, left = random.integers(0, config.scene_px - config.crop_px + 1, 2)
        window = (..., slice(top, top + config.crop_px), slice(left, left + config.crop_px))
        flips = [axis for axis in (-1, -2) if random.random() < 0.5]
        transposed = random.random() < 0.5

        def cut(part: Tensor) -> Tensor:
            flipped = part[window].flip(flips)
            return (flipped.mT if transposed else flipped).contiguous()

        return {"image": cut(image), "exact": cut(exact), "given": cut(given)}

    def validate(self, trainee: Trainee) -> Validation:
        """Errors on crops that are never trained with, and some of them to look at."""
        place = next(trainee.parameters()).device
        examples = [
            self.example(0, np.random.default_rng([self.run.seed, UNSEEN, index]))
            for index in range(VALIDATION_CROPS)
        ]
        batch = {
            name: torch.stack([one[name] for one in examples]).to(place) for name in examples[0]
        }
        assert isinstance(trainee, EdgeTrainee)
        refined = refined_by(trainee.network(batch["image"], batch["given"]), batch["given"])
        metrics = {
            "error": float(edge_error(refined, batch)),
            "error_given": float(edge_error(batch["given"], batch)),
        }
        maps = torch.stack([batch["given"], refined, batch["exact"]], dim=1)[:4]  # [4,3,1,H,W]
        low, high = maps.amin((1, 2, 3, 4), keepdim=True), maps.amax((1, 2, 3, 4), keepdim=True)
        grey = ((maps - low) / (high - low).clamp(min=1e-6)).expand(-1, -1, 3, -1, -1)
        pictures = torch.cat([batch["image"][:4, None], grey], dim=1).flatten(0, 1)
        return Validation(metrics, pictures, columns=4)

    def export(
        self, weights: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]
    ) -> None:
        """The network's parameters under their names."""
        said = {**metadata, "licence": "Apache-2.0"}
        write_weights(file, below(weights, "network."), said)


RECIPE = Recipe(
    name="edge",
    summary="puts depth edges where the picture has them (Refine Depth)",
    presets=PRESETS,
    make=EdgeTask,
    product="weights.safetensors",
)
