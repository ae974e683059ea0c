"""The edge network with its weights: depth maps whose edges lie where the picture has them."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError
from ...lens.depth import Depth
from ...lens.depth_edges import hardened
from ..lending import lent
from ..loaded import loaded
from ..places import located
from ..state_dict import load_network
from .architecture import LEAST_STEP, STRIDE, EdgeNetwork, local_range
from .published import EDGE
from .refinement import is_imperfect, refined, verdicts

WEIGHTS = located(EDGE)
# The range of a depth map becomes this many px of blur, in the middle of what it was trained with.
RANGE_PX = 24.0
# The network looks no farther than this around a pixel (px); both are multiples of its stride.
MARGIN = 80
TILE = 512


def refine_depth(depth: Depth, image: Tensor, device: torch.device | None = None) -> Depth:
    """Put the edges of a depth map where the picture has them.

    For estimated, compressed, scaled or otherwise imperfect depth. Every pixel keeps its own depth
    or takes that of a place nearby. Flat maps stay as they are. A map whose edges lie where the
    picture has them is returned unchanged, even if they are soft: the lens hardens them.

    Args:
        depth: metric or relative.
        image: `[B,3,H,W]` or `[1,3,H,W]`, sRGB-coded, of the same size; several images for a single
            depth give several depths.
        device: where to compute; by default where the depth is.

    Raises:
        InputError: sizes or batches do not fit, or the image holds NaN.
    """
    _check(depth, image)
    place = device or depth.disparity.device
    network = edge_network()
    count = max(len(depth.disparity), len(image))
    results = []
    with lent(network, place):
        for index in range(count):
            disparity = depth.disparity[min(index, len(depth.disparity) - 1)][None].float()
            picture = image[min(index, len(image) - 1)][None].float().clamp(0.0, 1.0)
            result = _refined(network, disparity.to(place), picture.to(place))
            results.append(result.to(depth.disparity))
    return depth.with_disparity(torch.cat(results))


def edge_network() -> EdgeNetwork:
    """The network with the weights that come with the package."""
    return loaded(load_edge_network, WEIGHTS)


def load_edge_network(path: Path) -> EdgeNetwork:
    """The network with the weights of a file."""
    return load_network(EdgeNetwork, path, EDGE)


@torch.no_grad()
def _refined(network: EdgeNetwork, disparity: Tensor, picture: Tensor) -> Tensor:
    low, high = disparity.amin(), disparity.amax()
    scale = RANGE_PX / (high - low).clamp(min=1e-9)
    nearness = (disparity - low) * scale
    # What a ramp stands for needs no network; it judges where the edge is.
    hard = hardened(nearness, max(nearness.shape[-2:]))
    verdict = judged(network, picture, hard)
    if not is_imperfect(hard, verdict):
        return disparity
    return disparity + (refined(hard, verdict) - nearness) / scale


def judged(network: EdgeNetwork, picture: Tensor, nearness: Tensor) -> Tensor:
    """`verdicts` of a whole picture, tile by tile: the same as all at once, in little memory.

    Args:
        network: on the picture's device.
        picture: `[1,3,H,W]` sRGB-coded 0..1.
        nearness: `[1,1,H,W]` in px of blur.
    """
    height, width = nearness.shape[-2:]
    scene = torch.cat([picture, nearness], dim=1)
    scene = F.pad(scene, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
    result = torch.cat([nearness, torch.ones_like(nearness)], dim=1)
    for top, left in product(range(0, height, TILE), range(0, width, TILE)):
        above, before = max(0, top - MARGIN), max(0, left - MARGIN)
        cut = scene[..., above : top + TILE + MARGIN, before : left + TILE + MARGIN]
        low, high = local_range(cut[:, 3:])
        if float((high - low).amax()) <= LEAST_STEP:
            continue  # Without an edge there is nothing to judge.
        verdict = verdicts(network(cut[:, :3], cut[:, 3:]), cut[:, 3:])
        own = result[..., top : top + TILE, left : left + TILE]
        down, right = top - above, left - before
        own[:] = verdict[..., down : down + own.shape[-2], right : right + own.shape[-1]]
    return result


def _check(depth: Depth, image: Tensor) -> None:
    if image.shape[-2:] != depth.disparity.shape[-2:]:
        received = f"{tuple(image.shape[-2:])} px"
        raise InputError("image", received, f"Give an image of {depth.size} px.")
    if len(image) != len(depth.disparity) and 1 not in (len(image), len(depth.disparity)):
        received = f"{len(image)} images for {len(depth.disparity)} depths"
        raise InputError("image", received, "Give one each.")
    if not bool(torch.isfinite(image).all()):
        raise InputError("image", "NaN or infinite pixels", "Repair them first.")
