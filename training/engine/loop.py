"""The training loop, on one process or many, that goes on where it was stopped.

Nothing random has a state: examples follow from the seed and their number, and PyTorch's generators
are seeded anew for every pass. So a run that was interrupted ends in the same weights, bit by bit,
as one that was not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError, MissingDependencyError
from . import checkpoint as checkpoints
from .average import Average
from .checkpoint import Checkpoint
from .config import Run
from .examples import batches
from .folder import CHECKPOINTS, claim
from .log import Log
from .schedule import learning_rate
from .stop import StopRequest
from .task import Phase, Recipe, Task, Trainee

# The random stream of losses; examples have another one.
NOISE = 1


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        step: how many steps are done.
        weights: what it made; None if it was stopped before its end.
    """

    step: int
    weights: Path | None


def train(
    recipe: Recipe,
    config: Any,
    folder: Path,
    device: torch.device | None = None,
    quiet: bool = True,
) -> Outcome:
    """Train, or go on with a training, and write its weights when done.

    In a process that `accelerate launch` has started, all processes train together.

    Args:
        recipe: what.
        config: its settings; `config.run` are those of the engine.
        folder: of the run, for settings, checkpoints, log, pictures and weights.
        device: where; by default what Accelerate chooses.
        quiet: show no progress.

    Raises:
        InputError: the folder holds a run with other settings.
        MissingDependencyError: Accelerate is not installed.
    """
    accelerator = _accelerator(config.run, device)
    if accelerator.is_main_process:
        claim(folder, config)
    accelerator.wait_for_everyone()
    torch.manual_seed(config.run.seed)
    task = recipe.make(config, accelerator.device)
    session = _Session(accelerator, task, folder)
    try:
        step = session.train(quiet)
        if step < config.run.steps:
            return Outcome(step, None)
        return Outcome(step, session.export(recipe, config))
    finally:
        session.close()


