"""A training that takes milliseconds: points on a noisy line, with a critic that follows.

As a script it trains, for tests that need a process of their own:

    python toy.py FOLDER SETTING=VALUE ...
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from focuspuller.training.engine.config import Optimizer, Run, config_from
from focuspuller.training.engine.loop import train
from focuspuller.training.engine.task import Batch, Phase, Recipe, Task, Trainee, Validation
from torch import Tensor, nn


@dataclass(frozen=True)
class ToyConfig:
    """A line to fit.

    Args:
        run: settings of every training.
        optimizer: of both phases.
        noise: that the loss adds to its inputs.
        critic_every: steps; 0 trains no critic.
        seconds: that an example takes.
    """

    run: Run = Run(steps=8, batch_size=4, save_every=2, log_every=1)
    optimizer: Optimizer = Optimizer(learning_rate=0.05, weight_decay=0.0, clip_norm=None)
    noise: float = 0.1
    critic_every: int = 0
    seconds: float = 0.0


class ToyTrainee(Trainee):
    """Two linear networks and a frozen one."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.critic, self.frozen = nn.Linear(2, 1), nn.Linear(1, 1), nn.Linear(3, 3)
        self.frozen.requires_grad_(False)

    def forward(self, phase: str, batch: Batch) -> dict[str, Tensor]:
        """Squared error of the line, or of the critic's guess of the line's value."""
        noisy = batch["x"] + batch["noise"] * torch.randn_like(batch["x"])
        value = self.line(noisy)
        if phase == "critic":
            return {"loss": (self.critic(value.detach() * 0 + 1) - batch["y"]).square().mean()}
        return {"loss": (value - batch["y"]).square().mean(), "bias": self.line.bias.mean()}


class ToyTask(Task):
    """y = 3 a - 2 b + 1."""

    def __init__(self, config: ToyConfig, device: torch.device) -> None:
        del device
        self.config, self.run, self.trainee = config, config.run, ToyTrainee()
        every = config.critic_every
        self.phases = [Phase("line", lambda toy: toy.line.parameters(), config.optimizer)]
        if every:
            self.phases.append(
                Phase(
                    "critic",
                    lambda toy: toy.critic.parameters(),
                    config.optimizer,
                    lambda step: step % every == 0,
                )
            )

    def example(self, step: int, random: np.random.Generator) -> dict[str, Tensor]:
        """A point."""
        time.sleep(self.config.seconds)
        x = torch.from_numpy(random.standard_normal(2).astype(np.float32))
        y = 3 * x[:1] - 2 * x[1:] + 1
        return {
            "x": x,
            "y": y,
            "noise": torch.tensor([self.config.noise]),
            "step": torch.tensor(step),
        }

    def validate(self, trainee: Trainee) -> Validation:
        """How far the line is from the true one."""
        assert isinstance(trainee, ToyTrainee) and not trainee.training
        truth = torch.tensor([[3.0, -2.0]]).to(trainee.line.weight)
        distance = float((trainee.line.weight - truth).norm())
        return Validation({"distance": distance}, torch.rand(3, 3, 8, 8), columns=2)

    def export(
        self, weights: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]
    ) -> None:
        """All that was trained."""
        from safetensors.torch import save_file

        save_file(dict(weights), file, dict(metadata))


TOY = Recipe("toy", "a line", {"default": ToyConfig()}, ToyTask, "toy.safetensors")

if __name__ == "__main__":
    settings = config_from(ToyConfig, ToyConfig(), changes=sys.argv[2:])
    sys.stdout.write(f"{train(TOY, settings, Path(sys.argv[1]), torch.device('cpu'))}\n")
