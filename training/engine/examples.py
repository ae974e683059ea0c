"""Examples in batches: which ones follow from the seed and their numbers alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from torch import Tensor

from .task import Task

# The random stream of examples; the loop's noise has another one.
EXAMPLES = 0


def batches(
    task: Task, first_step: int, process: int, processes: int, pinned: bool
) -> Iterator[Mapping[str, Tensor]]:
    """One process' batches from a step on, one for each pass of each phase.

    Args:
        task: whose examples.
        first_step: counted from 0.
        process, processes: which of how many; together they see each example once.
        pinned: put them where a GPU fetches them fastest.
    """
    from torch.utils.data import DataLoader

    numbers = _example_numbers(task, first_step, process, processes)
    return iter(
        DataLoader(
            _Examples(task),  # pyright: ignore[reportArgumentType]
            batch_sampler=numbers,  # pyright: ignore[reportArgumentType]
            num_workers=task.run.workers,
            pin_memory=pinned,
        )
    )


class _Examples:
    """Examples by (number, step), for workers."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Tensor]:
        number, step = place
        random = np.random.default_rng([self.task.run.seed, EXAMPLES, number])
        return self.task.example(step, random)


def _example_numbers(
    task: Task, first_step: int, process: int, processes: int
) -> Iterator[list[tuple[int, int]]]:
    """Numbers of one process' examples, each with its step, batch by batch.

    A step without a phase's turn uses none of them up, so that numbers do not depend on turns.
    """
    run, phases = task.run, task.phases
    for step in range(first_step, run.steps):
        for index, phase in enumerate(phases):
            if not phase.is_due(step):
                continue
            for part in range(run.accumulate):
                batch = (step * len(phases) + index) * run.accumulate + part
                first = (batch * processes + process) * run.batch_size
                yield [(first + offset, step) for offset in range(run.batch_size)]
