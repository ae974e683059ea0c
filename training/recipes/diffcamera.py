"""DiffCamera: from a photograph to the same one with another focus and another blur.

DiffCamera (SIGGRAPH Asia 2025), sections 3.2 and 3.3 and appendix D. Its second stage, at 1024 px,
is a preset of its own that starts from the adapter of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...models.flux.camera import CameraSetting
from ...models.flux.conditions import Condition
from ...models.flux.layout import load_adapter
from ...models.flux.networks import Kind, diffcamera_conditions
from ...models.refocus.maps import depth_picture
from ..data.sampling import Ramp
from ..engine.config import Optimizer, Run
from ..engine.task import Batch, Recipe
from ..flux.examples import sharp_of
from ..flux.flow import FlowTrainee
from ..flux.settings import AdapterSettings
from ..flux.stacking import StackingTrainee
from ..flux.task import FlowConfig, FlowTask, Network, procedural_source, tiny
from ..recorded_series import Dataset, RecordedSeries, pairs_of
from ..series import Photograph, Series, SeriesSource, focus_point

# A reference and two targets.
PHOTOGRAPHS = 3
# 21 focus planes with 20 bokeh levels each, and the picture itself.
VARIANTS = 421


@dataclass(frozen=True)
class DiffCameraConfig(FlowConfig):
    """Training of DiffCamera.

    Args:
        photos: series of photographed scenes, of `focuspuller simulate diffcamera`, with three
            blurred pictures of each or more.
        generated: the same of generated pictures.
        alike_until: step until which both are drawn alike.
        generated_from: step from which generated ones alone are drawn.
        stacking_weight: of the stacking constraint, λ.
        depth_dropout: share of the examples without depth.
        sharp_share: share of the references, and of the targets, that are sharp everywhere.
    """

    photos: tuple[Dataset, ...] = ()
    generated: tuple[Dataset, ...] = ()
    alike_until: int = 1000
    generated_from: int = 2500
    stacking_weight: float = 0.1
    depth_dropout: float = 0.5
    sharp_share: float = 1 / VARIANTS

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("depth_dropout", "sharp_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(name, str(getattr(self, name)), "Give 0 to 1.")


PAPER = DiffCameraConfig(
    # 256 examples a step on eight GPUs.
    run=Run(
        steps=3600,
        batch_size=1,
        accumulate=32,
        precision="bf16",
        gradient_checkpointing=True,
        workers=4,
        validate_every=200,
        save_every=50,
    ),
    optimizer=Optimizer(learning_rate=1e-4),
    adapter=AdapterSettings(rank=64),
    scale="whole",
)
PAPER_1024 = replace(
    PAPER,
    run=replace(PAPER.run, steps=3000, accumulate=16),
    size_px=1024,
    alike_until=0,
    generated_from=0,
)


@dataclass(frozen=True)
class DiffCameraExamples:
    """Makes examples: a reference, its depth, and two targets with their camera settings.

    Args:
        config: of the training.
    """

    config: DiffCameraConfig

    def __call__(
        self, source: SeriesSource, step: int, random: np.random.Generator
    ) -> dict[str, Tensor]:
        """`reference`, `depth`, `target`, `camera`, `other` and `other_camera`."""
        config = self.config
        series = source.draw(step, random, PHOTOGRAPHS)
        reference, first, second = series.photographs
        target, camera = self._target(series, first, random)
        other, other_camera = self._target(series, second, random)
        is_sharp = random.random() < config.sharp_share
        height, width = reference.image.shape[-2:]
        has_depth = random.random() >= config.depth_dropout
        depth = depth_picture(series.depth if has_depth else None, height, width)
        return {
            "reference": sharp_of(series) if is_sharp else reference.image,
            "depth": depth[0],
            "target": target,
            "camera": camera,
            "other": other,
            "other_camera": other_camera,
        }

    def _target(
        self, series: Series, photograph: Photograph, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """A picture, and what the camera token says of it, `[3]`."""
        if random.random() < self.config.sharp_share:
            # Nothing is out of focus wherever the focus is.
            x, y = (float(one) for one in random.random(2))
            return sharp_of(series), CameraSetting(x, y, 0.0).vector()
        depth, blur = series.depth, photograph.blur
        if depth is None or blur is None:
            advice = "Give what focuspuller simulate diffcamera makes."
            raise InputError("datasets", f"{series.name}, without depth or bokeh level", advice)
        x, y = focus_point(depth, blur.focus_disparity, random)
        return photograph.image, CameraSetting(x, y, blur.level / max(depth.size)).vector()


def show(trainee: FlowTrainee, batch: Batch) -> Sequence[Condition]:
    """The reference, its depth, and the camera token."""
    assert isinstance(trainee, StackingTrainee)
    reference, grid = trainee.encoder.picture(batch["reference"])
    depth, _ = trainee.encoder.picture(batch["depth"])
    return diffcamera_conditions(reference, depth, trainee.camera(batch["camera"]), grid)


def make(config: DiffCameraConfig, device: torch.device) -> FlowTask:
    """The training."""
    network = Network(
        *(Kind.DIFFCAMERA, "target", show, DiffCameraExamples(config)),
        pictures=("reference", "depth"),
        trainee=StackingTrainee,
        photographs=PHOTOGRAPHS,
    )
    source, weight = _source(config), config.stacking_weight
    task = FlowTask(network, config, source, device, stacking_weight=weight)
    if config.adapter.start is not None:
        start = load_adapter(Path(config.adapter.start), task.base.shape, Kind.DIFFCAMERA)
        assert start.camera is not None and isinstance(task.trainee, StackingTrainee)
        task.trainee.camera.load_state_dict(start.camera.state_dict())
    return task


def _source(config: DiffCameraConfig) -> SeriesSource:
    if config.procedural_scenes:
        return procedural_source(config, PHOTOGRAPHS + 1)
    parts, ramp = [pairs_of(config.generated, "generated")], None
    if config.generated_from > 0:
        parts = [pairs_of(config.photos, "photos"), *parts]
        ramp = Ramp((1, 1), (0, 1), config.alike_until, config.generated_from)
    return RecordedSeries(parts, config.size_px, config.scale, ramp, PHOTOGRAPHS)


RECIPE = Recipe(
    name="diffcamera",
    summary="moves the focus of photographs (DiffCamera), an adapter for FLUX",
    presets={
        "paper": PAPER,
        "paper-1024": PAPER_1024,
        "tiny": tiny(PAPER, sharp_share=0.2),
    },
    make=make,
    product="diffcamera.safetensors",
)
