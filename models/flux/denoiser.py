"""The model with everything that stays the same during the denoising of a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from .arrangement import Group, grouped
from .attention import ConditionCache
from .conditions import Condition, Prompt, Visibility
from .tiling import Tile, Tiling, blended, for_tiles, tiled_conditions, tiles
from .tokens import Grid, image_positions
from .transformer import ConditionedFlux

# Keys and values of a group of independent conditions for some tiles: those of an earlier picture,
# or what the function makes now.
Recall = Callable[[Group, tuple[Tile, ...], Callable[[], ConditionCache]], ConditionCache]


class _Known(NamedTuple):
    """What is remembered of the conditions of some tiles, and for how many more steps."""

    caches: list[ConditionCache]
    steps_left: float


def made_anew(
    group: Group, few: tuple[Tile, ...], make: Callable[[], ConditionCache]
) -> ConditionCache:
    """The `Recall` that knows nothing."""
    del group, few
    return make()


@dataclass
class Denoiser:
    """The velocity of a noisy picture, as `sampling.denoised` wants it. Make one for each picture.

    Args:
        model: on the device that it shall compute on, or with hooks that bring it there.
        grid: rows and columns of the picture's tokens.
        prompt: batch B or 1, in the precision that the model computes in, as all other tokens.
        conditions: batch B or 1 each.
        guidance: guidance scale of text and picture.
        visibility: what conditions attend to; as their adapters were trained.
        tiling: None computes the whole picture at once.
        refresh: with published visibility, compute the conditions anew in every n-th step only and
            use old keys and values between: an approximation unless 1. Independent conditions are
            computed once in any case, which is exact.
        cache_bytes: how much memory keys and values of conditions may take between steps. Tiles
            beyond it have theirs computed in every step.
        recall: where independent conditions may be known from.
        check: called before every pass of the model; what it raises ends the picture.
    """

    model: ConditionedFlux
    grid: Grid
    prompt: Prompt
    conditions: Sequence[Condition]
    guidance: float = 1.0
    visibility: Visibility = Visibility.PUBLISHED
    tiling: Tiling | None = None
    refresh: int = 1
    cache_bytes: float = float("inf")
    recall: Recall = made_anew
    check: Callable[[], None] | None = None
    # By the tiles of a pass.
    _known: dict[tuple[Tile, ...], _Known] = field(default_factory=dict, init=False)

    def __call__(self, latents: Tensor, sigma: float) -> Tensor:
        """The velocity of latents `[B,T,C]` at a noise of `sigma`."""
        whole = Tile(0, 0, *self.grid)
        every = [whole] if self.tiling is None else tiles(self.grid, self.tiling)

        def predict(few: Sequence[Tile]) -> Sequence[Tensor]:
            return self._predicted(latents, sigma, few)

        if len(every) == 1:
            return predict(every)[0]
        at_once = self.tiling.at_once if self.tiling else 1
        return blended(self.grid, every, predict, at_once)

    def _predicted(self, latents: Tensor, sigma: float, few: Sequence[Tile]) -> Sequence[Tensor]:
        if self.check is not None:
            self.check()
        count = len(few)
        embeddings = self.prompt.tokens
        picture = torch.cat([tile.of(latents, self.grid) for tile in few]).to(embeddings)
        prompt = Prompt(for_tiles(embeddings, count), for_tiles(self.prompt.pooled, count))
        inputs = (
            picture,
            image_positions(few[0].grid),
            torch.tensor([sigma], device=picture.device),
            self.guidance,
            prompt,
        )
        return self._velocity(inputs, tuple(few)).chunk(count)

    def _velocity(self, inputs: tuple, few: tuple[Tile, ...]) -> Tensor:
        """From remembered conditions while they last, otherwise from the conditions themselves."""
        if not self.conditions:
            return self.model(*inputs)
        caches, steps_left = self._known.get(few, ([], 0))
        if steps_left > 0:
            self._known[few] = _Known(caches, steps_left - 1)
            return self.model(*inputs, caches=caches)
        conditions = tiled_conditions(self.conditions, self.grid, few, len(inputs[0]) // len(few))
        if self.visibility is Visibility.INDEPENDENT:
            caches = self._encoded(conditions, inputs[-1].pooled, few)
            self._remember(few, caches, float("inf"))
            return self.model(*inputs, caches=caches)
        if self.refresh == 1:
            return self.model(*inputs, conditions, self.visibility)
        record = ConditionCache()
        velocity = self.model(*inputs, conditions, self.visibility, record=record)
        self._remember(few, [record], self.refresh - 1)
        return velocity

    def _encoded(
        self, conditions: Sequence[Condition], pooled: Tensor, few: tuple[Tile, ...]
    ) -> list[ConditionCache]:
        """Each group in a pass of its own, so that known ones and new ones are equal bit by bit."""
        return [
            self.recall(group, few, partial(self.model.encode, group, pooled))
            for group in grouped(conditions)
        ]

    def _remember(self, few: tuple[Tile, ...], caches: list[ConditionCache], steps: float) -> None:
        others = [
            one for tiles, known in self._known.items() if tiles != few for one in known.caches
        ]
        if sum(cache.bytes() for cache in (*others, *caches)) <= self.cache_bytes:
            self._known[few] = _Known(caches, steps)
        else:
            self._known.pop(few, None)
