"""In which order tokens stand, which are treated alike, and what they attend to.

All tokens go through a block together. Their order makes what each of them may see one contiguous
run wherever it can be: a group of conditions, then text and picture, then the other groups. So the
two conditions of BokehNet, which must not see each other, need neither a mask nor a copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from .adapters import Adapter
from .conditions import Condition, Visibility


@dataclass(frozen=True)
class Part:
    """A run of tokens with one modulation and one adapter.

    Args:
        tokens: which.
        row: of the modulation, see `Arrangement.modulations`.
        adapter: what changes the base model for them, if anything.
    """

    tokens: slice
    row: int
    adapter: Adapter | None


@dataclass(frozen=True)
class Look:
    """A run of tokens and the runs that they attend to."""

    queries: slice
    keys: tuple[slice, ...]


@dataclass(frozen=True)
class Modulation:
    """What a row of the modulation is computed from; the picture's own timestep if None."""

    timestep: float | None
    guidance: float | None
    adapter: Adapter | None


@dataclass(frozen=True)
class Arrangement:
    """The order of the tokens of one pass.

    Args:
        before: conditions that stand before text and picture.
        after: conditions that stand behind them.
        text: number of the prompt's tokens.
        picture: number of the picture's tokens; 0 if only conditions are encoded, then `text` is 0.
        modulations: the rows; row 0 is that of text and picture.
        image_parts: of all tokens but the prompt's.
        parts: of all tokens.
        looks: what attends to what, queries in order.
    """

    before: tuple[Condition, ...]
    after: tuple[Condition, ...]
    text: int
    picture: int
    modulations: tuple[Modulation, ...]
    image_parts: tuple[Part, ...]
    parts: tuple[Part, ...]
    looks: tuple[Look, ...]

    @property
    def text_start(self) -> int:
        """Where the prompt stands; before it there are as many tokens of conditions."""
        return count(self.before)

    @property
    def picture_start(self) -> int:
        """Where the picture stands among all tokens."""
        return self.text_start + self.text

    @property
    def picture_tokens(self) -> slice:
        """The picture among all tokens."""
        return slice(self.picture_start, self.picture_start + self.picture)

    @property
    def condition_runs(self) -> tuple[slice, slice]:
        """Conditions before and behind text and picture."""
        end = self.picture_start + self.picture
        return slice(0, self.text_start), slice(end, end + count(self.after))

    @property
    def modulation_parts(self) -> tuple[Part, ...]:
        """The rows of the modulation, as if they were tokens: adapters change them likewise."""
        return tuple(
            Part(slice(row, row + 1), row, modulation.adapter)
            for row, modulation in enumerate(self.modulations)
        )


def arranged(
    text: int,
    picture: int,
    conditions: Sequence[Condition],
    visibility: Visibility,
    adapters: Mapping[str, Adapter],
) -> Arrangement:
    """The order of a pass.

    Args:
        text: number of the prompt's tokens.
        picture: number of the picture's tokens.
        conditions: in any order.
        visibility: what conditions attend to.
        adapters: by the names that conditions use.
    """
    groups = grouped(conditions)
    # One group, or groups that see nothing else, have contiguous runs wherever they stand.
    lead = 1 if len(groups) > 1 and visibility is Visibility.PUBLISHED else 0
    before, after = groups[:lead], groups[lead:]
    ordered = [condition for group in groups for condition in group]
    modulations = _modulations(ordered, adapters)

    def parts_of(core: int) -> tuple[Part, ...]:
        first, last = (_runs(groups, modulations, adapters) for groups in (before, after))
        return _placed([*first, (core, 0, None), *last])

    return Arrangement(
        before=_flat(before),
        after=_flat(after),
        text=text,
        picture=picture,
        modulations=modulations,
        image_parts=parts_of(picture),
        parts=parts_of(text + picture),
        looks=_looks(text + picture, before, after, visibility),
    )


def count(conditions: Iterable[Condition]) -> int:
    """Number of tokens."""
    return sum(condition.tokens.shape[1] for condition in conditions)


Group = tuple[Condition, ...]
Run = tuple[int, int, Adapter | None]  # number of tokens, row, adapter


def grouped(conditions: Sequence[Condition]) -> list[Group]:
    """Conditions that attend to each other, in the order of their first members."""
    groups: dict[object, list[Condition]] = {}
    for index, condition in enumerate(conditions):
        key = ("alone", index) if condition.group is None else condition.group
        groups.setdefault(key, []).append(condition)
    return [tuple(group) for group in groups.values()]


def _flat(groups: Iterable[Group]) -> tuple[Condition, ...]:
    return tuple(condition for group in groups for condition in group)


def _adapter_of(condition: Condition, adapters: Mapping[str, Adapter]) -> Adapter | None:
    return None if condition.adapter is None else adapters[condition.adapter]


def _modulation_of(condition: Condition, adapters: Mapping[str, Adapter]) -> Modulation:
    adapter = _adapter_of(condition, adapters)
    return Modulation(condition.timestep, condition.guidance, adapter)


def _modulations(
    conditions: Iterable[Condition], adapters: Mapping[str, Adapter]
) -> tuple[Modulation, ...]:
    """One row for all that share timestep, guidance and adapter."""
    found = {Modulation(None, None, None): None}
    found |= {_modulation_of(condition, adapters): None for condition in conditions}
    return tuple(found)


def _runs(
    groups: Iterable[Group],
    modulations: tuple[Modulation, ...],
    adapters: Mapping[str, Adapter],
) -> list[Run]:
    runs = []
    for condition in _flat(groups):
        row = modulations.index(_modulation_of(condition, adapters))
        runs.append((condition.tokens.shape[1], row, _adapter_of(condition, adapters)))
    return runs


def _placed(runs: Iterable[Run]) -> tuple[Part, ...]:
    """Runs one after the other; neighbours that are treated alike become one."""
    parts, start = [], 0
    for (row, adapter), alike in groupby(runs, key=lambda run: run[1:]):
        stop = start + sum(run[0] for run in alike)
        if stop > start:
            parts.append(Part(slice(start, stop), row, adapter))
        start = stop
    return tuple(parts)


def _looks(
    core: int, before: list[Group], after: list[Group], visibility: Visibility
) -> tuple[Look, ...]:
    """Which runs see which. Text and picture, `core` tokens, see everything."""
    lead, total = count(_flat(before)), core + count(_flat([*before, *after]))
    core_run = slice(lead, lead + core)
    sees_core = core > 0 and visibility is Visibility.PUBLISHED
    if sees_core and len([*before, *after]) == 1:
        return (Look(slice(0, total), (slice(0, total),)),)
    looks, start = [], 0
    for group in before:
        looks.append(_group_look(slice(start, start + count(group)), core_run, sees_core))
        start += count(group)
    if core:
        looks.append(Look(core_run, (slice(0, total),)))
    start += core
    for group in after:
        looks.append(_group_look(slice(start, start + count(group)), core_run, sees_core))
        start += count(group)
    return tuple(looks)


def _group_look(own: slice, core: slice, sees_core: bool) -> Look:
    if not sees_core:
        return Look(own, (own,))
    if own.stop == core.start:
        return Look(own, (slice(own.start, core.stop),))
    if core.stop == own.start:
        return Look(own, (slice(core.start, own.stop),))
    return Look(own, (core, own))
