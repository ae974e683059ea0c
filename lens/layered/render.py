"""The layered lens: every surface scatters over its own disc, and nearer ones hide farther ones.

The picture is first split into two surfaces per pixel (`surfaces`), so that there is something to
see behind an edge. Their light is spread layer by layer, from the nearest to the farthest. A layer
shows to the extent that the visible surfaces in front of it leave the lens open; the sum of what
shows is divided by its weight, which makes up for what no layer has. Layers close to each other
belong to one surface and do not hide each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import InputError
from ..aperture import Aperture
from ..blocks import Surroundings
from ..blur_disc import BlurDisc
from ..depth_edges import repaired
from ..progress import OnProgress
from ..view import View
from ..window import Window
from .film import Exposure, Film
from .ladder import Ladder
from .light_layers import LightLayers
from .spread import Spreader
from .surfaces import surfaces_of, surroundings


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
    margin = spreader.disc.reach(Ladder(view.max_radius).largest)
    wanted = view.wanted or Window(0, 0, *image.shape[-2:])
    # What is farther from what is wanted sends no light to it.
    seen = wanted.grown(margin)
    at_hand = seen.within(*image.shape[-2:])
    surfaces = surfaces_of(image, defocus, view.max_radius, at_hand)
    light = LightLayers(surfaces, view.max_radius, at_hand.margins_to(seen))
    film = Film(image, image.shape[1], light.size)
    layers = light.from_near_to_far()
    for done, layer in enumerate(layers, 1):
        spread, reach = spreader.spread(layer, view.part(seen.top, seen.left))
        reached = layer.window.grown(reach)
        on_film = reached.within(*light.size)
        inside = on_film.seen_from(reached).of(spread)
        film.expose(Exposure(layer.radius, inside, on_film, layer.is_hidden))
        on_progress(done / len(layers))
    result = image.clone()
    wanted.of(result).copy_(film.developed(wanted.of(image), margin))
    return result
