"""The published weights of FLUX.1-dev and its parts."""

from __future__ import annotations

from ..weights import OWN_SOURCE, Hub, Weights

_FLUX_DEV = "black-forest-labs/FLUX.1-dev"
_FLUX_LICENCE = "FLUX.1 [dev] non-commercial licence"
_FLUX_TRANSFORMER_CHECK = "models.flux_base.transformer:check_transformer"
_GGUF_QUANTIZATIONS = ("Q6_K", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_S", "Q4_1", "Q4_0", "Q3_K_S", "Q2_K")
_GGUF_T5 = ("Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q3_K_L", "Q3_K_M", "Q3_K_S")

FLUX_FILE = Weights(
    name="flux-dev",
    network="FLUX.1-dev",
    files=("flux1-dev.safetensors",),
    folders=("diffusion_models", "unet"),
    source=f"https://huggingface.co/{_FLUX_DEV}",
    licence=_FLUX_LICENCE,
    hub=Hub(_FLUX_DEV),
    other_names=(
        "flux1-dev-fp8.safetensors",
        "flux1-dev-fp8-e4m3fn.safetensors",
        "flux1-dev-fp8-e5m2.safetensors",
        "flux_dev_fp8_scaled_diffusion_model.safetensors",
    ),
    check=_FLUX_TRANSFORMER_CHECK,
)
FLUX_GGUF = Weights(
    name="flux-dev-gguf",
    network="FLUX.1-dev, quantized",
    files=("flux1-dev-Q8_0.gguf",),
    folders=("diffusion_models", "unet"),
    source="https://huggingface.co/city96/FLUX.1-dev-gguf",
    licence=_FLUX_LICENCE,
    hub=Hub("city96/FLUX.1-dev-gguf"),
    other_names=tuple(f"flux1-dev-{one}.gguf" for one in ("F16", *_GGUF_QUANTIZATIONS)),
    check=_FLUX_TRANSFORMER_CHECK,
)
FLUX_CHECKPOINT = Weights(
    name="flux-dev-checkpoint",
    network="FLUX.1-dev with autoencoder and text encoders, 8 bits",
    files=("flux1-dev-fp8.safetensors",),
    folders=("checkpoints",),
    source="https://huggingface.co/Comfy-Org/flux1-dev",
    licence=_FLUX_LICENCE,
    hub=Hub("Comfy-Org/flux1-dev"),
    check=_FLUX_TRANSFORMER_CHECK,
)
FLUX_FOLDER = Weights(
    name="flux-dev-hf",
    network="FLUX.1-dev as diffusers has it",
    files=(
        "transformer/diffusion_pytorch_model.safetensors.index.json",
        *(f"transformer/diffusion_pytorch_model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)),
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "text_encoder_2/model.safetensors.index.json",
        *(f"text_encoder_2/model-0000{i}-of-00002.safetensors" for i in (1, 2)),
        *(f"tokenizer/{name}" for name in ("vocab.json", "merges.txt", "tokenizer_config.json")),
        *(f"tokenizer_2/{name}" for name in ("tokenizer.json", "tokenizer_config.json")),
    ),
    folders=("diffusers",),
    source=f"https://huggingface.co/{_FLUX_DEV}",
    licence=_FLUX_LICENCE,
    hub=Hub(_FLUX_DEV),
    subfolder="FLUX.1-dev",
    check="models.flux_base.files:check_folder",
)

# Base models, best first.
FLUX_BASES = (FLUX_FILE, FLUX_FOLDER, FLUX_CHECKPOINT, FLUX_GGUF)

FLUX_AUTOENCODER = Weights(
    name="flux-ae",
    network="FLUX.1's autoencoder",
    files=("ae.safetensors",),
    folders=("vae",),
    source="https://huggingface.co/black-forest-labs/FLUX.1-schnell",
    licence="Apache-2.0",
    hub=Hub("black-forest-labs/FLUX.1-schnell"),
    other_names=("flux_vae.safetensors", "flux_ae.safetensors", "FLUX1/ae.safetensors"),
    check="models.flux_base.autoencoder:check_autoencoder",
)
_FLUX_TEXT = "comfyanonymous/flux_text_encoders"
FLUX_CLIP = Weights(
    name="flux-clip-l",
    network="CLIP-L's text encoder",
    files=("clip_l.safetensors",),
    folders=("text_encoders", "clip"),
    source=f"https://huggingface.co/{_FLUX_TEXT}",
    licence="MIT",
    hub=Hub(_FLUX_TEXT),
    check="models.flux_base.text_encoders:check_clip",
)
FLUX_T5 = Weights(
    name="flux-t5xxl",
    network="T5 XXL's encoder",
    files=("t5xxl_fp16.safetensors",),
    folders=("text_encoders", "clip"),
    source=f"https://huggingface.co/{_FLUX_TEXT}",
    licence="Apache-2.0",
    hub=Hub(_FLUX_TEXT),
    other_names=(
        "t5xxl_fp8_e4m3fn_scaled.safetensors",
        "t5xxl_fp8_e4m3fn.safetensors",
        *(f"t5-v1_1-xxl-encoder-{one}.gguf" for one in ("f16", *_GGUF_T5)),
    ),
    check="models.flux_base.text_encoders:check_t5",
)
FLUX_TOKENIZERS = Weights(
    name="flux-tokenizers",
    network="the tokenizers of FLUX.1's text encoders",
    files=FLUX_FOLDER.files[-5:],
    folders=("text_encoders", "clip"),
    source="https://huggingface.co/black-forest-labs/FLUX.1-schnell",
    licence="Apache-2.0",
    hub=Hub("black-forest-labs/FLUX.1-schnell"),
    subfolder="flux_tokenizers",
    check="models.flux_base.files:check_tokenizers",
)
# What a base model's folder may hold as well.
BASE_PARTS = (FLUX_AUTOENCODER, FLUX_CLIP, FLUX_T5, FLUX_TOKENIZERS)
FLUX_PROMPTS = Weights(
    name="flux-prompts",
    network="encoded prompts, in place of text encoders",
    files=("flux_prompts.safetensors",),
    folders=("text_encoders", "clip"),
    source=OWN_SOURCE,
    licence="that of the text encoders; `focuspuller flux-prompts` writes it",
    check="models.flux_base.prompts:check_prompts",
)

ALL = (*FLUX_BASES, *BASE_PARTS, FLUX_PROMPTS)
