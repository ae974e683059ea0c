"""`focuspuller evaluate`: what it prints, writes and refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from focuspuller.headless.cli import main
from focuspuller.models import places
from focuspuller.training.evaluation.catalog import BENCHMARKS
from focuspuller.training.evaluation.metrics import METRICS
from focuspuller.training.evaluation.systems import SYSTEMS
from PIL import Image


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_installed", lambda kind: [tmp_path / "models" / kind])
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def test_it_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    first_words = {line.split()[0] for line in lines if line.strip()}
    assert {*BENCHMARKS, *SYSTEMS, *METRICS} <= first_words


def test_it_prints_the_table_that_it_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "truth", "--out", str(tmp_path / "out"), "--scenes", "spheres"]
    assert main([*command, "--systems", "taf, bokehme", "--metrics", "psnr,ssim"]) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == (tmp_path / "out/results.md").read_text(encoding="utf-8").strip()
    assert "| taf | **" in captured.out
    assert "| system | PSNR ↑ | SSIM ↑ | s per picture |" in captured.out
    assert str(tmp_path / "out") in captured.err
    with Image.open(tmp_path / "out/sheets/spheres.png") as sheet:
        assert sheet.width == 4 * 324 - 4


def test_pictures_of_another_program_are_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "truth", "--scenes", "spheres", "--metrics", "psnr"]
    command += ["--out", str(tmp_path / "out"), "--systems", "input"]
    assert main(command) == 0
    given = next((tmp_path / "out/pictures/input/spheres").iterdir())
    other = tmp_path / "other"
    other.mkdir()
    pixels = np.asarray(Image.open(given))
    Image.fromarray(pixels // 2).save(other / "spheres.png")
    capsys.readouterr()
    assert main([*command, "--pictures", f"darker={other}"]) == 0
    assert "| darker | " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "BENCHMARK: received none"),
        (["truth"], "--out: received none"),
        (["nothere"], "'nothere'"),
        (["truth", "--out", "o", "--limit", "0"], "--limit: received 0"),
        (["truth", "--out", "o", "--pictures", "x"], "Give NAME=DIR"),
        (["dpdd", "--out", "o"], "--data: received none"),
        (["truth", "--out", "o", "--metrics", "lpips"], "none that can be measured"),
        (["truth", "--out", "o", "--device", "gpu"], "device: received gpu"),
    ],
)
def test_it_says_what_is_missing(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_settings_reach_the_systems_they_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pydantic", reason="settings need the extra 'evaluation'")
    command = ["evaluate", "truth", "--scenes", "spheres", "--metrics", "psnr"]
    command += ["--out", str(tmp_path / "out"), "--systems", "bokehme-neural"]
    files = [f"bokehme-neural.{name}={tmp_path}/gone.pth" for name in ("arnet", "iunet")]
    assert main([*command, "--set", files[0], "--set", files[1]]) == 1
    assert "gone.pth: received a file that does not exist" in capsys.readouterr().err
    assert main([*command, "--set", "taf.x=1"]) == 1
    assert "Compared are bokehme-neural." in capsys.readouterr().err
