"""The weights of the edge network, which come with the package."""

from __future__ import annotations

from ..weights import OWN_SOURCE, Weights

EDGE = Weights(
    name="edge",
    network="Focus Puller's edge network",
    files=("weights.safetensors",),
    folders=(),
    source=OWN_SOURCE,
    licence="Apache-2.0; trained on procedural scenes alone",
    packaged="edge/weights.safetensors",
    check="models.edge.layout:check",
)
