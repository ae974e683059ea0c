"""A folder of models with all that a tiny SDXL generates with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from focuspuller.models.loaded import forget_models
from focuspuller.models.sdxl.text import PromptEmbedding, embedded_prompt
from oracles.tiny_generator import (
    save_generator_folders,
)
from oracles.tiny_sdxl import tiny_networks

pytest.importorskip("diffusers")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    return tiny_networks()


@pytest.fixture(scope="module")
def prompt(networks: dict[str, Any]) -> PromptEmbedding:
    return embedded_prompt([5, 6, 7], networks["text_encoder"], networks["text_encoder_2"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("models")
    save_generator_folders(root)
    yield root
    forget_models()


@pytest.fixture(autouse=True)
def models(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(root))


@pytest.fixture
def base(root: Path) -> Path:
    return root / "diffusers" / "TinyXL"


@pytest.fixture
def lora(root: Path) -> Path:
    return root / "loras" / "dmd2_sdxl_4step_lora_fp16.safetensors"
