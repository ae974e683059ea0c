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
from .light_paths import LightPaths, Tile


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
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, paths: LightPaths) -> Tensor:
        ctx.save_for_backward(query, key, value)
        ctx.paths = paths
        queries, keys, values = (_as_grid(tensor, paths) for tensor in (query, key, value))
        output = _sums_like(queries)
        for tile in paths.tiles:
            weights, _ = _weights(queries, keys, tile, paths)
            light = (weights * paths.visible(tile)).to(value.dtype) @ _cut(values, tile.sources)
            _add(output, tile.targets, light)
        return output.flatten(2, 3).to(query.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        paths = ctx.paths
        given = (*ctx.saved_tensors, gradient)
        queries, keys, values, gradients = (_as_grid(tensor, paths) for tensor in given)
        to_query, to_key, to_value = (_sums_like(grid) for grid in (queries, keys, values))
        for tile in paths.tiles:
            weights, scale = _weights(queries, keys, tile, paths)
            visible = paths.visible(tile)
            arriving = _cut(gradients, tile.targets)
            seen = (weights * visible).to(arriving.dtype)
            _add(to_value, tile.sources, seen.mT @ arriving)
            to_weights = (arriving @ _cut(values, tile.sources).mT).to(weights.dtype) * visible
            # Derivative of a softmax over the queries.
            mean = (weights * to_weights).sum(dim=-2, keepdim=True)
            to_logits = (weights * (to_weights - mean) * scale).to(queries.dtype)
            _add(to_query, tile.targets, to_logits @ _cut(keys, tile.sources))
            _add(to_key, tile.sources, to_logits.mT @ _cut(queries, tile.targets))
        results = (grid.flatten(2, 3).to(gradient.dtype) for grid in (to_query, to_key, to_value))
        return (*results, None)  # pyright: ignore[reportReturnType]


def _weights(queries: Tensor, keys: Tensor, tile: Tile, paths: LightPaths) -> tuple[Tensor, float]:
    """W of a tile, `[B,heads,T,S]`, whose columns sum to 1, and the scale of the logits."""
    scale = 1.0 / math.sqrt(queries.shape[-1])
    logits = (_cut(queries, tile.targets) * scale) @ _cut(keys, tile.sources).mT
    log_mask = paths.log_mask(tile)
    return (logits.to(log_mask.dtype) + log_mask).softmax(dim=-2), scale


def _as_grid(tokens: Tensor, paths: LightPaths) -> Tensor:
    """`[B,heads,N,d]` to `[B,heads,R,C,d]`."""
    return tokens.unflatten(2, (paths.scene.rows, paths.scene.columns))


def _sums_like(grid: Tensor) -> Tensor:
    """Zeros in which half precision can be summed."""
    return torch.zeros_like(grid, dtype=torch.promote_types(grid.dtype, torch.float32))


def _cut(grid: Tensor, window: Window) -> Tensor:
    """The tokens of a window, `[B,heads,n,d]`."""
    return grid[(..., *window.slices, slice(None))].flatten(2, 3)


def _add(grid: Tensor, window: Window, tokens: Tensor) -> None:
    """Add `[B,heads,n,d]` to the tokens of a window."""
    grid[(..., *window.slices, slice(None))] += tokens.unflatten(2, (window.height, window.width))
