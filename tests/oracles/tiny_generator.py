"""What the EXIF-conditioned generator needs, for the tiny SDXL: students, projection, tokenizer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from focuspuller.models.exif_generator.exif import ExifProjection
from focuspuller.models.exif_generator.files import ExifMetadata, save_exif_generator
from focuspuller.models.exif_generator.student import LORA_TARGETS
from focuspuller.models.focus_distance.files import save_focus_transformer
from focuspuller.models.sdxl.config import SDXL
from focuspuller.models.sdxl.lora import lora_shapes
from focuspuller.models.sdxl.text import END, START, PromptEmbedding
from safetensors.torch import save_file
from torch import Tensor

from .depth_networks import TINY_DEPTH_PRO, by_name
from .tiny_sdxl import TINY, contiguous, save_diffusers_folder, tiny_networks, unet_name
from .vst import trained_transformer
from .weights import weights_by_name

ALPHA = 8.0
# Of the tiny UNet's time embedding.
TIME_EMBEDDING = 4 * TINY.unet["block_out_channels"][0]
METADATA = ExifMetadata("tiny", "CC0-1.0", (1.4, 22.0), (24.0, 200.0))
# The same of a file with a student: in what its UNet is not SDXL's.
METADATA_OF_STUDENT = replace(
    METADATA, unet={name: one for name, one in TINY.unet.items() if SDXL.unet.get(name) != one}
)


def lora_by_name(unet: Any, rank: int = 4) -> dict[str, Tensor]:
    """An adapter with the names of `lora_shapes`."""
    shapes = lora_shapes(unet, LORA_TARGETS, rank)
    return {name: 0.3 * weights_by_name(name, shape) for name, shape in shapes.items()}


def as_dmd2_writes(lora: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same under the names of DMD2's file, which are those of kohya's scripts."""
    state: dict[str, Tensor] = {}
    for name, tensor in lora.items():
        layer, _, end = name.rpartition(".lora_")
        flat = "lora_unet_" + layer.replace(".", "_")
        state[f"{flat}.lora_{'down' if end.startswith('A') else 'up'}.weight"] = tensor
        state[f"{flat}.alpha"] = torch.tensor(ALPHA)
    return state


def as_comfyui_names(unet: Any) -> dict[str, Tensor]:
    """A UNet's tensors as in a single-file checkpoint."""
    return {
        "model.diffusion_model." + unet_name(name): one for name, one in unet.state_dict().items()
    }


def trained_projection() -> ExifProjection:
    """A projection that says something."""
    projection = ExifProjection(16, 24, TIME_EMBEDDING)
    for name, parameter in projection.named_parameters():
        parameter.data = weights_by_name(name, tuple(parameter.shape))
    return projection.eval().requires_grad_(False)


def save_tokenizer(folder: Path) -> None:
    """A vocabulary of letters, and the ends of CLIP's."""
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    vocabulary |= {"<|startoftext|>": START, "<|endoftext|>": END}
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")


def save_generator_folders(root: Path) -> dict[str, Any]:
    """Folders of models with all that Generate All-in-Focus needs.

    `diffusers/TinyXL` with its tokenizer, DMD2's LoRA and UNets, and a trained projection.
    """
    networks = tiny_networks()
    save_diffusers_folder(networks, root / "diffusers" / "TinyXL")
    save_tokenizer(root / "diffusers" / "TinyXL" / "tokenizer")
    for folder in ("loras", "diffusion_models", "exif_generator"):
        (root / folder).mkdir()
    lora = as_dmd2_writes(lora_by_name(networks["unet"]))
    save_file(lora, root / "loras" / "dmd2_sdxl_4step_lora_fp16.safetensors")
    state = contiguous(networks["unet"].state_dict())
    torch.save(state, root / "diffusion_models" / "dmd2_sdxl_1step_unet_fp16.bin")
    save_exif_generator(
        root / "exif_generator" / "trained.safetensors", trained_projection(), METADATA
    )
    return networks


def save_pipeline_folders(root: Path) -> None:
    """The same with what finds depth, in metres, and focus: all of `focuspuller.generate`."""
    save_generator_folders(root)
    for folder in ("depth_pro", "focus_distance"):
        (root / folder).mkdir()
    torch.save(by_name(TINY_DEPTH_PRO), root / "depth_pro" / "depth_pro.pt")
    path = root / "focus_distance" / "focus_distance.safetensors"
    save_focus_transformer(path, trained_transformer(), "RGBD_VST", "CC0-1.0")


def seen_by(unet: Any, prompt: PromptEmbedding, batch: int = 2) -> Tensor:
    """What a UNet makes of some noise."""
    latents = torch.randn(batch, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    text = prompt.to(latents, batch)
    added = {"text_embeds": text.pooled, "time_ids": torch.zeros(batch, 6)}
    return unet(latents, 500, text.tokens, added_cond_kwargs=added, return_dict=False)[0]
