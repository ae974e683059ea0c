"""The EXIF-conditioned generator: SDXL in four steps, told of the camera.

Fine-grained Defocus (sections 3.1 to 3.5, appendix F) with the losses of DMD2. Where the paper is
silent, DMD2's published settings for SDXL count: weights of the adversarial losses, clipping, the
discriminator. The paper gives days instead of steps; the number is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...lens.depth import Depth
from ...models.depth.handle import open_depth_estimator
from ...models.exif_generator.conditioning import ALL_IN_FOCUS, prompt_for
from ...models.exif_generator.files import ExifMetadata, save_exif_generator
from ...models.focus_distance.architecture import FocusDistanceTransformer
from ...models.focus_distance.files import load_focus_transformer, save_focus_transformer
from ...models.places import located
from ...models.sdxl.base import base_of
from ...models.sdxl.published import GENERATOR_BASES
from ...models.sdxl.text import FILLING, FILLING_2, filled_prompt
from ...models.sdxl.tokenizer import tokenizer_for, words_of
from ...models.vst.published import VST as VST_WEIGHTS
from ..dmd2.distance import energy_distance
from ..dmd2.lens import DepthOf, TrainedLens
from ..dmd2.networks import (
    Networks,
    differences,
    load_networks,
    prepared,
    projection_with,
    student_state,
)
from ..dmd2.photographs import Photograph, Photographs, ProceduralPhotographs, RecordedPhotographs
from ..dmd2.settings import (
    TINY,
    ExifGeneratorConfig,
    PhotographFolder,
    Weights,
    is_shallow,
    is_students_turn,
)
from ..dmd2.tiny import tiny_depth, tiny_generator, tiny_words
from ..dmd2.trainee import FAKE, FOCUS, GENERATOR, ExifGeneratorTrainee
from ..engine.config import Optimizer, Run
from ..engine.task import Phase, Recipe, Task, Trainee, Validation
from .focus_distance import tiny_transformer

DEPTH = "metric3d"
FOCUS_FILE = "focus_distance.safetensors"
# Random streams beside the engine's: which of its steps the student takes, and unseen examples.
STUDENT_STEP, UNSEEN = 5, 6
VALIDATION_EXAMPLES = 16
SHOWN = 4
TRANSFORMER = "lens.transformer."

_OPTIMIZER = Optimizer(learning_rate=5e-7, clip_norm=10.0)
PAPER = ExifGeneratorConfig(
    run=Run(
        steps=20_000,
        precision="bf16",
        gradient_checkpointing=True,
        workers=4,
        log_every=50,
        validate_every=1000,
        save_every=500,
    ),
    optimizer=_OPTIMIZER,
    fake_optimizer=_OPTIMIZER,
    focus_optimizer=_OPTIMIZER,
)
_FAST = Optimizer(learning_rate=5e-4, clip_norm=10.0)
TINY_PRESET = replace(
    PAPER,
    run=Run(steps=60, batch_size=8, log_every=10, validate_every=30, save_every=30),
    optimizer=_FAST,
    fake_optimizer=replace(_FAST, learning_rate=2e-3),
    focus_optimizer=replace(_FAST, learning_rate=1e-4),
    weights=Weights(generator=0.02, discriminator=1.0),
    base=TINY,
    timesteps=(499, 249),
    fake_updates=2,
    guidance=1.0,
    teacher_told="dof_text",
    blur="none",
    focus_start=TINY,
    depth=TINY,
    size_px=64,
    procedural_scenes=32,
    licence="none: made for a random base model",
)
PRESETS = {
    "paper": PAPER,
    "tiny": TINY_PRESET,
    "tiny-lens": replace(TINY_PRESET, run=replace(TINY_PRESET.run, steps=40), blur="taf"),
}


class ExifGeneratorTask(Task):
    """Training of the generator, and of the focus distance transformer where there is a lens."""

    def __init__(self, config: ExifGeneratorConfig, device: torch.device) -> None:
        self.config, self.run = config, config.run
        self.base = TINY if config.base == TINY else str(_base(config))
        self.deep = _source(config, config.deep, "deep")
        self.shallow = _source(config, config.shallow, "shallow") if config.has_shallow else None
        self.tokenizer = _tokenizer(config)
        networks = _networks(config)
        if config.run.gradient_checkpointing:
            for network in (networks.student, networks.fake, networks.vae):
                network.enable_gradient_checkpointing()
        lens = _lens(config, device) if config.has_lens else None
        self.trainee = ExifGeneratorTrainee(networks, config, lens)
        self.phases = [
            Phase(GENERATOR, _student, config.optimizer, self._is_students_turn),
            Phase(FAKE, _fake, config.fake_optimizer),
        ]
        if lens is not None:
            self.phases.append(Phase(FOCUS, _focus, config.focus_optimizer, self._is_focus_turn))

    def example(self, step: int, random: np.random.Generator) -> dict[str, Tensor]:
        """A photograph of the kind that the step is about, its caption and its camera."""
        shallow = is_shallow(self.config, step)
        source = self.shallow if shallow and self.shallow is not None else self.deep
        # Alike in all processes, so that all of them run the student equally often.
        steps = np.random.default_rng([self.run.seed, STUDENT_STEP, step])
        return {
            **self._told(source.draw(random)),
            "shallow": torch.tensor([shallow]),
            "student_step": torch.tensor([int(steps.integers(len(self.config.timesteps)))]),
        }

    def validate(self, trainee: Trainee) -> Validation:
        """How far pictures are from photographs, by latents, and some of both."""
        assert isinstance(trainee, ExifGeneratorTrainee)
        place = next(trainee.parameters()).device
        metrics, pictures = {}, []
        for name, step in self._kinds().items():
            made, real = [], []
            for index in range(VALIDATION_EXAMPLES):
                random = np.random.default_rng([self.run.seed, UNSEEN, index])
                example = self.example(step, random)
                batch = {key: one[None].to(place) for key, one in example.items()}
                made.append(trainee.drawn(batch))
                real.append(trainee.latents_of(batch["image"]))
            metrics[f"{name}_distance"] = energy_distance(torch.cat(made), torch.cat(real))
            pictures += [trainee.picture_of(one) for one in (*made[:SHOWN], *real[:SHOWN])]
        return Validation(metrics, torch.cat(pictures).cpu(), columns=SHOWN)

    def export(
        self, weights: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]
    ) -> None:
        """Student and projection in one file; beside it the focus distance transformer."""
        config, trainee = self.config, self.trainee
        assert isinstance(trainee, ExifGeneratorTrainee)
        sources = [self.deep, *([self.shallow] if self.shallow else [])]
        notes = {**metadata, "data": " ".join(one.digest for one in sources)}
        if trainee.lens is not None:
            transformer = trainee.lens.transformer
            own = {
                name.removeprefix(TRANSFORMER): one
                for name, one in weights.items()
                if name.startswith(TRANSFORMER)
            }
            transformer.load_state_dict({**transformer.state_dict(), **own})
            beside = file.with_name(FOCUS_FILE)
            save_focus_transformer(beside, transformer, self.base, config.licence, notes)
        state = student_state(weights, config.rank, config.alpha)
        said = {**notes, "rank": str(config.rank)}
        projection = projection_with(weights, trainee.projection)
        save_exif_generator(file, projection, self._metadata(sources), state, said)

    def _is_students_turn(self, step: int) -> bool:
        return is_students_turn(self.config, step)

    def _is_focus_turn(self, step: int) -> bool:
        """In every step; the student's turns with a lens train the focus themselves."""
        return not (is_students_turn(self.config, step) and is_shallow(self.config, step))

    def _kinds(self) -> dict[str, int]:
        """The kinds of pictures, with a step that is about each."""
        if self.shallow is None:
            return {"deep": 0}
        return {"deep": 0, "shallow": self.config.fake_updates}

    def _told(self, photograph: Photograph) -> dict[str, Tensor]:
        camera = photograph.camera
        # The nodes take the side of a square picture for the width of the sensor.
        px_per_mm = self.config.size_px / camera.sensor_width_mm
        return {
            "image": photograph.image,
            "tokens": self._tokens(photograph.caption),
            "teacher_tokens": self._teacher_tokens(photograph),
            "f_number": torch.tensor([camera.f_number]),
            "focal_length_mm": torch.tensor([camera.focal_length_mm]),
            "px_per_mm": torch.tensor([px_per_mm]),
        }

    def _tokens(self, prompt: str) -> Tensor:
        return _rows([] if self.tokenizer is None else words_of(prompt, self.tokenizer))

    def _teacher_tokens(self, photograph: Photograph) -> Tensor:
        told, camera = self.config.teacher_told, photograph.camera
        if self.tokenizer is None and told != "none":
            return _rows(tiny_words(camera))
        return self._tokens(prompt_for(photograph.caption, told, camera))

    def _metadata(self, sources: list[Photographs]) -> ExifMetadata:
        assert isinstance(self.trainee, ExifGeneratorTrainee)
        f_numbers, focal_lengths = zip(
            *(one for each in sources for one in each.cameras), strict=True
        )
        if self.trainee.lens is not None:
            f_numbers = [f_number for f_number, _ in self.deep.cameras] + [ALL_IN_FOCUS]
        return ExifMetadata(
            base=Path(self.base).name,
            licence=self.config.licence,
            f_numbers=(min(f_numbers), max(f_numbers)),
            focal_lengths_mm=(min(focal_lengths), max(focal_lengths)),
            timesteps=self.trainee.timesteps,
            unet=differences(self.trainee.teacher),
        )


