"""A whole simulation: from settings and folders to a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ....errors import InputError
from ..workers import Finished, run_jobs
from .catalog import Ingredients, kind_called
from .dataset import claim, is_done, write_scene

OnFinished = Callable[[Finished], None]


@dataclass(frozen=True)
class Plan:
    """What to simulate.

    Args:
        kind: one of `KINDS`.
        settings: of that kind.
        given: what scenes are made of.
        folder: of the dataset.
        count: scenes in all.
        seed: of everything.
        inputs: what the ingredients were read from, to be noted in the dataset.
    """

    kind: str
    settings: Any
    given: Ingredients
    folder: Path
    count: int
    seed: int = 0
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a simulation has done.

    Args:
        scenes: made now.
        pictures: made now.
        kept: scenes that were there already.
        problems: why others could not be made, by their number.
    """

    scenes: int
    pictures: int
    kept: int
    problems: Mapping[int, str]


def simulate(
    plan: Plan,
    processes: int = 1,
    ray_address: str | None = None,
    on_finished: OnFinished | None = None,
) -> Outcome:
    """Make all scenes of a plan that are not there yet.

    Args:
        plan: what to make.
        processes, ray_address: who works, see `run_jobs`.
        on_finished: called after each scene.

    Raises:
        InputError: the folder holds another dataset, or ingredients are missing.
        FileError: the folder cannot be written.
        MissingDependencyError: Ray is not installed.
    """
    if plan.count < 1:
        raise InputError("--count", str(plan.count), "Give 1 or more.")
    simulator = kind_called(plan.kind).make(plan.settings, plan.given, plan.seed)
    claim(plan.folder, plan.kind, plan.settings, plan.seed, plan.inputs)
    missing = [index for index in range(plan.count) if not is_done(plan.folder, index)]
    write = partial(write_scene, plan.folder, simulator)
    scenes, pictures, problems = 0, 0, {}
    needs_gpu = plan.given.device is not None and plan.given.device.type != "cpu"
    for finished in run_jobs(write, missing, processes, ray_address, needs_gpu):
        if finished.problem is None:
            scenes, pictures = scenes + 1, pictures + finished.result
        else:
            problems[finished.index] = finished.problem
        if on_finished is not None:
            on_finished(finished)
    return Outcome(scenes, pictures, plan.count - len(missing), problems)
