"""Run a benchmark: every system on every scene, measured, remembered, summed up."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import FileError, InputError, MissingDependencyError
from ...lens.render import MAX_RADIUS_FRACTION
from .benchmark import Benchmark, Column, Options
from .fidelity import ssim
from .level_search import best_level
from .metrics import COMBINED, Measure
from .report import Report, Row
from .results import GIVEN, TARGET, SceneResult, Store
from .scene import Scene, SceneFile, Shot
from .system import Maker, System
from .systems import check_settings, system_called

# Finished scene-system pairs, all of them, and what is at work.
OnScene = Callable[[int, int, str], None]
# Radius in px with which the search for a level starts.
LEAST_RADIUS_PX = 0.5


@dataclass(frozen=True)
class Choice:
    """What of a benchmark is run.

    Args:
        systems: rows; empty for the benchmark's.
        metrics: of its columns; empty for all.
        folders: pictures that other programs have made, by the name of their row.
        scenes: pattern of names.
        limit: how many scenes at most; None for all.
        settings: of systems, `KEY.NAME=VALUE` with a system, a row or a family as the key.
    """

    systems: Sequence[str] = ()
    metrics: Sequence[str] = ()
    folders: Mapping[str, Path] | None = None
    scenes: str = "*"
    limit: int | None = None
    settings: Sequence[str] = ()


def run_benchmark(
    benchmark: Benchmark,
    options: Options,
    out: Path,
    choice: Choice | None = None,
    device: torch.device | None = None,
    on_scene: OnScene | None = None,
) -> Report:
    """Evaluate systems; go on where an earlier run with the same folders stopped.

    Args:
        benchmark: which.
        options: where the data is.
        out: folder of the results.
        choice: what of it.
        device: where to compute; by default a GPU if there is one.
        on_scene: told before each scene and system.

    Returns:
        Figures of all systems. What lacks weights is left out; the report says why.

    Raises:
        InputError: unknown systems or metrics, nothing left to compare, or another evaluation in
            the folder.
        FileError: the data is not as the benchmark wants it.
    """
    choice = choice or Choice()
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    files = _chosen_files(benchmark, options, choice)
    columns, measures, skipped = _ready_metrics(benchmark, choice, options, device)
    systems = _chosen_systems(benchmark, choice)
    makers, skipped_systems = _ready_systems(systems, device)
    store = Store(
        out,
        {
            "benchmark": benchmark.name,
            "data": _place(options.folder),
            "depth": _place(options.depth),
            **{
                f"settings of {one.name}": asdict(one.settings)
                for one in systems
                if one.settings is not None and one.name in makers
            },
        },
    )
    session = _Session(benchmark, store, columns, measures, makers)
    found = session.run(files, on_scene)
    references = {
        column.name: _reference(options, column, measures[column.name])
        for column in columns
        if column.definition.kind == "set"
    }
    rows = [_row(name, found[name], files, columns, references) for name in makers]
    return Report(
        benchmark, columns, rows, [file.name for file in files], skipped + skipped_systems
    )


def _place(folder: Path | None) -> str | None:
    return None if folder is None else str(folder.resolve())


def _chosen_files(benchmark: Benchmark, options: Options, choice: Choice) -> list[SceneFile]:
    files = [
        file for file in benchmark.scenes(options) if fnmatch.fnmatch(file.name, choice.scenes)
    ][: choice.limit]
    if not files:
        raise InputError("--scenes", repr(choice.scenes), "No scene has such a name.")
    return files


def _ready_metrics(
    benchmark: Benchmark, choice: Choice, options: Options, device: torch.device
) -> tuple[list[Column], dict[str, Measure], list[str]]:
    """Columns that can be measured, what measures them, and why others cannot."""
    unknown = set(choice.metrics) - {column.metric for column in benchmark.columns}
    if unknown:
        names = ", ".join(dict.fromkeys(column.metric for column in benchmark.columns))
        received = ", ".join(sorted(unknown))
        raise InputError("--metrics", received, f"{benchmark.name} has {names}.")
    columns, measures, skipped = [], {}, []
    for column in benchmark.columns:
        if choice.metrics and column.metric not in choice.metrics:
            continue
        title = column.title or column.definition.title
        if column.reference and not (options.folder / column.reference).is_dir():
            skipped.append(f"{title}: no folder {options.folder / column.reference}")
            continue
        try:
            measures[column.name] = column.definition.make(device)
        except (FileError, MissingDependencyError) as error:
            skipped.append(f"{title}: {error}")
            continue
        columns.append(column)
    if not columns:
        raise InputError("metrics", "none that can be measured", " ".join(skipped))
    return columns, measures, skipped


def _chosen_systems(benchmark: Benchmark, choice: Choice) -> list[System]:
    folders = choice.folders or {}
    names = list(choice.systems) or [*benchmark.usual_systems]
    systems = []
    for name in dict.fromkeys([*names, *folders]):
        if name in (GIVEN, TARGET):
            raise InputError("system", name, "This name is taken: give the row another one.")
        system = system_called(name, folders, choice.settings)
        if benchmark.task not in system.tasks:
            raise InputError(
                "system",
                f"{name}, which cannot do the task {benchmark.task!r}",
                f"{benchmark.name} can compare {', '.join(benchmark.usual_systems)}.",
            )
        systems.append(system)
    check_settings(choice.settings, [one.name for one in systems if one.name not in folders])
    return systems


def _ready_systems(
    systems: Sequence[System], device: torch.device
) -> tuple[dict[str, tuple[Maker, bool]], list[str]]:
    """What makes pictures, and why others cannot."""
    ready: dict[str, tuple[Maker, bool]] = {}
    skipped: list[str] = []
    for system in systems:
        try:
            ready[system.name] = (system.ready(device), system.is_fixed)
        except (FileError, MissingDependencyError) as error:
            skipped.append(f"{system.name}: {error}")
    if not ready:
        raise InputError("systems", "none that can run", " ".join(skipped))
    return ready, skipped


class _Session:
    """One run over scenes and systems."""

    def __init__(
        self,
        benchmark: Benchmark,
        store: Store,
        columns: Sequence[Column],
        measures: Mapping[str, Measure],
        makers: Mapping[str, tuple[Maker, bool]],
    ) -> None:
        self.benchmark, self.store, self.columns = benchmark, store, columns
        self.measures, self.makers = measures, makers
        self.names = {column.name for column in columns}

    def run(
        self, files: Sequence[SceneFile], on_scene: OnScene | None
    ) -> dict[str, list[SceneResult]]:
        """Results of every system, scene by scene."""
        found: dict[str, list[SceneResult]] = {name: [] for name in self.makers}
        total = len(files) * len(self.makers)
        for index, file in enumerate(files):
            scene: Scene | None = None
            for number, name in enumerate(self.makers):
                if on_scene:
                    done = index * len(self.makers) + number
                    on_scene(done, total, f"{file.name}, {name}")
                result = self.store.result(name, file.name, self.names)
                if result is None:
                    scene = scene or self._opened(file)
                    result = self._measured(scene, name)
                    self.store.keep(name, file.name, result)
                found[name].append(result)
        if on_scene:
            on_scene(total, total, "")
        return found

    def _opened(self, file: SceneFile) -> Scene:
        scene = file.load()
        for shot in scene.shots:
            given = scene.image if shot.source is None else shot.source
            pictures = {GIVEN: given, TARGET: shot.target}
            for kind, picture in pictures.items():
                if picture is not None and picture.numel():
                    self._keep(kind, scene, shot, self.benchmark.shown(picture))
        return scene

    def _keep(self, system: str, scene: Scene, shot: Shot, shown: Tensor) -> None:
        self.store.keep_picture(system, scene.name, shot.name, shown)

    def _measured(self, scene: Scene, name: str) -> SceneResult:
        maker, is_fixed = self.makers[name]
        wanted = {shot.name for column in self.columns for shot in column.chosen(scene)}
        pictures: dict[str, Tensor] = {}
        levels: dict[str, float] = {}
        start = time.perf_counter()
        for shot in scene.shots:
            if shot.name not in wanted:
                continue
            if self.benchmark.searches_level and shot.target is not None and shot.level is None:
                levels[shot.name] = 0.0 if is_fixed else self._level(maker, scene, shot)
            picture = self._picture(maker, scene, shot, levels.get(shot.name), name)
            self._keep(name, scene, shot, picture)
            pictures[shot.name] = scene.compared(picture)
        seconds = (time.perf_counter() - start) / max(1, len(pictures))
        figures, features = self._figures(scene, pictures)
        return SceneResult(figures, features, levels, seconds)

    def _picture(
        self, maker: Maker, scene: Scene, shot: Shot, level: float | None, name: str
    ) -> Tensor:
        """As compared, with the margin, of the target's size."""
        picture = maker(scene.request(shot, self.benchmark.task, level)).cpu()
        wanted = scene.image if shot.target is None else shot.target
        if wanted.numel() and picture.shape != wanted.shape:
            sizes = [f"{one.shape[-1]}×{one.shape[-2]}" for one in (picture, wanted)]
            raise FileError(
                f"{name}: {scene.name}/{shot.name}",
                f"a picture of {sizes[0]} px",
                f"It must have {sizes[1]} px.",
            )
        return self.benchmark.shown(picture)

    def _level(self, maker: Maker, scene: Scene, shot: Shot) -> float:
        """The bokeh level at which the system comes closest to the target."""
        assert shot.target is not None
        target = scene.compared(self.benchmark.shown(shot.target))
        focus = shot.focus or scene.focus
        if scene.depth is None or focus is None:
            raise InputError(
                f"{scene.name}, {shot.name}",
                "no depth to search a bokeh level with",
                "Add depth maps with --depth DIR.",
            )
        farthest = float((scene.depth.disparity - focus.plane[0]).abs().amax())
        farthest = max(farthest, 1e-6)
        largest = MAX_RADIUS_FRACTION / 2 * max(scene.image.shape[-2:])

        def likeness(level: float) -> float:
            request = scene.request(shot, self.benchmark.task, level)
            shown = self.benchmark.shown(maker(request).cpu())
            return ssim(scene.compared(shown), target)

        return best_level(likeness, LEAST_RADIUS_PX / farthest, largest / farthest)

    def _figures(
        self, scene: Scene, pictures: Mapping[str, Tensor]
    ) -> tuple[dict[str, list[float]], dict[str, NDArray[np.float64]]]:
        figures: dict[str, list[float]] = {}
        features: dict[str, NDArray[np.float64]] = {}
        for column in self.columns:
            shots = [shot for shot in column.chosen(scene) if shot.name in pictures]
            measure, kind = self.measures[column.name], column.definition.kind
            if kind == "set":
                rows = [measure(pictures[shot.name]) for shot in shots]
                features[column.name] = np.stack(rows) if rows else np.zeros((0, 1))
            elif kind == "series":
                figures[column.name] = self._of_series(column, scene, shots, pictures)
            else:
                figures[column.name] = [
                    float(measure(*self._compared(kind, scene, shot, pictures[shot.name])))
                    for shot in shots
                ]
        return figures, features

    def _compared(self, kind: str, scene: Scene, shot: Shot, picture: Tensor) -> tuple[Any, ...]:
        if kind == "single":
            return (picture,)
        assert shot.target is not None
        return picture, scene.compared(self.benchmark.shown(shot.target))

    def _of_series(
        self,
        column: Column,
        scene: Scene,
        shots: Sequence[Shot],
        pictures: Mapping[str, Tensor],
    ) -> list[float]:
        if len(shots) < column.definition.least:
            return []
        levels = [scene.request(shot, self.benchmark.task).level for shot in shots]
        series = [pictures[shot.name] for shot in shots]
        return [float(self.measures[column.name](series, levels))]


