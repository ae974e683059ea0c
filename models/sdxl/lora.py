"""Low-rank adapters (LoRA, Hu et al. 2022), added to the weights they adapt."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

DOWN, UP = ".lora_A.weight", ".lora_B.weight"


def lora_shapes(
    network: nn.Module, targets: tuple[str, ...], rank: int
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the adapter of a network, as diffusers and peft write them.

    Args:
        network: may lie on the meta device.
        targets: last parts of the names of the adapted layers, such as "to_q" or "ff.net.2".
        rank: of the adapter.
    """
    shapes = {}
    for name, layer in network.named_modules():
        if not any(name == target or name.endswith(f".{target}") for target in targets):
            continue
        outputs, inputs, *kernel = _weight_of(layer).shape
        shapes[name + DOWN] = (rank, inputs, *kernel)
        shapes[name + UP] = (outputs, rank, *(1 for _ in kernel))
    return shapes


@torch.no_grad()
def merge_lora(network: nn.Module, adapter: Mapping[str, Tensor], scale: float = 1.0) -> None:
    """Add an adapter to a network's weights, for good.

    Args:
        network: with the layers that the adapter names.
        adapter: as `lora_shapes` says, all of it.
        scale: alpha divided by rank.
    """
    for name in (one.removesuffix(DOWN) for one in adapter if one.endswith(DOWN)):
        down, up = adapter[name + DOWN].float(), adapter[name + UP].float()
        weight = _weight_of(network.get_submodule(name))
        change = (up.flatten(1) @ down.flatten(1)).view_as(weight)
        weight.copy_(weight.float() + scale * change)


def _weight_of(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight
