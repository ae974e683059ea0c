"""Load Refocus Model: from files of every kind, and from the command line and Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("diffusers", reason="FLUX needs the extra 'diffusion'")

import focuspuller as fp
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.headless.cli import main
from focuspuller.models.flux.adapters import FluxShape
from focuspuller.models.flux.layout import AdapterInfo, save_adapter
from focuspuller.models.flux.networks import PROMPTS, Kind
from focuspuller.models.flux_base.prompts import load_prompts
from focuspuller.models.loaded import forget_models
from focuspuller.models.refocus.model import RefocusModel
from focuspuller.nodes.refocus_model import LoadRefocusModel
from focuspuller.nodes.standin import Host, installed_host
from oracles.flux import filled_adapter, flux
from oracles.flux_base import (
    BASE_CONFIG,
    all_in_one,
    original_transformer,
    save_file_of,
    save_tokenizers,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with everything, the published adapters, one for the aperture, tokenizers."""
    root = tmp_path_factory.mktemp("models")
    save_file_of(root / "checkpoints" / "flux1-dev-fp8.safetensors", all_in_one())
    loras = root / "loras"
    loras.mkdir()
    adapter = filled_adapter(FluxShape.of(BASE_CONFIG))
    for name, kind in (
        ("deblurNet", None),
        ("bokehNet", None),
        ("shapes", Kind.APERTURE),
        ("unnamed", None),
    ):
        save_adapter(loras / f"{name}.safetensors", adapter, AdapterInfo(kind))
    save_tokenizers(root / "text_encoders" / "flux_tokenizers")
    return root


@pytest.fixture(autouse=True)
def models(host: Host, files: Path) -> Iterator[Path]:
    with installed_host(replace(host, model_roots=[files])):
        yield files
    forget_models()


def kinds(model: RefocusModel) -> set[str]:
    return {kind.value for kind in model.adapters}


def test_everything_is_found():
    (model,) = LoadRefocusModel.execute().args
    assert model.base.name == "flux1-dev-fp8.safetensors"
    assert kinds(model) == {"deblur", "bokeh"}
    assert model.base.encode_prompt(PROMPTS[Kind.BOKEH]).tokens.shape == (1, 512, 32)


def test_files_are_chosen():
    base = {
        "base": "flux1-dev-fp8.safetensors",
        "deblur": "none",
        "bokeh": "unnamed.safetensors",
        "aperture": "shapes.safetensors",
    }
    (model,) = LoadRefocusModel.execute(**base).args
    assert kinds(model) == {"bokeh", "aperture"}


def test_an_adapter_for_something_else_is_refused():
    with pytest.raises(FileError, match=r"shapes.*for 'aperture'.*Give one for 'bokeh'"):
        LoadRefocusModel.execute(bokeh="shapes.safetensors")


def test_its_precision_is_chosen():
    (model,) = LoadRefocusModel.execute(precision="bfloat16", save_memory=True).args
    assert model.base.dtype == torch.bfloat16
    assert model.base.sparing


def test_models_of_comfyui_come_together():
    with pytest.raises(InputError, match=r"vae: received nothing.*model, vae and clip"):
        LoadRefocusModel.execute(model=object())


def test_it_runs_again_when_an_adapter_changes(models):
    before = LoadRefocusModel.fingerprint_inputs()
    assert before == LoadRefocusModel.fingerprint_inputs()
    path = models / "loras" / "bokehNet.safetensors"
    content = path.read_bytes()
    path.unlink()
    try:
        assert LoadRefocusModel.fingerprint_inputs() != before
    finally:
        path.write_bytes(content)


def test_python_loads_it(models):
    path = models / "checkpoints" / "flux1-dev-fp8.safetensors"
    model = fp.load_refocus_model(path, deblur=None, device="cpu", precision="float32")
    assert kinds(model) == {"bokeh"}
    with pytest.raises(InputError, match="precision: received 'double'"):
        fp.load_refocus_model(path, precision="double")
    with pytest.raises(FileError, match=r"nowhere\.safetensors.*does not exist"):
        fp.load_refocus_model(path, bokeh="nowhere.safetensors")


def test_prompts_are_written_and_used(models, tmp_path, capsys):
    path = tmp_path / "prompts.safetensors"
    assert main(["flux-prompts", "--to", str(path), "--device", "cpu"]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    assert set(load_prompts(path)) == set(PROMPTS.values())
    transformer = tmp_path / "flux.safetensors"
    save_file_of(transformer, original_transformer(flux(BASE_CONFIG).state_dict()))
    checkpoint = models / "checkpoints" / "flux1-dev-fp8.safetensors"
    few = {"autoencoder": checkpoint, "deblur": None, "bokeh": None, "device": "cpu"}
    text = PROMPTS[Kind.DEBLUR]
    with pytest.raises(FileError, match="clip_l"):
        fp.load_refocus_model(transformer, **few).base.encode_prompt(text)
    stored = fp.load_refocus_model(transformer, prompts=path, **few).base.encode_prompt(text)
    whole = fp.load_refocus_model(checkpoint, **few).base.encode_prompt(text)
    torch.testing.assert_close(stored.tokens, whole.tokens, rtol=0.01, atol=0.01)


def test_files_are_verified(models, capsys):
    checkpoint = models / "checkpoints" / "flux1-dev-fp8.safetensors"
    assert main(["models", "verify", str(checkpoint)]) == 1
    said = capsys.readouterr()
    # Whole, but small.
    assert "sizes are FluxShape(channels=64, width=256" in said.out
    assert main(["models", "verify", "flux-tokenizers"]) == 0
