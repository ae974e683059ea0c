"""Networks that are in memory: loaded once, shared by all that use them, freed on request."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

from . import lending

T = TypeVar("T")

# More than this are not kept.
MOST = 8

Key = tuple[Callable[..., Any], Path, tuple[Hashable, ...]]
Stamp = tuple[tuple[str, int, int], ...]

_loaded: OrderedDict[Key, tuple[Stamp, Any]] = OrderedDict()
_lock = threading.RLock()


def loaded(load: Callable[..., T], path: Path, *choices: Hashable) -> T:
    """`load(path, *choices)`, or what it gave before while the file stays as it is.

    Args:
        load: a function of a module, not a lambda: it is part of what is remembered.
        path: a file or folder of weights.
        choices: what else the result depends on, such as the dtype.
    """
    key: Key = (load, path.absolute(), choices)
    with _lock:
        stamp = stamp_of(path)
        known = _loaded.pop(key, None)  # Before loading: old and new need not fit both.
        value = known[1] if known and known[0] == stamp else None
        del known
        value = load(path, *choices) if value is None else value
        _loaded[key] = (stamp, value)
        while len(_loaded) > MOST:
            _loaded.popitem(last=False)
        return value


def stamp_of(path: Path) -> Stamp:
    """Changes when a file, or one below a folder, does; empty if there is none."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(str(file.relative_to(path)), file.stat()) for file in files if file.is_file()]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


def forget_models() -> None:
    """Keep nothing any more. What is in use, or held by others, stays with them."""
    with _lock:
        _loaded.clear()


def free_models() -> None:
    """Give back the memory of all networks, on the device and on the CPU.

    They are loaded again when they are used again.
    """
    lending.current_lender().free()
    forget_models()
