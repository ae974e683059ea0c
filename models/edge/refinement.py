"""From the edge network's odds to a refined map."""

from __future__ import annotations

import torch
from torch import Tensor

from .architecture import LEAST_STEP, at_places, highest, local_range, places

# A place agrees with the pixel if they differ by less than this share of the step there.
AGREEMENT = 0.08
# A map that bends by less than this share of its local range is a slope, which has no edge.
LEAST_BEND = 0.25
# The middle of a ramp is straight; its ends are this close (px).
RAMP_REACH = 4
# Odds are sharpened by this power: a mixture of near and far is a depth that nothing has.
SHARPNESS = 3.0
# A pixel comes nearer where the odds that its own value is right are below the first, and goes
# farther below the second: a thing that lost its rim looks worse than one with too wide a rim.
NEARER_ODDS, FARTHER_ODDS = 0.3, 0.1
# Of what moves away, something stays within this distance (px).
KEPT_REACH = 4
# Share of the edges that seem to be wrong: in an exact map, and in one that is clearly imperfect.
WRONG_IF_EXACT, WRONG_IF_IMPERFECT = 0.03, 0.06


def edge_step(nearness: Tensor) -> Tensor:
    """Step between near and far around each pixel, px of blur; 0 where the map has no edge.

    Args:
        nearness: `[B,1,H,W]` the whole map, in px of blur.
    """
    low, high = local_range(nearness)
    step = high - low
    up, down = _bends(nearness)
    # Both sides of an edge bend, one up and one down. A crease bends one way, a plane not at all.
    least = LEAST_BEND * step
    is_bent = torch.minimum(highest(up), highest(down)) > least
    is_close = highest(torch.maximum(up, down), RAMP_REACH) > least
    return torch.where(is_bent & is_close & (step > LEAST_STEP), step, 0.0)


def _bends(nearness: Tensor) -> tuple[Tensor, Tensor]:
    """By how much each pixel lies below and above the middle of opposite places around it."""
    up, down = torch.zeros_like(nearness), torch.zeros_like(nearness)
    height, width = nearness.shape[-2:]
    for dy, dx in places():
        across = abs(dx)
        if (dy, dx) <= (0, 0) or height <= 2 * dy or width <= 2 * across:
            continue  # One place of each pair will do, and both have to lie in the picture.
        inner = (..., slice(dy, height - dy), slice(across, width - across))
        left, right = slice(0, width - 2 * across), slice(2 * across, width)
        first, second = (left, right) if dx >= 0 else (right, left)
        opposite = nearness[..., : height - 2 * dy, first] + nearness[..., 2 * dy :, second]
        bend = 0.5 * opposite - nearness[inner]
        up[inner] = torch.maximum(up[inner], bend)
        down[inner] = torch.maximum(down[inner], -bend)
    return up, down


def verdicts(logits: Tensor, nearness: Tensor) -> Tensor:
    """What the network thinks of each pixel, `[B,2,H,W]`.

    Args:
        logits: `[B,P,H,W]` of the places to choose from.
        nearness: `[B,1,H,W]` the map, in px of blur.

    Returns:
        The value it would give it, and the odds that the pixel's own value is right.
    """
    low, high = local_range(nearness)
    values = at_places(nearness)
    agrees = (values - nearness).abs() < AGREEMENT * (high - low + 1.0)
    odds = (logits.softmax(dim=1) * agrees).sum(dim=1, keepdim=True)
    chosen = ((SHARPNESS * logits).softmax(dim=1) * values).sum(dim=1, keepdim=True)
    return torch.cat([chosen, odds], dim=1)


def refined(nearness: Tensor, judged: Tensor) -> Tensor:
    """The map with the pixels replaced whose own value is likely wrong.

    Of a map that `is_imperfect` only in part, only the surest pixels are replaced.

    Args:
        nearness: `[B,1,H,W]` the map, in px of blur.
        judged: `verdicts` of the whole picture.
    """
    chosen, odds = judged.split(1, dim=1)
    step = edge_step(nearness)
    wrong = wrong_share(odds, step)
    doubt = (wrong - WRONG_IF_EXACT) / (WRONG_IF_IMPERFECT - WRONG_IF_EXACT)
    least_odds = torch.where(chosen > nearness, NEARER_ODDS, FARTHER_ODDS)
    is_wrong = (odds < least_odds * doubt.clamp(0.0, 1.0)) & (step > 0.0)
    moved = torch.where(is_wrong, chosen, nearness)
    return _without_losses(nearness, moved, step)


def is_imperfect(nearness: Tensor, judged: Tensor) -> bool:
    """Whether a picture's edges as a whole are not where the picture has them.

    In single places the network errs, but over all edges of a picture it knows that.
    Args are those of `refined`, of a single picture.
    """
    return float(wrong_share(judged[:, 1:], edge_step(nearness))) > WRONG_IF_EXACT


def _without_losses(nearness: Tensor, moved: Tensor, step: Tensor) -> Tensor:
    """Take back moves after which nothing nearby has the old depth any more.

    Edges may shift, but a wire or a gap must not vanish: losing one is worse than one too wide.
    """
    low, high = local_range(moved, KEPT_REACH)
    tolerance = AGREEMENT * (step + 1.0)
    is_lost = (nearness > high + tolerance) | (nearness < low - tolerance)
    return torch.where(is_lost, nearness, moved)


def wrong_share(odds: Tensor, step: Tensor) -> Tensor:
    """`[B,1,1,1]`: the share of a picture's depth edges that is likely wrong."""
    total = step.sum(dim=(1, 2, 3), keepdim=True)
    return ((1.0 - odds) * step).sum(dim=(1, 2, 3), keepdim=True) / total.clamp(min=1e-9)
