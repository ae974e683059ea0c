"""What a pipeline needs of a base model: its transformer, its autoencoder and its prompts.

`loading.load_base` makes one of files. ComfyUI's own models can be one too: all that is asked of
the parts is what the protocols here say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from ...errors import InputError
from .. import lending
from .adapters import Adapter, FluxShape
from .conditions import Prompt
from .transformer import ConditionedFlux

# Pixels along the side of one pixel of the latent.
DOWNSCALING = 8

Lend = Callable[[Sequence[nn.Module], torch.device, int], AbstractContextManager[None]]

# More than any device has: no room is left for weights that need not stay.
ALL_MEMORY = 1 << 50


class Autoencoder(Protocol):
    """Between pixels and the transformer's latents. It is on its device only while it computes."""

    def encode(self, pixels: Tensor, generator: torch.Generator | None) -> Tensor:
        """The latent `[B,C,H/8,W/8]` of pixels `[B,3,H,W]` in -1..1; see `FluxBase.encode`."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels in about -1..1 of a latent."""
        ...


class PromptEncoder(Protocol):
    """From text to what the transformer reads."""

    def __call__(self, text: str) -> Prompt:
        """The encoded prompt, batch 1, float32 on the CPU.

        Raises:
            FocusPullerError: there is nothing to encode it with.
        """
        ...


@dataclass(frozen=True, eq=False)
class FluxBase:
    """A FLUX model, ready to be used with adapters.

    Args:
        name: of its file or folder.
        transformer: with conditions. Its `adapters` are set by `at_work`.
        autoencoder: for its latents.
        prompts: encodes prompts.
        device: where it computes.
        dtype: in which type the transformer computes; its weights may be stored in others.
        lend: how the transformer gets onto the device.
        sparing: have no more of the transformer on the device than two blocks at a time, even
            where there is room for more.
    """

    name: str
    transformer: ConditionedFlux
    autoencoder: Autoencoder
    prompts: PromptEncoder
    device: torch.device
    dtype: torch.dtype
    lend: Lend = lending.lent
    sparing: bool = False

    @property
    def shape(self) -> FluxShape:
        """Sizes of the transformer, which adapters have to fit."""
        return self.transformer.shape

    @contextmanager
    def at_work(
        self, adapters: Mapping[str, Adapter], working_bytes: int | None = None
    ) -> Iterator[ConditionedFlux]:
        """Have the transformer, with adapters, on the device for a while.

        Where memory is too short for all of it, blocks come one after the other while it computes.

        Args:
            adapters: by the names that conditions use; no others take part.
            working_bytes: what a pass takes beside weights, at most; see `pass_bytes`. By default
                that of a megapixel with two conditions.
        """
        if working_bytes is None:
            working_bytes = pass_bytes(self.shape, 3 * 4096 + 512, self.dtype)
        needed = ALL_MEMORY if self.sparing else working_bytes
        present = self.transformer.adapters
        self.transformer.adapters = nn.ModuleDict()
        try:
            # Adapters are lent on their own: others come, and the transformer stays.
            with self.lend([self.transformer, *adapters.values()], self.device, needed):
                self.transformer.adapters = nn.ModuleDict(dict(adapters))
                with torch.no_grad():
                    yield self.transformer
        finally:
            self.transformer.adapters = present

    def encode(self, pixels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The latent of pictures.

        Args:
            pixels: `[B,3,H,W]` in the autoencoder's range -1..1, H and W multiples of 8.
            generator: draws from the latent's distribution, as GenRefocus does; its mean if None.

        Returns:
            `[B,C,H/8,W/8]`, float32 on the device, as `tokens.packed` takes it.

        Raises:
            InputError: H or W is no multiple of 8.
        """
        height, width = pixels.shape[-2:]
        if height % DOWNSCALING or width % DOWNSCALING:
            advice = f"Pad both to multiples of {DOWNSCALING}."
            raise InputError("image", f"{width}×{height} px", advice)
        return self.autoencoder.encode(pixels, generator).to(self.device, torch.float32)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures of latents `[B,C,h,w]`: sRGB `[B,3,8h,8w]` in 0..1, float32 on the device."""
        pixels = self.autoencoder.decode(latents).to(self.device, torch.float32)
        return (pixels / 2 + 0.5).clamp(0, 1)

    def encode_prompt(self, text: str) -> Prompt:
        """An encoded prompt, batch 1, as the transformer takes it: on the device, in its type.

        Raises:
            FocusPullerError: there are neither text encoders nor a stored prompt of that text.
        """
        return self.on_device(self.prompts(text))

    def on_device(self, prompt: Prompt) -> Prompt:
        """A prompt as the transformer takes it, for those that were encoded elsewhere."""
        tokens, pooled = (
            tensor.to(self.device, self.dtype) for tensor in (prompt.tokens, prompt.pooled)
        )
        return Prompt(tokens, pooled)


def cache_bytes(shape: FluxShape, tokens: int, dtype: torch.dtype) -> int:
    """How much memory keys and values of conditions take in all blocks.

    Args:
        shape: of the transformer.
        tokens: of the conditions.
        dtype: that it computes in.
    """
    blocks = shape.double_blocks + shape.single_blocks
    return 2 * blocks * tokens * shape.width * dtype.itemsize


def pass_bytes(shape: FluxShape, tokens: int, dtype: torch.dtype, batch: int = 1) -> int:
    """About how much memory a pass without gradients takes beside the weights.

    Args:
        shape: of the transformer.
        tokens: of prompt, picture and conditions, all that one pass has.
        dtype: that it computes in.
        batch: of the pass.
    """
    # The widest place is the end of a single block: tokens, their normalized copy, keys and values,
    # the attention's result, the MLP's inner values of four widths before and after the activation,
    # and both joined; the rotation of queries and keys takes float32.
    widths = 1 + 1 + 3 + 1 + 4 + 4 + 5
    of_token = shape.width * (widths * dtype.itemsize + 4 * 4)
    return batch * tokens * of_token
