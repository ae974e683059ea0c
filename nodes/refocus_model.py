"""FLUX with its adapters, from files or from ComfyUI's own loaders: Load Refocus Model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import InputError
from ..models.flux.base import FluxBase
from ..models.flux.published import GENFOCUS_BOKEH
from ..models.flux_base.files import base_files
from ..models.flux_base.loading import PRECISIONS, load_base
from ..models.flux_base.published import (
    FLUX_AUTOENCODER,
    FLUX_BASES,
    FLUX_CHECKPOINT,
    FLUX_CLIP,
    FLUX_FILE,
    FLUX_T5,
)
from ..models.places import AUTOMATIC, found
from ..models.refocus.loading import SLOTS, adapter_paths, load_adapters
from ..models.refocus.model import RefocusModel
from ..models.weights import WEIGHT_SUFFIXES
from .comfy import io, model_files, model_path, render_device
from .native_flux import native_base
from .node import CATEGORY, found_as, names_node
from .sockets import RefocusModelSocket
from .weights import NONE, NetworkNode, weights_fingerprint, weights_input, weights_path

# In whose folders files of base models are listed; automatic also finds diffusers' folder.
LISTED_BASES = (FLUX_FILE, FLUX_CHECKPOINT)
CHOICES = {AUTOMATIC: None, **PRECISIONS}
LORAS = GENFOCUS_BOKEH.folders[0]
NATIVE_ADVICE = "Connect model, vae and clip, or none of them."


class LoadRefocusModel(NetworkNode):
    """The model of all nodes that refocus with FLUX."""

    @classmethod
    @found_as("generative refocusing", "genrefocus", "load flux")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerLoadRefocusModel",
            display_name="Load Refocus Model",
            category=CATEGORY,
            description="FLUX.1-dev with the adapters that make DeblurNet, BokehNet and "
            "DiffCamera of it, from files or from ComfyUI's own loaders.",
            inputs=[
                weights_input(
                    "base",
                    LISTED_BASES,
                    "FLUX.1-dev in 16 or 8 bits or GGUF, with or without the other parts",
                ),
                adapter_input("deblur", "DeblurNet, with or without pre-deblur"),
                adapter_input("bokeh", "BokehNet"),
                adapter_input("aperture", "BokehNet's condition on the shape of the aperture"),
                adapter_input("diffcamera", "DiffCamera"),
                weights_input("autoencoder", FLUX_AUTOENCODER, "FLUX' VAE"),
                weights_input("clip_l", FLUX_CLIP, "CLIP-L's text encoder"),
                weights_input("t5xxl", FLUX_T5, "T5 XXL's encoder, in 16 or 8 bits or GGUF"),
                io.Combo.Input(
                    "precision",
                    options=list(CHOICES),
                    default=AUTOMATIC,
                    optional=True,
                    tooltip="What FLUX computes in; weights stay as they are stored. automatic: "
                    "bfloat16 where the device is good at it.",
                ),
                io.Boolean.Input(
                    "save_memory",
                    default=False,
                    optional=True,
                    tooltip="On: FLUX comes to the device a few layers at a time, which is slower. "
                    "Off: it does so only where memory is too short for all of it.",
                ),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="FLUX.1-dev as ComfyUI has loaded it, with its LoRAs, in place of "
                    "base. Needs vae and clip.",
                ),
                io.Vae.Input("vae", optional=True, tooltip="FLUX' VAE, together with model."),
                io.Clip.Input(
                    "clip",
                    optional=True,
                    tooltip="CLIP-L and T5 XXL, from DualCLIPLoader of type flux, together with "
                    "model.",
                ),
            ],
            outputs=[RefocusModelSocket.Output(display_name="model")],
        )

    @classmethod
    def fingerprint_inputs(
        cls,
        base: str = AUTOMATIC,
        autoencoder: str = AUTOMATIC,
        clip_l: str = AUTOMATIC,
        t5xxl: str = AUTOMATIC,
        **others: object,
    ) -> tuple[object, ...]:
        parts = (
            (base, FLUX_BASES),
            (autoencoder, FLUX_AUTOENCODER),
            (clip_l, FLUX_CLIP),
            (t5xxl, FLUX_T5),
        )
        adapters = [
            (name, str(others.pop(name, AUTOMATIC)), slot.published) for name, slot in SLOTS.items()
        ]
        return (
            *(weights_fingerprint(name, weights) for name, weights in parts),
            *(_adapter_fingerprint(choice, published) for _, choice, published in adapters),
            *sorted((name, str(value)) for name, value in others.items()),
        )

    @classmethod
    @names_node
    def execute(
        cls,
        base: str = AUTOMATIC,
        deblur: str = AUTOMATIC,
        bokeh: str = AUTOMATIC,
        aperture: str = NONE,
        diffcamera: str = NONE,
        autoencoder: str = AUTOMATIC,
        clip_l: str = AUTOMATIC,
        t5xxl: str = AUTOMATIC,
        precision: str = AUTOMATIC,
        save_memory: bool = False,
        model: Any = None,
        vae: Any = None,
        clip: Any = None,
    ) -> io.NodeOutput:
        chosen = {"deblur": deblur, "bokeh": bokeh, "aperture": aperture, "diffcamera": diffcamera}
        paths = adapter_paths({name: _adapter_path(choice) for name, choice in chosen.items()})
        native = (model, vae, clip)
        if any(part is not None for part in native):
            flux = _native(*native, save_memory)
        else:
            files = base_files(
                _given(base, LISTED_BASES),
                _given(autoencoder, FLUX_AUTOENCODER),
                _given(clip_l, FLUX_CLIP),
                _given(t5xxl, FLUX_T5),
            )
            flux = load_base(files, render_device(), CHOICES[precision], save_memory)
        return io.NodeOutput(RefocusModel(flux, load_adapters(paths, flux.shape)))


def adapter_input(name: str, what: str) -> io.Combo.Input:
    """A choice of adapters."""
    found_by_name = bool(SLOTS[name].published)
    options = [*([AUTOMATIC] if found_by_name else []), NONE]
    files = model_files(LORAS, WEIGHT_SUFFIXES)
    automatic = f" {AUTOMATIC}: the published one, if it is there." if found_by_name else ""
    return io.Combo.Input(
        name,
        options=[*options, *files],
        default=options[0],
        optional=True,
        tooltip=f"The adapter of {what}, from models/{LORAS}.{automatic}",
    )


def _native(model: Any, vae: Any, clip: Any, save_memory: bool) -> FluxBase:
    missing = [
        name for name, one in (("model", model), ("vae", vae), ("clip", clip)) if one is None
    ]
    if missing:
        raise InputError(missing[0], "nothing, where another of the three came", NATIVE_ADVICE)
    return native_base(model, vae, clip, save_memory)


def _given(choice: str, weights: Any) -> Path | None:
    """The path of a chosen file; None if it shall be found."""
    return None if choice == AUTOMATIC else weights_path(choice, weights)


def _adapter_path(choice: str) -> Path | str | None:
    if choice in (NONE, AUTOMATIC):
        return None if choice == NONE else AUTOMATIC
    return model_path(LORAS, choice)


def _adapter_fingerprint(choice: str, published: Any) -> Any:
    if choice != AUTOMATIC:
        return choice if choice == NONE else weights_fingerprint(choice, GENFOCUS_BOKEH)
    return tuple(weights_fingerprint(AUTOMATIC, one) for one in published if found(one))
