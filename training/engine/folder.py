"""The folder of a run, which belongs to its settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...photo.files import make_folder
from .config import as_yaml

CHECKPOINTS, CONFIG = "checkpoints", "config.yaml"
# Settings that a run may change when it goes on.
CHANGEABLE = ("workers", "log_every", "validate_every", "save_every", "keep")


def claim(folder: Path, config: Any) -> None:
    """Make the folder of a run, or see that it is this run's.

    Raises:
        InputError: it holds a run with other settings.
        FileError: it cannot be made.
    """
    make_folder(folder)
    file, text = folder / CONFIG, as_yaml(config)
    if file.is_file() and (folder / CHECKPOINTS).is_dir():
        before = file.read_text(encoding="utf-8")
        changed = _differences(before, text)
        if changed:
            raise InputError(
                "out",
                f"{folder}, where a run has other settings ({', '.join(changed)})",
                "Give another folder, or the same settings to go on.",
            )
    unfinished = file.with_name(f".{file.name}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)


def _differences(before: str, after: str) -> list[str]:
    import yaml

    old, new = _flat(yaml.safe_load(before)), _flat(yaml.safe_load(after))
    free = {f"run.{name}" for name in CHANGEABLE}
    return sorted(
        name
        for name in old.keys() | new.keys()
        if name not in free and old.get(name) != new.get(name)
    )


def _flat(values: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= (
            _flat(value, f"{place}{name}.") if isinstance(value, dict) else {place + name: value}
        )
    return flat
