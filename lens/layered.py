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
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .aperture import Aperture
from .background import LEAST_GAP
from .blocks import OnProgress, Surroundings
from .blur_disc import BlurDisc
from .depth_edges import repaired
from .layered_fft import ladder, share
from .spread import Spreader
from .surfaces import Surfaces, surfaces_of, surroundings
from .view import View
from .window import Window

# Layers have a finer ladder than a mere blur would need: they tell what is in front of what.
GROWTH = 1.08
# Occupied parts of a layer are found in cells of this side, px.
CELL = 32
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
    own_reach = math.ceil(ladder(view.max_radius, GROWTH)[-1]) + 1
    return Surroundings(around.reach + own_reach, around.grid)


def _render_one(
    image: Tensor, defocus: Tensor, spreader: Spreader, view: View, on_progress: OnProgress
) -> Tensor:
    stack = _Stack(view.max_radius)
    margin = spreader.disc.reach(stack.largest)
    wanted = view.wanted or Window(0, 0, *image.shape[-2:])
    # What is farther from what is wanted sends no light to it.
    seen = wanted.grown(margin)
    at_hand = seen.within(*image.shape[-2:])
    scene = _Scene.of(
        surfaces_of(image, defocus, view.max_radius, at_hand), stack, at_hand.margins_to(seen)
    )
    film = _Film(scene.slope, image.shape[1], stack.largest)
    indices = scene.occupied.any(dim=(1, 2)).nonzero().flatten().tolist()
    for done, index in enumerate(reversed(indices), 1):
        radius = stack.signed[index]
        window = _bounds(scene.occupied[index]).within(*scene.slope.shape[-2:])
        corner = view.part(seen.top + window.top, seen.left + window.left)
        spread, reach = spreader.spread(scene.light(index, window), radius, corner)
        reached = window.grown(reach)
        on_film = reached.within(*scene.slope.shape[-2:])
        film.expose(radius, on_film.seen_from(reached).of(spread), on_film)
        on_progress(done / len(indices))
    result = image.clone()
    wanted.of(result).copy_(film.developed(wanted.of(image), margin))
    return result


class _Stack:
    """The layers of a picture by signed blur radius (px), from the farthest to the nearest."""

    def __init__(self, max_radius: float) -> None:
        radii = ladder(max_radius, GROWTH)
        self.largest = radii[-1]
        self.signed = [*(-radius for radius in radii[:0:-1]), *radii]

    def position(self, radius: Tensor) -> Tensor:
        """Real-valued index of each pixel in `signed`."""
        steps = torch.tensor(self.signed).to(radius)
        below = torch.searchsorted(steps, radius.contiguous(), right=True) - 1
        below = below.clamp(0, len(steps) - 2)
        return below + (radius - steps[below]) / (steps[below + 1] - steps[below])


