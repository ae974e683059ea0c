"""Settings that all adapters for FLUX have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...errors import InputError
from ...models.flux.layout import BASE_MODEL

Visible = Literal["published", "independent"]
Timesteps = Literal["logit-normal", "uniform"]
FLUX_LICENCE = "FLUX.1 [dev] Non-Commercial License"


@dataclass(frozen=True)
class FluxFiles:
    """The base model, whose weights stay as they are.

    What is not given is taken from the transformer's file or folder if that has it, else looked
    for in the folders of models.

    Args:
        transformer: a file or a folder of diffusers; "tiny" is a small random one, to try things
            out.
        autoencoder: likewise.
        clip: likewise.
        t5: likewise.
        tokenizers: a folder with the folders tokenizer and tokenizer_2.
        prompts: a file of encoded prompts, which makes the three before needless.
        name: as the adapter's file says what it is for.
    """

    transformer: str | None = None
    autoencoder: str | None = None
    clip: str | None = None
    t5: str | None = None
    tokenizers: str | None = None
    prompts: str | None = None
    name: str = BASE_MODEL


@dataclass(frozen=True)
class AdapterSettings:
    """What is trained.

    Args:
        rank: of all updates.
        visibility: what conditions attend to: "published" as in GenRefocus, with prompt and
            picture; "independent" their own group alone, so that they are computed once per
            picture instead of once per step.
        start: an adapter to go on from, instead of one that changes nothing.
        timesteps: how the noise of an example is drawn: the logistic function of a normal, or
            evenly.
        guidance: scale that text and picture are told.
        licence: of the weights that come out, as their file will say.
    """

    rank: int
    visibility: Visible = "published"
    start: str | None = None
    timesteps: Timesteps = "logit-normal"
    guidance: float = 1.0
    licence: str = FLUX_LICENCE

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise InputError("adapter.rank", str(self.rank), "Give 1 or more.")
