"""The layered lens: every surface scatters over its own disc, and nearer ones hide farther ones.

The picture is first split into two surfaces per pixel (`surfaces`), so that there is something to
see behind an edge. Their light is spread layer by layer, from the nearest to the farthest. A layer
shows to the extent that the visible surfaces in front of it leave the lens open; the sum of what
shows is divided by its weight, which makes up for what no layer has. Layers close to each other
belong to one surface and do not hide each other.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from .aperture import Aperture
from .background import LEAST_GAP
from .blocks import OnProgress, Surroundings
from .blur_disc import BlurDisc
from .depth_edges import repaired
from .light_layers import Ladder, LightLayers
from .spread import Spreader
from .surfaces import surfaces_of, surroundings
from .view import View
from .window import Window

# On a slope, layers within this share of the blur radius of each other are one surface, at most.
SLOPE_GAP = 0.4
# Discs of a slope's pixels do not quite add up to one. What they leave open by less is closed.
LEAST_OPENING = 0.04
# Where nothing reaches a pixel (a ring-shaped aperture), it keeps its own light.
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class LayeredOptions:
    """Options of the layered lens.

    Args:
        repair_depth: harden soft depth edges and smooth uneven depth before rendering. Estimated
            depth needs it; exact depth hardly changes.
    """

    repair_depth: bool = True


def render_layered(
    image: Tensor,
    defocus: Tensor,
    aperture: Aperture,
    options: LayeredOptions,
    on_progress: OnProgress | None = None,
    view: View | None = None,
) -> Tensor:
    """Blur with discs of unit energy, occlusion and hidden background.

    The defocus map is rendered as it is: `prepare_layered` goes before.

    Args:
        image: linear light `[B,C,H,W]`.
        defocus: signed blur radius `[B,1,H,W]`, px.
        aperture: shape of the disc, upside down in front of the focus as in a real lens.
        options: see `prepare_layered`.
        on_progress: called with the finished fraction, 0..1.
        view: where the image lies in the whole picture; it is all of it if None.

    Returns:
        Linear light `[B,C,H,W]`.

    Raises:
        InputError: a gradient is asked for; this lens has none.
    """
    del options
    _refuse_gradients(image, defocus)
    view = view or View.of(defocus)
    report = on_progress or (lambda fraction: None)
    with torch.no_grad():
        pictures = [
            _render_one(
                image[index : index + 1],
                defocus[index : index + 1],
                Spreader(BlurDisc(aperture, edge="tanh", weighting="energy")),
                view,
                lambda fraction, done=index: report((done + fraction) / len(image)),
            )
            for index in range(len(image))
        ]
    return torch.cat(pictures)


def _refuse_gradients(image: Tensor, defocus: Tensor) -> None:
    if torch.is_grad_enabled() and (image.requires_grad or defocus.requires_grad):
        raise InputError(
            "lens",
            "the layered lens for a picture or a defocus map that requires a gradient",
            'Choose "taf" or "bokehme", which have one, or render within torch.no_grad().',
        )


def prepare_layered(
    light: Callable[[Window], Tensor], defocus: Tensor, options: LayeredOptions
) -> tuple[Tensor, LayeredOptions]:
    """Repair the depth edges in the defocus map `[B,1,H,W]` of a whole picture, px."""
    del light
    return (repaired(defocus) if options.repair_depth else defocus), options


def layered_surroundings(view: View, options: LayeredOptions) -> Surroundings:
    """What a pixel's result depends on."""
    del options
    around = surroundings(view.max_radius)
    own_reach = math.ceil(Ladder(view.max_radius).largest) + 1
    return Surroundings(around.reach + own_reach, around.grid)


