"""ComfyUI's kind of transformer gives what diffusers' gives, with conditions and adapters."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.models.flux.conditions import Condition, Visibility
from focuspuller.models.flux.tokens import image_positions
from focuspuller.models.flux.transformer import ConditionedFlux
from focuspuller.models.flux_base.presented import PresentedFlux
from oracles.flux import filled_adapter, flux
from oracles.flux_base import BASE_CONFIG, original_transformer, prompt_of
from oracles.original_flux import original_flux
from torch import Tensor, nn

GRID = (3, 4)


def native(**params: Any) -> Any:
    return original_flux(original_transformer(flux(BASE_CONFIG).state_dict()), **params)


def conditioned(base: Any) -> ConditionedFlux:
    model = ConditionedFlux(base)
    model.adapters["bokeh"] = filled_adapter(model.shape).requires_grad_(False)
    return model


def velocity(model: ConditionedFlux, visibility: Visibility = Visibility.PUBLISHED) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randn(3, 12, 64, generator=generator)
    conditions = [
        Condition(tokens[1:2], image_positions(GRID), "bokeh"),
        Condition(tokens[2:3], image_positions(GRID, (0, -4)), "bokeh"),
    ]
    with torch.no_grad():
        return model(
            tokens[:1],
            image_positions(GRID),
            torch.tensor([0.6]),
            2.5,
            prompt_of("text"),
            conditions,
            visibility,
        )


@pytest.mark.parametrize("visibility", Visibility)
def test_both_kinds_give_the_same(visibility):
    expected = velocity(conditioned(flux(BASE_CONFIG)), visibility)
    found = velocity(conditioned(PresentedFlux(native())), visibility)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_its_layers_are_used_where_they_are():
    base = native()
    model = conditioned(PresentedFlux(base))
    before = velocity(model)
    base.double_blocks[0].img_attn.qkv.weight.data += 0.1  # As a patch does.
    assert not torch.equal(velocity(model), before)


def test_joined_layers_are_computed_once():
    base = native()
    model = conditioned(PresentedFlux(base))
    calls: dict[nn.Module, int] = {}

    def count(module: nn.Module, *_: object) -> None:
        calls[module] = calls.get(module, 0) + 1

    doubles = [block.img_attn.qkv for block in base.double_blocks]
    singles = [block.linear1 for block in base.single_blocks]
    for layer in (*doubles, *singles):
        layer.register_forward_hook(count)
    velocity(model)
    assert [calls[layer] for layer in doubles] == [1] * len(doubles)
    # Of the last block keys come from all tokens, all else from the picture alone.
    assert [calls[layer] for layer in singles] == [*[1] * (len(singles) - 1), 2]


def test_nothing_is_kept_behind_a_pass():
    presented = PresentedFlux(native())
    velocity(conditioned(presented))
    last = presented.single_transformer_blocks[0].proj_mlp.last
    assert last._known is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"in_channels": 96}, "reads 96 channels instead of 16, as Fill"),
        ({"global_modulation": True}, r"FLUX\.2 or another"),
    ],
)
def test_relatives_are_refused(params, message):
    with pytest.raises(InputError, match=message):
        PresentedFlux(native(**params))


def test_other_networks_are_refused():
    with pytest.raises(InputError, match=r"a Linear, which is no FLUX\.1"):
        PresentedFlux(nn.Linear(1, 1))
