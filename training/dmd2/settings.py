"""Settings of the training of the EXIF-conditioned generator."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ...errors import InputError
from ...models.exif_generator.sampling import FOUR_STEPS
from ...models.sdxl.pictures import PX_PER_LATENT
from ...models.sdxl.schedule import STEPS
from ..engine.config import Optimizer, Run

TINY = "tiny"
# How pictures with a shallow depth of field come about. "taf": the generator draws everything in
# focus, told f/22, and the TAF lens blurs it (Fine-grained Defocus, section 3). "none": the
# generator draws the blur itself, told the f-number (F.3, and row 4 of table 1).
Blur = Literal["taf", "none"]
# What the teacher is told of the camera, in words: nothing, or one of the baselines of table 1.
TeacherTold = Literal["none", "dof_text", "exif_text"]


@dataclass(frozen=True)
class PhotographFolder:
    """Photographs with captions.

    Args:
        folder: holds them, also in folders below; the caption of `NAME.jpg` is in `NAME.txt`.
        curated: what `focuspuller curate FOLDER --out` wrote.
    """

    folder: str
    curated: str


@dataclass(frozen=True)
class Weights:
    """How much each loss counts.

    Args:
        deep: λ1, of DMD2 on pictures that are sharp all over.
        shallow: λ2, of DMD2 on pictures with a shallow depth of field.
        focus: λ3, of the Huber loss between the focus and that of a frozen VST, in m².
        generator: of the discriminator's verdict for the student.
        discriminator: of it for the discriminator, which learns along with the fake score.
    """

    deep: float = 1.0
    shallow: float = 1.0
    focus: float = 200.0
    generator: float = 5e-3
    discriminator: float = 1e-2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < float("inf"):
                raise InputError(f"weights.{name}", str(value), "Give zero or more.")


@dataclass(frozen=True)
class ExifGeneratorConfig:
    """A training run.

    Args:
        run: settings of every training. A step is one of the fake score.
        optimizer: of student and EXIF projection, and of the focus in the student's turns.
        fake_optimizer: of fake score and discriminator.
        focus_optimizer: of the focus distance transformer in steps without the student.
        weights: of the losses.
        base: SDXL checkpoint, a file or a folder of diffusers; looked for if None. "tiny" is a
            small one that was trained for seconds, to try things out.
        tokenizer: folder of CLIP's vocabulary; looked for if None.
        start: a student to go on from: a trained generator, or DMD2's; None starts from SDXL.
        rank: of the student's adapter; 0 trains all its weights.
        alpha: of the adapter, whose update counts alpha / rank.
        timesteps: of the student's steps, falling.
        fake_updates: steps of the fake score for one of the student.
        guidance: how much the teacher follows the prompt.
        teacher_told: of the camera, in words. With "none", scores are matched over all cameras and
            only the discriminator tells them apart; else camera by camera.
        discriminator_noise: the discriminator sees pictures at timesteps below this.
        deep: photographs that are sharp all over.
        shallow: photographs with a shallow depth of field; without them, training is on the deep
            ones alone.
        blur: how pictures with a shallow depth of field come about.
        focus_start: VST's weights, or a trained focus distance transformer; looked for if None.
        depth: name, file or folder of a network for metric depth; Metric3D's if None.
        size_px: height and width of pictures, a multiple of 8.
        procedural_scenes: how many scenes are made in memory instead, for trying out.
        licence: of the weights that come out, as their file will say.
    """

    run: Run
    optimizer: Optimizer
    fake_optimizer: Optimizer
    focus_optimizer: Optimizer
    weights: Weights = Weights()
    base: str | None = None
    tokenizer: str | None = None
    start: str | None = None
    rank: int = 0
    alpha: float = 8.0
    timesteps: tuple[int, ...] = FOUR_STEPS
    fake_updates: int = 5
    guidance: float = 8.0
    teacher_told: TeacherTold = "none"
    discriminator_noise: int = STEPS
    deep: tuple[PhotographFolder, ...] = ()
    shallow: tuple[PhotographFolder, ...] = ()
    blur: Blur = "taf"
    focus_start: str | None = None
    depth: str | None = None
    size_px: int = 1024
    procedural_scenes: int = 0
    licence: str = "CreativeML Open RAIL++-M"

    def __post_init__(self) -> None:
        if self.size_px < 8 * PX_PER_LATENT or self.size_px % PX_PER_LATENT:
            advice = f"Give a multiple of {PX_PER_LATENT}, from {8 * PX_PER_LATENT} on."
            raise InputError("size_px", str(self.size_px), advice)
        falling = all(later < earlier for earlier, later in pairwise(self.timesteps))
        within = all(0 <= one < STEPS for one in self.timesteps)
        if not (self.timesteps and falling and within):
            raise InputError("timesteps", str(self.timesteps), "Give falling ones, below 1000.")
        if self.fake_updates < 1:
            raise InputError("fake_updates", str(self.fake_updates), "Give 1 or more.")
        if not 1 <= self.discriminator_noise <= STEPS:
            received = str(self.discriminator_noise)
            raise InputError("discriminator_noise", received, f"Give 1 to {STEPS}.")
        if self.rank < 0:
            raise InputError("rank", str(self.rank), "Give 0 or more.")
        if not self.guidance >= 1:
            raise InputError("guidance", str(self.guidance), "Give 1 (none) or more.")

    @property
    def has_shallow(self) -> bool:
        """Whether pictures with a shallow depth of field take part."""
        return self.weights.shallow > 0 and bool(self.shallow or self.procedural_scenes)

    @property
    def has_lens(self) -> bool:
        """Whether a lens and its focus take part."""
        return self.has_shallow and self.blur == "taf"


def is_students_turn(config: ExifGeneratorConfig, step: int) -> bool:
    """Whether the student has its turn in a step, counted from 0."""
    return step % config.fake_updates == 0


def is_shallow(config: ExifGeneratorConfig, step: int) -> bool:
    """Whether a step is about pictures with a shallow depth of field.

    The student's turns alternate between the two kinds, and so do the steps of the fake score
    between them.
    """
    turn, place = divmod(step, config.fake_updates)
    return config.has_shallow and (turn + place) % 2 == 1
