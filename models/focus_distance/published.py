"""The weights of the focus distance transformer, which are trained by those who want them."""

from __future__ import annotations

from ..weights import OWN_SOURCE, TRAINED_LICENCE, Weights

FOCUS_DISTANCE = Weights(
    name="focus-distance",
    network="Focus distance transformer",
    files=("focus_distance.safetensors",),
    folders=("focus_distance",),
    source=OWN_SOURCE,
    licence=TRAINED_LICENCE,
    check="models.focus_distance.files:check",
)
