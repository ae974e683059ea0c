"""All-in-focus pictures from a prompt: Generate All-in-Focus."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..errors import InputError
from ..lens.image import to_interleaved
from ..lens.optics import Camera
from ..models.exif_generator.conditioning import CONDITIONINGS, Conditioning, checked, prompt_for
from ..models.exif_generator.handle import (
    Generator,
    Sampling,
    embedded_prompts,
    generate,
    open_generator,
)
from ..models.exif_generator.published import EXIF_GENERATOR, STUDENTS
from ..models.places import AUTOMATIC
from ..models.sdxl.published import GENERATOR_BASES
from ..models.sdxl.text import PromptEmbedding
from .comfy import (
    intermediate_device,
    io,
    progress_with_latents,
    render_device,
    tokenizer_folders,
)
from .node import CATEGORY, found_as, names_node
from .previews import shown
from .sdxl import base_fingerprint, base_input, base_path
from .sockets import CameraSocket, expect_if_given
from .weights import NONE, NetworkNode, weights_fingerprint, weights_input, weights_path

PROGRESS_STEPS = 100
# Of a prompt's entries that draw only a part of the picture, or not all of the time.
PARTIAL = ("area", "mask", "control", "start_percent", "end_percent")


class GenerateAllInFocus(NetworkNode):
    """A picture for the lens nodes to blur."""

    @classmethod
    @found_as("text to image", "txt2img", "deep focus", "sdxl")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerGenerateAllInFocus",
            display_name="Generate All-in-Focus",
            category=CATEGORY,
            description="Generates all-in-focus pictures with SDXL in a few steps, for lenses to "
            "blur. Told of the camera if there is a trained EXIF projection.",
            inputs=[
                io.String.Input(
                    "prompt",
                    multiline=True,
                    default="",
                    tooltip="What the picture shows. Not used while positive is connected.",
                ),
                _side("width"),
                _side("height"),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**64 - 1,
                    control_after_generate=True,
                    tooltip="Of the first picture; each further one of a batch has the next. Keep "
                    "it fixed while you change the lens.",
                ),
                io.Int.Input("batch", default=1, min=1, max=64, tooltip="Number of pictures."),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=200,
                    tooltip="0: as the student was trained (4, or 1), or 50 without a student.",
                ),
                io.Float.Input(
                    "guidance",
                    default=5.0,
                    min=0.0,
                    max=30.0,
                    step=0.5,
                    round=0.01,
                    tooltip="How much SDXL without a student follows the prompt. Students do not "
                    "use it.",
                ),
                io.Combo.Input(
                    "conditioning",
                    options=list(CONDITIONINGS),
                    default="automatic",
                    tooltip="How the generator is told of the camera. automatic: by the EXIF "
                    "projection, if there is one. Baselines in words: exif_text, dof_text (deep or "
                    "shallow depth of field), exif_fixed (always f/22). none: not at all.",
                ),
                weights_input(
                    "student",
                    STUDENTS,
                    "SDXL for few steps: DMD2's LoRA or UNet, or a trained generator. none: SDXL "
                    "itself, in many steps",
                    can_be_none=True,
                    default=AUTOMATIC,
                ),
                weights_input(
                    "exif_projection",
                    EXIF_GENERATOR,
                    "What tells SDXL of aperture and focal length: a trained file. automatic does "
                    "without it if there is none",
                    can_be_none=True,
                    default=AUTOMATIC,
                ),
                base_input("base", "The SDXL checkpoint", GENERATOR_BASES),
                CameraSocket.Input(
                    "camera",
                    optional=True,
                    tooltip="What the generator is told of the camera. Give it one of its own with "
                    "a small aperture, so that pictures stay as they are while you change that of "
                    "the lens.",
                ),
                io.Conditioning.Input(
                    "positive",
                    optional=True,
                    tooltip="Instead of prompt, from CLIP Text Encode with SDXL's CLIP.",
                ),
                io.Conditioning.Input(
                    "negative",
                    optional=True,
                    tooltip="What shall not be there, for SDXL without a student; from CLIP Text "
                    "Encode.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image")],
        )

    @classmethod
    def fingerprint_inputs(
        cls,
        student: str = AUTOMATIC,
        exif_projection: str = AUTOMATIC,
        base: str = AUTOMATIC,
        **others: object,
    ) -> tuple[object, ...]:
        chosen = (
            weights_fingerprint(student, STUDENTS),
            weights_fingerprint(exif_projection, EXIF_GENERATOR),
            base_fingerprint(base, GENERATOR_BASES),
        )
        return (*chosen, *sorted(others.items()))

    @classmethod
    @names_node
    def execute(
        cls,
        prompt: str,
        width: int,
        height: int,
        seed: int,
        batch: int,
        steps: int,
        guidance: float,
        conditioning: Conditioning,
        student: str = AUTOMATIC,
        exif_projection: str = AUTOMATIC,
        base: str = AUTOMATIC,
        camera: Camera | None = None,
        positive: Any = None,
        negative: Any = None,
    ) -> io.NodeOutput:
        sampling = Sampling(width, height, seed, batch, steps, guidance)
        told = expect_if_given(camera, Camera, "camera", "Connect Camera.")
        generator = _generator(student, exif_projection, base)
        in_words = checked(conditioning) not in ("automatic", "none")
        if in_words and positive is not None:
            received = f"{conditioning!r} with positive connected"
            advice = "Words about the camera need the text: disconnect positive, write the prompt."
            raise InputError("conditioning", received, advice)
        report = progress_with_latents(PROGRESS_STEPS)
        pictures = generate(
            generator,
            prompt_of_conditioning(positive, "positive")
            or _prompt(prompt, conditioning, told, generator),
            sampling,
            render_device(),
            negative=prompt_of_conditioning(negative, "negative"),
            camera=told if conditioning == "automatic" else None,
            on_step=lambda fraction, clean: report(round(PROGRESS_STEPS * fraction), clean),
        )
        text = _text(generator, told, conditioning)
        image = to_interleaved(pictures).to(intermediate_device())
        return io.NodeOutput(image, ui=shown(cls, text=text))


def _side(name: str) -> io.Int.Input:
    return io.Int.Input(
        name, default=1024, min=64, max=4096, step=8, tooltip="px. SDXL was trained at 1024 × 1024."
    )


def _generator(student: str, projection: str, base: str) -> Generator:
    checkpoint = base_path(base, GENERATOR_BASES)
    student_file = student if student in (AUTOMATIC, NONE) else weights_path(student, STUDENTS)
    projection_file = projection
    if projection not in (AUTOMATIC, NONE):
        projection_file = weights_path(projection, EXIF_GENERATOR)
    assert student_file is not None
    assert projection_file is not None
    return open_generator(checkpoint, student_file, projection_file)


def _prompt(
    prompt: str, conditioning: Conditioning, camera: Camera | None, generator: Generator
) -> PromptEmbedding:
    text = prompt_for(prompt, conditioning, camera)
    return embedded_prompts([text], generator, render_device(), tokenizer_folders())[0]


def prompt_of_conditioning(conditioning: Any, subject: str) -> PromptEmbedding | None:
    """The prompt in a CONDITIONING, as CLIP Text Encode gives it.

    Raises:
        InputError: it is of another model, or for a part of the picture.
    """
    if conditioning is None:
        return None
    advice = "Connect CLIP Text Encode with the CLIP of an SDXL checkpoint."
    if len(conditioning) != 1:
        raise InputError(subject, f"{len(conditioning)} prompts combined", "Connect one.")
    tokens, told = conditioning[0]
    partial = next((name for name in PARTIAL if name in told), None)
    if partial:
        received = f"a prompt with {partial!r}"
        raise InputError(subject, received, "Only prompts for whole pictures can be used.")
    pooled = told.get("pooled_output")
    if not isinstance(tokens, Tensor) or not isinstance(pooled, Tensor):
        raise InputError(subject, "a prompt of another model", advice)
    return PromptEmbedding(tokens.float().cpu(), pooled.float().cpu())


def _text(generator: Generator, camera: Camera | None, conditioning: Conditioning) -> str:
    drawn = f"{generator.student.name} on " if generator.student else ""
    told = "not told of the camera"
    if camera is not None and (generator.projection or conditioning not in ("automatic", "none")):
        told = f"told of {camera.focal_length_mm:g} mm f/{camera.f_number:g}"
    if conditioning == "none":
        told = "not told of the camera"
    return f"{drawn}{generator.base.name}, {told}"
