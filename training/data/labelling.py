"""Labelling a whole dataset, pair by pair, into a file that grows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ...errors import FileError
from .labels import Label, Method, as_line, label_pair, read_labels
from .records import Source
from .workers import run_jobs


def label_all(
    source: Source,
    out: Path,
    by: Method,
    least_ssim: float,
    processes: int = 1,
    ray_address: str | None = None,
    on_label: Callable[[], None] | None = None,
) -> list[Label]:
    """Label all pairs that the file does not have yet.

    Args:
        source: the pairs.
        out: `.jsonl`; a line for each pair, in the order in which they were found.
        by, least_ssim: as of `label_pair`.
        processes, ray_address: who works, see `run_jobs`.
        on_label: called after each label that was found now.

    Returns:
        All labels, in the order of the pairs.

    Raises:
        FileError: the file cannot be read or written.
    """
    labels = read_labels(out) if out.is_file() else {}
    names = [source.record(index).name for index in range(len(source))]
    missing = [index for index, name in enumerate(names) if name not in labels]
    try:
        _drop_torn_line(out)
        with out.open("a", encoding="utf-8") as file:
            find = partial(_label, source, by, least_ssim)
            for finished in run_jobs(find, missing, processes, ray_address):
                label: Label = finished.result
                labels[label.name] = label
                file.write(as_line(label))
                file.flush()
                if on_label is not None:
                    on_label()
    except OSError as error:
        received = f"a file that cannot be written ({error})"
        raise FileError(str(out), received, "Give another place.") from error
    return [labels[name] for name in names]


def _label(source: Source, by: Method, least_ssim: float, index: int) -> Label:
    return label_pair(source.record(index), by, least_ssim)


def _drop_torn_line(file: Path) -> None:
    """Remove what a kill has left of a line."""
    if file.is_file():
        content = file.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.write_bytes(content[:whole])
