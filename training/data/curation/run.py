"""Curating a folder: measuring every photograph once, then deciding."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ....errors import FileError
from ....photo.files import replacing
from ....photo.photo import PHOTO_SUFFIXES
from ..readers.files import natural
from ..workers import run_jobs
from .criteria import Criteria, decided
from .facts import Classifier, Facts, facts_from, measured

OnMeasured = Callable[[], None]


@dataclass(frozen=True)
class Curated:
    """A photograph and the verdict on it.

    Args:
        facts: what is known of it.
        reasons: why it is not kept; empty if it is.
    """

    facts: Facts
    reasons: tuple[str, ...]

    @property
    def is_kept(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons


def photographs_in(folder: Path) -> list[str]:
    """All photographs in a folder and those below, relative to it, in natural order.

    Raises:
        FileError: there are none.
    """
    found = [
        path.relative_to(folder).as_posix()
        for path in (folder.rglob("*") if folder.is_dir() else ())
        if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file() and path.name[0] != "."
    ]
    if not found:
        received = "a folder without photographs" if folder.is_dir() else "no folder"
        raise FileError(str(folder), received, "Give a folder of photographs.")
    return sorted(found, key=natural)


def curate(
    folder: Path,
    criteria: Criteria,
    out: Path,
    classifier: Classifier | None = None,
    processes: int = 1,
    ray_address: str | None = None,
    on_measured: OnMeasured | None = None,
) -> list[Curated]:
    """Decide on every photograph in a folder, and write the list.

    What was measured is taken from an earlier list, or from what an interrupted run has left, so
    that other criteria cost no time.

    Args:
        folder: the photographs, also in folders below.
        criteria: what they have to be.
        out: `.jsonl`, a line of facts, `kept` and `reasons` for each.
        classifier: says how pictures are blurred; can be pickled where there are processes.
        processes, ray_address: who works, see `run_jobs`.
        on_measured: called after each photograph that was measured now.

    Raises:
        FileError: there are no photographs, or the list cannot be written.
        InputError: the classifier said something that is no label.
    """
    files = photographs_in(folder)
    known = _known(folder, out, needs_blur=classifier is not None)
    missing = [file for file in files if file not in known]
    measure = partial(_measure, folder, tuple(missing), classifier)
    unfinished = _unfinished(out)
    try:
        with unfinished.open("a", encoding="utf-8") as log:
            for finished in run_jobs(measure, range(len(missing)), processes, ray_address):
                facts = _facts_of(finished.result, finished.problem)
                known[facts.file] = facts
                log.write(json.dumps(facts.as_json()) + "\n")
                log.flush()
                if on_measured is not None:
                    on_measured()
    except OSError as error:
        raise FileError(
            str(out), f"a list that cannot be written ({error})", "Check it."
        ) from error
    curated = _verdicts([known[file] for file in files], criteria)
    _write(out, curated)
    unfinished.unlink()
    return curated


def _measure(
    folder: Path, files: tuple[str, ...], classifier: Classifier | None, index: int
) -> Facts:
    return measured(folder, files[index], classifier)


def _facts_of(facts: Facts | None, problem: str | None) -> Facts:
    if facts is None:
        subject, _, rest = (problem or "").partition(": ")
        raise FileError(subject, rest, "Nothing more was measured; what was is kept.")
    return facts


def _verdicts(all_facts: list[Facts], criteria: Criteria) -> list[Curated]:
    verdicts = decided(all_facts, criteria)
    return [
        Curated(facts, tuple(verdict)) for facts, verdict in zip(all_facts, verdicts, strict=True)
    ]


def _known(folder: Path, out: Path, needs_blur: bool) -> dict[str, Facts]:
    """Facts of an earlier list and of an interrupted run that are still true."""
    known = {}
    for path in (out, _unfinished(out)):
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            facts = facts_from(line)
            if facts is None or (needs_blur and facts.blur is None and not facts.problem):
                continue
            file = folder / facts.file
            if file.is_file() and file.stat().st_size == facts.bytes:
                known[facts.file] = facts
    return known


def _unfinished(out: Path) -> Path:
    return out.with_name(out.name + ".part")


def _write(out: Path, curated: list[Curated]) -> None:
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        for one in curated:
            verdict = {"kept": one.is_kept, "reasons": one.reasons}
            file.write(json.dumps(one.facts.as_json() | verdict) + "\n")


def kept_facts(curated: Path) -> list[Facts]:
    """What a list knows of the photographs that it keeps.

    Raises:
        FileError: the list cannot be read.
    """
    try:
        lines = curated.read_text(encoding="utf-8").splitlines()
        facts = [facts_from(line) for line in lines if json.loads(line)["kept"]]
        return [one for one in facts if one is not None]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(
            str(curated), f"no list of photographs ({error})", "Make it with focuspuller curate."
        ) from error
