"""Low-rank adapters (LoRA) that change the base model for the tokens of conditions alone.

The published names and shapes; the base weights are never touched, so several adapters can be at
work in one pass, each on its own tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Linear = tuple[int, int]  # channels in and out


@dataclass(frozen=True)
class FluxShape:
    """The sizes of a FLUX transformer.

    Args:
        channels: of a token of the picture.
        width: of the transformer.
        double_blocks: number of blocks with weights of their own for text.
        single_blocks: number of blocks without.
    """

    channels: int
    width: int
    double_blocks: int
    single_blocks: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> FluxShape:
        """From the configuration of diffusers' `FluxTransformer2DModel`."""
        width = config["num_attention_heads"] * config["attention_head_dim"]
        counts = config["num_layers"], config["num_single_layers"]
        return cls(config["in_channels"], width, *counts)


FLUX_DEV = FluxShape(channels=64, width=3072, double_blocks=19, single_blocks=38)

# Channels in and out, in widths of the transformer.
_DOUBLE_BLOCK = {
    "norm1.linear": (1, 6),
    "attn.to_q": (1, 1),
    "attn.to_k": (1, 1),
    "attn.to_v": (1, 1),
    "attn.to_out.0": (1, 1),
    "ff.net.2": (4, 1),
}
_SINGLE_BLOCK = {
    "norm.linear": (1, 3),
    "attn.to_q": (1, 1),
    "attn.to_k": (1, 1),
    "attn.to_v": (1, 1),
    "proj_mlp": (1, 4),
    "proj_out": (5, 1),
}
EMBEDDER = "x_embedder"


def adaptable_layers(shape: FluxShape) -> dict[str, Linear]:
    """What the published adapters change, with diffusers' names: the most that an adapter can."""
    layers = {EMBEDDER: (shape.channels, shape.width)}
    blocks = (
        ("transformer_blocks", shape.double_blocks, _DOUBLE_BLOCK),
        ("single_transformer_blocks", shape.single_blocks, _SINGLE_BLOCK),
    )
    for family, count, linears in blocks:
        for index in range(count):
            for name, (inputs, outputs) in linears.items():
                size = (inputs * shape.width, outputs * shape.width)
                layers[f"{family}.{index}.{name}"] = size
    return layers


class Factor(nn.Module):
    """A matrix, as one weight.

    It is called to get it: hooks that bring weights to the device wait for calls. Not a layer of
    its own, since the factors of several layers are applied together.
    """

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))

    def forward(self) -> Tensor:
        """The matrix; it stays where it is, wherever hooks take the parameter afterwards."""
        return self.weight.view_as(self.weight)


class LowRank(nn.Module):
    """An update of a linear layer: `x ↦ scale · B A x` (LoRA, arXiv 2106.09685, eq. 3)."""

    def __init__(self, inputs: int, outputs: int, rank: int, scale: float = 1.0) -> None:
        super().__init__()
        self.lora_A = Factor(rank, inputs)
        self.lora_B = Factor(outputs, rank)
        self.scale = scale


class Adapter(nn.Module):
    """The updates of one adapter, zero at first.

    Its parameters have the published names, less their prefix.

    Args:
        layers: names of the layers that it changes, with their sizes.
        ranks: rank of all updates, or by name.
        scales: by name; 1 where none is given.
    """

    def __init__(
        self,
        layers: Mapping[str, Linear],
        ranks: int | Mapping[str, int],
        scales: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self._by_name: dict[str, LowRank] = {}
        for name, (inputs, outputs) in layers.items():
            rank = ranks if isinstance(ranks, int) else ranks[name]
            update = LowRank(inputs, outputs, rank, (scales or {}).get(name, 1.0))
            self._by_name[name] = update
            _add_at(self, name, update)

    def add_updates(
        self,
        layers: Sequence[str],
        tokens: Tensor,
        results: Sequence[Tensor],
        runs: Sequence[slice] = (slice(None),),
    ) -> None:
        """Add what the adapter changes at layers with the same input.

        Args:
            layers: their names; those that it does not change are passed over.
            tokens: what went into them, `[B,T,C]`.
            results: what came out of each, changed in place.
            runs: which tokens are changed.
        """
        changed = [
            (self._by_name[layer], result)
            for layer, result in zip(layers, results, strict=True)
            if layer in self._by_name
        ]
        if not changed:
            return
        downs: list[Tensor] = [update.lora_A().to(tokens.dtype) for update, _ in changed]
        ups = [
            update.lora_B().to(tokens.dtype).T.expand(len(tokens), -1, -1) for update, _ in changed
        ]
        down = downs[0] if len(downs) == 1 else torch.cat(downs)
        for run in runs:
            inner = F.linear(tokens[:, run], down).split([len(one) for one in downs], dim=-1)
            for (update, result), own, up in zip(changed, inner, ups, strict=True):
                result[:, run].baddbmm_(own, up, alpha=update.scale)

    @property
    def sizes(self) -> dict[str, Linear]:
        """Channels in and out of each layer that it changes."""
        return {
            name: (update.lora_A.weight.shape[1], update.lora_B.weight.shape[0])
            for name, update in self._by_name.items()
        }

    @property
    def ranks(self) -> dict[str, int]:
        """Rank of each update by the name of its layer."""
        return {name: len(update.lora_A.weight) for name, update in self._by_name.items()}

    @property
    def scales(self) -> dict[str, float]:
        """Scale of each update by the name of its layer."""
        return {name: update.scale for name, update in self._by_name.items()}


def new_adapter(
    layers: Mapping[str, Linear], rank: int, generator: torch.Generator | None = None
) -> Adapter:
    """An adapter to be trained: A is Gaussian with deviation 1/rank, B zero, so it changes nothing.

    Args:
        layers: what it shall change, such as `adaptable_layers`.
        rank: of all updates.
        generator: on the CPU.
    """
    adapter = Adapter(layers, rank)
    for name, parameter in adapter.named_parameters():
        if "lora_A" in name:
            nn.init.normal_(parameter, std=1.0 / rank, generator=generator)
    return adapter


def _add_at(root: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module below `root` under a dotted name."""
    *path, last = name.split(".")
    for step in path:
        if step not in dict(root.named_children()):
            root.add_module(step, nn.Module())
        root = root.get_submodule(step)
    root.add_module(last, module)
