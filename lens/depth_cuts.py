"""Where to cut the depth of a picture into layers, and how the cuts of one frame go on in the next.

A cut that lies between two depths parts the depth edges that cross it. Good cuts part many edges
and few slopes. In a film several may be about as good, and noise would have another one win in
every frame; `CutMemory` keeps to the ones that divide the picture as they did in the frame before.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

# Depths tried, distance (px) and blur difference (px) that make two pixels the two sides of an
# edge, and how many of all pixels have to be such for a cut.
CUT_STEPS = 128
CUT_REACH = 4
CUT_LEAST_STEP = 2.0
CUT_LEAST_SHARE = 1e-3
# A cut of the frame before stays while it parts this much of what the best one would, and of the
# least share.
KEPT_SCORE = 0.7
KEPT_SHARE = 0.5
# It is the same cut if both sides, by their overlap through their union, are this alike. Sides are
# compared at this longest edge (px).
SAME_SIDES = 0.6
COMPARED_PX = 256
# A picture is looked at in strips of so many pixels, so that memory stays bounded.
STRIP_PIXELS = 2**21


class CutMemory:
    """What was in front of each cut of the last picture: gives frames of one shot alike layers."""

    def __init__(self) -> None:
        self.fronts: list[Tensor] = []


def choose_cuts(
    defocus: Tensor, count: int, mask: Tensor | None = None, memory: CutMemory | None = None
) -> list[float]:
    """Where to cut the depth so that the most depth edges are cut, and few slopes.

    Args:
        defocus: signed blur radius `[1,1,H,W]`, px.
        count: of cuts, at most.
        mask: `[1,1,H,W]` bool, what is left out.
        memory: of the frame before, which is followed; remembers this one.

    Returns:
        Defocus of the cuts, from the front.
    """
    defocus = defocus.detach()
    ends = _ends(defocus, mask)
    if count < 1 or ends is None or ends[1] - ends[0] < CUT_LEAST_STEP:
        if memory is not None:
            memory.fronts = []
        return []
    steps = torch.linspace(*ends, CUT_STEPS + 2, device=defocus.device, dtype=defocus.dtype)[1:-1]
    crossings = _Crossings(defocus, mask, steps)
    least = CUT_LEAST_SHARE * defocus.numel()
    small = _small(defocus, mask)
    chosen = (
        [] if memory is None else _followed(memory, small, crossings, count, KEPT_SHARE * least)
    )
    while len(chosen) < count:
        score = crossings.score()
        best = float(score.amax())
        if best < least:
            break
        # In the middle of a gap that no surface crosses.
        step = _middle(score >= 0.99 * best)
        chosen.append(step)
        crossings.part(step)
    if memory is not None:
        memory.fronts = [small > steps[step] for step in chosen]
    return sorted((float(steps[step]) for step in chosen), reverse=True)


class _Crossings:
    """How many pairs of pixels lie to both sides of each step, on edges and on slopes."""

    def __init__(self, defocus: Tensor, mask: Tensor | None, steps: Tensor) -> None:
        self.steps = steps
        size = len(steps) + 1
        edges, slopes = torch.zeros(2, size, size, dtype=torch.int64, device=steps.device)
        for farther, nearer in _pairs(defocus, mask):
            is_edge = nearer - farther > CUT_LEAST_STEP
            # A pair crosses the steps from the first one's index up to the second one's.
            pair = torch.searchsorted(steps, farther) * size + torch.searchsorted(steps, nearer)
            edges += torch.bincount(pair[is_edge], minlength=size**2).view(size, size)
            slopes += torch.bincount(pair[~is_edge], minlength=size**2).view(size, size)
        self.edges, self.slopes = edges.cpu(), _crossed(slopes.cpu())

    def score(self) -> Tensor:
        """`[steps]`, on the CPU: edges that a cut there would part, less the slopes."""
        return _crossed(self.edges) - self.slopes

    def part(self, step: int) -> None:
        """Cut there: these edges are parted, and count no more."""
        self.edges[: step + 1, step + 1 :] = 0


def _crossed(pairs: Tensor) -> Tensor:
    """`[steps]`: pairs `[steps+1,steps+1]` by the indices of their ends, of each step."""
    begins, ends = pairs.sum(1), pairs.sum(0)
    return (begins - ends).cumsum(0)[:-1]


def _followed(
    memory: CutMemory, small: Tensor, crossings: _Crossings, count: int, least: float
) -> list[int]:
    """The steps at which cuts of the frame before go on; they are parted."""
    chosen = []
    for front in memory.fronts[:count]:
        if front.shape != small.shape:
            continue
        score = crossings.score()
        is_good = score >= max(KEPT_SCORE * float(score.amax()), least)
        alike = torch.where(is_good, _likeness(front, small, crossings.steps), 0.0)
        most = float(alike.amax())
        if most < SAME_SIDES:
            continue
        step = _middle(alike >= most - 1e-6)
        chosen.append(step)
        crossings.part(step)
    return chosen


def _likeness(front: Tensor, small: Tensor, steps: Tensor) -> Tensor:
    """`[steps]`, on the CPU: how much a cut at each step divides the picture as the one before."""
    is_known = torch.isfinite(small)
    counts = []
    for side in (front, ~front):
        place = torch.searchsorted(steps, small[side & is_known])
        histogram = torch.bincount(place, minlength=len(steps) + 1).double().cpu()
        counts.append(histogram)
    front_total, back_total = (histogram.sum() for histogram in counts)
    # What is not beyond a step is behind the cut there.
    front_behind, back_behind = (histogram.cumsum(0)[:-1] for histogram in counts)
    front_same = (front_total - front_behind) / (front_total + back_total - back_behind).clamp(
        min=1
    )
    back_same = back_behind / (back_total + front_behind).clamp(min=1)
    return torch.minimum(front_same, back_same)


def _middle(chosen: Tensor) -> int:
    among = chosen.nonzero().flatten()
    return int(among[len(among) // 2])


def _small(defocus: Tensor, mask: Tensor | None) -> Tensor:
    """Every so manieth pixel `[h,w]`, NaN where it is left out."""
    stride = -(-max(defocus.shape[-2:]) // COMPARED_PX)
    small = defocus[0, 0, ::stride, ::stride]
    if mask is None:
        return small
    return torch.where(mask[0, 0, ::stride, ::stride], torch.nan, small)


def _strips(defocus: Tensor, mask: Tensor | None, overlap: int) -> Iterator[Tensor]:
    """`[1,1,h,W]` each with the first rows of the next, NaN where they are left out."""
    height, width = defocus.shape[-2:]
    rows = max(STRIP_PIXELS // width, 1)
    for top in range(0, height, rows):
        part = (..., slice(top, top + rows + overlap), slice(None))
        strip = defocus[part]
        yield strip if mask is None else torch.where(mask[part], torch.nan, strip)


def _ends(defocus: Tensor, mask: Tensor | None) -> tuple[float, float] | None:
    """The least and the largest known value; None if none is known."""
    ends = [
        torch.stack(torch.aminmax(known))
        for strip in _strips(defocus, mask, overlap=0)
        if (known := strip[torch.isfinite(strip)]).numel()
    ]
    if not ends:
        return None
    lows, highs = torch.stack(ends, 1)
    return float(lows.amin()), float(highs.amax())


def _pairs(defocus: Tensor, mask: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
    """The farther and the nearer of all pairs of pixels `CUT_REACH` apart, without NaN."""
    rows = max(STRIP_PIXELS // defocus.shape[-1], 1)
    for strip in _strips(defocus, mask, CUT_REACH):
        own = strip[..., :rows, :]
        for first, second in (
            (strip[..., CUT_REACH:, :], strip[..., :-CUT_REACH, :]),
            (own[..., CUT_REACH:], own[..., :-CUT_REACH]),
        ):
            known = torch.isfinite(first + second)
            one, other = first[known], second[known]
            yield torch.minimum(one, other), torch.maximum(one, other)
