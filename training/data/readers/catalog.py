"""All layouts of datasets by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ....errors import InputError
from .. import shards
from ..records import Source
from . import dpdd, ebb, folders, lfdof, realbokeh, realdof, scenes


@dataclass(frozen=True)
class Layout:
    """How a dataset lies on the disk.

    Args:
        title: its name in print.
        read: (folder, split) to its pairs.
        splits: that it has.
    """

    title: str
    read: Callable[[Path, str], Source]
    splits: tuple[str, ...]


LAYOUTS = {
    "dpdd": Layout("DPDD", dpdd.read, dpdd.SPLITS),
    "realdof": Layout("RealDOF", realdof.read, realdof.SPLITS),
    "realbokeh": Layout("RealBokeh", realbokeh.read, realbokeh.SPLITS),
    "ebb": Layout("EBB!", ebb.read, ebb.SPLITS),
    "lfdof": Layout("LFDOF", lfdof.read, lfdof.SPLITS),
    "folders": Layout("plain folders", folders.read, folders.SPLITS),
    "scenes": Layout("simulated scenes", scenes.read, scenes.SPLITS),
    "shards": Layout("shards", shards.read, shards.SPLITS),
}


def open_dataset(layout: str, folder: str | Path, split: str | None = None) -> Source:
    """The pairs of a dataset.

    Args:
        layout: one of `LAYOUTS`.
        folder: as docs/data.md shows it.
        split: one of the layout's; None is its first.

    Raises:
        InputError: there is no such layout or split.
        FileError: folders or files are missing.

    Example:
        >>> source = open_dataset("dpdd", "/data/DPDD", "test")
        >>> source.record(0).bokeh.image().shape
        torch.Size([3, 1120, 1680])
    """
    if layout not in LAYOUTS:
        raise InputError("layout", repr(layout), f"Give one of {', '.join(LAYOUTS)}.")
    known = LAYOUTS[layout]
    split = split or known.splits[0]
    if split not in known.splits:
        raise InputError("split", repr(split), f"{known.title} has {', '.join(known.splits)}.")
    return known.read(Path(folder), split)
