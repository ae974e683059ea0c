"""Results as tables: Markdown to read, JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...photo.files import replacing
from .benchmark import Benchmark, Column

MARKDOWN, JSON = "results.md", "results.json"
NOTHING = "–"


@dataclass(frozen=True)
class Row:
    """What a system reached.

    Args:
        system: its name.
        means: by column; None where nothing could be measured.
        groups: by kind of group, column and group: means.
        seconds: a picture took in the mean, with the search for its level.
    """

    system: str
    means: Mapping[str, float | None]
    groups: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    seconds: float


@dataclass(frozen=True)
class Report:
    """What a benchmark found.

    Args:
        benchmark: which.
        columns: figures that were measured.
        rows: systems that were compared.
        scenes: names.
        skipped: what was left out, each with its reason.
    """

    benchmark: Benchmark
    columns: Sequence[Column]
    rows: Sequence[Row]
    scenes: Sequence[str]
    skipped: Sequence[str]

    def markdown(self) -> str:
        """All tables. The best figures are bold."""
        one = self.benchmark
        lines = [f"## {one.name}: {one.source}", "", f"{len(self.scenes)} scenes: {one.summary}."]
        lines += ["", *self._overview()]
        for kind in one.sweeps:
            for column in self.columns:
                lines += self._sweep(kind, column)
        if self.skipped:
            lines += ["", "Left out:", "", *(f"* {reason}" for reason in self.skipped)]
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, Any]:
        """The same for programs; figures that are infinite or missing are null."""
        return {
            "benchmark": self.benchmark.name,
            "source": self.benchmark.source,
            "scenes": list(self.scenes),
            "columns": {
                column.name: {
                    "metric": column.metric,
                    "title": column.title or column.definition.title,
                    "higher_is_better": column.definition.higher_is_better,
                }
                for column in self.columns
            },
            "systems": {
                row.system: {
                    "means": _finite(row.means),
                    "groups": _finite(row.groups),
                    "seconds": round(row.seconds, 3),
                }
                for row in self.rows
            },
            "skipped": list(self.skipped),
        }

    def save(self, folder: Path) -> None:
        """Write both files."""
        texts = {
            MARKDOWN: self.markdown(),
            JSON: json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n",
        }
        for name, text in texts.items():
            with replacing(folder / name) as unfinished:
                unfinished.write_text(text, encoding="utf-8")

    def _overview(self) -> list[str]:
        heads = ["system", *(column.heading for column in self.columns), "s per picture"]
        figures = [
            _marked([row.means[column.name] for row in self.rows], column)
            for column in self.columns
        ]
        rows = [
            [row.system, *(cells[index] for cells in figures), f"{row.seconds:.2f}"]
            for index, row in enumerate(self.rows)
        ]
        return _table(heads, rows)

    def _sweep(self, kind: str, column: Column) -> list[str]:
        if not any(column.name in row.groups.get(kind, {}) for row in self.rows):
            return []
        values = self.group_values(kind, column)
        rows = [
            [
                value,
                *_marked([row.groups[kind][column.name].get(value) for row in self.rows], column),
            ]
            for value in values
        ]
        return ["", f"{column.heading}", "", *_table([kind, *(r.system for r in self.rows)], rows)]

    def group_values(self, kind: str, column: Column) -> list[str]:
        """The groups of a kind, in the order of the scenes."""
        tables = (row.groups.get(kind, {}).get(column.name, {}) for row in self.rows)
        return list(dict.fromkeys(value for table in tables for value in table))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _marked(values: Sequence[float | None], column: Column) -> list[str]:
    """Figures as text; the best bold, where several are compared."""
    metric = column.definition
    texts = [NOTHING if value is None else _number(value, metric.digits) for value in values]
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return texts
    best = _number((max if metric.higher_is_better else min)(known), metric.digits)
    return [f"**{text}**" if text == best else text for text in texts]


def _number(value: float, digits: int) -> str:
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def _finite(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _finite(value) for name, value in values.items()}
    if isinstance(values, float):
        return float(f"{values:.6g}") if math.isfinite(values) else None
    return values
