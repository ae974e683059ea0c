"""Reading files of base models: one tensor file, a GGUF file, or a folder of shards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import FileError, MissingDependencyError
from ..layout import Findings, Shapes, compared, shapes_of
from ..state_dict import read_state_dict
from .stored import read_gguf, scale_names, true_shape

# What other models' files are recognised by, and what they are. The first that is found counts.
OTHERS = {
    "lora_": "an adapter (LoRA), no base model",
    "double_stream_modulation_img": "FLUX.2",
    "distilled_guidance_layer": "Chroma",
    "input_blocks.0.": "Stable Diffusion or SDXL",
    "down_blocks.0.attentions": "Stable Diffusion or SDXL",
    "joint_blocks.0.": "Stable Diffusion 3",
    "encoder.block.0.layer.0.SelfAttention": "a T5 text encoder",
    "enc.blk.0.": "a T5 text encoder",
    "encoder.layers.0.self_attn": "a CLIP text encoder",
    "encoder.down": "an autoencoder (VAE)",
    "double_blocks.0.": "a FLUX transformer",
    "transformer_blocks.0.": "a diffusion transformer",
}
INDEX = ".index.json"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, or of all shards in a folder, by name.

    Those of `.safetensors` stay in the file until they are used.

    Raises:
        FileError: something is missing, damaged or could run code.
        MissingDependencyError: a GGUF file without the libraries for it.
    """
    if path.is_dir():
        return _read_shards(path)
    if path.suffix.lower() != ".gguf":
        return read_state_dict(path)
    if not path.is_file():
        raise FileError(str(path), "a file that does not exist", "Check the path.")
    try:
        return read_gguf(str(path))
    except MissingDependencyError:
        raise
    except Exception as error:  # A damaged file can raise anything.
        received = f"a GGUF file that cannot be read ({_first_line(error)})"
        raise FileError(str(path), received, "Copy or download it again.") from error


def fitted(
    path: Path, state: dict[str, Tensor], make: Callable[[], nn.Module], what: str, advice: str
) -> nn.Module:
    """An empty network on the device "meta" that the tensors fit.

    Raises:
        FileError: they do not.
    """
    with torch.device("meta"):
        network = make()
    problems = findings_between(state, network)
    if problems:
        raise FileError(str(path), f"weights that do not fit {what} ({problems})", advice)
    return network


def findings_between(state: dict[str, Tensor], network: nn.Module) -> Findings:
    """What does not fit between a file's tensors and a network.

    Scales of 8-bit weights are welcome; 4-bit weights and the like are not.
    """
    scales = scale_names(network)
    shapes: Shapes = {
        name: true_shape(tensor) for name, tensor in state.items() if name not in scales
    }
    numbers = tuple(
        f"{name} is stored in {str(tensor.dtype).removeprefix('torch.')}, which is not supported"
        for name, tensor in state.items()
        if name in dict(network.named_parameters())
        and not tensor.is_floating_point()
        and not hasattr(tensor, "quant_type")
    )
    if numbers:
        return Findings(other=numbers)
    return compared(shapes, shapes_of(network.state_dict()))


def other_model(path: Path, state: dict[str, Tensor], wanted: str, advice: str) -> FileError:
    """The error for a file that is not `wanted`; says what it is, where it can be told."""
    marks = (text for mark, text in OTHERS.items() if any(mark in name for name in state))
    received = f"a file of {next(marks, 'something else')}, where {wanted} belongs"
    return FileError(str(path), received, advice)


def _read_shards(folder: Path) -> dict[str, Tensor]:
    indices = sorted(folder.glob(f"*.safetensors{INDEX}"))
    files = _files_of(indices[0]) if indices else sorted(folder.glob("*.safetensors"))[:1]
    if not files:
        received = "a folder without weights (.safetensors)"
        raise FileError(str(folder), received, "Copy or download it again, with all its files.")
    state: dict[str, Tensor] = {}
    for file in files:
        state |= read_state_dict(file)
    return state


def _files_of(index: Path) -> list[Path]:
    try:
        content: Any = json.loads(index.read_text("utf-8"))
        names = sorted(set(content["weight_map"].values()))
        return [index.parent / Path(name).name for name in names]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        received = f"a list of shards that cannot be read ({_first_line(error)})"
        raise FileError(str(index), received, "Copy or download it again.") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
