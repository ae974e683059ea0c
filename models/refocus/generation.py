"""One picture, from what the network is shown to pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ...errors import InputError
from ...lens.image import check_finite
from ..flux.adapters import adaptable_layers
from ..flux.arrangement import Group
from ..flux.attention import ConditionCache
from ..flux.base import FluxBase, cache_bytes, pass_bytes
from ..flux.conditions import Condition, Visibility
from ..flux.denoiser import Denoiser, made_anew
from ..flux.layout import AdapterFile
from ..flux.networks import GUIDANCE, PROMPTS, Kind
from ..flux.sampling import Step, denoised, flow_noise, flow_sigmas
from ..flux.tiling import Tile, tiles
from ..flux.tokens import Grid, grid_of, packed, unpacked
from ..lending import device_bytes
from .canvas import cut_back, extended
from .latent_colors import LatentColors
from .memory import condition_memory_of, digest, encoded, prompt_of
from .sampling import Sampling, Watch

Adapters = Mapping[Kind, AdapterFile]
# The part of a device's memory that keys and values of conditions may take during a picture.
CACHE_SHARE = 1 / 4


class _Plan(NamedTuple):
    """What a picture takes.

    Args:
        working_bytes: beside weights.
        cache_bytes: that keys and values of conditions may take between steps.
        can_be_recalled: whether those of lasting conditions are few enough to be kept for the
            next picture.
    """

    working_bytes: int
    cache_bytes: float
    can_be_recalled: bool


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture as the network is shown it.

    Args:
        pixels: `[1,3,H,W]` sRGB 0..1 of whole tokens, on the base model's device.
        latents: of it, `[1,C,h,w]`.
    """

    pixels: Tensor
    latents: Tensor

    @classmethod
    def of(cls, base: FluxBase, picture: Tensor) -> Shown:
        """From a picture `[1,3,H,W]` of any size, 0..1."""
        pixels = extended(picture.to(base.device, torch.float32))
        return cls(pixels, encoded(base, 2.0 * pixels - 1.0))

    @property
    def grid(self) -> Grid:
        """Rows and columns of tokens."""
        return grid_of(*self.latents.shape[-2:])

    def tokens(self, base: FluxBase) -> Tensor:
        """`[1,T,C]`, as the transformer takes them."""
        return packed(self.latents).to(base.dtype)


