"""A random SDXL of a few thousand parameters, in all layouts in which people have the real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from focuspuller.models.bokehdiff.layout import LORA_TARGETS
from focuspuller.models.sdxl.config import SDXL, SdxlConfig
from focuspuller.models.sdxl.lora import lora_shapes
from safetensors.torch import save_file
from torch import Tensor, nn

from .weights import weights_by_name

WIDTH, WIDTH_2 = 16, 24
TINY = SdxlConfig(
    unet={
        **SDXL.unet,
        "sample_size": 8,
        "block_out_channels": (8, 16, 16),
        "transformer_layers_per_block": (1, 2, 1),
        "attention_head_dim": (2, 2, 2),
        "norm_num_groups": 4,
        "cross_attention_dim": WIDTH + WIDTH_2,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + WIDTH_2,
    },
    vae={**SDXL.vae, "block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "sample_size": 128},
    text_encoder={
        **SDXL.text_encoder,
        "hidden_size": WIDTH,
        "intermediate_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
    text_encoder_2={
        **SDXL.text_encoder_2,
        "hidden_size": WIDTH_2,
        "intermediate_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": WIDTH_2,
    },
)


def tiny_networks() -> dict[str, Any]:
    """The four networks, filled by their names."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    networks = {
        "unet": UNet2DConditionModel.from_config(dict(TINY.unet)),
        "vae": AutoencoderKL.from_config(dict(TINY.vae)),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**TINY.text_encoder)),
        "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**TINY.text_encoder_2)),
    }
    for network in networks.values():
        fill(network)
    return networks


def fill(network: nn.Module) -> None:
    state = network.state_dict()
    network.load_state_dict(
        {name: weights_by_name(name, tuple(one.shape)) for name, one in state.items()}
    )
    network.eval().requires_grad_(False)


def save_diffusers_folder(
    networks: dict[str, Any], folder: Path, variant: str = "", config: SdxlConfig = TINY
) -> None:
    for name, network in networks.items():
        stem = "model" if name.startswith("text") else "diffusion_pytorch_model"
        (folder / name).mkdir(parents=True)
        state = network.state_dict()
        if name == "text_encoder":  # As all files have it, whatever the library's version.
            bare = {key.removeprefix("text_model."): one for key, one in state.items()}
            state = {f"text_model.{key}": one for key, one in bare.items()}
        save_file(contiguous(state), folder / name / f"{stem}{variant}.safetensors")
        said = {"_class_name": type(network).__name__, **dict(getattr(config, name))}
        (folder / name / "config.json").write_text(json.dumps(said))


def save_single_file(networks: dict[str, Any], path: Path) -> None:
    """As SDXL was published: with the names of its authors' code."""
    state: dict[str, Tensor] = {}
    for name, tensor in networks["unet"].state_dict().items():
        state["model.diffusion_model." + unet_name(name)] = tensor
    for name, tensor in networks["vae"].state_dict().items():
        is_matrix = ".attentions.0.to_" in name and name.endswith("weight")
        value = tensor[..., None, None] if is_matrix else tensor  # They were 1×1 convolutions.
        state["first_stage_model." + vae_name(name)] = value
    for name, tensor in networks["text_encoder"].state_dict().items():
        bare = name.removeprefix("text_model.")
        state[f"conditioner.embedders.0.transformer.text_model.{bare}"] = tensor
    state["conditioner.embedders.0.transformer.text_model.embeddings.position_ids"] = torch.arange(
        77
    )[None]
    for name, tensor in open_clip(networks["text_encoder_2"].state_dict()).items():
        state[f"conditioner.embedders.1.model.{name}"] = tensor
    save_file(contiguous(state), path)


def save_bokehdiff(networks: dict[str, Any], folder: Path) -> None:
    """BokehDiff's two files as published, made for the tiny networks."""
    folder.mkdir(parents=True)
    shapes = lora_shapes(networks["unet"], LORA_TARGETS, 8)
    lora = {name: 0.3 * weights_by_name(name, shape) for name, shape in shapes.items()}
    save_file(lora, folder / "pytorch_lora_weights.safetensors")
    trained = {
        name: tensor + 0.01
        for name, tensor in networks["vae"].state_dict().items()
        if name.startswith(("encoder.conv_in", "encoder.mid_block", "encoder.conv_out"))
    }
    torch.save(trained, folder / "vae.ckpt")


