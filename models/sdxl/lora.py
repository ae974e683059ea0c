"""Low-rank adapters (LoRA, Hu et al. 2022), added to the weights they adapt."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..layout import Findings

DOWN, UP = ".lora_A.weight", ".lora_B.weight"
# How else tools write them: diffusers' own names behind a prefix, or with underscores for dots.
PREFIXES = ("base_model.model.", "unet.")
FLAT_PREFIX = "lora_unet_"
PARAMETER = re.compile(
    r"(?P<layer>.+)\.(?:lora[._](?P<side>A|B|down|up)(?:\.(?!weight$)\w+)?\.weight|(?P<alpha>alpha))"
)
DOWN_SIDES = ("A", "down")


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


def read_lora(
    state: Mapping[str, Tensor], network: nn.Module
) -> tuple[dict[str, Tensor], Findings]:
    """An adapter under the names of `lora_shapes`, from the names that diffusers, peft and kohya's
    scripts write.

    Args:
        state: as the file has it.
        network: that it shall adapt; may lie on the meta device.

    Returns:
        The adapter, each update scaled by its alpha / rank if it has one, and what does not fit.
    """
    layers = {name: layer for name, layer in network.named_modules() if name and _adapts(layer)}
    flat = {FLAT_PREFIX + name.replace(".", "_"): name for name in layers}
    adapter, alphas, strangers = {}, {}, []
    for name, tensor in state.items():
        found = PARAMETER.fullmatch(name)
        layer = found and _layer_called(found["layer"], layers, flat)
        if not (found and layer):
            strangers.append(name)
        elif found["alpha"]:
            alphas[layer] = float(tensor)
        else:
            adapter[layer + (DOWN if found["side"] in DOWN_SIDES else UP)] = tensor
    problems = Findings(unexpected=tuple(strangers)) + _misfits(adapter, layers)
    if not problems:
        for layer, alpha in alphas.items():
            adapter[layer + UP] = adapter[layer + UP] * (alpha / len(adapter[layer + DOWN]))
    return adapter, problems


def _layer_called(
    name: str, layers: Mapping[str, nn.Module], flat: Mapping[str, str]
) -> str | None:
    bare = name
    for prefix in PREFIXES:
        bare = bare.removeprefix(prefix)
    return bare if bare in layers else flat.get(name)


def _misfits(adapter: Mapping[str, Tensor], layers: Mapping[str, nn.Module]) -> Findings:
    missing, misshaped = [], []
    for name in dict.fromkeys(one.removesuffix(DOWN).removesuffix(UP) for one in adapter):
        lacking = [name + end for end in (DOWN, UP) if name + end not in adapter]
        missing += lacking
        if lacking:
            continue
        outputs, *inputs = _weight_of(layers[name]).shape
        down, up = adapter[name + DOWN], adapter[name + UP]
        if list(down.shape[1:]) != inputs or up.flatten(1).shape != (outputs, len(down)):
            shapes = f"{list(up.shape)} × {list(down.shape)}"
            misshaped.append(f"{name} {shapes} for {[outputs, *inputs]}")
    return Findings(missing=tuple(missing), misshaped=tuple(misshaped))


def _adapts(layer: nn.Module) -> bool:
    weight = getattr(layer, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim > 1


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
