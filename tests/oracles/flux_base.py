"""A tiny FLUX base model with everything that a whole one has, in memory and in files."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import torch
from focuspuller.models.flux.base import FluxBase
from focuspuller.models.flux.conditions import Prompt
from focuspuller.models.flux.transformer import ConditionedFlux
from focuspuller.models.flux_base.original import LAST_MODULATION
from safetensors.torch import save_file
from torch import Tensor

from .flux import flux
from .weights import filled

# Heads of 128 channels and latents of 16 channels, as all FLUX models have.
BASE_CONFIG: dict[str, Any] = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 2,
    "num_single_layers": 2,
    "attention_head_dim": 128,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "pooled_projection_dim": 64,
    "guidance_embeds": True,
    "axes_dims_rope": (16, 56, 56),
}
VAE_CONFIG: dict[str, Any] = {
    "block_out_channels": (32, 32, 32, 64),
    "latent_channels": 16,
    "norm_num_groups": 32,
    "layers_per_block": 2,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "sample_size": 1024,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}
WORDS = ("a", "sharp", "photo", "with", "everything", "in", "focus")


def tiny_base() -> FluxBase:
    """On the CPU in float32, in memory alone; prompts follow from their letters."""
    return FluxBase(
        name="tiny",
        transformer=ConditionedFlux(flux(BASE_CONFIG)),
        autoencoder=TinyAutoencoder(),
        prompts=prompt_of,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )


def prompt_of(text: str) -> Prompt:
    """Random numbers that are the same for a text, and others for another."""
    generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))
    return Prompt(
        torch.randn(1, 8, BASE_CONFIG["joint_attention_dim"], generator=generator),
        torch.randn(1, BASE_CONFIG["pooled_projection_dim"], generator=generator),
    )


class TinyAutoencoder:
    """Exact both ways: means of 8×8 pixels, colours in the first three of 16 channels."""

    def encode(self, pixels: Tensor, generator: torch.Generator | None) -> Tensor:
        means = torch.nn.functional.avg_pool2d(pixels, 8)
        return torch.cat([means, means.new_zeros(len(means), 13, *means.shape[-2:])], dim=1)

    def decode(self, latents: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(latents[:, :3], scale_factor=8.0)


def vae() -> Any:
    """diffusers' autoencoder, filled."""
    from diffusers import AutoencoderKL

    return filled(AutoencoderKL(**VAE_CONFIG))


def t5() -> Any:
    """transformers' T5 encoder, filled."""
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=40,
        d_model=BASE_CONFIG["joint_attention_dim"],
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    return filled(T5EncoderModel(config))


def clip() -> Any:
    """transformers' CLIP text encoder, filled."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=40,
        hidden_size=BASE_CONFIG["pooled_projection_dim"],
        intermediate_size=64,
        projection_dim=64,
        num_hidden_layers=2,
        num_attention_heads=1,
        bos_token_id=38,
        eos_token_id=2,
    )
    return filled(CLIPTextModel(config))


def save_folder(folder: Path) -> Path:
    """As diffusers has it, the transformer and T5 in two shards."""
    flux(BASE_CONFIG).save_pretrained(folder / "transformer", max_shard_size="20MB")
    vae().save_pretrained(folder / "vae")
    clip().save_pretrained(folder / "text_encoder")
    t5().save_pretrained(folder / "text_encoder_2", max_shard_size="60KB")
    save_tokenizers(folder)
    return folder


def save_tokenizers(folder: Path) -> None:
    """Of a few words, in the files that FLUX.1-dev has."""
    clip_folder, t5_folder = folder / "tokenizer", folder / "tokenizer_2"
    clip_folder.mkdir(parents=True)
    t5_folder.mkdir()
    letters = sorted({letter for word in WORDS for letter in word})
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    vocabulary |= {"<|startoftext|>": 38, "<|endoftext|>": 39}
    (clip_folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    (clip_folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "model_max_length": 77,
    }
    (clip_folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    _t5_tokenizer().save(str(t5_folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "T5Tokenizer",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "model_max_length": 512,
    }
    (t5_folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")


def _t5_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    pieces = ["<pad>", "</s>", "<unk>", *(f"▁{word}" for word in WORDS)]
    vocabulary = [(piece, -float(index)) for index, piece in enumerate(pieces)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def original_transformer(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The transformer's tensors with Black Forest Labs' names, joined where those are.

    Written as the original code's modules are, not as our table is.
    """
    own: dict[str, Tensor] = {}

    def put(name: str, *parts: str) -> None:
        for kind in ("weight", "bias"):
            own[f"{name}.{kind}"] = torch.cat([state[f"{part}.{kind}"] for part in parts])

    put("img_in", "x_embedder")
    put("txt_in", "context_embedder")
    embedders = (("time", "timestep"), ("vector", "text"), ("guidance", "guidance"))
    for theirs, ours in embedders:
        for layer, number in (("in_layer", 1), ("out_layer", 2)):
            put(f"{theirs}_in.{layer}", f"time_text_embed.{ours}_embedder.linear_{number}")
    for index in range(BASE_CONFIG["num_layers"]):
        theirs, ours = f"double_blocks.{index}", f"transformer_blocks.{index}"
        put(f"{theirs}.img_mod.lin", f"{ours}.norm1.linear")
        put(f"{theirs}.txt_mod.lin", f"{ours}.norm1_context.linear")
        put(f"{theirs}.img_attn.qkv", *(f"{ours}.attn.to_{one}" for one in "qkv"))
        put(f"{theirs}.txt_attn.qkv", *(f"{ours}.attn.add_{one}_proj" for one in "qkv"))
        put(f"{theirs}.img_attn.proj", f"{ours}.attn.to_out.0")
        put(f"{theirs}.txt_attn.proj", f"{ours}.attn.to_add_out")
        for stream, feed in (("img", "ff"), ("txt", "ff_context")):
            put(f"{theirs}.{stream}_mlp.0", f"{ours}.{feed}.net.0.proj")
            put(f"{theirs}.{stream}_mlp.2", f"{ours}.{feed}.net.2")
        for stream, added in (("img", ""), ("txt", "added_")):
            for norm, letter in (("query", "q"), ("key", "k")):
                scale = state[f"{ours}.attn.norm_{added}{letter}.weight"]
                own[f"{theirs}.{stream}_attn.norm.{norm}_norm.scale"] = scale
    for index in range(BASE_CONFIG["num_single_layers"]):
        theirs, ours = f"single_blocks.{index}", f"single_transformer_blocks.{index}"
        put(f"{theirs}.modulation.lin", f"{ours}.norm.linear")
        put(f"{theirs}.linear1", *(f"{ours}.attn.to_{one}" for one in "qkv"), f"{ours}.proj_mlp")
        put(f"{theirs}.linear2", f"{ours}.proj_out")
        for norm, letter in (("query", "q"), ("key", "k")):
            own[f"{theirs}.norm.{norm}_norm.scale"] = state[f"{ours}.attn.norm_{letter}.weight"]
    put("final_layer.linear", "proj_out")
    for kind in ("weight", "bias"):
        scale, shift = state[f"norm_out.linear.{kind}"].chunk(2)
        own[f"{LAST_MODULATION}.{kind}"] = torch.cat([shift, scale])
    return own


def original_autoencoder(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The autoencoder's tensors with the original names."""
    own = {}
    levels = len(VAE_CONFIG["block_out_channels"])
    for name, tensor in state.items():
        side, *steps = name.split(".")
        own_tensor = tensor
        if steps[0] in ("down_blocks", "up_blocks"):
            kind, number, part, index, *rest = steps
            if kind == "up_blocks":
                number = str(levels - 1 - int(number))
            rest = ["nin_shortcut" if one == "conv_shortcut" else one for one in rest]
            level = [kind.removesuffix("_blocks"), number]
            place = ["block", index] if part == "resnets" else [part.removesuffix("rs")]
            steps = [*level, *place, *rest]
        elif steps[0] == "mid_block" and steps[1] == "resnets":
            steps = ["mid", f"block_{int(steps[2]) + 1}", *steps[3:]]
        elif steps[0] == "mid_block":
            names = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v"}
            layer = "proj_out" if steps[3] == "to_out" else names[steps[3]]
            steps = ["mid", "attn_1", layer, steps[-1]]
            is_matrix = tensor.ndim == 2
            own_tensor = tensor[..., None, None] if is_matrix else tensor
        elif steps[0] == "conv_norm_out":
            steps = ["norm_out", *steps[1:]]
        own[".".join([side, *steps])] = own_tensor
    return own


def save_file_of(path: Path, state: dict[str, Tensor], dtype: torch.dtype | None = None) -> Path:
    """A `.safetensors` file, its matrices in a type."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (one.to(dtype) if dtype and one.ndim > 1 else one).contiguous().clone()
        for name, one in state.items()
    }
    save_file(tensors, path)
    return path


def all_in_one() -> dict[str, Tensor]:
    """The tensors of a checkpoint as ComfyUI saves it."""
    parts = {
        "model.diffusion_model.": original_transformer(flux(BASE_CONFIG).state_dict()),
        "vae.": original_autoencoder(vae().state_dict()),
        "text_encoders.clip_l.transformer.text_model.": clip().state_dict(),
        "text_encoders.t5xxl.transformer.": encoder_tensors(),
    }
    return {prefix + name: one for prefix, own in parts.items() for name, one in own.items()}


def encoder_tensors() -> dict[str, Tensor]:
    """T5's, the table of tokens once."""
    state = t5().state_dict()
    return {name: one for name, one in state.items() if name != "encoder.embed_tokens.weight"}


def save_gguf(path: Path, state: dict[str, Tensor], quantization: str = "Q8_0") -> Path:
    """A GGUF file: matrices quantized, as far as their rows are long enough."""
    import gguf

    kind = gguf.GGMLQuantizationType[quantization]
    block, _ = gguf.GGML_QUANT_SIZES[kind]
    writer = gguf.GGUFWriter(str(path), "flux")
    for name, tensor in state.items():
        values = tensor.float().numpy()
        if values.ndim == 2 and values.shape[1] % block == 0:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
