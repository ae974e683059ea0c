"""Physics-inspired self-attention as it is defined: with whole matrices of all pairs of tokens.

Written from the paper's equations and the published order of operations, with all that it looks up
given as plain arguments. It is also what the benchmark compares with.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def token_maps(disparity: Tensor, radius: Tensor, rows: int, columns: int) -> dict[str, Tensor]:
    """Maps `[B,1,H,W]` at the tokens, `[B,N]`, and disparity three times finer."""

    def small(values: Tensor, factor: int) -> Tensor:
        size = (factor * rows, factor * columns)
        return F.interpolate(values, size, mode="bilinear", align_corners=False)

    return {
        "disparity": small(disparity, 1).flatten(1),
        "radius": small(radius, 1).flatten(1),
        "fine": small(disparity, 3),
    }


def distances(rows: int, columns: int, row_step: float, column_step: float) -> Tensor:
    """Of all pairs of tokens, `[N,N]`."""
    y, x = torch.meshgrid(
        torch.arange(rows) * row_step, torch.arange(columns) * column_step, indexing="ij"
    )
    places = torch.stack([y.flatten(), x.flatten()], dim=-1)
    return torch.cdist(places[None], places[None], compute_mode="donot_use_mm_for_euclid_dist")[0]


def visibility(
    disparity: Tensor,
    fine: Tensor,
    rows: int,
    columns: int,
    segments: int,
    jitter: Tensor | None = None,
) -> Tensor:
    """1 where a source (last axis) is seen from a target, else 0; `[B,N,N]`.

    Args:
        disparity: `[B,N]`.
        fine: `[B,1,3R,3C]`.
        rows: R.
        columns: C.
        segments: points on a ray.
        jitter: shifts of the looked-up places, `[supersamples,segments,N,N,2]` or what broadcasts
            to it; then the mean over the supersamples.
    """
    count = disparity.shape[1]
    if segments == 0:
        return disparity.new_ones(len(disparity), count, count)
    y, x = torch.meshgrid(
        (torch.arange(rows, device=fine.device) + 0.5) / rows * 2 - 1,
        (torch.arange(columns, device=fine.device) + 0.5) / columns * 2 - 1,
        indexing="ij",
    )
    place = torch.stack([x.flatten(), y.flatten()], dim=-1).to(fine)
    part = torch.linspace(0.1, 0.9, segments, device=fine.device, dtype=fine.dtype)[:, None]
    images = []
    for own, map_ in zip(disparity, fine, strict=True):
        on_ray = own * part + 1 - part  # [segments,N]
        source = own.clamp(max=1 - 1e-4)
        threshold = own * part + 1 - part
        along = (1 - on_ray)[:, :, None] * source / (on_ray[:, :, None] * (1 - source))
        points = along[..., None] * (place[None] - place[:, None]) + place[:, None]
        shifted = points[None] if jitter is None else points[None] + jitter
        hidden = []
        for grid in shifted:
            maps = map_[None].expand(segments, -1, -1, -1)
            looked_up = F.grid_sample(maps, grid, align_corners=False)[:, 0]
            hidden.append((looked_up > threshold[:, None]).any(dim=0).to(fine))
        images.append(1 - torch.stack(hidden).mean(dim=0))
    return torch.stack(images)


def materialised(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    radius: Tensor,
    distance: Tensor,
    slope: float,
    visible: Tensor,
) -> Tensor:
    """All pairs at once: `[B,heads,N,d]`, with `radius` `[B,N]` and `visible` `[B,N,N]`."""
    logits = query @ key.mT / query.shape[-1] ** 0.5
    mask = torch.sigmoid(slope * (radius[:, None, None] - distance))
    weights = (logits - logits.amax(dim=-2, keepdim=True)).exp() * mask
    weights = weights / weights.sum(dim=-2, keepdim=True)
    return (weights * visible[:, None]) @ value