def _rows(words: list[int]) -> Tensor:
    """What both text encoders read, `[2,77]`."""
    return torch.cat([filled_prompt(words, filling) for filling in (FILLING, FILLING_2)])


def _student(trainee: ExifGeneratorTrainee):
    return trainee.generator_parameters()


def _fake(trainee: ExifGeneratorTrainee):
    return trainee.fake_parameters()


def _focus(trainee: ExifGeneratorTrainee):
    return trainee.focus_parameters()


def _base(config: ExifGeneratorConfig) -> Path:
    return base_of(located(GENERATOR_BASES, config.base))


def _tokenizer(config: ExifGeneratorConfig) -> Path | None:
    """CLIP's vocabulary; None where pictures have no captions."""
    if config.procedural_scenes:
        return None
    given = None if config.tokenizer is None else Path(config.tokenizer)
    return tokenizer_for(_base(config), given)


def _source(
    config: ExifGeneratorConfig, folders: tuple[PhotographFolder, ...], kind: str
) -> Photographs:
    if config.procedural_scenes:
        is_blurred = kind == "shallow"
        # Small pictures hardly show blur; without a lens to differ by, they differ in light too.
        is_dim = is_blurred and config.blur == "none"
        scenes, seed = config.procedural_scenes, config.run.seed
        return ProceduralPhotographs(config.size_px, scenes, is_blurred, is_dim, seed)
    return RecordedPhotographs(folders, kind, config.size_px)


