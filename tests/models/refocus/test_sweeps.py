"""Several strengths of blur on one photo: what is computed again, and what is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import focus_on_point
from focuspuller.models.flux.conditions import Condition, Visibility
from focuspuller.models.flux.networks import Kind
from focuspuller.models.flux.tiling import Tiling
from focuspuller.models.refocus import memory
from focuspuller.models.refocus.model import RefocusModel
from focuspuller.models.refocus.photo import Estimate, refocus_photo
from focuspuller.models.refocus.sampling import Sampling
from oracles.refocus import adapter_for, picture, tiny_model
from torch import Tensor

FEW = Sampling(steps=2)
SIZE = (48, 64)


@dataclass
class Counted:
    """A model that counts what it is asked for."""

    model: RefocusModel
    counts: Counter[str]

    def refocused(self, photo: Tensor, level: float, **others: Any) -> Tensor:
        """With the left edge in focus."""

        def depth(pictures: Tensor) -> Depth:
            self.counts["depth"] += 1
            row = torch.linspace(0.2, 1.0, pictures.shape[-1])
            return Depth.from_relative(row.expand(len(pictures), 1, pictures.shape[-2], -1))

        settings: dict[str, Any] = {"sampling": FEW} | others
        return refocus_photo(
            self.model,
            photo,
            lambda depth: focus_on_point(depth, 0.0, 0.5),
            level,
            Estimate(depth, "ramp"),
            **settings,
        ).picture

    def new(self) -> Counter[str]:
        """What was counted since the last time."""
        found = Counter(self.counts)
        self.counts.clear()
        return found


class CountedAutoencoder:
    """Counts calls."""

    def __init__(self, autoencoder: Any, counts: Counter[str]) -> None:
        self.autoencoder, self.counts = autoencoder, counts

    def encode(self, pixels: Tensor, generator: Any) -> Tensor:
        self.counts["encoded pictures"] += 1
        return self.autoencoder.encode(pixels, generator)

    def decode(self, latents: Tensor) -> Tensor:
        self.counts["decoded pictures"] += 1
        return self.autoencoder.decode(latents)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """With independent adapters."""
    base, counts = tiny_model().base, Counter[str]()
    encode_prompt = base.prompts

    def prompts(text: str) -> Any:
        counts["prompts"] += 1
        return encode_prompt(text)

    encode = base.transformer.encode

    def counted_encode(conditions: Sequence[Condition], pooled: Tensor) -> Any:
        counts[f"{conditions[0].adapter} conditions"] += len(conditions)
        return encode(conditions, pooled)

    monkeypatch.setattr(base.transformer, "encode", counted_encode)
    autoencoder = CountedAutoencoder(base.autoencoder, counts)
    adapters = {kind: adapter_for(kind, Visibility.INDEPENDENT) for kind in Kind}
    base = replace(base, autoencoder=autoencoder, prompts=prompts)
    return Counted(RefocusModel(base, adapters), counts)


def again(model: Counted) -> Counted:
    """The same without memory."""
    return replace(model, model=replace(model.model, base=replace(model.model.base)))


# What depends on the strength: the defocus map, its tokens in the model, and the picture.
OF_EACH_STRENGTH = {"encoded pictures": 1, "bokeh conditions": 1, "decoded pictures": 1}


def test_another_strength_computes_its_defocus_map_alone(counted: Counted) -> None:
    photo = picture(*SIZE)
    counted.refocused(photo, 4.0)
    assert counted.new() == {
        "prompts": 2,
        "encoded pictures": 3,  # the photo, the sharp picture, the defocus map
        "deblur conditions": 1,
        "bokeh conditions": 2,
        "depth": 1,
        "decoded pictures": 2,
    }
    second = counted.refocused(photo, 9.0)
    assert counted.new() == OF_EACH_STRENGTH
    assert torch.equal(again(counted).refocused(photo, 9.0), second)


def test_so_does_another_strength_with_a_shape(counted: Counted) -> None:
    photo, aperture = picture(*SIZE), Aperture(blades=5)
    counted.refocused(photo, 4.0, aperture=aperture)
    assert counted.new()["aperture conditions"] == 1
    counted.refocused(photo, 9.0, aperture=aperture)
    assert counted.new() == OF_EACH_STRENGTH
    counted.refocused(photo, 9.0, aperture=Aperture(blades=6))
    others = {"encoded pictures": 1, "aperture conditions": 1, "bokeh conditions": 1}
    assert counted.new() == {**others, "decoded pictures": 1}


def test_another_picture_or_adapter_is_not_taken_for_the_first(counted: Counted) -> None:
    photo = picture(*SIZE)
    counted.refocused(photo, 4.0, is_sharp=True)
    counted.new()
    counted.refocused(photo.flip(-1), 4.0, is_sharp=True)
    assert counted.new()["bokeh conditions"] == 2
    other = adapter_for(Kind.BOKEH, Visibility.INDEPENDENT)
    adapters = {
        **counted.model.adapters,
        Kind.BOKEH: replace(other, adapter=deepcopy(other.adapter)),
    }
    counted.model = replace(counted.model, adapters=adapters)
    counted.refocused(photo, 4.0, is_sharp=True)
    assert counted.new()["bokeh conditions"] == 2


def test_tiles_are_remembered_one_by_one(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sampling, "tiling", Tiling(size=2, overlap=0))  # 48×64 px are 3×4 tokens
    photo = picture(*SIZE)
    counted.refocused(photo, 4.0, is_sharp=True)
    assert counted.new()["bokeh conditions"] == 2 * 4
    second = counted.refocused(photo, 9.0, is_sharp=True)
    assert counted.new()["bokeh conditions"] == 4
    assert torch.equal(again(counted).refocused(photo, 9.0, is_sharp=True), second)


def test_nothing_is_kept_that_takes_too_much_memory(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = picture(*SIZE)
    monkeypatch.setattr(memory, "CONDITIONS_SHARE", 0.0)
    for level in (4.0, 9.0):
        counted.refocused(photo, level, is_sharp=True)
        assert counted.new()["bokeh conditions"] == 2
