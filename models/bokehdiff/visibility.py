"""Self-occlusion: which sources the rest of the scene hides from a place on the sensor.

Paper eq. 7 and 8. From a source at disparity d_s, light that lands on the sensor at P_q, away from
the source's own image P_s, has left the lens away from its centre. On its way it passes disparity d
over the image position P(d) = (1 - d) d_s / (d (1 - d_s)) (P_s - P_q) + P_q. If the scene there is
nearer than d, it is in the way.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .token_scene import TokenScene

# A point at disparity 1 lies in the lens: rays from it have no direction.
NEAREST = 1.0 - 1e-4
# Points on a ray, as fractions of the way from the lens (disparity 1) to the point itself.
FIRST_SEGMENT, LAST_SEGMENT = 0.1, 0.9
# Multiples of these, modulo 1, fill a square evenly (Roberts' R2 sequence): one for supersamples
# of a point, the other so that no two points of a ray look beside it in the same way.
SUPERSAMPLE_STEP = (0.7548776662466927, 0.5698402909980532)
SEGMENT_STEP = (0.4142135623730951, 0.7320508075688772)


@torch.no_grad()
def visible_fraction(scene: TokenScene, targets: Tensor, sources: Tensor) -> Tensor:
    """How much of each source is visible from each target.

    The published code compares the scene with the ray of the source, but places the ray's points by
    the target's disparity, where the paper's eq. 8 has the source's in both. The model was trained
    so, and so it is here. Unlike there, x runs along the columns in grids that are not square, too.

    Args:
        scene: the tokens.
        targets: groups of tokens on the sensor, `[G,T]`.
        sources: tokens that light comes from, for each group, `[G,S]`.

    Returns:
        `[B,G,T,S]`, 0..1 in whole supersamples.
    """
    disparity = scene.disparity.flatten(1)
    own, light = disparity[:, targets], disparity[:, sources]  # [B,G,T] and [B,G,S]
    if scene.segments == 0:
        return torch.ones_like(own[..., None] + light[..., None, :])
    here, there = scene.positions[targets], scene.positions[sources]
    fractions = torch.linspace(FIRST_SEGMENT, LAST_SEGMENT, scene.segments).to(own)
    of_target, of_source = (  # Disparity of the points on the ray, [B,n,G,T] and [B,n,G,S].
        fractions[:, None, None] * values[:, None] + (1.0 - fractions[:, None, None])
        for values in (own, light)
    )
    before_lens = light.clamp(max=NEAREST)
    slant = before_lens / (1.0 - before_lens)
    # How far each point lies towards the source's image, [B,n,G,T,S].
    along = ((1.0 - of_target) / of_target)[..., None] * slant[:, None, :, None]
    towards = there[:, None] - here[:, :, None]
    points = here[:, :, None] + along[..., None] * towards  # [B,n,G,T,S,2]
    hidden = torch.zeros_like(along[:, 0])
    places = places_beside(scene.supersamples, scene.segments, scene.rows, scene.columns).to(own)
    for beside in places:
        met = _looked_up(scene.fine_disparity, points + beside[:, None, None, None])
        hidden += (met > of_source[..., None, :]).any(dim=1)
    return 1.0 - hidden / scene.supersamples


def places_beside(supersamples: int, segments: int, rows: int, columns: int) -> Tensor:
    """Where each supersample looks beside each point of a ray.

    Within the token; the first one exactly at the point. Every point of a ray has places of its
    own, as in the published random choice.

    Args:
        supersamples: n.
        segments: points on a ray, s.
        rows: of tokens.
        columns: of tokens.

    Returns:
        Shifts (x, y) `[n,s,2]` float64, in units in which the picture is 2 wide and high.
    """
    supersample, segment = (
        torch.arange(count, dtype=torch.float64)[:, None] * torch.tensor(step, dtype=torch.float64)
        for count, step in ((supersamples, SUPERSAMPLE_STEP), (segments, SEGMENT_STEP))
    )
    unit = (supersample[:, None] + segment) % 1.0
    beside = (unit * 2.0 - 1.0) / torch.tensor([columns, rows])
    beside[0] = 0.0
    return beside


def _looked_up(disparity: Tensor, points: Tensor) -> Tensor:
    """`[B,1,h,w]` at places `[B,…,2]`, to `[B,…]`; 0 outside the picture."""
    places = points.flatten(1, -3)
    found = F.grid_sample(disparity, places, align_corners=False, padding_mode="zeros")
    return found[:, 0].view(points.shape[:-1])
