"""The shape of the aperture: a further adapter for BokehNet, whose own stays as it is.

Generative Refocusing (arXiv 2512.16923), section 3.3. The paper says nothing of the training but
that; rank, steps and the rest are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...errors import InputError
from ...models.flux.conditions import Condition
from ...models.flux.networks import Kind, bokeh_conditions
from ..data.simulate.point_lights import PointLightSettings, PointLightSimulator
from ..engine.task import Batch, Recipe
from ..flux.examples import aperture_example
from ..flux.flow import FlowTrainee
from ..flux.settings import AdapterSettings
from ..flux.task import RADIUS_SHARE, FlowConfig, FlowTask, Network, tiny
from ..flux.tiny import NAME as TINY
from ..recorded_series import Dataset, RecordedSeries, pairs_of
from ..series import SeriesSource, SimulatedSeries
from .deblurnet import PAPER as DEBLURNET


@dataclass(frozen=True)
class ApertureShapeConfig(FlowConfig):
    """Training of the adapter for shapes.

    Args:
        bokehnet: file of BokehNet's adapter, of the same visibility as `adapter`. Only a tiny
            base model does without.
        datasets: simulated pictures with lights, such as of `focuspuller simulate point-lights`.
    """

    bokehnet: str | None = None
    datasets: tuple[Dataset, ...] = ()


PAPER = ApertureShapeConfig(
    run=replace(DEBLURNET.run, steps=20_000),
    optimizer=DEBLURNET.optimizer,
    adapter=AdapterSettings(rank=64),
)


def show(trainee: FlowTrainee, batch: Batch) -> Sequence[Condition]:
    """The sharp picture, the defocus map and a picture of the aperture."""
    encoder = trainee.encoder
    sharp, grid = encoder.picture(batch["all_in_focus"])
    defocus, _ = encoder.values(batch["defocus"])
    return bokeh_conditions(sharp, defocus, grid, encoder.picture(batch["aperture"]))


NETWORK = Network(
    Kind.APERTURE, "bokeh", show, aperture_example, ("all_in_focus", "defocus", "aperture")
)


def make(config: ApertureShapeConfig, device: torch.device) -> FlowTask:
    """The training."""
    if config.bokehnet is None and config.flux.transformer != TINY:
        raise InputError("bokehnet", "none", "Give the file of BokehNet's adapter.")
    bokehnet = None if config.bokehnet is None else Path(config.bokehnet)
    return FlowTask(NETWORK, config, _source(config), device, {Kind.BOKEH: bokehnet})


def _source(config: ApertureShapeConfig) -> SeriesSource:
    if config.procedural_scenes:
        side = config.size_px
        settings = PointLightSettings(size_px=side, largest_radius=RADIUS_SHARE * side)
        simulator = PointLightSimulator(settings, config.run.seed)
        return SimulatedSeries(simulator, config.procedural_scenes)
    return RecordedSeries([pairs_of(config.datasets, "datasets")], config.size_px, config.scale)


RECIPE = Recipe(
    name="aperture-shape",
    summary="gives BokehNet's blur any shape (GenRefocus), an adapter for FLUX",
    presets={"paper": PAPER, "tiny": tiny(PAPER)},
    make=make,
    product="aperture_shape.safetensors",
)
