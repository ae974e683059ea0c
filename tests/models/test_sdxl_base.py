"""SDXL from every layout in which people have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from focuspuller.errors import FileError
from focuspuller.models.sdxl.base import base_of, load_text_encoders, load_unet, load_vae
from focuspuller.models.sdxl.config import SDXL
from focuspuller.models.sdxl.text import END, START, embedded_prompt, filled_prompt
from oracles.tiny_sdxl import TINY, save_diffusers_folder, save_single_file, tiny_networks
from safetensors.torch import load_file, save_file
from torch import nn

pytest.importorskip("diffusers")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    return tiny_networks()


@pytest.fixture(params=["single file", "folder", "fp16 folder"])
def base(request: pytest.FixtureRequest, networks: dict[str, Any], tmp_path: Path) -> Path:
    if request.param == "single file":
        path = tmp_path / "sdxl.safetensors"
        save_single_file(networks, path)
        return path
    variant = ".fp16" if request.param == "fp16 folder" else ""
    save_diffusers_folder(networks, tmp_path / "sdxl", variant)
    return tmp_path / "sdxl"


def is_same(found: nn.Module, expected: nn.Module) -> bool:
    ours, theirs = found.state_dict(), expected.state_dict()
    return list(ours) == list(theirs) and all(
        torch.equal(ours[name], theirs[name]) for name in ours
    )


class TestLoading:
    def test_every_network_is_the_one_that_was_saved(
        self, base: Path, networks: dict[str, Any]
    ) -> None:
        encoder, encoder_2 = load_text_encoders(base, config=TINY)
        assert is_same(load_unet(base, torch.float32, TINY), networks["unet"])
        assert is_same(load_vae(base, TINY), networks["vae"])
        assert is_same(encoder, networks["text_encoder"])
        assert is_same(encoder_2, networks["text_encoder_2"])

    def test_they_compute_the_same(self, base: Path, networks: dict[str, Any]) -> None:
        ids = filled_prompt([5, 6, 7], 0)
        for found, name in zip(
            load_text_encoders(base, config=TINY), ("text_encoder", "text_encoder_2"), strict=True
        ):
            with torch.no_grad():
                assert torch.equal(found(ids)[0], networks[name](ids)[0])

    def test_the_unet_comes_in_the_dtype_that_is_wanted_and_the_vae_in_float32(
        self, base: Path
    ) -> None:
        assert load_unet(base, torch.float16, TINY).dtype == torch.float16
        assert load_vae(base, TINY).dtype == torch.float32

    def test_a_checkpoint_that_lacks_a_tensor_is_refused(
        self, networks: dict[str, Any], tmp_path: Path
    ) -> None:
        path = tmp_path / "sdxl.safetensors"
        save_single_file(networks, path)
        state = load_file(path)
        del state["model.diffusion_model.out.2.bias"]
        save_file(state, path)
        with pytest.raises(FileError, match=r"do not fit SDXL.*missing: conv_out\.bias"):
            load_unet(path, torch.float32, TINY)

    def test_a_file_without_sdxl_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "lora.safetensors"
        save_file({"a": torch.ones(1)}, path)
        for load in (
            lambda: load_unet(path, torch.float32),
            lambda: load_vae(path),
            lambda: load_text_encoders(path),
        ):
            with pytest.raises(FileError, match=r"without SDXL's \w+ \(no tensor is called \w+\."):
                load()

    def test_a_folder_that_lacks_a_file_is_refused(
        self, networks: dict[str, Any], tmp_path: Path
    ) -> None:
        save_diffusers_folder(networks, tmp_path)
        (tmp_path / "vae" / "diffusion_pytorch_model.safetensors").unlink()
        with pytest.raises(FileError, match="vae: received a folder without diffusion_pytorch"):
            load_vae(tmp_path, TINY)

    def test_the_sizes_are_those_of_sdxl(self) -> None:
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

        with torch.device("meta"):
            networks = [
                UNet2DConditionModel.from_config(dict(SDXL.unet)),
                AutoencoderKL.from_config(dict(SDXL.vae)),
                CLIPTextModel(CLIPTextConfig(**SDXL.text_encoder)),
                CLIPTextModelWithProjection(CLIPTextConfig(**SDXL.text_encoder_2)),
            ]
        sizes = [sum(one.numel() for one in network.parameters()) for network in networks]
        assert sizes == [2_567_463_684, 83_653_863, 123_060_480, 694_659_840]


class TestWhatACheckpointIs:
    def test_a_folder_can_be_named_by_any_file_in_it(
        self, networks: dict[str, Any], tmp_path: Path
    ) -> None:
        save_diffusers_folder(networks, tmp_path / "sdxl")
        inner = tmp_path / "sdxl" / "unet" / "diffusion_pytorch_model.safetensors"
        for path in (tmp_path / "sdxl", tmp_path / "sdxl" / "unet", inner):
            assert base_of(path) == tmp_path / "sdxl"

    def test_other_things_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=r"a folder without unet/config\.json"):
            base_of(tmp_path)
        with pytest.raises(FileError, match="a file that is not there"):
            base_of(tmp_path / "gone.safetensors")


class TestPrompts:
    def test_a_prompt_is_filled_up_to_77_tokens(self) -> None:
        tokens = filled_prompt([550, 4239], 0)
        assert tokens.shape == (1, 77)
        assert tokens[0, :5].tolist() == [START, 550, 4239, END, 0]
        longest = filled_prompt(range(100), 0)[0]
        assert longest[-2:].tolist() == [74, END]

    def test_the_embedding_is_that_of_diffusers(self, networks: dict[str, Any]) -> None:
        from diffusers import DDPMScheduler, StableDiffusionXLPipeline

        class Tokenizer:
            """Always says the same."""

            model_max_length = 77

            def __init__(self, filling: int) -> None:
                self.filling = filling

            added_tokens_encoder: ClassVar[dict[str, int]] = {}

            def tokenize(self, text: str) -> list[str]:
                return [text]

            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                ids = filled_prompt([550, 4239, 1125], self.filling)
                return type("Tokens", (), {"input_ids": ids})()

        pipeline = StableDiffusionXLPipeline(
            *(networks[name] for name in ("vae", "text_encoder", "text_encoder_2")),
            *(None, None, networks["unet"], DDPMScheduler()),
            add_watermarker=False,
        )
        found = embedded_prompt(
            [550, 4239, 1125], networks["text_encoder"], networks["text_encoder_2"]
        )
        pipeline.tokenizer, pipeline.tokenizer_2 = Tokenizer(END), Tokenizer(0)  # pyright: ignore
        tokens, _, pooled, _ = pipeline.encode_prompt(
            "never read", device=torch.device("cpu"), do_classifier_free_guidance=False
        )
        assert torch.equal(found.tokens, tokens)
        assert torch.equal(found.pooled, pooled)
