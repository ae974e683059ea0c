"""Small tasks of the EXIF-conditioned generator, and examples of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate", reason="training needs the extra 'training'")
pytest.importorskip("diffusers", reason="SDXL needs the extra 'diffusion'")
pytest.importorskip("transformers", reason="SDXL needs the extra 'diffusion'")
pytest.importorskip("peft", reason="adapters need the extra 'diffusion'")

from focuspuller.training.dmd2.settings import (
    ExifGeneratorConfig,
)
from focuspuller.training.dmd2.trainee import ExifGeneratorTrainee
from focuspuller.training.recipes.exif_generator import (
    PRESETS,
    ExifGeneratorTask,
)
from torch import Tensor

CPU = torch.device("cpu")
WITHOUT_LENS = replace(PRESETS["tiny"], run=replace(PRESETS["tiny"].run, validate_every=0))
WITH_LENS = replace(
    PRESETS["tiny-lens"],
    run=replace(WITHOUT_LENS.run, batch_size=2),
    weights=replace(WITHOUT_LENS.weights, generator=1.0),
)
SMALL = replace(WITHOUT_LENS, run=replace(WITHOUT_LENS.run, batch_size=2), procedural_scenes=4)
DEEP, SHALLOW = 0, 1


def task_of(config: ExifGeneratorConfig, **changes: Any) -> ExifGeneratorTask:
    torch.manual_seed(0)
    return ExifGeneratorTask(replace(config, **changes), CPU)


def trainee_of(task: ExifGeneratorTask) -> ExifGeneratorTrainee:
    assert isinstance(task.trainee, ExifGeneratorTrainee)
    return task.trainee


def batch_of(task: ExifGeneratorTask, step: int, count: int = 2) -> dict[str, Tensor]:
    examples = [task.example(step, np.random.default_rng([77, index])) for index in range(count)]
    return {name: torch.stack([one[name] for one in examples]) for name in examples[0]}


def trained_weights(task: ExifGeneratorTask) -> dict[str, Tensor]:
    parameters = task.trainee.named_parameters()
    return {name: one.detach().clone() for name, one in parameters if one.requires_grad}
