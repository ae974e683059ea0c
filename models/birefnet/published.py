"""The published weights of BiRefNet."""

from __future__ import annotations

from ..weights import Hub, Weights

BIREFNET = Weights(
    name="birefnet",
    network="BiRefNet",
    files=("model.safetensors",),
    folders=("BiRefNet", "birefnet", "background_removal", "RMBG"),
    source="https://huggingface.co/ZhengPeng7/BiRefNet",
    licence="MIT",
    hub=Hub("ZhengPeng7/BiRefNet"),
    other_names=("BiRefNet-general.safetensors", "General.safetensors", "BiRefNet.safetensors"),
    check="models.birefnet.layout:check",
)
