"""A benchmark: which scenes, which task, which figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from ...lens.color import linear_to_srgb
from .metrics import Metric, metric_called
from .scene import Scene, SceneFile, Shot, Task
from .systems import SYSTEMS

Coding = Literal["srgb", "gamma 2.2"]


def _every(shot: Shot) -> bool:
    del shot
    return True


@dataclass(frozen=True)
class Column:
    """A figure of a benchmark.

    Args:
        metric: name of a metric.
        title: in tables; empty for the metric's.
        shots: which of a scene's pictures count.
        reference: folder below the data whose pictures a set is compared with.
    """

    metric: str
    title: str = ""
    shots: Callable[[Shot], bool] = _every
    reference: str = ""

    @property
    def definition(self) -> Metric:
        """The metric."""
        return metric_called(self.metric)

    @property
    def name(self) -> str:
        """Unique in a benchmark."""
        return f"{self.metric} ({self.reference})" if self.reference else self.metric

    @property
    def heading(self) -> str:
        """With the arrow to better figures."""
        return f"{self.title or self.definition.title} {self.definition.arrow}"

    def chosen(self, scene: Scene) -> list[Shot]:
        """The shots of a scene that it counts."""
        wants_target = self.definition.kind == "pair"
        return [
            shot
            for shot in scene.shots
            if self.shots(shot) and (shot.target is not None or not wants_target)
        ]


@dataclass(frozen=True)
class Options:
    """What a user may choose about the data.

    Args:
        folder: of the data.
        depth: folder with depth maps that the data lacks, by the name of the picture.
    """

    folder: Path
    depth: Path | None = None


@dataclass(frozen=True)
class Benchmark:
    """A comparison as it was published, or our own.

    Args:
        name: on the command line.
        source: paper and table.
        summary: one line.
        layout: what has to lie in the folder of the data, in Markdown.
        task: of all its pictures.
        columns: figures, in the order of the table.
        scenes: lists the scenes. Raises FileError where the data is not as `layout` says.
        systems: rows by default; empty for all that can do the task.
        coding: of the pictures that are compared.
        searches_level: whether every system is compared at its best bokeh level.
        sweeps: by which of the groups results are shown as rows, such as "scene" or "depth".
        default_folder: data that comes with the repository.
    """

    name: str
    source: str
    summary: str
    layout: str
    task: Task
    columns: tuple[Column, ...]
    scenes: Callable[[Options], Sequence[SceneFile]]
    systems: tuple[str, ...] = ()
    coding: Coding = "srgb"
    searches_level: bool = False
    sweeps: tuple[str, ...] = ()
    default_folder: Path | None = None

    @property
    def usual_systems(self) -> tuple[str, ...]:
        """Rows by default."""
        able = tuple(name for name, one in SYSTEMS.items() if self.task in one.tasks)
        return self.systems or able

    def shown(self, light: Tensor) -> Tensor:
        """Linear light as it is compared: clipped and coded, 0..1."""
        clipped = light.float().clamp(0.0, 1.0)
        return clipped ** (1 / 2.2) if self.coding == "gamma 2.2" else linear_to_srgb(clipped)
