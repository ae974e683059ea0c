"""The published weights of SDXL checkpoints and their tokenizer."""

from __future__ import annotations

from ..weights import Hub, Weights

CLIP_TOKENIZER = Weights(
    name="clip-tokenizer",
    network="CLIP's vocabulary",
    files=("vocab.json", "merges.txt"),
    folders=("tokenizers",),
    source="https://huggingface.co/openai/clip-vit-large-patch14",
    licence="MIT (the code's; the weights' page names none)",
    hub=Hub("openai/clip-vit-large-patch14"),
    subfolder="clip",
    other_names=("clip-vit-large-patch14",),
    check="models.sdxl.tokenizer:check",
)

_RAIL = "CreativeML Open RAIL++-M"

SDXL_BASE = Weights(
    name="realvisxl",
    network="SDXL (RealVisXL V5.0)",
    files=("RealVisXL_V5.0_fp16.safetensors",),
    folders=("checkpoints", "diffusers"),
    source="https://huggingface.co/SG161222/RealVisXL_V5.0",
    licence=_RAIL,
    hub=Hub("SG161222/RealVisXL_V5.0"),
    other_names=("RealVisXL_V5.0_fp32.safetensors",),
    check="models.sdxl.base:check",
)

SDXL_ORIGINAL = Weights(
    name="sdxl",
    network="SDXL 1.0",
    files=("sd_xl_base_1.0.safetensors",),
    folders=("checkpoints", "diffusers"),
    source="https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0",
    licence=_RAIL,
    hub=Hub("stabilityai/stable-diffusion-xl-base-1.0"),
    other_names=("sd_xl_base_1.0_0.9vae.safetensors",),
    check="models.sdxl.base:check",
)
# What pictures can be generated with, best first.
GENERATOR_BASES = (SDXL_ORIGINAL, SDXL_BASE)

ALL = (CLIP_TOKENIZER, SDXL_BASE, SDXL_ORIGINAL)
