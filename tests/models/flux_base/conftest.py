"""The same tiny base model in every layout that people have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("diffusers", reason="FLUX needs the extra 'diffusion'")

import torch
from focuspuller.models import places
from focuspuller.models.loaded import forget_models
from oracles.flux import flux
from oracles.flux_base import (
    BASE_CONFIG,
    all_in_one,
    clip,
    encoder_tensors,
    original_autoencoder,
    original_transformer,
    save_file_of,
    save_folder,
    save_gguf,
    save_tokenizers,
    vae,
)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with every layout under the published names."""
    root = tmp_path_factory.mktemp("models")
    transformer = original_transformer(flux(BASE_CONFIG).state_dict())
    save_folder(root / "diffusers" / "FLUX.1-dev")
    save_file_of(root / "unet" / "flux1-dev.safetensors", transformer)
    half = root / "unet" / "flux1-dev-bf16.safetensors"
    save_file_of(half, flux(BASE_CONFIG).state_dict(), torch.bfloat16)
    eight = root / "unet" / "flux1-dev-fp8.safetensors"
    save_file_of(eight, transformer, torch.float8_e4m3fn)
    save_gguf(root / "unet" / "flux1-dev-Q8_0.gguf", transformer)
    save_file_of(root / "checkpoints" / "flux1-dev-fp8.safetensors", all_in_one())
    autoencoder = original_autoencoder(vae().state_dict())
    save_file_of(root / "vae" / "ae.safetensors", autoencoder)
    named = {f"text_model.{name}": one for name, one in clip().state_dict().items()}
    save_file_of(root / "text_encoders" / "clip_l.safetensors", named)
    save_file_of(root / "text_encoders" / "t5xxl_fp16.safetensors", encoder_tensors())
    save_tokenizers(root / "text_encoders" / "flux_tokenizers")
    return root


@pytest.fixture
def folders(models: Path) -> Iterator[Path]:
    """Has the program look for models there, and forget them afterwards."""
    before = places._installed
    places.install_model_folders(lambda kind: [models / kind])
    yield models
    places.install_model_folders(before)
    forget_models()
