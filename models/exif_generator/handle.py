"""All-in-focus pictures from a prompt and a camera, with a user's weights."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...errors import InputError
from ...lens.optics import Camera
from ..lending import compute_dtype, lent
from ..loaded import loaded
from ..places import AUTOMATIC, found, located
from ..sdxl.base import base_of, load_text_encoders, load_unet, load_vae
from ..sdxl.pictures import PX_PER_LATENT, decoded
from ..sdxl.published import GENERATOR_BASES
from ..sdxl.text import LENGTH, PromptEmbedding, embedded_prompt
from ..sdxl.tokenizer import tokenizer_for, words_of
from .denoiser import Denoiser
from .exif import Exif, ExifProjection, exif_conditioned
from .files import exif_metadata, load_projection
from .published import DMD2_LORA, EXIF_GENERATOR, STUDENTS
from .sampling import (
    SeededNoise,
    even_timesteps,
    few_step_latents,
    many_step_latents,
    student_timesteps,
)
from .student import holds_student, load_student, timesteps_of

# As in BokehDiff: half precision has more digits than bfloat16, and the VAE computes in float32.
DTYPES = (torch.float16, torch.bfloat16)
PICTURES_AT_ONCE = 4
# What the UNet takes beside its weights for a picture of 1024² px.
BYTES_PER_PICTURE = 3 * 2**29
PX_OF_PICTURE = 1024**2
# Of SDXL without a student, as in the paper.
MANY_STEPS = 50
NONE = "none"
LEAST_SIDE = 64

logger = logging.getLogger(__name__)

PathLike = str | os.PathLike[str]
# Called after every step with the finished fraction and the clean latents so far, `[B,4,h,w]`.
OnStep = Callable[[float, Tensor], None]


@dataclass(frozen=True)
class Generator:
    """Which weights generate.

    Args:
        base: SDXL checkpoint: a single file, or a folder in diffusers' layout.
        student: few-step UNet or LoRA; None: SDXL itself, in many steps with guidance.
        projection: file with an EXIF projection; None: not told of the camera.
        tokenizer: folder with CLIP's vocabulary; None: wherever there is one, when it is needed.
    """

    base: Path
    student: Path | None = None
    projection: Path | None = None
    tokenizer: Path | None = None


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn.

    Args:
        width: px, a multiple of 8.
        height: the same.
        seed: of the first picture; each further one of a batch has the next, so that it can be
            had alone.
        batch: number of pictures.
        steps: 0: as the student was trained, or 50 without one.
        guidance: how much SDXL without a student follows the prompt. Students ignore it: theirs is
            in their weights.

    Raises:
        InputError: a value has no meaning.
    """

    width: int = 1024
    height: int = 1024
    seed: int = 0
    batch: int = 1
    steps: int = 0
    guidance: float = 5.0

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            side = getattr(self, name)
            if side < LEAST_SIDE or side % PX_PER_LATENT:
                advice = f"Give a multiple of {PX_PER_LATENT}, from {LEAST_SIDE} on."
                raise InputError(name, f"{side} px", advice)
        if self.batch < 1:
            raise InputError("batch", str(self.batch), "Give one or more.")
        if not 0 <= self.seed < 2**64:
            raise InputError("seed", str(self.seed), "Give a number from 0 to 2^64 − 1.")
        if not 0 <= self.steps <= 1000:
            raise InputError("steps", str(self.steps), "Give 0 to 1000.")
        if not (math.isfinite(self.guidance) and self.guidance >= 0):
            raise InputError("guidance", f"{self.guidance:g}", "Give a number, zero or more.")