def _reference(options: Options, column: Column, measure: Measure) -> NDArray[np.float64]:
    """Features of the pictures that a set is compared with."""
    from ..data.readers.folders import pictures
    from ..data.records import records_of

    rows = []
    for pair in records_of(pictures(options.folder / column.reference)):
        assert pair.all_in_focus is not None
        rows.append(measure(pair.all_in_focus.image()[None]))
    return np.stack(rows)


def _row(
    name: str,
    results: Sequence[SceneResult],
    files: Sequence[SceneFile],
    columns: Sequence[Column],
    references: Mapping[str, NDArray[np.float64]],
) -> Row:
    means: dict[str, float | None] = {}
    groups: dict[str, dict[str, dict[str, float | None]]] = {}
    for column in columns:
        if column.definition.kind == "set":
            features = np.concatenate([result.features[column.name] for result in results])
            means[column.name] = _distance(column, features, references[column.name])
            continue
        means[column.name] = _mean([result.figures[column.name] for result in results])
        for kind in {kind: None for file in files for kind in file.groups}:
            by_value: dict[str, list[list[float]]] = {}
            for file, result in zip(files, results, strict=True):
                if kind in file.groups:
                    by_value.setdefault(file.groups[kind], []).append(result.figures[column.name])
            table = {value: _mean(lists) for value, lists in by_value.items()}
            groups.setdefault(kind, {})[column.name] = table
    seconds = float(np.mean([result.seconds for result in results]))
    return Row(name, means, groups, seconds)


def _distance(
    column: Column, features: NDArray[np.float64], reference: NDArray[np.float64]
) -> float | None:
    least = column.definition.least
    if len(features) < least or len(reference) < least:
        return None
    return COMBINED[column.metric](features, reference)


def _mean(lists: Sequence[Sequence[float]]) -> float | None:
    values = [value for values in lists for value in values]
    return float(np.mean(values)) if values else None
