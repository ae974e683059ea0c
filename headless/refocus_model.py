"""FLUX with its adapters, for the functions and commands that refocus with it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from ..errors import InputError
from ..models.flux_base.files import base_files
from ..models.flux_base.loading import PRECISIONS
from ..models.places import AUTOMATIC
from ..models.refocus.loading import open_model
from ..models.refocus.model import RefocusModel
from .devices import working_device

AnyPath = str | os.PathLike[str]
# Options of the command line, what they name and what for.
BASE_OPTIONS = {
    "base": "FLUX.1-dev: .safetensors or .gguf, or diffusers' folder",
    "autoencoder": "its autoencoder (ae.safetensors)",
    "clip": "its CLIP-L text encoder",
    "t5": "its T5 XXL text encoder",
    "tokenizers": "folder with the folders tokenizer and tokenizer_2",
    "prompts": "encoded prompts in place of text encoders, see focuspuller flux-prompts",
}


def load_refocus_model(
    base: AnyPath | None = None,
    *,
    autoencoder: AnyPath | None = None,
    clip: AnyPath | None = None,
    t5: AnyPath | None = None,
    tokenizers: AnyPath | None = None,
    prompts: AnyPath | None = None,
    deblur: AnyPath | None = AUTOMATIC,
    bokeh: AnyPath | None = AUTOMATIC,
    aperture: AnyPath | None = None,
    diffcamera: AnyPath | None = None,
    device: torch.device | str | None = None,
    precision: str | None = None,
    save_memory: bool = False,
) -> RefocusModel:
    """Load FLUX.1-dev and the adapters that make DeblurNet, BokehNet and DiffCamera of it.

    What is not given is found by its published name in the folders of models and the Hugging Face
    cache. Adapters given as "automatic" are left out where they are not found.

    Args:
        base: `.safetensors` in diffusers' or the original names, in 16 or 8 bits, with or without
            the other parts; `.gguf`; or a folder of diffusers.
        autoencoder: a file or folder.
        clip: a file or folder.
        t5: a file or folder.
        tokenizers: a folder with the folders `tokenizer` and `tokenizer_2`.
        prompts: encoded prompts in place of text encoders.
        deblur: adapter of DeblurNet, with or without pre-deblur.
        bokeh: adapter of BokehNet.
        aperture: adapter of BokehNet's condition on the shape of the aperture.
        diffcamera: adapter of DiffCamera.
        device: where to compute; by default the GPU if there is one.
        precision: "bfloat16", "float16" or "float32"; by default what suits the device.
        save_memory: have two blocks at a time on the device even where there is room for more.

    Raises:
        FileError: something is nowhere, damaged or of another model.
        MissingDependencyError: a library of the extras "diffusion" or "gguf" is missing.
        InputError: there is no such device or precision.

    Example:
        >>> model = load_refocus_model(bokeh="bokehNet.safetensors")  # doctest: +SKIP
    """
    if precision is not None and precision not in PRECISIONS:
        raise InputError("precision", repr(precision), f"Give one of {', '.join(PRECISIONS)}.")
    names = {"deblur": deblur, "bokeh": bokeh, "aperture": aperture, "diffcamera": diffcamera}
    given = (base, autoencoder, clip, t5, tokenizers, prompts)
    parts = [None if one is None or one == AUTOMATIC else Path(one) for one in given]
    return open_model(
        base_files(*parts),
        {name: _path(one) for name, one in names.items()},
        working_device(device),
        PRECISIONS[precision] if precision else None,
        save_memory,
    )


def add_base_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which base model, where and how. Their defaults find it."""
    group = parser.add_argument_group(
        "base model", "by default found by their published names, see focuspuller models list"
    )
    for name, what in BASE_OPTIONS.items():
        group.add_argument(f"--{name}", metavar="FILE", type=Path, help=what)
    group.add_argument("--precision", choices=tuple(PRECISIONS), help="default: as the device is")
    group.add_argument(
        "--save-memory", action="store_true", help="two blocks of FLUX on the device at a time"
    )
    group.add_argument("--device", help="cpu or cuda; by default what there is")


def model_of(options: argparse.Namespace, **adapters: AnyPath | None) -> RefocusModel:
    """The model that a command's options name.

    Args:
        options: parsed, with `add_base_options`.
        adapters: as for `load_refocus_model`; those that are not named are not loaded.
    """
    parts = {name: getattr(options, name) for name in BASE_OPTIONS}
    return load_refocus_model(
        **parts,
        **{"deblur": None, "bokeh": None, **adapters},
        device=options.device,
        precision=options.precision,
        save_memory=options.save_memory,
    )


def _path(given: AnyPath | None) -> Path | str | None:
    if given is None or given == AUTOMATIC:
        return None if given is None else AUTOMATIC
    return Path(given)
