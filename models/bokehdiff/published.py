"""The published weights of BokehDiff."""

from __future__ import annotations

from ..weights import Hub, Weights

BOKEHDIFF = Weights(
    name="bokehdiff",
    network="BokehDiff",
    files=("pytorch_lora_weights.safetensors", "vae.ckpt"),
    folders=("bokehdiff",),
    source="https://huggingface.co/zcx65535/bokehdiff",
    licence="unclear: the publication names none",
    hub=Hub("zcx65535/bokehdiff", folder="small"),
    subfolder="small",
    check="models.bokehdiff.layout:check",
)
