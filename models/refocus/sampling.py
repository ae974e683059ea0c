"""How pictures are made, and who watches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from ...errors import InputError
from ..flux.networks import STEPS
from ..flux.tiling import Tiling


@dataclass(frozen=True)
class Sampling:
    """How a picture is made of noise.

    Args:
        steps: of denoising, 1 or more.
        seed: of the noise. All pictures of a batch begin with the same noise, so that none depends
            on the others, and films do not flicker.
        guidance: FLUX' guidance scale; None for what the network was published with.
        tile: make pictures of more than 512×512 px from overlapping tiles of that size, for which
            the networks were trained.
        tiles_at_once: tiles in one pass of the model: faster, and more memory.
        refresh_every: let conditions follow the picture in every n-th step only. 1 is exact.

    Raises:
        InputError: a value that has no meaning.
    """

    steps: int = STEPS
    seed: int = 0
    guidance: float | None = None
    tile: bool = True
    tiles_at_once: int = 1
    refresh_every: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "tiles_at_once", "refresh_every"):
            if getattr(self, name) < 1:
                raise InputError(name, str(getattr(self, name)), "Give 1 or more.")
        if not 0 <= self.seed < 2**64:
            raise InputError("seed", str(self.seed), "Give a whole number from 0 to 2^64 - 1.")
        if self.guidance is not None and not 0 <= self.guidance < math.inf:
            raise InputError("guidance", str(self.guidance), "Give a number, zero or more.")

    @property
    def tiling(self) -> Tiling | None:
        """For the denoiser."""
        return Tiling(at_once=self.tiles_at_once) if self.tile else None


# (steps done, steps in all, what makes a small picture [1,3,h,w] of what has been reached)
OnStep = Callable[[int, int, Callable[[], Tensor]], None]


@dataclass(frozen=True)
class Watch:
    """Who is told how far it is, and may end it by raising.

    Args:
        on_step: called after each step.
        check: called before each pass of the model, of which a step has one per tile.
        before: steps that earlier stages took.
        total: steps of all stages; 0 for those of this one.
    """

    on_step: OnStep | None = None
    check: Callable[[], None] | None = None
    before: int = 0
    total: int = 0

    def stage(self, before: int, total: int) -> Watch:
        """For one of several stages, whose steps are counted together."""
        return replace(self, before=before, total=total)

    def step(self, done: int, of_stage: int, preview: Callable[[], Tensor]) -> None:
        """Tell that so many of a stage's steps are done."""
        if self.on_step is not None:
            self.on_step(self.before + done, self.total or of_stage, preview)


NOBODY = Watch()
