"""ComfyUI's MODEL, VAE and CLIP as the base model; they are played here, and real where one is."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("diffusers", reason="the original names are made from diffusers' model")

import focuspuller
import torch
from focuspuller.errors import InputError
from focuspuller.models import lending
from focuspuller.models.flux.tokens import grid_of, image_positions, packed
from focuspuller.nodes import native_flux
from focuspuller.nodes.native_flux import native_base
from oracles.flux import filled_adapter, flux
from oracles.flux_base import BASE_CONFIG, TinyAutoencoder, original_transformer, prompt_of
from oracles.original_flux import original_flux
from torch import Tensor

SHIFT, SCALE = 0.1159, 0.3611


class Model:
    """MODEL: a patcher with FLUX in it."""

    def __init__(self) -> None:
        state = original_transformer(flux(BASE_CONFIG).state_dict())
        self.load_device = torch.device("cpu")
        latent_format = SimpleNamespace(
            process_in=lambda latent: (latent - SHIFT) * SCALE,
            process_out=lambda latent: latent / SCALE + SHIFT,
        )
        self.model = SimpleNamespace(
            diffusion_model=original_flux(state),
            latent_format=latent_format,
            manual_cast_dtype=None,
            get_dtype=lambda: torch.float32,
        )


class Vae:
    """VAE: pictures as ComfyUI has them."""

    channels = 16

    def encode(self, pixels: Tensor) -> Tensor:
        latents = TinyAutoencoder().encode(2 * pixels.movedim(-1, 1) - 1, None)
        return latents[:, : self.channels]

    def decode(self, latents: Tensor) -> Tensor:
        return (TinyAutoencoder().decode(latents) / 2 + 0.5).clamp(0, 1).movedim(1, -1)


class Clip:
    """CLIP."""

    def __init__(self) -> None:
        self.options: dict[str, int] = {}

    def clone(self) -> Clip:
        return Clip()

    def set_tokenizer_option(self, name: str, value: int) -> None:
        self.options[name] = value

    def tokenize(self, text: str) -> Any:
        return text, dict(self.options)

    def encode_from_tokens(self, tokens: Any, return_pooled: bool) -> tuple[Tensor, Tensor]:
        text, options = tokens
        assert return_pooled
        assert options == {"t5xxl_min_length": 512}
        prompt = prompt_of(text)
        return prompt.tokens, prompt.pooled


class Lender(lending.PlainLender):
    """As much of the lender inside ComfyUI as is used."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Any, int, int]] = []

    @contextmanager
    def lent_with(self, patcher: Any, networks: Any, device: Any, needed: int) -> Iterator[None]:
        self.asked.append((patcher, len(networks), needed))
        yield


@pytest.fixture
def lender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lender]:
    before, own = lending.current_lender(), Lender()
    lending.install_lender(own)
    monkeypatch.setattr(native_flux, "ComfyLender", Lender)
    yield own
    lending.install_lender(before)


def test_pictures_pass_its_autoencoder():
    base = native_base(Model(), Vae(), Clip())
    picture = torch.rand(2, 3, 16, 24)
    latents = base.encode(2 * picture - 1)
    means = torch.nn.functional.avg_pool2d(2 * picture - 1, 8)
    torch.testing.assert_close(latents[:, :3], (means - SHIFT) * SCALE)
    expected = (means / 2 + 0.5).repeat_interleave(8, 2).repeat_interleave(8, 3)
    torch.testing.assert_close(base.decode(latents), expected)


def test_an_autoencoder_of_another_model_is_refused():
    vae = Vae()
    vae.channels = 4
    with pytest.raises(InputError, match=r"vae: received one of 4 channels\. Connect FLUX' VAE"):
        native_base(Model(), vae, Clip()).encode(2 * torch.rand(1, 3, 16, 16) - 1)


def test_prompts_have_as_many_tokens_as_published():
    prompt = native_base(Model(), Vae(), Clip()).encode_prompt("a photo")
    assert torch.equal(prompt.tokens, prompt_of("a photo").tokens)


@pytest.mark.parametrize("sparing", [False, True])
def test_its_patcher_brings_the_model(lender, sparing):
    model = Model()
    base = native_base(model, Vae(), Clip(), sparing)
    latents = base.encode(2 * torch.rand(1, 3, 48, 64) - 1)
    with base.at_work({"bokeh": filled_adapter(base.shape)}, working_bytes=7) as transformer:
        velocity = transformer(
            packed(latents),
            image_positions(grid_of(6, 8)),
            torch.tensor([0.5]),
            1.0,
            base.encode_prompt(""),
        )
    assert velocity.isfinite().all()
    ((patcher, adapters, needed),) = lender.asked
    assert patcher is model
    assert adapters == 1
    assert (needed == 7) is not sparing


def test_something_else_is_refused():
    with pytest.raises(InputError, match=r"model: received a object"):
        native_base(object(), Vae(), Clip())


@pytest.mark.skipif(
    "FOCUSPULLER_COMFYUI_FOLDER" not in os.environ, reason="needs a checkout of ComfyUI"
)
def test_a_real_one_gives_the_same():
    script = Path(__file__).parent / "comfyui_flux.py"
    python = os.environ.get("FOCUSPULLER_COMFYUI_PYTHON", "python")
    package = Path(focuspuller.__file__).parents[1]
    done = subprocess.run(
        [python, str(script), str(package)],
        cwd=os.environ["FOCUSPULLER_COMFYUI_FOLDER"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["error"] < 1e-4
    assert result["change"] > 0.01  # The condition took part.
    assert "Flux" in result["loaded"]
