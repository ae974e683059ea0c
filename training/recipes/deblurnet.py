"""DeblurNet: from a photograph to the same picture with everything in focus.

Generative Refocusing (arXiv 2512.16923), sections 3.1 and 4.1. The paper says neither optimizer nor
learning rate nor size of the examples: those are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ...models.flux.conditions import Condition
from ...models.flux.networks import Kind, deblur_conditions
from ..engine.config import Optimizer, Run
from ..engine.task import Batch, Recipe
from ..flux.examples import deblur_example
from ..flux.flow import FlowTrainee
from ..flux.settings import AdapterSettings
from ..flux.task import FlowConfig, FlowTask, Network, procedural_source, tiny
from ..recorded_series import Dataset, RecordedSeries, pairs_of
from ..series import SeriesSource


@dataclass(frozen=True)
class DeblurNetConfig(FlowConfig):
    """Training of DeblurNet.

    Args:
        datasets: photographs with their sharp pictures; the paper has DPDD and the 3000 sharpest
            of RealBokeh.
    """

    datasets: tuple[Dataset, ...] = ()


PAPER = DeblurNetConfig(
    # On four GPUs.
    run=Run(
        steps=60_000,
        batch_size=1,
        accumulate=8,
        precision="bf16",
        gradient_checkpointing=True,
        workers=4,
        log_every=50,
        validate_every=2000,
        save_every=500,
    ),
    optimizer=Optimizer(learning_rate=1e-4),
    adapter=AdapterSettings(rank=128),
    scale="native",
)


def show(trainee: FlowTrainee, batch: Batch) -> Sequence[Condition]:
    """The photograph."""
    return deblur_conditions(*trainee.encoder.picture(batch["bokeh"]))


NETWORK = Network(Kind.DEBLUR, "all_in_focus", show, deblur_example, ("bokeh",))


def make(config: DeblurNetConfig, device: torch.device) -> FlowTask:
    """The training."""
    return FlowTask(NETWORK, config, _source(config), device)


def _source(config: DeblurNetConfig) -> SeriesSource:
    if config.procedural_scenes:
        return procedural_source(config)
    return RecordedSeries([pairs_of(config.datasets, "datasets")], config.size_px, config.scale)


RECIPE = Recipe(
    name="deblurnet",
    summary="makes pictures sharp (GenRefocus), an adapter for FLUX",
    presets={"paper": PAPER, "tiny": tiny(PAPER)},
    make=make,
    product="deblurNet.safetensors",
)