def open_generator(
    base: PathLike | None = None,
    student: PathLike = AUTOMATIC,
    projection: PathLike = AUTOMATIC,
    tokenizer: PathLike | None = None,
) -> Generator:
    """The weights to generate with. They are loaded when they are used.

    Args:
        base: as in `Generator`; None and "automatic" look where models are kept.
        student: path; "automatic": a trained generator of ours, else DMD2's; "none": SDXL itself.
        projection: path; "automatic": that of the student's file, else a trained one if there is
            one; "none".
        tokenizer: folder with CLIP's vocab.json and merges.txt. None looks for it: in a base that
            is a folder, in the folders of models, in the Hugging Face cache.

    Raises:
        FileError: weights are missing. Says how to get them.

    Example:
        >>> generator = open_generator("sd_xl_base_1.0.safetensors")  # doctest: +SKIP
    """
    checkpoint = base_of(located(GENERATOR_BASES, base))
    chosen = None if student == NONE else _student(student)
    words = None if tokenizer is None else Path(tokenizer)
    return Generator(checkpoint, chosen, _projection(projection, chosen), words)


def _student(given: PathLike) -> Path:
    if given != AUTOMATIC:
        return located(DMD2_LORA, given)
    trained = found(EXIF_GENERATOR)
    if trained and holds_student(trained):
        return trained
    # Only DMD2's can be had, so that it is the one to be named where there is none.
    return located([one for one in STUDENTS if one != EXIF_GENERATOR])


def _projection(given: PathLike, student: Path | None) -> Path | None:
    if given == NONE:
        return None
    if given != AUTOMATIC:
        return located(EXIF_GENERATOR, given)
    if student is not None and exif_metadata(student):
        return student
    return found(EXIF_GENERATOR)


@torch.no_grad()
def embedded_prompts(
    prompts: Sequence[str],
    generator: Generator,
    device: torch.device,
    tokenizers: Iterable[Path] = (),
) -> list[PromptEmbedding]:
    """What SDXL's text encoders make of prompts, on the CPU.

    Args:
        prompts: texts.
        generator: whose base has the text encoders.
        device: where to compute.
        tokenizers: further folders that may have CLIP's vocabulary.

    Raises:
        FileError: there is no vocabulary, or the checkpoint has no text encoders.
        MissingDependencyError: diffusers or transformers is not installed.
    """
    folder = tokenizer_for(generator.base, generator.tokenizer, tokenizers)
    every = [words_of(prompt, folder) for prompt in prompts]
    for words in every:
        if len(words) > LENGTH - 2:
            logger.warning(
                "A prompt of %d words and parts of words: SDXL reads %d.", len(words), LENGTH - 2
            )
    encoders = loaded(load_text_encoders, generator.base, compute_dtype(device, DTYPES))
    with lent(encoders, device):
        embeddings = [embedded_prompt(words, *encoders) for words in every]
    return [PromptEmbedding(*(part.float().cpu() for part in one)) for one in embeddings]


