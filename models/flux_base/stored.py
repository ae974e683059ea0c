"""Layers whose weights stay as their file stores them, and are computed with in another type.

So a file of 8 bits takes 8 bits in memory, and one of bfloat16 no more where the CPU computes in
float32. Weights come to their input's device as well, layer by layer where they are elsewhere.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import MissingDependencyError

# Numbers by which ComfyUI's 8-bit files multiply a layer's weights: one for each layer.
SCALE_NAMES = ("weight_scale", "scale_weight")


class StoredLinear(nn.Module):
    """A linear layer in the type of its input, whatever that of its weights is.

    Args:
        stored: the weights `[out,in]` in any type, or a GGUF file's quantized blocks.
        bias: `[out]`, if it has one.
        scale: one number that the weights are multiplied by.
    """

    comfy_cast_weights = True  # Tells ComfyUI that it brings its weights along.
    weight = None  # transformers' T5 would bring its input to the weights' type.
    stored: Any  # Some kinds of parameters are known to their library alone.
    bias: Tensor | None
    scale: Tensor | None

    def __init__(self, stored: Tensor, bias: Tensor | None, scale: Tensor | None = None) -> None:
        super().__init__()
        self.stored = stored if is_quantized(stored) else nn.Parameter(stored, requires_grad=False)
        self.register_buffer("bias", bias)
        self.register_buffer("scale", scale)

    @property
    def in_features(self) -> int:
        """Channels of the input."""
        return true_shape(self.stored)[1]

    def forward(self, tokens: Tensor) -> Tensor:
        """`[…,in]` to `[…,out]`."""
        weight = self.stored.to(tokens.device)
        weight = (dequantized(weight) if is_quantized(weight) else weight).to(tokens.dtype)
        if self.scale is not None:
            weight = weight * self.scale.to(tokens)
        return F.linear(tokens, weight, None if self.bias is None else self.bias.to(tokens))


def is_quantized(tensor: Tensor) -> bool:
    """Whether a tensor holds a GGUF file's quantized blocks."""
    return hasattr(tensor, "quant_type")


def dequantized(tensor: Tensor) -> Tensor:
    """The numbers that quantized blocks mean."""
    from diffusers.quantizers.gguf.utils import dequantize_gguf_tensor

    return dequantize_gguf_tensor(tensor)


def read_gguf(path: str) -> dict[str, Tensor]:
    """The tensors of a GGUF file by name, quantized as they are.

    Raises:
        MissingDependencyError: without the libraries of the extra "gguf".
    """
    try:
        import gguf  # noqa: F401
        from diffusers.models.model_loading_utils import load_gguf_checkpoint
    except ImportError as error:
        raise MissingDependencyError(
            path, "a GGUF file without the libraries for it", "Install focuspuller[gguf]."
        ) from error
    return load_gguf_checkpoint(path)


def true_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape that a tensor has once it is dequantized."""
    return tuple(getattr(tensor, "quant_shape", tensor.shape))


def fill(network: nn.Module, state: dict[str, Tensor], dtype: torch.dtype) -> None:
    """Give a network without memory the tensors of a file.

    Linear layers keep what takes no more memory than `dtype` as it is; everything else becomes
    `dtype`. Nothing is copied that need not be.

    Args:
        network: on the device "meta"; its names are those of `state`, which has all of them.
        state: may hold scales of weights beside them.
        dtype: that the network computes in.
    """
    state = dict(state)
    linears = [(name, one) for name, one in network.named_modules() if isinstance(one, nn.Linear)]
    for name, linear in linears:
        weight = state[f"{name}.weight"]
        if not (is_quantized(weight) or _is_smaller(weight, dtype)):
            continue
        bias = None if linear.bias is None else _in_dtype(state.pop(f"{name}.bias"), dtype)
        scale = next((state[key] for key in _scale_keys(name) if key in state), None)
        scale = None if scale is None else scale.float().reshape(())
        _replace(network, name, StoredLinear(state.pop(f"{name}.weight"), bias, scale))
    wanted = network.state_dict()
    rest = {name: _in_dtype(one, dtype) for name, one in state.items() if name in wanted}
    network.load_state_dict(rest, strict=False, assign=True)
    network.eval().requires_grad_(False)


def _is_smaller(weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether weights in another type than `dtype` take no more memory than in it."""
    return weight.dtype != dtype and weight.element_size() <= dtype.itemsize


def scale_names(network: nn.Module) -> set[str]:
    """Names of further tensors that an 8-bit file may have for a network's linear layers."""
    linears = [name for name, one in network.named_modules() if isinstance(one, nn.Linear)]
    names = {key for name in linears for key in _scale_keys(name)}
    extra = ("input_scale", "scale_input", "comfy_quant")
    return names | {f"{name}.{key}" for name in linears for key in extra} | {"scaled_fp8"}


def _scale_keys(layer: str) -> list[str]:
    return [f"{layer}.{key}" for key in SCALE_NAMES]


def _in_dtype(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if is_quantized(tensor):
        tensor = dequantized(tensor)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
