"""Trains the edge network on procedural scenes with degraded depth.

    python -m focuspuller.training.edge --out out/edge
    python -m focuspuller.training.edge --out out/edge --preset tiny

A run that was interrupted goes on where its last checkpoint was when started again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..lens.color import linear_to_srgb
from ..models.edge.architecture import STRIDE, EdgeNetwork, at_places, local_range
from .degradation import blurred, randomly_degraded
from .scenes import random_scene

# Scenes are seeded by (seed, stream, index).
SCENES, BATCHES = 0, 1
# Away from edges an error counts this much.
FLAT_WEIGHT = 0.05
# A place is right whose defocus differs by no more than about this share of the step nearby.
TOLERANCE = 0.04
LEAST_LIKELY = -7.0


@dataclass(frozen=True)
class EdgeConfig:
    """A training run.

    Args:
        scenes: how many are made, once, before the training.
        scene_px: their height and width.
        crop_px: height and width of what the network sees at once, a multiple of `STRIDE`.
        batch: crops per step.
        steps: of the optimizer.
        learning_rate: at its highest; it rises over the first steps and falls like a cosine.
        exact_share: of the crops whose depth is left as it is.
        max_radius: of the largest blur of a crop, drawn between a tenth of it and it, px.
        checkpoint_every: steps.
        seed: of everything.
    """

    scenes: int = 2000
    scene_px: int = 144
    crop_px: int = 96
    batch: int = 8
    steps: int = 2500
    learning_rate: float = 1.5e-3
    exact_share: float = 0.25
    max_radius: float = 40.0
    checkpoint_every: int = 100
    seed: int = 1


PRESETS = {
    "default": EdgeConfig(),
    "tiny": EdgeConfig(scenes=8, scene_px=64, crop_px=48, batch=2, steps=20, checkpoint_every=10),
}


@dataclass(frozen=True)
class Batch:
    """Crops to learn from.

    Args:
        image: `[B,3,H,W]` sRGB-coded.
        exact: `[B,1,H,W]` true defocus, px.
        given: `[B,1,H,W]` the same as an imperfect depth map makes it.
    """

    image: Tensor
    exact: Tensor
    given: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(self.image.to(device), self.exact.to(device), self.given.to(device))


class Examples:
    """Procedural scenes, and crops of them with degraded depth."""

    def __init__(self, config: EdgeConfig) -> None:
        self.config = config
        images, disparities = [], []
        for index in range(config.scenes):
            random = np.random.default_rng([config.seed, SCENES, index])
            scene = random_scene((config.scene_px, config.scene_px), 0, random)
            # 8 bits are what pictures have, and take little memory.
            coded = linear_to_srgb(scene.all_in_focus().clamp(0.0, 1.0))
            images.append((255 * coded).round().byte())
            disparities.append(scene.disparity().half())
        self.images, self.disparities = torch.stack(images), torch.stack(disparities)

    def batch(self, step: int) -> Batch:
        """The crops of a step, always the same."""
        random = np.random.default_rng([self.config.seed, BATCHES, step])
        crops = [self._crop(random) for _ in range(self.config.batch)]
        image, exact, given = (torch.stack(parts) for parts in zip(*crops, strict=True))
        return Batch(image, exact, given)

    def _crop(self, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
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
        parts = [part[window].flip(flips) for part in (image, exact, given)]
        return tuple(part.mT if transposed else part for part in parts)  # pyright: ignore


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
    error = (at_places(batch.given) - batch.exact).abs() / (TOLERANCE * (step + 1.0))
    likely = torch.logsumexp(logits.log_softmax(dim=1) - error, dim=1, keepdim=True)
    # Where no place is right there is nothing to learn.
    return (weight * -torch.logaddexp(likely, likely.new_tensor(LEAST_LIKELY))).sum() / weight.sum()


def edge_error(refined: Tensor, batch: Batch) -> Tensor:
    """Mean error of the defocus near depth edges, as a share of the step there."""
    step, weight = _edges(batch)
    return (weight * (refined - batch.exact).abs() / (step + 1.0)).sum() / weight.sum()


def _edges(batch: Batch) -> tuple[Tensor, Tensor]:
    """The depth step around each pixel, px of blur, and how much the pixel counts."""
    ranges = [local_range(part) for part in (batch.exact, batch.given)]
    low = torch.minimum(ranges[0][0], ranges[1][0])
    high = torch.maximum(ranges[0][1], ranges[1][1])
    step = high - low
    return step, torch.where(step > 1.0, 1.0, FLAT_WEIGHT)


def learning_rate(step: int, config: EdgeConfig) -> float:
    """Of a step: a short rise, then half a cosine."""
    rise = min(1.0, (step + 1) / max(1, config.steps // 40))
    return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / config.steps))


class _Run:
    """A network in training, in a folder with its checkpoint and log."""

    def __init__(self, config: EdgeConfig, folder: Path, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config, self.folder, self.device = config, folder, device
        # Channels last is what convolutions on CPUs are fastest with.
        self.network = EdgeNetwork().to(device).to(memory_format=torch.channels_last)  # pyright: ignore
        self.optimizer = torch.optim.AdamW(self.network.parameters(), weight_decay=1e-4)
        self.step = 0
        self.checkpoint = folder / "checkpoint.pt"
        if self.checkpoint.is_file():
            state = torch.load(self.checkpoint, map_location=device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]

    def learn(self, batch: Batch) -> list[float]:
        """One step; its loss, and the errors of the refined and of the given defocus."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.config)
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.network(batch.image, batch.given)
        loss = choice_loss(logits, batch)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        refined = (logits.detach().softmax(dim=1) * at_places(batch.given)).sum(1, keepdim=True)
        measures = (loss.detach(), edge_error(refined, batch), edge_error(batch.given, batch))
        return [float(measure) for measure in measures]

    def save(self) -> None:
        """Write the checkpoint; an interruption leaves the one before."""
        state = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        unfinished = self.folder / ".checkpoint.pt"
        torch.save(state | {"step": self.step}, unfinished)
        unfinished.replace(self.checkpoint)

    def log(self, measures: list[list[float]], seconds: float) -> None:
        """Add a line with the means since the last one."""
        means = np.mean(measures, axis=0).round(5).tolist()
        entry = {"step": self.step, "seconds": round(seconds, 1)}
        entry |= dict(zip(("loss", "error", "error_given"), means, strict=True))
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")


def train(config: EdgeConfig, folder: Path, device: torch.device) -> EdgeNetwork:
    """Train, or go on with a training, and write `weights.safetensors` when done.

    Args:
        config: the run; a folder belongs to one.
        folder: for checkpoint, log (JSON lines) and weights.
        device: where to compute.
    """
    from safetensors.torch import save_file

    assert config.crop_px % STRIDE == 0
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(config, folder, device)
    examples = Examples(config)
    measures: list[list[float]] = []
    start = time.monotonic()
    while run.step < config.steps:
        measures.append(run.learn(examples.batch(run.step).to(device)))
        if run.step % config.checkpoint_every == 0 or run.step == config.steps:
            run.log(measures, time.monotonic() - start)
            run.save()
            measures = []
    network = run.network.cpu()
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    metadata = {"config": json.dumps(asdict(config)), "licence": "Apache-2.0"}
    save_file(weights, folder / "weights.safetensors", metadata)
    return network


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the edge network.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--preset", choices=PRESETS, default="default")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    options = parser.parse_args()
    train(PRESETS[options.preset], options.out, options.device)


if __name__ == "__main__":
    main()