@torch.no_grad()
def generate(
    generator: Generator,
    prompt: PromptEmbedding,
    sampling: Sampling,
    device: torch.device,
    *,
    negative: PromptEmbedding | None = None,
    camera: Camera | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Pictures of a prompt.

    Args:
        generator: the weights.
        prompt: batch 1.
        sampling: size, seed, number, steps.
        device: where to compute.
        negative: what shall not be there, for SDXL with guidance; None: as SDXL was trained,
            zeros.
        camera: told to a generator with an EXIF projection.
        on_step: told about progress; may raise to stop between steps.

    Returns:
        `[B,3,H,W]` sRGB-coded 0..1, float32 on the CPU.

    Raises:
        FileError: weights are missing, unreadable or for another network.
        InputError: the student cannot do so many steps, or the prompt is another model's.
        MissingDependencyError: diffusers is not installed.
    """
    timesteps = _timesteps(generator, sampling)
    networks = _networks(generator, compute_dtype(device, DTYPES))
    _check_width(networks.unet, prompt, "prompt")
    if negative is not None:
        _check_width(networks.unet, negative, "negative")
    exif = _told(generator, camera)
    vae = loaded(load_vae, generator.base)
    denoiser = _denoiser(generator, networks.unet, prompt, negative, sampling.guidance)
    groups = [
        range(start, min(start + PICTURES_AT_ONCE, sampling.batch))
        for start in range(0, sampling.batch, PICTURES_AT_ONCE)
    ]
    pictures = []
    for index, group in enumerate(groups):
        report = _reporter(on_step, index, len(groups), len(timesteps))
        noise = _noise(sampling, group, device)
        with _lent(networks, exif, device, sampling, len(group)):
            latents = _latents(generator, denoiser, noise, timesteps, report)
        pictures.append(decoded(vae, latents).cpu())
    return torch.cat(pictures)


def _check_width(unet: Any, prompt: PromptEmbedding, subject: str) -> None:
    wanted = unet.config.cross_attention_dim
    if prompt.tokens.ndim != 3 or prompt.tokens.shape[-1] != wanted:
        received = f"a prompt encoded as {list(prompt.tokens.shape)}, not [1, tokens, {wanted}]"
        raise InputError(subject, received, "Encode it with the CLIP of an SDXL checkpoint.")


class _Networks(NamedTuple):
    unet: Any
    projection: ExifProjection | None


def _networks(generator: Generator, dtype: torch.dtype) -> _Networks:
    unet = loaded(_load_unet, generator.student or generator.base, generator.base, dtype)
    if generator.projection is None:
        return _Networks(unet, None)
    outputs = unet.time_embedding.linear_2.out_features
    return _Networks(unet, loaded(load_projection, generator.projection, outputs))


def _load_unet(path: Path, base: Path, dtype: torch.dtype) -> Any:
    return load_unet(base, dtype) if path == base else load_student(path, base, dtype)


def _timesteps(generator: Generator, sampling: Sampling) -> tuple[int, ...]:
    if generator.student is None:
        return even_timesteps(sampling.steps or MANY_STEPS)
    trained = timesteps_of(generator.student)
    steps = sampling.steps or len(trained)
    if len(trained) == 1 and steps > 1:
        received = f"{steps} for a student of a single step"
        raise InputError("steps", received, "Give 1 or 0, or another student.")
    return student_timesteps(trained, steps)


def _told(generator: Generator, camera: Camera | None) -> Exif | None:
    if camera is None or generator.projection is None:
        return None
    metadata = exif_metadata(generator.projection)
    strange = metadata.outside(camera) if metadata else ""
    if strange:
        logger.warning("%s: %s", generator.projection.name, strange)
    return Exif.of(camera)


def _denoiser(
    generator: Generator,
    unet: Any,
    prompt: PromptEmbedding,
    negative: PromptEmbedding | None,
    guidance: float,
) -> Denoiser:
    if generator.student is not None or guidance == 1.0:
        return Denoiser(unet, prompt)
    zeros = PromptEmbedding(*(torch.zeros_like(part) for part in prompt))
    return Denoiser(unet, prompt, negative or zeros, guidance)


def _noise(sampling: Sampling, group: range, device: torch.device) -> Callable[[], Tensor]:
    seeds = [(sampling.seed + one) % 2**64 for one in group]
    size = sampling.height // PX_PER_LATENT, sampling.width // PX_PER_LATENT
    source = SeededNoise(seeds, size)
    return lambda: source().to(device)


@contextmanager
def _lent(
    networks: _Networks,
    exif: Exif | None,
    device: torch.device,
    sampling: Sampling,
    pictures: int,
) -> Iterator[None]:
    """Have the networks on the device, and the UNet told of the camera."""
    px = pictures * sampling.height * sampling.width
    unet, projection = networks
    with ExitStack() as stack:
        needed = [unet] if projection is None else [unet, projection]
        stack.enter_context(lent(needed, device, BYTES_PER_PICTURE * px // PX_OF_PICTURE))
        if exif is not None and projection is not None:
            stack.enter_context(exif_conditioned(unet, projection, exif))
        yield


def _latents(
    generator: Generator,
    denoiser: Denoiser,
    noise: Callable[[], Tensor],
    timesteps: tuple[int, ...],
    report: Callable[[int, Tensor], None],
) -> Tensor:
    if generator.student is None:
        return many_step_latents(denoiser, noise(), timesteps, report)
    return few_step_latents(denoiser, noise, timesteps, report)


def _reporter(
    on_step: OnStep | None, group: int, groups: int, steps: int
) -> Callable[[int, Tensor], None]:
    def report(done: int, clean: Tensor) -> None:
        if on_step:
            on_step((group + done / steps) / groups, clean)

    return report
