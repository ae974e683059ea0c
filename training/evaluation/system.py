"""What benchmarks compare: anything that makes the picture of a `Request`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ..engine.config import config_from
from .scene import Request, Task

# From a request to a picture, linear light `[1,3,H,W]`, on any device.
Maker = Callable[[Request], Tensor]


@dataclass(frozen=True)
class System:
    """A row of a table.

    Args:
        name: of the row.
        tasks: that it can do.
        make: readies it on a device, with its settings if it has some. Raises FileError where
            weights are missing, and MissingDependencyError where a library is.
        summary: one line.
        is_fixed: its pictures do not follow the bokeh level, so that none is searched for it.
        settings: dataclass of what users may set, such as files of weights.
        family: name under which settings are shared with other systems.
    """

    name: str
    tasks: tuple[Task, ...]
    make: Callable[..., Maker]
    summary: str
    is_fixed: bool = False
    settings: Any = None
    family: str = ""

    def ready(self, device: torch.device) -> Maker:
        """What makes its pictures on a device. Raises as `make`."""
        return self.make(device) if self.settings is None else self.make(device, self.settings)

    @property
    def settable(self) -> tuple[str, ...]:
        """Names of its settings."""
        return () if self.settings is None else tuple(one.name for one in fields(self.settings))

    def with_settings(self, changes: Sequence[str]) -> System:
        """The same with other settings.

        Args:
            changes: such as "steps=4"; values are YAML.

        Raises:
            InputError: a name is unknown, or a value of the wrong kind.
        """
        if not changes:
            return self
        if self.settings is None:
            raise InputError(f"set {self.name}", changes[0], "It has no settings.")
        changed = config_from(type(self.settings), self.settings, changes=changes)
        return replace(self, settings=changed)


def settings_for(system: System, changes: Sequence[str]) -> list[str]:
    """Those of `KEY.NAME=VALUE` that are for a system, as "NAME=VALUE", the most special last.

    Args:
        system: whose name may be a row's, "SYSTEM@LABEL".
        changes: their keys are families, systems or rows.
    """
    keys = (system.family, system.name.partition("@")[0], system.name)
    found = []
    for key in dict.fromkeys(keys):
        for place, change in map(split_setting, changes):
            shared = key == system.family
            if place == key and not (shared and change.partition("=")[0] not in system.settable):
                found.append(change)
    return found


def split_setting(text: str) -> tuple[str, str]:
    """ "bokehnet.steps=4" as "bokehnet" and "steps=4".

    Raises:
        InputError: it is none of the kind.
    """
    place, equals, value = text.partition("=")
    key, dot, name = place.strip().rpartition(".")
    if not (equals and dot and key and name):
        advice = "Give SYSTEM.NAME=VALUE, such as bokehnet.steps=4."
        raise InputError("set", repr(text), advice)
    return key, f"{name}={value}"
