"""Few-step students: DMD2's files on any base, under every name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from focuspuller.errors import FileError
from focuspuller.models.exif_generator.student import (
    LORA_TARGETS,
    check_lora,
    load_student,
)
from focuspuller.models.sdxl.lora import DOWN, UP, lora_shapes, merge_lora, read_lora
from oracles.tiny_generator import (
    ALPHA,
    as_comfyui_names,
    as_dmd2_writes,
    lora_by_name,
    seen_by,
)
from oracles.tiny_sdxl import TINY, contiguous, save_single_file, tiny_networks
from safetensors.torch import save_file

pytest.importorskip("diffusers")
pytest.importorskip("transformers")


class TestStudents:
    @pytest.mark.parametrize("names", ["diffusers", "ComfyUI", "pickle"])
    def test_whole_unets(self, names, tmp_path: Path, base: Path, networks) -> None:
        state = contiguous(networks["unet"].state_dict())
        path = tmp_path / "unet.safetensors"
        if names == "pickle":
            path = tmp_path / "dmd2_sdxl_4step_unet_fp16.bin"
            torch.save(state, path)
        else:
            named = state if names == "diffusers" else as_comfyui_names(networks["unet"])
            save_file(contiguous(named), path)
        found = load_student(path, base, torch.float32).state_dict()
        assert list(found) == list(state)
        assert all(torch.equal(found[name], one) for name, one in state.items())

    def test_on_a_single_file_too(self, tmp_path: Path, lora: Path, networks) -> None:
        save_single_file(networks, tmp_path / "base.safetensors")
        found = load_student(lora, tmp_path / "base.safetensors", torch.float32, TINY)
        unet = tiny_networks()["unet"]
        scaled = {
            name: one * (ALPHA / 4 if name.endswith(UP) else 1.0)
            for name, one in lora_by_name(unet).items()
        }
        merge_lora(unet, scaled)
        for name, one in unet.state_dict().items():
            torch.testing.assert_close(found.state_dict()[name], one)

    def test_a_lora_computes_what_diffusers_makes_of_it(
        self, base: Path, lora: Path, prompt
    ) -> None:
        pytest.importorskip("peft")
        found = seen_by(load_student(lora, base, torch.float32), prompt)
        unet = tiny_networks()["unet"]
        state = {f"unet.{name}": one for name, one in lora_by_name(unet).items()}
        alphas = {f"{name.removesuffix(DOWN)}.alpha": ALPHA for name in state if DOWN in name}
        unet.load_lora_adapter(state, network_alphas=alphas, prefix="unet")
        expected = seen_by(unet, prompt)
        assert (expected - seen_by(tiny_networks()["unet"], prompt)).abs().max() > 1e-2
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("prefix", ["", "unet.", "base_model.model."])
    def test_other_names_of_the_same_adapter(self, prefix, networks) -> None:
        adapter = lora_by_name(networks["unet"])
        named = {prefix + name: one for name, one in adapter.items()}
        found, problems = read_lora(named, networks["unet"])
        assert not problems
        assert found.keys() == adapter.keys()

    def test_every_tensor_is_accounted_for(self, networks) -> None:
        state = as_dmd2_writes(lora_by_name(networks["unet"]))
        flat = "lora_unet_mid_block_attentions_0_proj_in"
        broken = {name: one for name, one in state.items() if name != f"{flat}.lora_up.weight"}
        broken["lora_te1_text_model_encoder.lora_down.weight"] = torch.zeros(4, 4)
        broken["lora_unet_mid_block_attentions_0_proj_out.lora_down.weight"] = torch.zeros(4, 5)
        problems = read_lora(broken, networks["unet"])[1]
        assert problems.missing == (f"mid_block.attentions.0.proj_in{UP}",)
        assert problems.unexpected == ("lora_te1_text_model_encoder.lora_down.weight",)
        assert len(problems.misshaped) == 1

    def test_an_adapter_for_another_network_is_refused(self, tmp_path: Path, base: Path) -> None:
        path = tmp_path / "flux.safetensors"
        save_file({"transformer.x_embedder.lora_A.weight": torch.zeros(4, 4)}, path)
        with pytest.raises(FileError, match="does not fit SDXL's UNet"):
            load_student(path, base, torch.float32)

    def test_the_published_layout_of_dmd2s_lora_fits_sdxl(self, tmp_path: Path) -> None:
        from diffusers import UNet2DConditionModel
        from focuspuller.models.sdxl.config import UNET

        with torch.device("meta"):
            unet = UNet2DConditionModel.from_config(dict(UNET))
        shapes = lora_shapes(unet, LORA_TARGETS, 1)  # 64 would be a file of 0.4 GB.
        path = tmp_path / "lora.safetensors"
        save_file(as_dmd2_writes({name: torch.zeros(one) for name, one in shapes.items()}), path)
        assert len(shapes) == 2 * 788
        assert not check_lora(path)