class _Session:
    """A task on the device, with its optimizers, between its start or last checkpoint and end."""

    def __init__(self, accelerator: Any, task: Task, folder: Path) -> None:
        self.accelerator, self.task, self.folder, self.run = accelerator, task, folder, task.run
        optimizers = [_adamw(phase, task.trainee) for phase in task.phases]
        self.network, *self.optimizers = accelerator.prepare(task.trainee, *optimizers)
        self.average: Average | None = None
        if self.run.ema_decay is not None:
            _refuse_sharded(accelerator)
            self.average = Average(self.trainee, self.run.ema_decay)
        self.step = 0
        self._resume()
        self.log = Log(folder, self.step) if accelerator.is_main_process else None

    @property
    def trainee(self) -> Trainee:
        """The trainee without the wrapper for several processes."""
        return self.accelerator.unwrap_model(self.network)

    def train(self, quiet: bool) -> int:
        """Train to the end, or until asked to stop; how many steps are done."""
        from tqdm import tqdm

        hidden = quiet or not self.accelerator.is_main_process
        with (
            StopRequest() as stop,
            tqdm(total=self.run.steps, initial=self.step, unit="step", disable=hidden) as bar,
        ):
            examples = batches(
                self.task,
                self.step,
                self.accelerator.process_index,
                self.accelerator.num_processes,
                pinned=self.accelerator.device.type == "cuda",
            )
            while self.step < self.run.steps:
                self._learn(examples)
                bar.update()
                self._report(bar)
                stopping = self._any(stop.received)
                if stopping or self.step == self.run.steps or self.step % self.run.save_every == 0:
                    self._save()
                if stopping:
                    break
        return self.step

    def export(self, recipe: Recipe, config: Any) -> Path:
        """Write the product."""
        weights = self._weights()
        file = self.folder / recipe.product
        if self.accelerator.is_main_process:
            if self.average is not None:
                weights |= {name: copy.cpu() for name, copy in self.average.state().items()}
            unfinished = file.with_name(f".{file.name}")
            self.task.export(weights, unfinished, _metadata(recipe, config, self.step))
            unfinished.replace(file)
        self.accelerator.wait_for_everyone()
        return file

    def close(self) -> None:
        """Let go of files and of the other processes."""
        if self.log is not None:
            self.log.close()
        self.accelerator.free_memory()

    def _learn(self, examples: Iterator[Mapping[str, Tensor]]) -> None:
        """One step of every phase that is due."""
        self.network.train()
        for number, phase in enumerate(self.task.phases):
            if phase.is_due(self.step):
                self._take_turn(number, phase, examples)
        if self.average is not None:
            self.average.follow()
        self.step += 1

    def _take_turn(
        self, number: int, phase: Phase, examples: Iterator[Mapping[str, Tensor]]
    ) -> None:
        optimizer = self.optimizers[number]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(phase.optimizer, self.step, self.run.steps)
        for part in range(self.run.accumulate):
            is_last = part == self.run.accumulate - 1
            self._seed(number, part)
            batch = {name: one.to(self.accelerator.device) for name, one in next(examples).items()}
            with nullcontext() if is_last else self.accelerator.no_sync(self.network):
                losses = self.network(phase.name, batch)
                self.accelerator.backward(losses["loss"] / self.run.accumulate)
            if self.log is not None:
                prefix = "" if len(self.task.phases) == 1 else f"{phase.name}/"
                self.log.collect({f"{prefix}{name}": value for name, value in losses.items()})
        if phase.optimizer.clip_norm is not None:
            trained = phase.parameters(self.trainee)
            self.accelerator.clip_grad_norm_(trained, phase.optimizer.clip_norm)
        optimizer.step()
        # A phase leaves gradients on what other phases train as well.
        self.network.zero_grad()

    def _seed(self, phase: int, part: int) -> None:
        place = (NOISE, self.step, phase, part, self.accelerator.process_index)
        seed = np.random.SeedSequence([self.run.seed, *place]).generate_state(1, np.uint64)[0]
        torch.manual_seed(int(seed))

    def _report(self, bar: Any) -> None:
        if self.step % self.run.log_every == 0 or self.step == self.run.steps:
            rates = [optimizer.param_groups[0]["lr"] for optimizer in self.optimizers]
            if self.log is not None:
                means = self.log.write_collected(self.step, {"learning_rate": rates[0]})
                bar.set_postfix({name: f"{value:.3g}" for name, value in means.items()})
        every = self.run.validate_every
        if every and (self.step % every == 0 or self.step == self.run.steps):
            self._validate()

    def _validate(self) -> None:
        self.network.eval()
        torch.manual_seed(self.run.seed)
        with torch.no_grad():
            found = self.task.validate(self.trainee)
        if self.log is not None:
            values = {f"validation/{name}": value for name, value in found.metrics.items()}
            self.log.write(self.step, values)
            if found.pictures is not None:
                self.log.write_pictures(self.step, found.pictures, found.columns)

    def _any(self, flag: bool) -> bool:
        """Whether a flag is up in any process, so that all stop at the same step."""
        if self.accelerator.num_processes == 1:
            return flag
        raised = torch.tensor(float(flag), device=self.accelerator.device)
        return bool(self.accelerator.reduce(raised, "sum") > 0)

    def _weights(self) -> dict[str, Tensor]:
        """All that is trained by name, whole and on the CPU of the main process."""
        from torch.distributed.checkpoint.state_dict import get_model_state_dict

        weights: dict[str, Any] = get_model_state_dict(
            self.network, options=_whole(ignore_frozen_params=True)
        )
        trained = {name for name, p in self.trainee.named_parameters() if p.requires_grad}
        return {name: one.detach().clone() for name, one in weights.items() if name in trained}

    def _save(self) -> None:
        from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

        weights = self._weights()
        optimizers = {
            phase.name: get_optimizer_state_dict(
                self.network, _plain(optimizer), options=_whole(ignore_frozen_params=True)
            )
            for phase, optimizer in zip(self.task.phases, self.optimizers, strict=True)
        }
        if self.accelerator.is_main_process:
            average = None if self.average is None else self.average.state()
            state = Checkpoint(self.step, weights, optimizers, average)
            checkpoints.save(state, self.folder / CHECKPOINTS, self.run.keep)
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        from torch.distributed.checkpoint.state_dict import (
            set_model_state_dict,
            set_optimizer_state_dict,
        )

        state = checkpoints.load_newest(self.folder / CHECKPOINTS)
        if state is None:
            return
        options = _whole(strict=False)
        set_model_state_dict(self.network, dict(state.weights), options=options)
        for phase, optimizer in zip(self.task.phases, self.optimizers, strict=True):
            set_optimizer_state_dict(
                self.network, _plain(optimizer), state.optimizers[phase.name], options=options
            )
            self._forget_unsaved(optimizer, state.optimizers[phase.name])
        if self.average is not None and state.average is not None:
            self.average.load(state.average)
        self.step = state.step

    def _forget_unsaved(self, optimizer: Any, saved: Mapping[str, Any]) -> None:
        """Parameters without a gradient so far have no state; loading has given them one."""
        for name, parameter in self.trainee.named_parameters():
            if name not in saved["state"]:
                _plain(optimizer).state.pop(parameter, None)


def _accelerator(run: Run, device: torch.device | None) -> Any:
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs
        from accelerate.state import AcceleratorState, PartialState
    except ImportError as error:
        raise MissingDependencyError(
            "training",
            "no Accelerate",
            "Install it with: pip install 'focuspuller[training]'.",
        ) from error
    if PartialState._shared_state and not PartialState().use_distributed:
        # Its state outlives a run, and refuses another one with other settings.
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(
        cpu=device is not None and device.type == "cpu",
        mixed_precision="bf16" if run.precision == "bf16" else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def _refuse_sharded(accelerator: Any) -> None:
    if str(accelerator.distributed_type).endswith("FSDP"):
        raise InputError(
            "run.ema_decay",
            "an average of parameters that FSDP has spread over processes",
            "Set run.ema_decay to null, or train without FSDP.",
        )


def _adamw(phase: Phase, trainee: Trainee) -> torch.optim.AdamW:
    settings = phase.optimizer
    return torch.optim.AdamW(
        list(phase.parameters(trainee)),
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
    )


def _plain(optimizer: Any) -> torch.optim.Optimizer:
    """The optimizer that Accelerate has wrapped."""
    return getattr(optimizer, "optimizer", optimizer)


def _whole(ignore_frozen_params: bool = False, strict: bool = True) -> Any:
    from torch.distributed.checkpoint.state_dict import StateDictOptions

    return StateDictOptions(
        full_state_dict=True,
        cpu_offload=True,
        ignore_frozen_params=ignore_frozen_params,
        strict=strict,
    )


def _metadata(recipe: Recipe, config: Any, step: int) -> dict[str, str]:
    return {
        "recipe": recipe.name,
        "step": str(step),
        "config": json.dumps(asdict(config)),
    }
