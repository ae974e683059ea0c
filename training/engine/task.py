"""What the engine trains: networks with their losses, examples, and what to do with the result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .config import Optimizer, Run

# Named tensors; the first axis is the batch.
Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Phase:
    """One of the optimizers that a training takes turns with, such as generator and critic.

    Args:
        name: handed to `Trainee.forward`.
        parameters: those it changes, chosen from the trainee.
        optimizer: its settings.
        is_due: whether it has its turn in a step, counted from 0.
    """

    name: str
    parameters: Callable[[Any], Iterable[nn.Parameter]]
    optimizer: Optimizer
    is_due: Callable[[int], bool] = lambda step: True


class Trainee(nn.Module, ABC):
    """Everything with parameters: what is trained and what only helps.

    `forward` computes losses, so that wrappers for several processes see every pass.
    """

    @abstractmethod
    def forward(self, phase: str, batch: Batch) -> dict[str, Tensor]:
        """Losses of a batch by name: "loss" has the gradient, others are only logged.

        Random numbers come from PyTorch's global generators, which the engine seeds for each pass.
        """


@dataclass(frozen=True)
class Validation:
    """What a validation found.

    Args:
        metrics: by name.
        pictures: `[N,3,H,W]` sRGB-coded 0..1 to look at, in rows of `columns`.
        columns: pictures in a row.
    """

    metrics: Mapping[str, float]
    pictures: Tensor | None = None
    columns: int = 4


class Task(ABC):
    """A training, ready to run.

    Args:
        trainee: on the CPU.
        phases: in their order within a step.
        run: how long and how often.
    """

    trainee: Trainee
    phases: Sequence[Phase]
    run: Run

    @abstractmethod
    def example(self, step: int, random: np.random.Generator) -> dict[str, Tensor]:
        """One example for a step; the same for the same arguments."""

    def validate(self, trainee: Trainee) -> Validation:
        """Measure the trainee, which is in eval mode, without gradients."""
        del trainee
        return Validation({})

    @abstractmethod
    def export(
        self, weights: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]
    ) -> None:
        """Write what the nodes load.

        Args:
            weights: of the trainee by parameter name, on the CPU, averaged if there is an average.
            file: `.safetensors`, to be written.
            metadata: what the engine knows: recipe, step, settings.
        """


@dataclass(frozen=True)
class Recipe:
    """Something that can be trained.

    Args:
        name: as on the command line.
        summary: one line.
        presets: settings by name; "paper" or "default" is first, "tiny" runs on a CPU in minutes.
        make: a task from settings and the device that helpers may use to prepare data.
        product: file name of the weights.
    """

    name: str
    summary: str
    presets: Mapping[str, Any]
    make: Callable[[Any, torch.device], Task]
    product: str
