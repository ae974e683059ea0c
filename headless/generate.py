"""Pictures that are generated all-in-focus and then focused: Fine-grained Defocus in one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..lens.defocus import check_focus
from ..lens.depth import Depth
from ..lens.focus import Focus
from ..lens.image import to_interleaved
from ..lens.optics import Camera
from ..lens.progress import OnProgress
from ..lens.sweep import APERTURES, checked_f_numbers
from ..models.exif_generator import handle
from ..models.exif_generator.conditioning import (
    ALL_IN_FOCUS,
    Conditioning,
    checked,
    prompt_for,
)
from ..models.exif_generator.handle import Generator, Sampling, open_generator
from ..models.places import AUTOMATIC
from .depth import estimate_depth
from .devices import working_device
from .find_focus import find_focus
from .render import choose_focus, render

# What `GeneratedScene.render` passes on; `render`'s own places to focus on replace the found one.
PLACES = ("focus", "focus_point", "focus_mask", "focus_distance", "focus_disparity")
# How much of the time generating takes, roughly, when depth and focus come after it.
GENERATING = 0.8


@dataclass(frozen=True)
class GeneratedScene:
    """A generated picture with all that lenses need, so that it can be taken again and again.

    Args:
        image: all in focus, `[H,W,3]`, of several `[B,H,W,3]`, sRGB-coded 0..1.
        depth: of it.
        focus: where a photographer would focus.
        focus_scale: f_s that goes with it, a number or `[B]`.
        camera: that takes the pictures.
        prompt: of the image.
    """

    image: np.ndarray
    depth: Depth
    focus: Focus
    focus_scale: float | torch.Tensor
    camera: Camera
    prompt: str

    def render(self, f_number: float | None = None, **options: Any) -> np.ndarray:
        """The picture at an f-number, as large as `image`. Nothing is generated anew.

        Args:
            f_number: by default the camera's.
            options: as in `focuspuller.render`: another place to focus on (`focus_distance`,
                `focus_point` …), `lens`, `aperture`, `bokeh_level` (for relative depth), and so on.

        Raises:
            InputError: as `focuspuller.render`.

        Example:
            >>> near = scene.render(1.4, focus_distance=0.8, lens="drbokeh")  # doctest: +SKIP
        """
        if not any(options.get(place) is not None for place in PLACES):
            options["focus"] = self.focus
        if options.get("bokeh_level") is None:
            camera = options.pop("camera", None) or self.camera
            chosen = camera if f_number is None else replace(camera, f_number=f_number)
            options = {"camera": chosen, "focus_scale": self.focus_scale, **options}
        elif f_number is not None:
            received = "both of them"
            raise InputError("f_number, bokeh_level", received, "Give one of the two.")
        return render(self.image, self.depth, **options)

    def sweep(self, f_numbers: Sequence[float] = APERTURES, **options: Any) -> np.ndarray:
        """The picture at several f-numbers, `[N,H,W,3]`; of several `[N,B,H,W,3]`.

        Args:
            f_numbers: by default those of the paper, 1.8 to 22.
            options: as in `render`.

        Raises:
            InputError: as `render`.
        """
        wanted = checked_f_numbers(f_numbers)
        report: OnProgress | None = options.pop("on_progress", None)
        rendered = []
        for index, f_number in enumerate(wanted):
            part = _part(report, index / len(wanted), (index + 1) / len(wanted))
            rendered.append(self.render(f_number, on_progress=part, **options))
        return np.stack(rendered)


def generate_image(
    prompt: str,
    *,
    camera: Camera | None = None,
    conditioning: Conditioning = "automatic",
    negative_prompt: str | None = None,
    sampling: Sampling | None = None,
    generator: Generator | None = None,
    device: torch.device | str | None = None,
    on_progress: OnProgress | None = None,
) -> np.ndarray:
    """Generate pictures from a prompt, all in focus if the generator was trained for that.

    Args:
        prompt: what they show.
        camera: what the generator is told of it.
        conditioning: "automatic": by the EXIF projection, if there is one; the baselines
            "exif_text", "dof_text" and "exif_fixed" in words; "none".
        negative_prompt: what shall not be there, for SDXL without a student.
        sampling: size, seed, number of pictures, steps.
        generator: `open_generator`; by default what is found in the folders of models.
        device: where to compute; by default CUDA if there is one.
        on_progress: called with the finished fraction, 0..1; may raise to stop between steps.

    Returns:
        `[H,W,3]` float32, sRGB-coded 0..1; with `sampling.batch` above 1 `[B,H,W,3]`.

    Raises:
        InputError: something has no meaning, or words need a camera.
        FileError: weights are missing, damaged or another network's.
        MissingDependencyError: diffusers or transformers is not installed.

    Example:
        >>> picture = generate_image("a dog", sampling=Sampling(seed=3))  # doctest: +SKIP
    """
    weights = generator or open_generator()
    drawn = sampling or Sampling()
    in_words = checked(conditioning) not in ("automatic", "none")
    texts = [prompt_for(prompt, conditioning, camera)]
    if negative_prompt is not None:
        texts.append(negative_prompt)
    place = working_device(device)
    positive, *negative = handle.embedded_prompts(texts, weights, place)
    pictures = handle.generate(
        weights,
        positive,
        drawn,
        place,
        negative=negative[0] if negative else None,
        camera=None if in_words or conditioning == "none" else camera,
        on_step=lambda fraction, _: on_progress(fraction) if on_progress else None,
    )
    images = to_interleaved(pictures).numpy()
    return images[0] if drawn.batch == 1 else images


def generate(
    prompt: str,
    *,
    camera: Camera | None = None,
    told_f_number: float = ALL_IN_FOCUS,
    focus_point: tuple[float, float] | None = None,
    focus_distance: float | None = None,
    conditioning: Conditioning = "automatic",
    negative_prompt: str | None = None,
    sampling: Sampling | None = None,
    generator: Generator | None = None,
    depth_model: str | os.PathLike[str] = AUTOMATIC,
    focus_weights: str | os.PathLike[str] | None = None,
    device: torch.device | str | None = None,
    on_progress: OnProgress | None = None,
) -> GeneratedScene:
    """Generate a scene once: picture, depth and focus. Then take it with any f-number and focus.

    Args:
        prompt: what it shows.
        camera: that takes the pictures, by default a 50 mm f/2.8 on full frame. Its focal length
            is told to the generator and to the depth network.
        told_f_number: what the generator is told instead of the camera's, so that the picture does
            not depend on that: the lens blurs it later. f/22 asks for all in focus.
        focus_point: (x, y) as fractions from the top left, to focus there; else, with
            `focus_distance`, there; else where a photographer would, which a network finds.
        focus_distance: metres.
        conditioning: as in `generate_image`, and so are the next three.
        negative_prompt: what shall not be there.
        sampling: size, seed, number of pictures, steps.
        generator: the weights.
        depth_model: as in `estimate_depth`; a network for metres, such as Metric3D.
        focus_weights: as `weights` in `find_focus`.
        device: where to compute; by default CUDA if there is one.
        on_progress: called with the finished fraction, 0..1.

    Raises:
        InputError: something has no meaning.
        FileError: weights are missing, damaged or another network's.
        MissingDependencyError: a library is not installed.

    Example:
        >>> scene = generate("a dog on a beach", camera=Camera(85, 1.8))  # doctest: +SKIP
        >>> pictures = scene.sweep()  # f/1.8 to f/22, of one scene  # doctest: +SKIP
    """
    taken_with = camera or Camera(50.0, 2.8)
    told = replace(taken_with, f_number=told_f_number)
    chosen = None
    if focus_point is not None or focus_distance is not None:
        chosen = partial(choose_focus, focus_point=focus_point, focus_distance=focus_distance)
        check_focus(chosen, taken_with, 1, 1)
    place = working_device(device)
    image = generate_image(
        prompt,
        camera=told,
        conditioning=conditioning,
        negative_prompt=negative_prompt,
        sampling=sampling,
        generator=generator,
        device=place,
        on_progress=_part(on_progress, 0.0, GENERATING),
    )
    rest = _part(on_progress, GENERATING, 1.0)
    model = depth_model if isinstance(depth_model, str) else os.fspath(depth_model)
    depth = estimate_depth(image, model, camera=told, device=place, on_progress=rest)
    focus_scale: float | torch.Tensor = 1.0
    if chosen is None:
        found = find_focus(image, depth, weights=focus_weights, device=place)
        focus, focus_scale = found.focus, found.focus_scale
    else:
        focus = chosen(depth)
    return GeneratedScene(image, depth, focus, focus_scale, taken_with, prompt)


def _part(on_progress: OnProgress | None, start: float, end: float) -> OnProgress | None:
    """Progress of a part of the work."""
    if on_progress is None:
        return None
    return lambda fraction: on_progress(start + (end - start) * fraction)
