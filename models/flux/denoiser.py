"""The model with everything that stays the same during the denoising of a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .attention import ConditionCache
from .conditions import Condition, Prompt, Visibility
from .tiling import Tile, Tiling, blended, for_tiles, tiled_conditions, tiles
from .tokens import Grid, image_positions
from .transformer import ConditionedFlux


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
        cache_device: where to keep keys and values between steps; by default where they are.
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
    cache_device: torch.device | None = None
    check: Callable[[], None] | None = None
    # By the tiles of a pass: what is remembered of their conditions, and for how many more steps.
    _caches: dict[tuple[Tile, ...], tuple[ConditionCache, float]] = field(
        default_factory=dict, init=False
    )

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
        cache, steps_left = self._caches.get(few, (None, 0))
        if cache is not None and steps_left > 0:
            self._caches[few] = cache, steps_left - 1
            return self.model(*inputs, cache=cache)
        conditions = tiled_conditions(self.conditions, self.grid, few, len(inputs[0]) // len(few))
        lasts = self._lasts
        if not conditions or lasts == 0:
            return self.model(*inputs, conditions, self.visibility)
        cache = ConditionCache()
        velocity = self.model(*inputs, conditions, self.visibility, record=cache)
        self._caches[few] = self._kept(cache), lasts
        return velocity

    @property
    def _lasts(self) -> float:
        """For how many further steps conditions are remembered."""
        if self.visibility is Visibility.INDEPENDENT:
            return float("inf")
        return self.refresh - 1

    def _kept(self, cache: ConditionCache) -> ConditionCache:
        return cache if self.cache_device is None else cache.moved(self.cache_device)