def _networks(config: ExifGeneratorConfig) -> Networks:
    start = None if config.start is None else Path(config.start)
    if config.base == TINY:
        return prepared(*tiny_generator(), start, config.rank, config.alpha)
    frozen = torch.bfloat16 if config.run.precision == "bf16" else torch.float32
    return load_networks(_base(config), start, config.rank, config.alpha, frozen)


def _lens(config: ExifGeneratorConfig, device: torch.device) -> TrainedLens:
    return TrainedLens(_transformer(config), _depth_of(config, device))


def _transformer(config: ExifGeneratorConfig) -> FocusDistanceTransformer:
    if config.focus_start == TINY:
        return tiny_transformer()
    return load_focus_transformer(located(VST_WEIGHTS, config.focus_start))


def _depth_of(config: ExifGeneratorConfig, device: torch.device) -> DepthOf:
    if config.depth == TINY:
        return tiny_depth
    name = config.depth or DEPTH
    estimator = open_depth_estimator(name, device)
    if not estimator.is_metric:
        raise InputError("depth", f"{name}, whose depth is relative", "Give one in metres.")

    def depth_of(image: Tensor, focal_length_px: Tensor) -> Depth:
        return estimator.estimate(image, focal_length_px)

    return depth_of


RECIPE = Recipe(
    name="exif-generator",
    summary="draws pictures in four steps, told of the camera (DMD2), from SDXL",
    presets=PRESETS,
    make=ExifGeneratorTask,
    product="exif_generator.safetensors",
)
