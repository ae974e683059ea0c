"""The order of tokens: every run sees what it may see, mostly without copies."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from focuspuller.models.flux.arrangement import Arrangement, arranged
from focuspuller.models.flux.attention import rotated, rotations, visible_attention
from focuspuller.models.flux.conditions import Condition, Visibility
from oracles.flux import filled_adapter
from torch import Tensor

TEXT, PICTURE = 3, 7
ADAPTERS = {"one": filled_adapter(), "two": filled_adapter(salt="two")}
ALONE = None
GROUPS: list[list[int | None]] = [
    [],
    [ALONE],
    [ALONE, ALONE],
    [ALONE, ALONE, ALONE],
    [0, 0],
    [0, ALONE, 0],
    [0, 1, 0, 1],
    [5, 5, 5],
]


def condition(tokens: int, **settings) -> Condition:
    return Condition(torch.zeros(1, tokens, 4), torch.zeros(tokens, 3), **settings)


def arrangement(groups: list[int | None], visibility: Visibility, core: bool = True) -> Arrangement:
    conditions = [condition(2 + index, group=group) for index, group in enumerate(groups)]
    sizes = (TEXT, PICTURE) if core else (0, 0)
    return arranged(*sizes, conditions, visibility, ADAPTERS)


def owners(found: Arrangement) -> list[object]:
    """To which group each token belongs; None is text and picture."""

    def of(conditions: tuple[Condition, ...]) -> list[object]:
        return [
            id(one) if one.group is None else ("group", one.group)
            for one in conditions
            for _ in range(one.tokens.shape[1])
        ]

    return [*of(found.before), *[None] * (found.text + found.picture), *of(found.after)]


def allowed(found: Arrangement, visibility: Visibility) -> Tensor:
    """The definition: which token may see which."""
    who = owners(found)
    sees_core = visibility is Visibility.PUBLISHED
    return torch.tensor(
        [
            [mine is None or mine == other or (other is None and sees_core) for other in who]
            for mine in who
        ]
    )


@pytest.mark.parametrize("visibility", Visibility)
@pytest.mark.parametrize(
    ("groups", "core"), [*product(GROUPS, [True]), *product(GROUPS[1:], [False])]
)
def test_runs_see_what_the_mask_of_the_definition_lets_through(
    groups: list[int | None], visibility: Visibility, core: bool
) -> None:
    visibility = visibility if core else Visibility.INDEPENDENT
    found = arrangement(groups, visibility, core)
    mask = allowed(found, visibility)
    queries, keys, values = torch.randn(3, 2, len(mask), 2, 8).unbind()
    heads_first = [tensor.transpose(1, 2) for tensor in (queries, keys, values)]
    wanted = F.scaled_dot_product_attention(*heads_first, attn_mask=mask).transpose(1, 2).flatten(2)
    torch.testing.assert_close(visible_attention(queries, keys, values, found.looks), wanted)


@pytest.mark.parametrize(
    ("groups", "runs"), [([ALONE], 1), ([0, 0], 1), ([ALONE, ALONE], 3), ([0, 0, ALONE], 3)]
)
def test_two_groups_need_no_copies_of_keys(groups: list[int | None], runs: int) -> None:
    looks = arrangement(groups, Visibility.PUBLISHED).looks
    assert all(len(look.keys) == 1 for look in looks)
    assert len(looks) == runs


@pytest.mark.parametrize("groups", GROUPS)
def test_independent_conditions_need_no_copies_of_keys(groups: list[int | None]) -> None:
    looks = arrangement(groups, Visibility.INDEPENDENT).looks
    assert all(len(look.keys) == 1 for look in looks)


def test_every_token_is_in_one_part_with_its_adapter_and_modulation() -> None:
    conditions = [
        condition(2, adapter="one"),
        condition(3, adapter="one"),
        condition(4, adapter="two"),
        condition(5, adapter="one", timestep=0.5),
        condition(6),
    ]
    found = arranged(TEXT, PICTURE, conditions, Visibility.PUBLISHED, ADAPTERS)
    for parts, core in ((found.parts, TEXT + PICTURE), (found.image_parts, PICTURE)):
        ends = [part.tokens.stop for part in parts]
        assert [part.tokens.start for part in parts] == [0, *ends[:-1]]
        assert ends[-1] == core + 20
        at = {part.tokens.start: part for part in parts}
        # The first stands before text and picture.
        assert at[0].adapter is ADAPTERS["one"]
        assert at[2].adapter is None
        assert at[2].row == 0
        assert at[2 + core].row == at[0].row
        assert at[5 + core].adapter is ADAPTERS["two"]
        slow = found.modulations[at[9 + core].row]
        assert (slow.timestep, slow.adapter) == (0.5, ADAPTERS["one"])
        assert at[14 + core].adapter is None
        assert at[14 + core].row != 0
    assert found.modulations[0].timestep is None
    assert len(found.modulations) == 5


def test_neighbours_that_are_treated_alike_are_one_part() -> None:
    conditions = [condition(2, adapter="one", group=0), condition(3, adapter="one", group=0)]
    found = arranged(TEXT, PICTURE, conditions, Visibility.PUBLISHED, ADAPTERS)
    assert [part.tokens for part in found.image_parts] == [slice(0, 7), slice(7, 12)]


def test_rotation_is_that_of_diffusers() -> None:
    from diffusers.models.embeddings import apply_rotary_emb
    from diffusers.models.transformers.transformer_flux import FluxPosEmbed

    embed = FluxPosEmbed(10000, [4, 6, 6])
    table = embed(torch.rand(9, 3) * 60 - 30)
    tokens = torch.randn(2, 9, 3, 16)
    wanted = apply_rotary_emb(tokens, table, sequence_dim=1)
    torch.testing.assert_close(rotated(tokens, rotations(*table)), wanted)
    assert rotated(tokens.bfloat16(), rotations(*table)).dtype == torch.bfloat16
