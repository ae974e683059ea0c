"""What the transformer is told besides the noisy picture: a prompt and conditions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from torch import Tensor


class Visibility(str, Enum):
    """What conditions attend to. Text and picture always attend to everything.

    PUBLISHED: themselves, text and picture, as in GenRefocus and OminiControl; they change with
        every denoising step.
    INDEPENDENT: themselves alone (OminiControl2's feature reuse). Their keys and values are the
        same in every step; only for adapters that were trained so.
    """

    PUBLISHED = "published"
    INDEPENDENT = "independent"


@dataclass(frozen=True, eq=False)
class Prompt:
    """An encoded prompt.

    Args:
        tokens: of the T5 encoder, `[B,N,C]`.
        pooled: of the CLIP encoder, `[B,C]`.
    """

    tokens: Tensor
    pooled: Tensor


@dataclass(frozen=True, eq=False)
class Condition:
    """Tokens beside those of the picture, with a timestep and an adapter of their own.

    Args:
        tokens: `[B,T,C]` or `[1,T,C]`, C as the picture's tokens; with `embedded` the
            transformer's width.
        positions: `[T,3]`, see `image_positions`.
        adapter: name of the adapter that changes these tokens, or None for the base model alone.
        timestep: 0 (clean) to 1 (noise).
        guidance: guidance scale.
        group: conditions of one group attend to each other; None is a group of its own.
        aligned: whether tokens lie on the picture's grid, so that a tile of the picture has a part
            of them; otherwise every tile gets them all.
        embedded: whether the tokens skip the transformer's embedding of latents.
        lasting: whether other pictures of the same photo are likely shown the same: what
            independent ones become in the model is then worth keeping.
    """

    tokens: Tensor
    positions: Tensor
    adapter: str | None = None
    timestep: float = 0.0
    guidance: float = 1.0
    group: int | None = None
    aligned: bool = True
    embedded: bool = False
    lasting: bool = False
