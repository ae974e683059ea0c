"""BokehDiff as a node, with tiny networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from focuspuller.lens.defocus import Defocus
from focuspuller.models.loaded import forget_models
from focuspuller.nodes import BokehDiffLens, RenderBokeh
from focuspuller.nodes.standin import Host, installed_host
from oracles.tiny_sdxl import save_diffusers_folder, save_model_folders, use_tiny_networks

pytest.importorskip("diffusers")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    networks = save_model_folders(root)
    save_diffusers_folder(networks, root / "diffusers" / "TinyXL")
    return root


@pytest.fixture(autouse=True)
def models(host: Host, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    use_tiny_networks(monkeypatch)
    monkeypatch.setenv("FOCUSPULLER_MODELS", str(root))
    with installed_host(replace(host, model_roots=[root])):
        yield root
    forget_models()


def options_of(name: str) -> list[str]:
    (port,) = (port for port in BokehDiffLens.GET_SCHEMA().inputs if port.id == name)
    return port.options


def test_what_is_in_the_folders_of_models_is_offered() -> None:
    assert options_of("weights") == ["automatic", "small/pytorch_lora_weights.safetensors"]
    # A folder stands for all files in it.
    assert options_of("base") == ["automatic", "RealVisXL_V5.0_fp16.safetensors", "TinyXL"]


def test_it_renders_the_same_with_what_is_found_and_what_is_chosen(picture: Any) -> None:
    image, defocus = picture(), Defocus(torch.linspace(-15, 15, 36).expand(1, 1, 24, 36))
    chosen = {"weights": "small/pytorch_lora_weights.safetensors"}
    lenses = [
        BokehDiffLens.execute(1.0),
        BokehDiffLens.execute(1.0, **chosen, base="RealVisXL_V5.0_fp16.safetensors"),
        BokehDiffLens.execute(1.0, **chosen, base="TinyXL"),
    ]
    pictures = [RenderBokeh.execute(image, defocus, lens=lens[0])[0] for lens in lenses]
    assert pictures[0].shape == image.shape
    assert torch.equal(pictures[0], pictures[1])
    assert torch.equal(pictures[0], pictures[2])
    assert lenses[0].ui["text"] == ("small on RealVisXL_V5.0_fp16.safetensors",)


def test_what_does_not_exist_is_refused(refuses: Any, models: Path) -> None:
    path = str(models / "bokehdiff" / "gone.safetensors")
    given = {"strength": 1.0, "weights": "gone.safetensors"}
    assert "does not exist" in refuses(BokehDiffLens, path, **given)


def test_a_changed_file_is_noticed(models: Path) -> None:
    before = BokehDiffLens.fingerprint_inputs("automatic", "TinyXL", strength=1.0)
    assert BokehDiffLens.fingerprint_inputs("automatic", "TinyXL", strength=1.0) == before
    assert BokehDiffLens.fingerprint_inputs("automatic", "TinyXL", strength=2.0) != before
    config = models / "diffusers" / "TinyXL" / "unet" / "config.json"
    config.write_text(config.read_text() + " ")
    assert BokehDiffLens.fingerprint_inputs("automatic", "TinyXL", strength=1.0) != before
