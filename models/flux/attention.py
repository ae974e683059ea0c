"""Attention among runs of tokens, rotary embedding, and what a pass remembers of conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from .arrangement import Look

KeysValues = tuple[Tensor, Tensor]  # each [B,T,heads,channels of a head]


@dataclass
class ConditionCache:
    """Keys and values of conditions in every block, to be used again in later passes.

    Exact if the conditions are independent of text and picture, otherwise what they were in the
    pass that filled it.

    Args:
        blocks: by the number of the block; double blocks first, then single ones.
    """

    blocks: dict[int, KeysValues] = field(default_factory=dict)

    def bytes(self) -> int:
        """Memory that it takes."""
        tensors = [tensor for pair in self.blocks.values() for tensor in pair]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def rotations(cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotary embedding as complex numbers.

    Args:
        cosines: `[T,C]`, the same for both channels of a pair.
        sines: `[T,C]`.

    Returns:
        `[T,1,C/2]`, for tensors `[B,T,heads,C]`.
    """
    return torch.complex(cosines[:, ::2].float(), sines[:, ::2].float())[:, None]


def rotated(tokens: Tensor, turns: Tensor) -> Tensor:
    """Queries or keys `[B,T,heads,C]` turned by their places (RoPE), computed in float32."""
    pairs = torch.view_as_complex(tokens.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2).to(tokens.dtype)


def visible_attention(
    queries: Tensor, keys: Tensor, values: Tensor, looks: Sequence[Look]
) -> Tensor:
    """Attention of every run to what it may see, without a mask.

    Args:
        queries: `[B,T,heads,C]`.
        keys: `[B,T',heads,C]`.
        values: `[B,T',heads,C]`.
        looks: which queries see which keys; the queries in order.

    Returns:
        `[B,T,heads·C]`.
    """
    return _joined(
        [
            attention(queries[:, look.queries], _run(keys, look.keys), _run(values, look.keys))
            for look in looks
        ]
    )


def attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """All to all: `[B,T,heads,C]` and `[B,T',heads,C]` twice to `[B,T,heads·C]`."""
    queries, keys, values = (tensor.transpose(1, 2) for tensor in (queries, keys, values))
    return F.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2)


def _run(tokens: Tensor, runs: Sequence[slice]) -> Tensor:
    return _joined([tokens[:, run] for run in runs])


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors), dim=1)
