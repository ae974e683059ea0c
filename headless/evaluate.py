"""Evaluation from Python: one call for a benchmark with its tables, plots and sheets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..errors import InputError, MissingDependencyError
from .devices import device_called

if TYPE_CHECKING:
    from ..training.evaluation.report import Report

FilePath = str | PathLike[str]
# How many scenes get a sheet.
SHEETS = 24


def evaluate(
    benchmark: str,
    out: FilePath,
    data: FilePath | None = None,
    *,
    systems: Sequence[str] = (),
    metrics: Sequence[str] = (),
    pictures: Mapping[str, FilePath] | None = None,
    depth: FilePath | None = None,
    scenes: str = "*",
    limit: int | None = None,
    sheets: int = SHEETS,
    device: torch.device | str | None = None,
    settings: Sequence[str] = (),
    on_scene: Callable[[int, int, str], None] | None = None,
) -> Report:
    """Run a benchmark, or go on with it, and write tables, plots and side-by-side sheets.

    Args:
        benchmark: a name of `focuspuller evaluate --list`.
        out: folder of the results: `results.md`, `results.json`, `plots/`, `sheets/`, and what
            every system made of every scene. A second run goes on where the first stopped.
        data: folder of the data, as docs/evaluation.md shows it; None for what comes with the
            repository.
        systems: rows; empty for all that can do the task. "bokehnet@mine" is one of several rows of
            a system.
        metrics: figures of the benchmark; empty for all.
        pictures: folders with pictures that other programs have made, by the name of their row.
        depth: folder of depth maps that the data lacks, by the name of the picture.
        scenes: pattern of names of scenes, such as "portrait*".
        limit: how many scenes at most.
        sheets: how many scenes get a sheet.
        device: where to compute; by default a GPU if there is one.
        settings: of systems, such as "bokehnet.steps=4", "flux.base=flux1-dev.safetensors" for a
            family of systems, or "bokehnet@mine.bokeh_adapter=mine.safetensors".
        on_scene: called with finished and all scene-system pairs, and what is at work.

    Returns:
        The figures. Metrics and systems without their weights are left out; `skipped` says why.

    Raises:
        InputError: there is no such benchmark, system, metric, scene or setting.
        FileError: the data is missing or not as the benchmark wants it.

    Example:
        >>> print(fp.evaluate("truth", "out/truth", limit=1).markdown())
    """
    from ..training.evaluation.benchmark import Options
    from ..training.evaluation.catalog import benchmark_called
    from ..training.evaluation.run import Choice, run_benchmark

    definition = benchmark_called(benchmark)
    folder = definition.default_folder if data is None else Path(data)
    if folder is None or not folder.is_dir():
        received = "none" if data is None else f"{data}, which is no folder"
        raise InputError("--data", received, f"Give a folder with {definition.layout}.")
    choice = Choice(
        tuple(systems),
        tuple(metrics),
        {name: Path(path) for name, path in (pictures or {}).items()},
        scenes,
        limit,
        tuple(settings),
    )
    options = Options(folder, None if depth is None else Path(depth))
    report = run_benchmark(definition, options, Path(out), choice, device_called(device), on_scene)
    return _written(report, Path(out), sheets)


def _written(report: Report, out: Path, sheets: int) -> Report:
    from ..training.evaluation.plots import save_plots
    from ..training.evaluation.sheets import save_sheet

    for scene in report.scenes[:sheets]:
        save_sheet(out, scene, [row.system for row in report.rows])
    try:
        save_plots(report, out)
    except MissingDependencyError as error:
        report = replace(report, skipped=(*report.skipped, str(error)))
    report.save(out)
    return report