def save_model_folders(root: Path) -> dict[str, Any]:
    """A folder of models with all that BokehDiff needs, under the published names."""
    networks = tiny_networks()
    (root / "checkpoints").mkdir(parents=True)
    save_single_file(networks, root / "checkpoints" / "RealVisXL_V5.0_fp16.safetensors")
    save_bokehdiff(networks, root / "bokehdiff" / "small")
    return networks


def use_tiny_networks(monkeypatch: Any) -> None:
    """Have BokehDiff take its files for those of the tiny network, which they do not say."""
    from focuspuller.models.bokehdiff import handle

    load = handle.load_networks

    def load_tiny(weights: Path, base: Path, dtype: torch.dtype) -> Any:
        return load(weights, base, dtype, TINY)

    monkeypatch.setattr(handle, "load_networks", load_tiny)


def contiguous(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone().contiguous() for name, tensor in state.items()}


RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def unet_name(name: str) -> str:
    """The authors' name of a parameter of the UNet."""
    for ours, theirs in UNET_ENDS.items():
        if name.startswith(f"{ours}."):
            return name.replace(ours, theirs, 1)
    parts = name.split(".")
    if parts[0] == "mid_block":
        return ".".join(_in_block(parts[1], f"middle_block.{_middle(parts)}", parts[3:]))
    block, kind, index = int(parts[1]), parts[2], int(parts[3])
    if parts[0] == "down_blocks":
        if kind == "downsamplers":
            return ".".join([f"input_blocks.{3 * block + 3}.0.op", parts[-1]])
        place = f"input_blocks.{3 * block + index + 1}"
    else:
        if kind == "upsamplers":
            after = 2 if block < 2 else 1  # Behind an attention, where there is one.
            return ".".join([f"output_blocks.{3 * block + 2}.{after}.conv", parts[-1]])
        place = f"output_blocks.{3 * block + index}"
    inner = f"{place}.{0 if kind == 'resnets' else 1}"
    return ".".join(_in_block(kind, inner, parts[4:]))


def _middle(parts: list[str]) -> int:
    return 1 if parts[1] == "attentions" else 2 * int(parts[2])


def _in_block(kind: str, place: str, rest: list[str]) -> list[str]:
    return [place, RESNET.get(rest[0], rest[0]) if kind == "resnets" else rest[0], *rest[1:]]


VAE_PARTS = {
    "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
    "mid_block.attentions.0.to_q": "mid.attn_1.q",
    "mid_block.attentions.0.to_k": "mid.attn_1.k",
    "mid_block.attentions.0.to_v": "mid.attn_1.v",
    "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
    "downsamplers.0": "downsample",
    "upsamplers.0": "upsample",
    "resnets": "block",
    "down_blocks": "down",
}


def vae_name(name: str) -> str:
    """The authors' name of a parameter of the VAE."""
    for ours, theirs in VAE_PARTS.items():
        name = name.replace(ours, theirs)
    parts = name.split(".")
    if "up_blocks" in parts:  # They count from the full size.
        at = parts.index("up_blocks")
        parts[at : at + 2] = ["up", str(3 - int(parts[at + 1]))]
    return ".".join(parts)


OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}


def open_clip(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The second text encoder under the names of open_clip, with one matrix for q, k and v."""
    named: dict[str, Tensor] = {"text_projection": state["text_projection.weight"].T}
    for full, tensor in state.items():
        name = full.removeprefix("text_model.")
        if name in OPEN_CLIP:
            named[OPEN_CLIP[name]] = tensor
        elif name.startswith("encoder.layers."):
            _, _, index, *rest = name.split(".")
            place = f"transformer.resblocks.{index}"
            inner = ".".join(rest)
            for ours, theirs in (
                ("layer_norm", "ln_"),
                ("mlp.fc1", "mlp.c_fc"),
                ("mlp.fc2", "mlp.c_proj"),
                ("self_attn.out_proj", "attn.out_proj"),
            ):
                inner = inner.replace(ours, theirs)
            if "q_proj" in inner:
                kind = rest[-1]
                whole = [state[full.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
                named[f"{place}.attn.in_proj_{kind}"] = torch.cat(whole)
            elif "k_proj" not in inner and "v_proj" not in inner:
                named[f"{place}.{inner}"] = tensor
    return named