@dataclass(frozen=True, eq=False)
class Generation:
    """What stays the same over the pictures of a call.

    Args:
        base: the model.
        kind: the network that makes the picture.
        adapters: all that conditions use.
        sampling: how.
        watch: who watches.
        pictures: how many there will be.
    """

    base: FluxBase
    kind: Kind
    adapters: Adapters
    sampling: Sampling
    watch: Watch
    pictures: int

    def __post_init__(self) -> None:
        for kind, adapter in self.adapters.items():
            check_adapter(self.base, kind, adapter)
        seen = {adapter.info.visibility for adapter in self.adapters.values()}
        if len(seen) > 1:
            received = " and ".join(sorted(one.value for one in seen))
            advice = "Adapters that work together have to be trained with the same."
            raise InputError("aperture_adapter", f"visibility {received}", advice)

    def picture(
        self, photo: Tensor, shown: Shown, conditions: Sequence[Condition], index: int
    ) -> Tensor:
        """Picture number `index`, `[1,3,H,W]` sRGB 0..1, float32 on the photo's device.

        Args:
            photo: `[1,3,H,W]`, whose size it gets.
            shown: the photo as the network is shown it.
            conditions: what the network is shown.
        """
        base, sampling, grid = self.base, self.sampling, shown.grid
        generator = torch.Generator().manual_seed(sampling.seed)
        noise = flow_noise(grid, [generator], shown.latents.shape[1]).to(base.device)
        prompt = prompt_of(base, PROMPTS[self.kind])
        guidance = GUIDANCE[self.kind] if sampling.guidance is None else sampling.guidance
        plan = self._plan(grid, conditions, prompt.tokens.shape[1])
        adapters = {kind.value: one.adapter for kind, one in self.adapters.items()}
        with base.at_work(adapters, plan.working_bytes) as transformer:
            denoiser = Denoiser(
                transformer,
                grid,
                prompt,
                conditions,
                guidance,
                self._visibility,
                sampling.tiling,
                sampling.refresh_every,
                plan.cache_bytes,
                self._recalled if plan.can_be_recalled else made_anew,
                self.watch.check,
            )
            sigmas = flow_sigmas(sampling.steps, grid[0] * grid[1])
            tokens = denoised(noise, sigmas, denoiser, self._on_step(shown, index))
        picture = base.decode(unpacked(tokens, *shown.latents.shape[-2:]))
        return cut_back(picture, *photo.shape[-2:]).to(photo.device, torch.float32).clamp(0.0, 1.0)

    def _plan(self, grid: Grid, conditions: Sequence[Condition], text: int) -> _Plan:
        """How much memory the largest pass and what is remembered between passes take."""
        shape, dtype, tiling = self.base.shape, self.base.dtype, self.sampling.tiling
        every = tiles(grid, tiling) if tiling else [Tile(0, 0, *grid)]
        of_tile = every[0].rows * every[0].columns

        def of(some: Iterable[Condition]) -> int:
            return sum(of_tile if one.aligned else one.tokens.shape[1] for one in some)

        at_once = min(len(every), self.sampling.tiles_at_once)
        passing = pass_bytes(shape, text + of_tile + of(conditions), dtype, at_once)
        most = CACHE_SHARE * device_bytes(self.base.device)
        lasting = len(every) * of(one for one in conditions if one.lasting)
        remembers = self._is_independent or self.sampling.refresh_every > 1
        kept = len(every) * of(conditions) if remembers else 0
        return _Plan(
            passing + round(min(cache_bytes(shape, kept, dtype), most)),
            most,
            cache_bytes(shape, lasting, dtype) <= condition_memory_of(self.base).most_bytes,
        )

    def _recalled(
        self, group: Group, few: tuple[Tile, ...], make: Callable[[], ConditionCache]
    ) -> ConditionCache:
        """Keys and values of conditions that an earlier picture had, too, on the same tiles."""
        if not all(condition.lasting for condition in group):
            return make()
        shown = [
            (self._adapter_of(one), digest(one.tokens), digest(one.positions)) for one in group
        ]
        key = (self.kind, few, *shown)
        return condition_memory_of(self.base).recall(key, make)

    def _adapter_of(self, condition: Condition) -> AdapterFile:
        return next(one for kind, one in self.adapters.items() if kind.value == condition.adapter)

    @property
    def _is_independent(self) -> bool:
        return self._visibility is Visibility.INDEPENDENT

    @property
    def _visibility(self) -> Visibility:
        return next(iter(self.adapters.values())).info.visibility

    def _on_step(self, shown: Shown, index: int) -> Callable[[Step], None]:
        colors: list[LatentColors] = []

        def preview(step: Step) -> Tensor:
            if not colors:
                colors.append(LatentColors.fitted(shown.latents, shown.pixels))
            return colors[0].picture(unpacked(step.preview, *shown.latents.shape[-2:]))

        def on_step(step: Step) -> None:
            done = index * step.count + step.index + 1
            self.watch.step(done, self.pictures * step.count, lambda: preview(step))

        return on_step


def check_adapter(base: FluxBase, kind: Kind, adapter: AdapterFile) -> None:
    """Refuse adapters for something else.

    Raises:
        InputError: it is one for another network, or for a base model of another size.
    """
    subject = "aperture_adapter" if kind is Kind.APERTURE else "adapter"
    if adapter.info.kind not in (None, kind):
        received = f"one for '{adapter.info.kind.value}'"
        raise InputError(subject, received, f"Give an adapter for '{kind.value}'.")
    layers = adaptable_layers(base.shape)
    for name, size in adapter.adapter.sizes.items():
        if layers.get(name) != size:
            received = f"one whose layer {name} has {size[0]} channels in and {size[1]} out"
            advice = "Give an adapter that was made for this base model, or the other way round."
            raise InputError(subject, received, advice)


def check_pictures(pictures: Tensor, subject: str = "image") -> None:
    """Refuse what is not pictures `[B,3,H,W]`.

    Raises:
        InputError: another shape, an empty batch, or NaN or infinite pixels.
    """
    if pictures.ndim != 4 or pictures.shape[1] != 3 or 0 in pictures.shape:
        advice = "Give pictures [B,3,H,W] with B, H and W above 0."
        raise InputError(subject, f"shape {list(pictures.shape)}", advice)
    check_finite(pictures, subject)


def one_for_each(count: int, wanted: int, subject: str) -> None:
    """Refuse a batch that is neither one nor one for each picture.

    Raises:
        InputError: so it is.
    """
    if count not in (1, wanted):
        received = f"{count} for {wanted} pictures"
        raise InputError(subject, received, "Give one, or one per picture.")
