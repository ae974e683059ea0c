"""Weights that are a function of their names, so that numbers of published code need no files."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor, nn


def weights_by_name(name: str, shape: tuple[int, ...], gammas: bool = False) -> Tensor:
    """What the conformance sets fill a parameter with.

    Args:
        name: of the parameter.
        shape: its shape.
        gammas: a vector called gamma is filled like a weight, as in newer sets.
    """
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    values = generator.standard_normal(shape)
    if name.endswith("running_var"):
        values = 1.0 + 0.1 * np.abs(values)
    elif len(shape) > 1:
        values = values / np.sqrt(np.prod(shape[1:]))
    elif name.endswith("weight") or (gammas and "gamma" in name):
        values = 1.0 + 0.02 * values
    else:
        values = 0.02 * values
    return torch.from_numpy(values).float()


def filled(network: nn.Module, gammas: bool = False) -> nn.Module:
    """The network, with every parameter filled by its name; see `weights_by_name`."""
    state = network.state_dict()
    network.load_state_dict(
        {key: weights_by_name(key, value.shape, gammas) for key, value in state.items()}
    )
    return network.eval().requires_grad_(False)
