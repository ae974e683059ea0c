"""A tiny BiRefNet whose weights follow from their names."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from focuspuller.models.birefnet.architecture import BiRefNet, Variant
from oracles.weights import weights_by_name
from torch import Tensor

TINY = Variant(12, (2, 2, 2, 2), (1, 2, 4, 8), 4)


def tiny_birefnet() -> BiRefNet:
    """For inference."""
    network = BiRefNet(TINY)
    state = network.state_dict()
    network.load_state_dict({name: _filled(name, tensor) for name, tensor in state.items()})
    return network.eval().requires_grad_(False)


def _filled(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor  # Tables and counters stay.
    if name.endswith("running_var"):
        generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
        variance = np.abs(generator.standard_normal(tuple(tensor.shape))) * 0.1 + 1.0
        return torch.from_numpy(variance).float()
    return weights_by_name(name, tuple(tensor.shape))