@dataclass(frozen=True)
class _Scene:
    """The surfaces of one image, with the frame's edge continued outward.

    Args:
        near: `[C+1,H,W]` light and weight of the nearer surface.
        far: `[C,H,W]` colour of the farther surface.
        far_shown: `[1,H,W]` its share of the pixel, in view.
        far_hidden: `[1,H,W]` its share of the pixel, hidden.
        near_place: `[1,H,W]` index of the nearer surface among the layers.
        far_place: `[1,H,W]` that of the farther one.
        slope: `[1,H,W]` change of blur radius per pixel.
        occupied: `[layers,rows,columns]` bool, on the CPU: cells in which a layer has light.
        has_far: `[layers]` bool, on the CPU: whether some of it is of farther surfaces.
    """

    near: Tensor
    far: Tensor
    far_shown: Tensor
    far_hidden: Tensor
    near_place: Tensor
    far_place: Tensor
    slope: Tensor
    occupied: Tensor
    has_far: Tensor

    @classmethod
    def of(cls, surfaces: Surfaces, stack: _Stack, margins: tuple[int, ...]) -> _Scene:
        """Arrange the surfaces of a single image for a stack of layers.

        Args:
            surfaces: of what is at hand.
            stack: the layers.
            margins: how far it is continued beyond that: left, right, top, bottom, px.
        """

        def continued(values: Tensor) -> Tensor:
            return F.pad(values, margins, mode="replicate")[0]

        near = torch.cat([surfaces.near_color, torch.ones_like(surfaces.near_share)], dim=1)
        near_place = continued(stack.position(surfaces.near_radius))
        far_place = continued(stack.position(surfaces.far_radius))
        shown, hidden = continued(surfaces.far_shown), continued(surfaces.far_hidden)
        count = len(stack.signed)
        far = _occupied(far_place, (shown > 0) | (hidden > 0), count)
        return cls(
            near=continued(near * surfaces.near_share),
            far=continued(surfaces.far_color),
            far_shown=shown,
            far_hidden=hidden,
            near_place=near_place,
            far_place=far_place,
            slope=continued(surfaces.slope),
            occupied=_occupied(near_place, None, count) | far,
            has_far=far.any(dim=(1, 2)),
        )

    def light(self, index: int, window: Window) -> Tensor:
        """A layer's light, weight and, where the two differ, weight in view `[C+1 or C+2,h,w]`."""
        light = window.of(self.near) * share(window.of(self.near_place), index)
        if not self.has_far[index]:
            return light
        part = share(window.of(self.far_place), index)
        shown, behind = window.of(self.far_shown) * part, window.of(self.far_hidden) * part
        in_view = light[-1:] + shown
        light[:-1].addcmul_(window.of(self.far), shown + behind)
        light[-1:] += shown + behind
        return torch.cat([light, in_view]) if bool(behind.any()) else light


def _occupied(place: Tensor, is_there: Tensor | None, count: int) -> Tensor:
    """`[layers,rows,columns]` bool: which layers occur in which cells."""
    height, width = place.shape[-2:]
    rows, columns = math.ceil(height / CELL), math.ceil(width / CELL)
    cell_row = torch.arange(height, device=place.device)[:, None] // CELL
    cell = cell_row * columns + torch.arange(width, device=place.device) // CELL
    below = place[0].floor()
    above = torch.where(place[0] > below, below + 1, below)
    table = torch.zeros(count, rows * columns, dtype=torch.bool, device=place.device)
    for layer in (below.long(), above.long()):
        if is_there is None:
            table[layer, cell] = True
        else:
            table[layer[is_there[0]], cell[is_there[0]]] = True
    return table.view(count, rows, columns).cpu()


def _bounds(cells: Tensor) -> Window:
    """The pixels around all occupied cells `[rows,columns]`."""
    rows = cells.any(1).nonzero().flatten()
    columns = cells.any(0).nonzero().flatten()
    return Window(
        CELL * int(rows[0]),
        CELL * int(columns[0]),
        CELL * (int(rows[-1]) + 1),
        CELL * (int(columns[-1]) + 1),
    )


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
        opening = self._open_to(radius, window)
        window.of(self.total).addcmul_(spread[: len(self.total)], opening)
        coverage = spread[-1:].clone()  # It waits, and the other channels must not wait with it.
        for cover in self.covers:
            cover.add(radius, coverage, window)

    def _open_to(self, radius: float, window: Window) -> Tensor:
        """What the layers in front of `radius` leave open, 0..1."""
        widest = max(1.0, SLOPE_GAP * abs(radius) / LEAST_GAP)
        gap = 1.0 + window.of(self.slope) * (abs(radius) / LEAST_GAP)
        place = gap.clamp_(max=widest).log2_()
        covered = torch.zeros_like(place)
        for index in range(math.ceil(math.log2(widest)) + 1):
            before = self.covers[index].in_front_of(radius)
            covered.addcmul_(share(place, index), window.of(before))
        return ((1.0 - covered - LEAST_OPENING) / (1.0 - LEAST_OPENING)).clamp_(0.0, 1.0)

    def developed(self, image: Tensor, margin: int) -> Tensor:
        """The picture `[1,C,H,W]` without its margin."""
        exposed = self.total[None, :, margin:-margin, margin:-margin]
        weight = exposed[:, -1:]
        reached = weight > LEAST_WEIGHT
        return torch.where(reached, exposed[:, :-1] / torch.where(reached, weight, 1.0), image)


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
