"""All systems that benchmarks can compare, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ...errors import InputError
from ...lens.defocus import defocus_from_bokeh_level
from ...lens.render import LENSES, Lens, render
from ...models.places import AUTOMATIC
from .flux_systems import FLUX_SYSTEMS
from .generator_systems import GENERATOR_SYSTEMS
from .pictures import pictures_system
from .scene import Request
from .system import Maker, System, settings_for, split_setting

# Between a system and the label of one of several rows of it.
LABEL = "@"


@dataclass(frozen=True)
class BokehMeSettings:
    """Files of BokehMe's networks, looked for by default."""

    arnet: str = AUTOMATIC
    iunet: str = AUTOMATIC


@dataclass(frozen=True)
class BokehDiffSettings:
    """Files of BokehDiff, looked for if None, and a factor on the blur radius."""

    weights: str | None = None
    base: str | None = None
    strength: float = 1.0


def _lens(lens: Callable[[], Lens], device: torch.device) -> Maker:
    return partial(_rendered, lens(), device)


def _neural_bokehme(device: torch.device, settings: BokehMeSettings) -> Maker:
    from ...models.bokehme.handle import bokehme_lens

    lens = bokehme_lens(arnet=settings.arnet, iunet=settings.iunet)
    return partial(_rendered, lens, device)


def _bokehdiff(device: torch.device, settings: BokehDiffSettings) -> Maker:
    from ...models.bokehdiff.handle import bokehdiff_lens

    lens = bokehdiff_lens(settings.weights, settings.base, settings.strength)
    return partial(_rendered, lens, device)


def _rendered(lens: Lens, device: torch.device, request: Request) -> Tensor:
    defocus = defocus_from_bokeh_level(*request.geometry(lens.name), request.level)
    with torch.inference_mode():
        return render(request.image, defocus, lens, device=device)


def _unchanged(device: torch.device) -> Maker:
    del device
    return lambda request: request.image


SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System(
            "input",
            ("bokeh", "refocus", "deblur"),
            _unchanged,
            "the picture as it is given",
            is_fixed=True,
        ),
        *(
            System(name, ("bokeh",), partial(_lens, partial(Lens, name)), kind.summary)
            for name, kind in LENSES.items()
        ),
        System(
            "bokehme-neural",
            ("bokeh",),
            _neural_bokehme,
            "BokehMe with its networks, repaired at depth edges",
            settings=BokehMeSettings(),
        ),
        System(
            "bokehdiff",
            ("bokeh",),
            _bokehdiff,
            "BokehDiff: one step of SDXL with physics-inspired attention",
            settings=BokehDiffSettings(),
        ),
        *FLUX_SYSTEMS,
        *GENERATOR_SYSTEMS,
    )
}


def system_called(name: str, folders: Mapping[str, Path], changes: Sequence[str] = ()) -> System:
    """A system.

    Args:
        name: of `SYSTEMS`, perhaps with a label ("bokehnet@mine"), or of `folders`.
        folders: pictures that other programs have made, by the name of their row.
        changes: settings of systems, `KEY.NAME=VALUE`; see `settings_for`.

    Raises:
        InputError: there is none of that name, or a setting that it has not.
        FileError: its folder does not exist.
    """
    if name in folders:
        return pictures_system(name, folders[name])
    kind = name.partition(LABEL)[0]
    if kind not in SYSTEMS:
        raise InputError("system", repr(name), f"Give one of {', '.join([*SYSTEMS, *folders])}.")
    system = replace(SYSTEMS[kind], name=name)
    return system.with_settings(settings_for(system, changes))


def check_settings(changes: Iterable[str], rows: Iterable[str]) -> None:
    """Refuse settings that no row has. Those of a family may be for others of it.

    Args:
        changes: `KEY.NAME=VALUE`.
        rows: names of the systems that are compared.

    Raises:
        InputError: one of them is for something else.
    """
    systems = {name: SYSTEMS[name.partition(LABEL)[0]] for name in rows}
    for text in changes:
        key, change = split_setting(text)
        setting = change.partition("=")[0]
        names = {
            known
            for row, system in systems.items()
            for known in (row, system.name, system.family)
            if system.settings is not None
        }
        if key not in names:
            known = ", ".join(sorted(names - {""})) or "no system with settings"
            raise InputError("set", repr(text), f"Compared are {known}.")
        family = [one for one in SYSTEMS.values() if one.family == key]
        if family and not any(setting in one.settable for one in family):
            settable = dict.fromkeys(name for one in family for name in one.settable)
            raise InputError("set", repr(text), f"{key} has {', '.join(settable)}.")
