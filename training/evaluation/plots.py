"""Results as plots."""

from __future__ import annotations

import math
import re
from itertools import groupby
from pathlib import Path
from typing import Any

from ...errors import MissingDependencyError
from ...photo.files import make_folder, replacing
from .benchmark import Column
from .report import Report

FOLDER = "plots"
DPI = 120


def save_plots(report: Report, folder: Path) -> list[Path]:
    """A PNG for each figure: bars of the systems, and lines over the groups.

    Raises:
        MissingDependencyError: Matplotlib is not installed.
    """
    files = []
    for column in report.columns:
        name = re.sub(r"[^a-z0-9]+", "-", column.name.lower()).strip("-")
        files.append(_save(_bars(report, column), folder / FOLDER / f"{name}.png"))
        for kind in report.benchmark.sweeps:
            if report.group_values(kind, column):
                figure = _lines(report, kind, column)
                files.append(_save(figure, folder / FOLDER / f"{name}-by-{kind}.png"))
    return files


def _bars(report: Report, column: Column) -> Any:
    figure, axes = _figure(len(report.rows))
    values = [row.means[column.name] for row in report.rows]
    known = [
        (row.system, value)
        for row, value in zip(report.rows, values, strict=True)
        if value is not None and math.isfinite(value)
    ]
    bars = axes.barh([name for name, _ in known], [value for _, value in known], color="#4878a8")
    digits = column.definition.digits
    axes.bar_label(bars, fmt=f"%.{digits}f", padding=3)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    axes.set_xlabel(column.heading)
    axes.set_title(f"{report.benchmark.name}, {len(report.scenes)} scenes")
    return figure


def _lines(report: Report, kind: str, column: Column) -> Any:
    values = report.group_values(kind, column)
    figure, axes = _figure(6)
    for index, row in enumerate(report.rows):
        table = row.groups[kind][column.name]
        for number, run in enumerate(_runs(values)):
            label = None if number else row.system
            known = [table.get(value) for value in run]
            axes.plot(run, known, "o-", color=f"C{index}", label=label, ms=4)
    axes.set_ylabel(column.heading)
    axes.set_title(f"{report.benchmark.name}, by {kind}")
    axes.tick_params("x", rotation=60)
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    return figure


def _runs(values: list[str]) -> list[list[str]]:
    """Neighbours that differ in strength alone, such as "eroded 1 px" and "eroded 2 px"."""
    return [list(run) for _, run in groupby(values, key=lambda value: value.partition(" ")[0])]


def _figure(rows: int) -> Any:
    # The object-oriented interface: no windows, and nothing that outlives the figure.
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            "plots",
            "no Matplotlib",
            "Install it with: pip install 'focuspuller[evaluation]'.",
        ) from error
    figure = Figure(figsize=(8.0, 1.5 + 0.5 * rows), layout="constrained")
    return figure, figure.add_subplot()


def _save(figure: Any, file: Path) -> Path:
    make_folder(file.parent)
    with replacing(file) as unfinished:
        # Without the library's version, so that equal plots are equal files.
        figure.savefig(unfinished, format="png", dpi=DPI, metadata={"Software": None})
    return file