def _render_one(
    image: Tensor, defocus: Tensor, spreader: Spreader, view: View, on_progress: OnProgress
) -> Tensor:
    ladder = Ladder(view.max_radius)
    margin = spreader.disc.reach(ladder.largest)
    wanted = view.wanted or Window(0, 0, *image.shape[-2:])
    # What is farther from what is wanted sends no light to it.
    seen = wanted.grown(margin)
    at_hand = seen.within(*image.shape[-2:])
    light = LightLayers(
        surfaces_of(image, defocus, view.max_radius, at_hand), ladder, at_hand.margins_to(seen)
    )
    film = _Film(light.slope, image.shape[1], ladder.largest)
    layers = light.from_near_to_far()
    for done, layer in enumerate(layers, 1):
        spread, reach = spreader.spread(layer, view.part(seen.top, seen.left))
        reached = layer.window.grown(reach)
        on_film = reached.within(*light.size)
        film.expose(layer.radius, on_film.seen_from(reached).of(spread), on_film)
        on_progress(done / len(layers))
    result = image.clone()
    wanted.of(result).copy_(film.developed(wanted.of(image), margin))
    return result


class _Film:
    """What has reached every pixel so far, and how much of the lens is covered; near to far.

    A layer hides another that is farther by a gap. On a slope the gap is the change of radius over
    one disc, for what lies within it is one surface and does not hide itself. So the cover is kept
    for gaps of LEAST_GAP, of twice as much and so on.
    """

    def __init__(self, slope: Tensor, channels: int, max_radius: float) -> None:
        self.slope = slope
        self.total = slope.new_zeros(channels + 1, *slope.shape[-2:])
        widest = max(1.0, SLOPE_GAP * max_radius / LEAST_GAP)
        count = math.ceil(math.log2(widest)) + 1
        self.covers = [_Cover(LEAST_GAP * 2**index, slope) for index in range(count)]

    def expose(self, radius: float, spread: Tensor, window: Window) -> None:
        """Add a layer `[C+1 or C+2,h,w]` to the extent that it shows, then let it cover."""
        widest = max(1.0, SLOPE_GAP * abs(radius) / LEAST_GAP)
        count = math.ceil(math.log2(widest)) + 1
        covered = [window.of(cover.in_front_of(radius)) for cover in self.covers[:count]]
        gap = 1.0 + window.of(self.slope) * (abs(radius) / LEAST_GAP)
        opening = _opening(covered, gap.clamp_(max=widest).log2_())
        window.of(self.total).addcmul_(spread[: len(self.total)], opening)
        coverage = spread[-1:].clone()  # It waits, and the other channels must not wait with it.
        for cover in self.covers:
            cover.add(radius, coverage, window)

    def developed(self, image: Tensor, margin: int) -> Tensor:
        """The picture `[1,C,H,W]` without its margin."""
        exposed = self.total[None, :, margin:-margin, margin:-margin]
        weight = exposed[:, -1:]
        reached = weight > LEAST_WEIGHT
        return torch.where(reached, exposed[:, :-1] / torch.where(reached, weight, 1.0), image)


def _opening(covered: list[Tensor], place: Tensor) -> Tensor:
    """What covers leave open, 0..1; `place` is the real-valued index of the one that counts."""
    total = covered[0]
    for index, wider in enumerate(covered[1:]):
        total = torch.lerp(total, wider, (place - index).clamp_(0.0, 1.0))
    return ((1.0 - LEAST_OPENING) - total).div_(1.0 - LEAST_OPENING).clamp_(0.0, 1.0)


class _Cover:
    """The summed coverage of the layers, as far as they are in front by a gap (px of radius)."""

    def __init__(self, gap: float, like: Tensor) -> None:
        self.gap = gap
        self.sum = torch.zeros_like(like)
        self.waiting: deque[tuple[float, Tensor, Window]] = deque()

    def add(self, radius: float, coverage: Tensor, window: Window) -> None:
        """Add a layer `[1,h,w]`; layers come from near to far."""
        self.waiting.append((radius, coverage, window))

    def in_front_of(self, radius: float) -> Tensor:
        """`[1,H,W]`: what covers a layer of this radius, which only ever gets smaller."""
        while self.waiting and self.waiting[0][0] > radius + self.gap:
            _, coverage, window = self.waiting.popleft()
            window.of(self.sum).add_(coverage)
        return self.sum
