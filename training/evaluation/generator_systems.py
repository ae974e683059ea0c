"""Generators of pictures, with and without a lens, as systems: Fine-grained Defocus Table 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ...errors import InputError
from ...lens.color import srgb_to_linear
from ...lens.defocus import defocus_from_camera
from ...lens.depth import Depth
from ...lens.focus import Focus
from ...lens.optics import Camera
from ...lens.render import Lens, render
from ...models.depth.handle import depth_weights_path, open_depth_estimator
from ...models.exif_generator.conditioning import ALL_IN_FOCUS, Conditioning, prompt_for
from ...models.exif_generator.handle import (
    NONE,
    Generator,
    Sampling,
    embedded_prompts,
    generate,
    open_generator,
)
from ...models.exif_generator.published import EXIF_GENERATOR, STUDENTS
from ...models.focus_distance.handle import find_focus, focus_transformer, focus_weights
from ...models.places import AUTOMATIC, located, missing
from .scene import Request
from .system import Maker, System

FAMILY = "generator"
# As in the paper.
DEPTH_MODEL = "metric3d"
Student = Literal["none", "published", "trained"]
PUBLISHED_STUDENTS = tuple(one for one in STUDENTS if one != EXIF_GENERATOR)


@dataclass(frozen=True)
class GeneratorSettings:
    """Weights and sampling, as `focuspuller generate` takes them.

    Args:
        base: SDXL checkpoint; looked for if None.
        student: few-step UNet or LoRA, for rows that have one.
        exif_projection: trained file; "none".
        tokenizer: folder with CLIP's vocabulary.
        depth_model: network for metres, a name or a file.
        focus_weights: of the network that finds the focus.
        width, height: px.
        steps: 0: as the student was trained, or 50 without one.
        guidance: without a student.
    """

    base: str | None = None
    student: str = AUTOMATIC
    exif_projection: str = AUTOMATIC
    tokenizer: str | None = None
    depth_model: str = DEPTH_MODEL
    focus_weights: str | None = None
    width: int = 1024
    height: int = 1024
    steps: int = 0
    guidance: float = 5.0


@dataclass(frozen=True)
class Kind:
    """What a row of the table is.

    Args:
        student: "none": SDXL itself; "published": DMD2's; "trained": that of a trained generator,
            or DMD2's beside a trained projection. For the last two, a file that the user names.
        conditioning: how the generator is told of the camera.
        told_f_number: in place of the camera's.
        lens: blurs the picture; none if empty.
    """

    student: Student
    conditioning: Conditioning
    told_f_number: float | None = None
    lens: str = ""


def generator_system(kind: Kind, device: torch.device, settings: GeneratorSettings) -> Maker:
    """Pictures of a prompt as a camera takes them."""
    generator = _generator(kind, settings)
    draw = partial(_drawn, generator, kind.conditioning, device, settings)
    if not kind.lens:
        return lambda request: srgb_to_linear(draw(request, _told(kind, request)))
    return _Photographs(kind, draw, device, settings)


class _Photographed(NamedTuple):
    picture: Tensor
    depth: Depth
    focus: Focus
    focus_scale: Tensor


class _Photographs:
    """Generated pictures through a lens; the last one is remembered, for the next aperture."""

    def __init__(
        self,
        kind: Kind,
        draw: Callable[[Request, Camera], Tensor],
        device: torch.device,
        settings: GeneratorSettings,
    ) -> None:
        self._kind, self._draw, self._device = kind, draw, device
        self._depth = depth_weights_path(settings.depth_model)
        self._focus = focus_weights(settings.focus_weights)
        self._last: tuple[object, _Photographed] | None = None

    def __call__(self, request: Request) -> Tensor:
        told = _told(self._kind, request)
        key = (request.prompt, request.seed, told)
        if self._last is None or self._last[0] != key:
            self._last = (key, self._scene(request, told))
        scene = self._last[1]
        defocus = defocus_from_camera(scene.depth, scene.focus, _camera(request), scene.focus_scale)
        light = srgb_to_linear(scene.picture)
        with torch.inference_mode():
            return render(light, defocus, Lens(self._kind.lens), device=self._device)

    def _scene(self, request: Request, told: Camera) -> _Photographed:
        picture = self._draw(request, told)
        size = (picture.shape[-2], picture.shape[-1])
        focal_length = told.for_image(*size).focal_length_px
        network = open_depth_estimator(self._depth, self._device)
        depth = network.estimate(picture, focal_length, self._device).resized(*size)
        found = find_focus(focus_transformer(self._focus), picture, depth, device=self._device)
        return _Photographed(picture, depth, found.focus, found.scale)


def _generator(kind: Kind, settings: GeneratorSettings) -> Generator:
    """The weights of a row."""
    student = settings.student if kind.student != "none" else NONE
    if student == AUTOMATIC and kind.student == "published":
        student = str(located(PUBLISHED_STUDENTS))
    elif AUTOMATIC == student == settings.exif_projection:
        located(EXIF_GENERATOR)  # Without it, this would be another row.
    in_words = kind.conditioning != "automatic"
    projection = NONE if in_words else settings.exif_projection
    generator = open_generator(settings.base, student, projection, settings.tokenizer)
    if not (in_words or kind.lens or generator.projection):
        raise missing(EXIF_GENERATOR)
    return generator


def _drawn(
    generator: Generator,
    conditioning: Conditioning,
    device: torch.device,
    settings: GeneratorSettings,
    request: Request,
    told: Camera,
) -> Tensor:
    """`[1,3,H,W]` sRGB-coded 0..1."""
    sampling = Sampling(
        settings.width,
        settings.height,
        request.seed,
        steps=settings.steps,
        guidance=settings.guidance,
    )
    text = prompt_for(request.prompt, conditioning, told)
    (prompt,) = embedded_prompts([text], generator, device)
    camera = told if conditioning == "automatic" else None
    return generate(generator, prompt, sampling, device, camera=camera)


def _told(kind: Kind, request: Request) -> Camera:
    camera = _camera(request)
    return replace(camera, f_number=kind.told_f_number) if kind.told_f_number else camera


def _camera(request: Request) -> Camera:
    if request.camera is None:
        raise InputError(f"{request.scene}, {request.shot}", "no camera", "Say what takes it.")
    return request.camera


def _system(
    name: str,
    summary: str,
    conditioning: Conditioning,
    student: Student = "none",
    told_f_number: float | None = None,
    lens: str = "",
) -> System:
    kind = Kind(student, conditioning, told_f_number, lens)
    return System(
        name,
        ("generate",),
        partial(generator_system, kind),
        summary,
        settings=GeneratorSettings(),
        family=FAMILY,
    )


OURS = "the trained generator, told f/22, with a lens: {}"

# In the order of Table 1.
GENERATOR_SYSTEMS = (
    _system("sdxl-exif-text", "SDXL, told of the camera in words", "exif_text"),
    _system("sdxl-dof-text", "SDXL, told deep or shallow depth of field", "dof_text"),
    _system(
        "distilled-dof-text",
        "SDXL in a few steps (DMD2), told deep or shallow depth of field",
        "dof_text",
        "published",
    ),
    _system(
        "distilled-exif",
        "SDXL in a few steps, told of the camera by the EXIF projection",
        "automatic",
        "trained",
    ),
    _system("sdxl-exif-text+taf", "SDXL told in words, with the lens TAF", "exif_text", lens="taf"),
    _system(
        "sdxl-exif-text+drbokeh",
        "SDXL told in words, with the lens Dr.Bokeh",
        "exif_text",
        lens="drbokeh",
    ),
    _system(
        "sdxl-exif-fixed+drbokeh",
        "SDXL told f/22 in words, with the lens Dr.Bokeh",
        "exif_fixed",
        told_f_number=ALL_IN_FOCUS,
        lens="drbokeh",
    ),
    *(
        _system(f"generator+{lens}", OURS.format(title), "automatic", "trained", ALL_IN_FOCUS, lens)
        for lens, title in (("taf", "TAF"), ("drbokeh", "Dr.Bokeh"))
    ),
)
