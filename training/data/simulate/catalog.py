"""All kinds of simulation by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from ....errors import InputError
from ..records import Source
from .bokehdiff import BokehDiffSettings, BokehDiffSimulator
from .diffcamera import DiffCameraSettings, DiffCameraSimulator
from .genrefocus import GenRefocusSettings, GenRefocusSimulator, ShapesSimulator
from .point_lights import PointLightSettings, PointLightSimulator
from .scene import SimulatedScene


class Simulator(Protocol):
    """Makes scenes by number. It can be pickled, so that other processes can make them."""

    def scene(self, index: int) -> SimulatedScene:
        """One scene, the same for the same number.

        Raises:
            FileError: what it is made of cannot be used.
        """
        ...


@dataclass(frozen=True)
class Ingredients:
    """What scenes are made of.

    Args:
        images: sharp pictures, for most kinds with depth.
        foregrounds: pictures with transparency.
        device: where to compute.
    """

    images: Source | None = None
    foregrounds: Source | None = None
    device: torch.device | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of simulation.

    Args:
        summary: one line.
        settings: its defaults, the paper's.
        make: a simulator from settings, ingredients and a seed.
        needs_images: whether it cannot do without.
    """

    summary: str
    settings: Any
    make: Callable[[Any, Ingredients, int], Simulator]
    needs_images: bool


def _diffcamera(settings: Any, given: Ingredients, seed: int) -> Simulator:
    return DiffCameraSimulator(settings, _images(given), seed, given.device)


def _genrefocus(settings: Any, given: Ingredients, seed: int) -> Simulator:
    return GenRefocusSimulator(settings, _images(given), seed, given.device)


def _shapes(settings: Any, given: Ingredients, seed: int) -> Simulator:
    return ShapesSimulator(settings, _images(given), seed, given.device)


def _point_lights(settings: Any, given: Ingredients, seed: int) -> Simulator:
    return PointLightSimulator(settings, seed, given.device)


def _bokehdiff(settings: Any, given: Ingredients, seed: int) -> Simulator:
    return BokehDiffSimulator(settings, given.images, given.foregrounds, seed, given.device)


def _images(given: Ingredients) -> Source:
    if given.images is None:
        raise InputError("--images", "none", "Give a folder of sharp pictures.")
    return given.images


KINDS: dict[str, Kind] = {
    "diffcamera": Kind(
        "pictures with depth at 21 focus planes and 20 bokeh levels",
        DiffCameraSettings(),
        _diffcamera,
        needs_images=True,
    ),
    "genrefocus": Kind(
        "pictures with depth at random focus and bokeh level",
        GenRefocusSettings(),
        _genrefocus,
        needs_images=True,
    ),
    "shapes": Kind(
        "the same with apertures of many shapes",
        GenRefocusSettings(highlight_stops=4.0),
        _shapes,
        needs_images=True,
    ),
    "point-lights": Kind(
        "procedural night scenes with lamps and apertures of many shapes",
        PointLightSettings(),
        _point_lights,
        needs_images=False,
    ),
    "bokehdiff": Kind(
        "cut-out foregrounds before pictures, on slanted planes, ray-traced",
        BokehDiffSettings(),
        _bokehdiff,
        needs_images=False,
    ),
}


def kind_called(name: str) -> Kind:
    """The kind of a name.

    Raises:
        InputError: there is none.
    """
    if name not in KINDS:
        raise InputError("kind", repr(name), f"Give one of {', '.join(KINDS)}.")
    return KINDS[name]
