"""A folder of models with the tiny SDXL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate", reason="training needs the extra 'training'")
pytest.importorskip("diffusers", reason="SDXL needs the extra 'diffusion'")
pytest.importorskip("transformers", reason="SDXL needs the extra 'diffusion'")
pytest.importorskip("peft", reason="adapters need the extra 'diffusion'")

from focuspuller.models.loaded import forget_models
from focuspuller.training.dmd2.tiny import TINY_GENERATOR, tiny_generator
from oracles.tiny_generator import save_tokenizer
from oracles.tiny_sdxl import save_diffusers_folder

NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of models with the tiny SDXL, in the layout of diffusers."""
    root = tmp_path_factory.mktemp("models")
    unet, vae, encoders = tiny_generator()
    networks: dict[str, Any] = dict(zip(NETWORKS, (unet, vae, *encoders), strict=True))
    save_diffusers_folder(networks, root / "diffusers" / "TinyXL", config=TINY_GENERATOR)
    save_tokenizer(root / "diffusers" / "TinyXL" / "tokenizer")
    (root / "exif_generator").mkdir()
    yield root
    forget_models()


@pytest.fixture
def base(root: Path) -> Path:
    return root / "diffusers" / "TinyXL"
