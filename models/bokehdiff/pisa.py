"""Physics-inspired self-attention (BokehDiff, section 3.2): light that spreads among tokens.

A key is a source of light, a query a place on the sensor. With logits A = Q Kᵀ / sqrt(d):

    W_qk = exp(A_qk) C_qk / Σ_s exp(A_sk) C_sk      (eq. 3 and 5: the sum runs over the queries)
    C_qk = sigmoid(slope · (r_k − |P_q − P_k|))      (eq. 6: the source's circle of confusion)
    out_q = Σ_k W_qk M_qk v_k                        (eq. 9: M is 0 where the source is hidden)

So each source gives away exactly its own light, less what is hidden. Where the paper leaves a
choice the published code's is taken, since its weights know no other: eq. 6's soft edge is a
sigmoid, hidden light is lost and not spread over the rest, and see `visibility`. Unlike the code,
nothing is random: it drops a tenth of the weights at random even when it renders.

No matrix of all pairs is ever held. Tokens are taken in square tiles of sources, each with the
window of targets that it reaches, for which the sums over queries are complete at once. Tiles are
computed again for gradients, so that memory grows with the number of tokens in training, too.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...lens.window import Window
from .light_paths import LightPaths, TileGroup


def pisa(query: Tensor, key: Tensor, value: Tensor, paths: LightPaths) -> Tensor:
    """Attention in which every source spreads its own light.

    Gradients flow to query, key and value, once; the scene is a condition.

    Args:
        query: `[B,heads,N,d]`, any float dtype. Half precision is summed in float32.
        key: the same shape.
        value: the same shape.
        paths: of a scene with N tokens in rows, and of one picture or B.

    Returns:
        As `query`.
    """
    output: Tensor = _Pisa.apply(query, key, value, paths)
    return output


class _Pisa(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, paths: LightPaths
    ) -> Tensor:
        ctx.save_for_backward(query, key, value)
        ctx.paths = paths
        output = _Sums(query, paths)
        for group in paths.groups:
            seen = _weights(query, key, group, paths) * paths.visible(group)
            output.add_to_targets(group, seen.to(value.dtype) @ _of(value, group.sources))
        return output.result()

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, None]:
        paths, (query, key, value) = ctx.paths, ctx.saved_tensors
        to_query, to_key, to_value = (_Sums(one, paths) for one in (query, key, value))
        for group in paths.groups:
            weights = _weights(query, key, group, paths)
            visible = paths.visible(group)
            arriving = _of(gradient, group.targets)
            seen = (weights * visible).to(arriving.dtype)
            to_value.add_to_sources(group, seen.mT @ arriving)
            to_weights = (arriving @ _of(value, group.sources).mT).to(weights.dtype) * visible
            # Derivative of a softmax over the queries.
            mean = (weights * to_weights).sum(dim=-2, keepdim=True)
            to_logits = (weights * (to_weights - mean) * _scale(query)).to(query.dtype)
            to_query.add_to_targets(group, to_logits @ _of(key, group.sources))
            to_key.add_to_sources(group, to_logits.mT @ _of(query, group.targets))
        return to_query.result(), to_key.result(), to_value.result(), None


class _Sums:
    """What tiles give to the tokens of a picture, like a tensor `[B,heads,N,d]`.

    Tile after tile, so that the result is the same every time on a GPU, too, and half precision is
    summed in float32.
    """

    def __init__(self, like: Tensor, paths: LightPaths) -> None:
        self.dtype = like.dtype
        total = torch.zeros_like(like, dtype=torch.promote_types(like.dtype, torch.float32))
        self.grid = total.unflatten(2, (paths.scene.rows, paths.scene.columns))

    def add_to_targets(self, group: TileGroup, tokens: Tensor) -> None:
        """Add `[B,heads,G,T,d]`."""
        self._add([tile.targets for tile in group.tiles], tokens)

    def add_to_sources(self, group: TileGroup, tokens: Tensor) -> None:
        """Add `[B,heads,G,S,d]`."""
        self._add([tile.sources for tile in group.tiles], tokens)

    def result(self) -> Tensor:
        """`[B,heads,N,d]` in the dtype of the tensor that it is like."""
        return self.grid.flatten(2, 3).to(self.dtype)

    def _add(self, windows: list[Window], tokens: Tensor) -> None:
        for window, some in zip(windows, tokens.unbind(dim=2), strict=True):
            own = self.grid[(..., *window.slices, slice(None))]
            own += some.unflatten(2, (window.height, window.width))


def _weights(query: Tensor, key: Tensor, group: TileGroup, paths: LightPaths) -> Tensor:
    """W for the tiles of a group, `[B,heads,G,T,S]`; sums to 1 over the targets."""
    logits = (_of(query, group.targets) * _scale(query)) @ _of(key, group.sources).mT
    log_mask = paths.log_mask(group)
    return (logits.to(log_mask.dtype) + log_mask).softmax(dim=-2)


def _scale(query: Tensor) -> float:
    return 1.0 / math.sqrt(query.shape[-1])


def _of(tokens: Tensor, numbers: Tensor) -> Tensor:
    """Some of `[B,heads,N,d]`, by their numbers `[G,n]`: `[B,heads,G,n,d]`."""
    return tokens.index_select(2, numbers.flatten()).unflatten(2, numbers.shape)
