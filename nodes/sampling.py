"""What all nodes have in common that make pictures of noise: their inputs, progress, previews."""

from __future__ import annotations

from typing import Any

from ..models.flux.networks import STEPS
from ..models.refocus.sampling import Watch
from .comfy import io, progress_with_previews, stop_if_asked

LARGEST_SEED = 2**64 - 1
MODEL_ADVICE = "Connect Load Refocus Model."
REFRESH_TOOLTIP = (
    "1: exact. With n, what the network makes of the photo follows the new picture in every n-th "
    "step only: faster, and an approximation. With a briefly trained adapter on a tiny FLUX, 2 is "
    "39 dB from the exact picture, 4 is 33 dB; FLUX.1-dev itself has not been measured. Adapters "
    "that were trained with independent conditions are exact and fast in any case."
)


def noise_inputs() -> list[Any]:
    """How long, and from which noise."""
    return [
        io.Int.Input(
            "steps",
            default=STEPS,
            min=1,
            max=100,
            tooltip=f"Steps of denoising. {STEPS} as published; 8 are a quick look.",
        ),
        io.Int.Input(
            "seed",
            default=42,
            min=0,
            max=LARGEST_SEED,
            control_after_generate=True,
            tooltip="The same seed gives the same picture, on every device and in every batch. All "
            "frames of a batch begin with the same noise, so that films do not flicker.",
        ),
    ]


def tile_inputs() -> list[Any]:
    """Tiles or whole, and how many tiles in a pass."""
    return [
        io.Boolean.Input(
            "tile",
            default=True,
            optional=True,
            tooltip="On: pictures above 512×512 px are made of overlapping tiles of that size, "
            "blended in every step, as the networks were trained; memory stays that of a tile. "
            "Off: in one piece, which is faster up to about a megapixel and may show repeated "
            "structure above.",
        ),
        io.Int.Input(
            "tiles_at_once",
            default=1,
            min=1,
            max=64,
            optional=True,
            tooltip="Tiles in one pass: more memory, but weights that do not fit on the device are "
            "brought there less often. The picture stays the same.",
        ),
    ]


def pass_inputs() -> list[Any]:
    """What every pass of the model does, and what is done behind the last."""
    return [
        io.Int.Input(
            "refresh_every",
            default=1,
            min=1,
            max=100,
            optional=True,
            tooltip=REFRESH_TOOLTIP,
        ),
        io.Boolean.Input(
            "keep_colors",
            default=True,
            optional=True,
            tooltip="Take out the small drift of colours that FLUX' autoencoder brings, by "
            "comparing wide neighbourhoods with the input.",
        ),
    ]


def watched() -> Watch:
    """Shows steps and previews on the node that runs, and lets the user stop it."""
    return Watch(progress_with_previews(), stop_if_asked)
