"""The training loop: what it computes, what it leaves behind, and how it goes on."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.training.engine import checkpoint as checkpoints
from focuspuller.training.engine.config import Optimizer, Run, as_yaml, config_from
from focuspuller.training.engine.log import Log
from focuspuller.training.engine.loop import train
from focuspuller.training.engine.schedule import learning_rate
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from .toy import TOY, ToyConfig

CPU = torch.device("cpu")
SCRIPT = Path(__file__).with_name("toy.py")
PLAIN = ToyConfig()


def trained(config: ToyConfig, folder: Path) -> dict[str, Tensor]:
    outcome = train(TOY, config, folder, CPU)
    assert outcome.weights is not None
    return load_file(outcome.weights)


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def with_run(config: ToyConfig, **settings: object) -> ToyConfig:
    return replace(config, run=replace(config.run, **settings))  # pyright: ignore


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def started(folder: Path, *settings: str, launcher: Sequence[str] = ()) -> subprocess.Popen[str]:
    command = [sys.executable, *launcher, str(SCRIPT), str(folder), *settings]
    root = Path(sys.modules["focuspuller"].__file__ or "").parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finished(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def wait_for_step(folder: Path, step: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (folder / "log.jsonl").is_file() and any(
            json.loads(line)["step"] >= step
            for line in (folder / "log.jsonl").read_text().splitlines()
            if line.endswith("}")
        ):
            return
        time.sleep(0.02)
    raise AssertionError("the run does not get there")


def test_it_learns(tmp_path: Path) -> None:
    config = with_run(replace(PLAIN, noise=0.0), steps=200, save_every=200)
    line = trained(config, tmp_path)
    torch.testing.assert_close(line["line.weight"], torch.tensor([[3.0, -2.0]]), atol=0.05, rtol=0)
    torch.testing.assert_close(line["line.bias"], torch.tensor([1.0]), atol=0.05, rtol=0)


def test_the_same_settings_make_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    one, again = (trained(PLAIN, tmp_path / name) for name in ("one", "again"))
    other = trained(with_run(PLAIN, seed=1), tmp_path / "other")
    assert equal(one, again)
    assert not equal(one, other)


def test_workers_make_the_same_examples(tmp_path: Path) -> None:
    alone = trained(PLAIN, tmp_path / "alone")
    assert equal(alone, trained(with_run(PLAIN, workers=2), tmp_path / "workers"))


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    quiet = replace(PLAIN, noise=0.0)
    whole = trained(with_run(quiet, batch_size=8), tmp_path / "whole")
    parts = trained(with_run(quiet, batch_size=2, accumulate=4), tmp_path / "parts")
    for name in whole:
        torch.testing.assert_close(whole[name], parts[name], atol=1e-5, rtol=1e-5)


def test_a_killed_run_goes_on_to_the_same_weights_bit_by_bit(tmp_path: Path) -> None:
    config = replace(with_run(PLAIN, ema_decay=0.5), critic_every=2)
    whole = trained(config, tmp_path / "whole")
    settings = ["run.ema_decay=0.5", "critic_every=2"]
    killed = started(tmp_path / "killed", *settings, "seconds=0.1")
    wait_for_step(tmp_path / "killed", 3)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed" / TOY.product).exists()
    assert checkpoints.load_newest(tmp_path / "killed" / "checkpoints").step >= 2  # pyright: ignore
    # The run knows its folder by its settings, so that the pause has to stay what it was.
    resumed = trained(replace(config, seconds=0.1), tmp_path / "killed")
    assert equal(whole, resumed)
    steps = [line["step"] for line in log_of(tmp_path / "killed")]
    assert steps == sorted(steps)
    assert steps.count(3) == steps.count(8) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that can be caught")
def test_sigterm_saves_between_two_steps(tmp_path: Path) -> None:
    process = started(tmp_path, "run.save_every=1000", "seconds=0.1", "run.steps=1000")
    wait_for_step(tmp_path, 2)
    process.send_signal(signal.SIGTERM)
    assert "weights=None" in finished(process)
    state = checkpoints.load_newest(tmp_path / "checkpoints")
    assert state is not None
    assert 2 <= state.step < 1000
    assert log_of(tmp_path)[-1]["step"] == state.step


def test_two_processes_train_as_one_with_twice_the_batch(tmp_path: Path) -> None:
    one = trained(replace(PLAIN, noise=0.0), tmp_path / "one")
    settings = ("noise=0.0", "run.batch_size=2")
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    finished(started(tmp_path / "two", *settings, launcher=launch))
    two = load_file(tmp_path / "two" / TOY.product)
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=1e-5, rtol=1e-5)


def test_phases_take_their_turns(tmp_path: Path) -> None:
    config = with_run(replace(PLAIN, critic_every=3), steps=7)
    trained(config, tmp_path)
    logged = log_of(tmp_path)
    assert [line["step"] for line in logged if "critic/loss" in line] == [1, 4, 7]
    assert all("line/loss" in line for line in logged)


def test_the_average_follows_as_its_decay_says(tmp_path: Path) -> None:
    config = with_run(PLAIN, steps=3, save_every=1, keep=3)
    plain = trained(config, tmp_path / "plain")
    averaged = trained(with_run(config, ema_decay=0.75), tmp_path / "averaged")
    torch.manual_seed(config.run.seed)
    start = TOY.make(config, CPU).trainee.state_dict()["line.weight"]
    places = sorted((tmp_path / "plain" / "checkpoints").iterdir())
    after = [load_file(place / "weights.safetensors")["line.weight"] for place in places]
    torch.testing.assert_close(after[-1], plain["line.weight"])
    expected = start
    for weight in after:
        expected = 0.75 * expected + 0.25 * weight
    torch.testing.assert_close(averaged["line.weight"], expected)


def test_only_what_is_trained_is_kept(tmp_path: Path) -> None:
    weights = trained(PLAIN, tmp_path)
    assert {name.partition(".")[0] for name in weights} == {"line", "critic"}
    newest = checkpoints.load_newest(tmp_path / "checkpoints")
    assert newest is not None
    assert newest.weights.keys() == weights.keys()
    assert len(list((tmp_path / "checkpoints").iterdir())) == PLAIN.run.keep


def test_the_product_says_where_it_is_from(tmp_path: Path) -> None:
    trained(PLAIN, tmp_path)
    with safe_open(tmp_path / TOY.product, "pt") as file:
        metadata = file.metadata()
    assert metadata["recipe"] == "toy"
    assert metadata["step"] == "8"
    assert json.loads(metadata["config"])["run"]["steps"] == 8


def test_validation_is_logged_with_pictures(tmp_path: Path) -> None:
    trained(with_run(PLAIN, validate_every=4), tmp_path)
    found = [line for line in log_of(tmp_path) if "validation/distance" in line]
    assert [line["step"] for line in found] == [4, 8]
    assert found[1]["validation/distance"] < found[0]["validation/distance"]
    pictures = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert pictures == ["step_00000004.png", "step_00000008.png"]


def test_a_folder_belongs_to_one_run(tmp_path: Path) -> None:
    trained(PLAIN, tmp_path)
    with pytest.raises(InputError, match=r"noise, run\.batch_size"):
        train(TOY, with_run(replace(PLAIN, noise=0.5), batch_size=1), tmp_path, CPU)
    before = load_file(tmp_path / TOY.product)
    assert equal(before, trained(with_run(PLAIN, log_every=3), tmp_path))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="a folder that cannot be made"):
        trained(PLAIN, tmp_path / "file" / "run")


def test_a_finished_run_can_be_asked_again(tmp_path: Path) -> None:
    first = trained(PLAIN, tmp_path)
    assert equal(first, trained(PLAIN, tmp_path))


class TestCheckpoints:
    STATE = checkpoints.Checkpoint(4, {"w": torch.ones(2)}, {"line": {"x": torch.zeros(1)}})

    def test_files_are_flushed_as_windows_allows_it(self, tmp_path, monkeypatch):
        def flushed(descriptor: int) -> None:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                os.write(descriptor, b"")  # fails where only reading is allowed

        monkeypatch.setattr(os, "fsync", flushed)
        checkpoints.save(self.STATE, tmp_path, 1)

    def test_one_comes_back_as_it_was(self, tmp_path: Path) -> None:
        checkpoints.save(replace(self.STATE, average={"w": torch.full((2,), 0.5)}), tmp_path, 1)
        loaded = checkpoints.load_newest(tmp_path)
        assert loaded is not None
        assert (loaded.step, loaded.optimizers) == (4, {"line": {"x": torch.zeros(1)}})
        assert loaded.average is not None
        assert torch.equal(loaded.average["w"], torch.full((2,), 0.5))

    def test_a_save_that_fails_leaves_the_one_before(self, tmp_path: Path, monkeypatch) -> None:
        checkpoints.save(self.STATE, tmp_path, 1)

        def fails(*arguments: object) -> None:
            raise OSError("no space left")

        monkeypatch.setattr(torch, "save", fails)
        with pytest.raises(OSError, match="no space"):
            checkpoints.save(replace(self.STATE, step=6), tmp_path, 1)
        monkeypatch.undo()
        assert checkpoints.load_newest(tmp_path).step == 4  # pyright: ignore
        checkpoints.save(replace(self.STATE, step=8), tmp_path, 1)
        assert [place.name for place in tmp_path.iterdir()] == ["step_00000008"]

    def test_a_damaged_one_is_named(self, tmp_path: Path) -> None:
        checkpoints.save(self.STATE, tmp_path, 1)
        (tmp_path / "step_00000004" / "weights.safetensors").write_bytes(b"damaged")
        with pytest.raises(FileError, match="step_00000004"):
            checkpoints.load_newest(tmp_path)


class TestConfig:
    def test_changes_come_over_the_file_and_the_file_over_the_preset(self, tmp_path: Path) -> None:
        file = tmp_path / "toy.yaml"
        file.write_text("noise: 0.3\nrun: {steps: 11, seed: 5}\n")
        config = config_from(ToyConfig, PLAIN, file, ["run.steps=12", "optimizer.betas=[0, 0.9]"])
        assert config.noise == 0.3
        assert (config.run.steps, config.run.seed, config.run.batch_size) == (12, 5, 4)
        assert config.optimizer.betas == (0.0, 0.9)

    def test_printed_settings_are_read_back(self, tmp_path: Path) -> None:
        config = with_run(replace(PLAIN, noise=0.7), ema_decay=0.99)
        (tmp_path / "toy.yaml").write_text(as_yaml(config))
        assert config_from(ToyConfig, PLAIN, tmp_path / "toy.yaml") == config

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ("run.stepz=3", "run.stepz: received a setting that does not exist"),
            ("nose=3", "Give run, optimizer, noise"),
            ("run.steps=many", r"run\.steps: received 'many'"),
            ("run.steps=0", "Give at least 1"),
            ("optimizer.schedule=steep", "constant.*cosine"),
            ("run=3", "run: received 3"),
            ("steps", "NAME=VALUE"),
        ],
    )
    def test_what_cannot_be_set_is_named(self, change: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            config_from(ToyConfig, PLAIN, changes=[change])

    @pytest.mark.parametrize("text", ["run: [", "- 3", ""])
    def test_a_file_that_is_no_settings_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(FileError, match=r"bad\.yaml"):
            config_from(ToyConfig, PLAIN, tmp_path / "bad.yaml")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=r"none\.yaml"):
            config_from(ToyConfig, PLAIN, tmp_path / "none.yaml")


class TestSchedule:
    def test_it_rises_then_falls_to_nothing(self) -> None:
        optimizer = Optimizer(learning_rate=2.0, warmup_steps=9, schedule="cosine")
        rates = [learning_rate(optimizer, step, 100) for step in range(100)]
        assert rates[0] == pytest.approx(0.2)
        assert max(rates) == pytest.approx(2.0)
        assert rates.index(max(rates)) == 9
        assert rates[-1] < 0.01
        assert rates[9:] == sorted(rates[9:], reverse=True)

    def test_constant_stays(self) -> None:
        assert {learning_rate(Optimizer(1e-3), step, 50) for step in range(50)} == {1e-3}


class TestLog:
    def test_lines_after_the_checkpoint_and_torn_ones_are_dropped(self, tmp_path: Path) -> None:
        file = tmp_path / "log.jsonl"
        file.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
        log = Log(tmp_path, 2)
        log.write(3, {"loss": 1.23456789})
        log.close()
        assert log_of(tmp_path) == [{"step": 1}, {"step": 2}, {"step": 3, "loss": 1.23457}]

    def test_collected_values_are_averaged_once(self, tmp_path: Path) -> None:
        log = Log(tmp_path, 0)
        for value in (1.0, 3.0):
            log.collect({"loss": torch.tensor(value)})
        assert log.write_collected(2, {}) == {"loss": 2.0}
        assert log.write_collected(4, {}) == {}
        log.close()


def test_runs_refuse_nonsense() -> None:
    with pytest.raises(InputError, match="batch_size"):
        Run(batch_size=0)
