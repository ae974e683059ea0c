"""Many jobs at once: in this process, in several, or on the machines of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from ...errors import FocusPullerError, InputError, MissingDependencyError

# A job may not take more jobs ahead of it than this for each worker.
QUEUED_PER_WORKER = 2
Function = Callable[[int], Any]


@dataclass(frozen=True)
class Finished:
    """A job that has ended.

    Args:
        index: its number.
        result: what the function gave.
        problem: why it failed, in words; None if it did not.
    """

    index: int
    result: Any = None
    problem: str | None = None


def run_jobs(
    function: Function,
    indices: Iterable[int],
    processes: int = 1,
    ray_address: str | None = None,
    needs_gpu: bool = False,
) -> Iterator[Finished]:
    """Call a function with numbers, in any order.

    An error that is about one input (`FocusPullerError`) ends that job alone.

    Args:
        function: can be pickled where there are several processes.
        indices: the numbers.
        processes: how many work at once; 1 works in this process.
        ray_address: of a Ray cluster, "auto" for the one that this machine belongs to, "local" for
            this machine alone; its workers take the place of the processes. They need the same
            folders as this machine, and Focus Puller installed.
        needs_gpu: a worker of the cluster needs a GPU of its own.

    Raises:
        InputError: processes is below 1, or there is no cluster at the address.
        MissingDependencyError: Ray is not installed.
    """
    if processes < 1:
        raise InputError("--workers", str(processes), "Give 1 or more.")
    job = partial(_job, function)
    if ray_address is not None:
        return _on_ray(job, iter(indices), ray_address, needs_gpu)
    if processes > 1:
        return _in_processes(job, iter(indices), processes)
    return (job(index) for index in indices)


def _job(function: Function, index: int) -> Finished:
    try:
        return Finished(index, function(index))
    except FocusPullerError as error:
        return Finished(index, problem=str(error))


def _in_processes(
    job: Callable[[int], Finished], indices: Iterator[int], processes: int
) -> Iterator[Finished]:
    from multiprocessing import get_context

    # Forking a process in which PyTorch has threads may hang.
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_one_thread
    ) as pool:
        waiting = {
            pool.submit(job, index) for index in islice(indices, processes * QUEUED_PER_WORKER)
        }
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            waiting |= {pool.submit(job, index) for index in islice(indices, len(done))}
            yield from (future.result() for future in done)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _on_ray(
    job: Callable[[int], Finished], indices: Iterator[int], address: str, needs_gpu: bool
) -> Iterator[Finished]:
    ray = _ray()
    was_running = ray.is_initialized()
    if not was_running:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError) as error:
            raise InputError(
                "--ray", f"{address!r} ({error})", "Start a cluster with `ray start --head`."
            ) from error
    try:
        # Sent to the machines once, not with every job.
        remote_job, shared = ray.remote(num_gpus=int(needs_gpu))(_call), ray.put(job)
        workers = ray.cluster_resources().get("GPU" if needs_gpu else "CPU", 1)
        slots = QUEUED_PER_WORKER * max(1, int(workers))
        waiting = [remote_job.remote(shared, index) for index in islice(indices, slots)]
        while waiting:
            done, waiting = ray.wait(waiting)
            waiting += [remote_job.remote(shared, index) for index in islice(indices, len(done))]
            yield from ray.get(done)
    finally:
        if not was_running:
            ray.shutdown()


def _call(job: Callable[[int], Finished], index: int) -> Finished:
    return job(index)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(
            "--ray", "no Ray", "Install it with: pip install 'focuspuller[ray]'."
        ) from error
    return ray
