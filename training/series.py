"""What examples are made of: one view, sharp everywhere and as a lens sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..lens.aperture import CIRCLE, Aperture
from ..lens.depth import Depth
from .data.records import Blur
from .data.simulate.catalog import Simulator
from .data.simulate.scene import SimulatedScene, point_in_focus


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture with a shallow depth of field.

    Args:
        image: `[3,H,W]` sRGB-coded 0..1.
        blur: strength and focus plane; None if they are not known.
        aperture: shape of its blur discs.
    """

    image: Tensor
    blur: Blur | None = None
    aperture: Aperture = CIRCLE


@dataclass(frozen=True, eq=False)
class Series:
    """Pictures of one view, all of one size.

    Args:
        name: of the view, for messages.
        all_in_focus: `[3,H,W]` sRGB-coded 0..1; None if there is none.
        photographs: with a shallow depth of field.
        depth: `[1,1,H,W]`; None if it is not known.
    """

    name: str
    all_in_focus: Tensor | None
    photographs: tuple[Photograph, ...]
    depth: Depth | None = None


class SeriesSource(Protocol):
    """Where examples come from. It can be pickled, so that workers can make them."""

    @property
    def digest(self) -> str:
        """What is in it, in short, for the file that is trained with it."""
        ...

    def draw(self, step: int, random: np.random.Generator, count: int = 1) -> Series:
        """A series of `count` photographs, the same for the same step and state of `random`.

        Raises:
            FileError: a file cannot be read.
            InputError: no view has so many.
        """
        ...


@dataclass
class SimulatedSeries:
    """Series that are simulated when they are drawn first, and kept in memory.

    Args:
        simulator: makes the scenes.
        scenes: how many there are.
    """

    simulator: Simulator
    scenes: int
    _made: dict[int, SimulatedScene] = field(default_factory=dict, init=False, repr=False)
    _taken: dict[tuple[int, int], Photograph] = field(default_factory=dict, init=False, repr=False)

    @property
    def digest(self) -> str:
        """The simulator's settings, from which everything follows."""
        return f"{self.scenes} scenes of {self.simulator}"

    def draw(self, step: int, random: np.random.Generator, count: int = 1) -> Series:
        """Different photographs of a scene."""
        del step
        number = int(random.integers(self.scenes))
        shots = len(self._scene(number).shots)
        return self.series(number, tuple(map(int, random.permutation(shots)[:count])))

    def series(self, number: int, shots: tuple[int, ...]) -> Series:
        """Some photographs of a scene, by number."""
        scene = self._scene(number)
        photographs = tuple(self._photograph(number, shot) for shot in shots)
        return Series(f"scene {number}", scene.all_in_focus, photographs, scene.depth)

    def _scene(self, number: int) -> SimulatedScene:
        if number not in self._made:
            self._made[number] = self.simulator.scene(number)
        return self._made[number]

    def _photograph(self, number: int, shot: int) -> Photograph:
        if (number, shot) not in self._taken:
            scene = self._scene(number)
            how = scene.shots[shot]
            image = scene.photograph(how)
            self._taken[number, shot] = Photograph(image, how.blur, how.aperture)
        return self._taken[number, shot]

    def __getstate__(self) -> dict[str, object]:
        # Scenes hold functions, which do not travel; workers simulate their own.
        return {**self.__dict__, "_made": {}}


def focus_point(depth: Depth, plane: float, random: np.random.Generator) -> tuple[float, float]:
    """A point in focus, or the one nearest to it, as fractions of width and height.

    Args:
        depth: of one picture.
        plane: disparity of the focus.
        random: decides which of them.
    """
    point = point_in_focus(depth, plane, random.random())
    if point is not None:
        return point
    height, width = depth.size
    nearest = int(torch.argmin((depth.disparity[0, 0] - plane).abs()))
    return (nearest % width + 0.5) / width, (nearest // width + 0.5) / height
