"""BokehNet: from a picture with everything in focus and a defocus map to a photograph.

Generative Refocusing (arXiv 2512.16923), sections 3.2 and 4.1: first simulated pairs, then real
ones. The paper says neither optimizer nor learning rate nor size of the examples: those are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ...models.flux.conditions import Condition
from ...models.flux.networks import Kind, bokeh_conditions
from ..data.sampling import Ramp
from ..engine.task import Batch, Recipe
from ..flux.examples import bokeh_example
from ..flux.flow import FlowTrainee
from ..flux.settings import AdapterSettings
from ..flux.task import FlowConfig, FlowTask, Network, procedural_source, tiny
from ..recorded_series import Dataset, RecordedSeries, pairs_of
from ..series import SeriesSource
from .deblurnet import PAPER as DEBLURNET


@dataclass(frozen=True)
class BokehNetConfig(FlowConfig):
    """Training of BokehNet.

    Args:
        synthetic: simulated pairs, for the first steps; the paper has 70 000.
        real: photographs with their (restored) sharp pictures, depth, bokeh level and focus plane,
            for the others; the paper has 26 000.
        synthetic_steps: how many the first ones are.
    """

    synthetic: tuple[Dataset, ...] = ()
    real: tuple[Dataset, ...] = ()
    synthetic_steps: int = 40_000


PAPER = BokehNetConfig(
    # On four GPUs.
    run=replace(DEBLURNET.run, steps=100_000),
    optimizer=DEBLURNET.optimizer,
    adapter=AdapterSettings(rank=64),
)


def show(trainee: FlowTrainee, batch: Batch) -> Sequence[Condition]:
    """The sharp picture and the defocus map."""
    sharp, grid = trainee.encoder.picture(batch["all_in_focus"])
    defocus, _ = trainee.encoder.values(batch["defocus"])
    return bokeh_conditions(sharp, defocus, grid)


NETWORK = Network(Kind.BOKEH, "bokeh", show, bokeh_example, ("all_in_focus", "defocus"))


def make(config: BokehNetConfig, device: torch.device) -> FlowTask:
    """The training."""
    return FlowTask(NETWORK, config, _source(config), device)


def _source(config: BokehNetConfig) -> SeriesSource:
    """Simulated pairs and then real ones; of either kind alone, where a run has no other steps."""
    if config.procedural_scenes:
        return procedural_source(config)
    first = config.synthetic_steps
    parts = []
    if first > 0:
        parts.append(pairs_of(config.synthetic, "synthetic"))
    if first < config.run.steps:
        parts.append(pairs_of(config.real, "real"))
    ramp = Ramp((1, 0), (0, 1), first, first) if len(parts) == 2 else None
    return RecordedSeries(parts, config.size_px, config.scale, ramp)


RECIPE = Recipe(
    name="bokehnet",
    summary="blurs pictures as lenses do (GenRefocus), an adapter for FLUX",
    presets={"paper": PAPER, "tiny": tiny(PAPER)},
    make=make,
    product="bokehNet.safetensors",
)
