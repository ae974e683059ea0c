"""Settings that every training has, and how settings come from YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from ...errors import FileError, InputError, MissingDependencyError

C = TypeVar("C")

Schedule = Literal["constant", "cosine"]
Precision = Literal["float32", "bf16"]


@dataclass(frozen=True)
class Optimizer:
    """AdamW and its learning rate.

    Args:
        learning_rate: at its highest.
        warmup_steps: over which it rises from almost nothing.
        schedule: after that it stays, or falls like half a cosine to 0 at the last step.
        betas: of Adam's two means.
        weight_decay: decoupled, per step and learning rate.
        clip_norm: longest gradient over all parameters of a phase; None leaves it as it is.
    """

    learning_rate: float = 1e-4
    warmup_steps: int = 0
    schedule: Schedule = "constant"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-2
    clip_norm: float | None = 1.0


@dataclass(frozen=True)
class Run:
    """How long and in which portions is trained, and what is written when.

    Args:
        steps: optimizer steps in all.
        batch_size: examples that one process sees at once.
        accumulate: batches per step.
        precision: "bf16" computes in bfloat16 where that is safe; parameters stay in float32.
        ema_decay: of the moving average that is exported instead of the last parameters; None for
            none.
        gradient_checkpointing: recompute activations in the backward pass, to save memory.
        workers: processes per process that make examples; 0 makes them in the training itself.
        log_every: steps.
        validate_every: steps; 0 never.
        save_every: steps; what an interruption costs at most.
        keep: how many checkpoints stay.
        seed: of everything.
    """

    steps: int = 1000
    batch_size: int = 1
    accumulate: int = 1
    precision: Precision = "float32"
    ema_decay: float | None = None
    gradient_checkpointing: bool = False
    workers: int = 0
    log_every: int = 10
    validate_every: int = 0
    save_every: int = 100
    keep: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "log_every", "save_every", "keep"):
            if getattr(self, name) < 1:
                raise InputError(f"run.{name}", str(getattr(self, name)), "Give at least 1.")


def config_from(
    kind: type[C], preset: C, file: Path | None = None, changes: Sequence[str] = ()
) -> C:
    """A recipe's settings: those of a preset, changed by a YAML file and then one by one.

    Args:
        kind: dataclass of the settings.
        preset: where they start.
        file: YAML with the same names, only those that change.
        changes: such as "run.steps=200"; values are YAML.

    Raises:
        FileError: the file is missing or no YAML of names and values.
        InputError: a name is unknown, or a value of the wrong kind.
    """
    values = asdict(preset)  # pyright: ignore[reportArgumentType]
    if file is not None:
        _merge(values, _read(file))
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise InputError("set", repr(change), "Give NAME=VALUE, such as run.steps=200.")
        nested: Any = _yaml().safe_load(value)
        for part in reversed(name.strip().split(".")):
            nested = {part: nested}
        _merge(values, nested)
    return _checked(kind, values)


def as_yaml(config: Any) -> str:
    """Settings as `config_from` reads them."""
    return _yaml().safe_dump(_plain(asdict(config)), sort_keys=False)


def _read(file: Path) -> Mapping[str, Any]:
    yaml = _yaml()
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(str(file), f"a file that cannot be read ({error})", "Check it.") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise FileError(str(file), f"a file that is no YAML ({reason})", "Repair it.") from error
    if not isinstance(values, Mapping):
        raise FileError(str(file), "a file without settings", "Give NAME: VALUE, line by line.")
    return values


def _merge(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, Mapping) and isinstance(values.get(name), dict):
            _merge(values[name], value)
        else:
            values[name] = value


def _checked(kind: type[C], values: Mapping[str, Any]) -> C:
    try:
        from pydantic import TypeAdapter, ValidationError
    except ImportError as error:
        raise _missing("pydantic") from error
    _refuse_unknown(kind, values)
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise InputError(name, repr(first["input"]), f"{first['msg']}.") from error


def _refuse_unknown(kind: Any, values: Mapping[str, Any], place: str = "") -> None:
    known = get_type_hints(kind)
    for name, value in values.items():
        if name not in known:
            names = ", ".join(known)
            raise InputError(f"{place}{name}", "a setting that does not exist", f"Give {names}.")
        if is_dataclass(known[name]) and isinstance(value, Mapping):
            _refuse_unknown(known[name], value, f"{place}{name}.")


def _plain(values: Any) -> Any:
    """Tuples as lists, which YAML has."""
    if isinstance(values, dict):
        return {name: _plain(value) for name, value in values.items()}
    return [_plain(value) for value in values] if isinstance(values, (list, tuple)) else values


def _yaml() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise _missing("PyYAML") from error
    return yaml


def _missing(library: str) -> MissingDependencyError:
    advice = f"Install it: pip install {library}; it comes with 'focuspuller[training]', too."
    return MissingDependencyError("settings", f"no {library}", advice)
