"""What an evaluation writes, remembers and goes on from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import focuspuller as fp
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.training.evaluation import systems as registry
from focuspuller.training.evaluation.scene import Request
from focuspuller.training.evaluation.systems import System
from oracles.benchmark_data import (
    means,
    usable,
)
from PIL import Image
from torch import Tensor


class TestGoingOn:
    """A run that was interrupted."""

    def test_it_does_only_what_is_missing_and_finds_the_same(
        self, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[str] = []

        def make(device: torch.device) -> Callable[[Request], Tensor]:
            del device

            def halved(request: Request) -> Tensor:
                made.append(f"{request.scene}/{request.shot}")
                return request.image / 2

            return halved

        monkeypatch.setitem(
            registry.SYSTEMS, "halved", System("halved", ("bokeh",), make, "half the light")
        )
        run = {"systems": ["halved", "taf"], "metrics": ["mae", "lvcorr"]}
        whole = fp.evaluate("diffcamera-bokeh", tmp_path / "whole", photographs, **run)
        assert len(made) == 8

        def interrupt(done: int, total: int, what: str) -> None:
            if done == 2:
                raise KeyboardInterrupt

        made.clear()
        again = tmp_path / "again"
        with pytest.raises(KeyboardInterrupt):
            fp.evaluate("diffcamera-bokeh", again, photographs, **run, on_scene=interrupt)
        assert [name.partition("/")[0] for name in made] == ["bird"] * 4
        resumed = fp.evaluate("diffcamera-bokeh", again, photographs, **run)
        assert [name.partition("/")[0] for name in made] == ["bird"] * 4 + ["cat"] * 4
        for system in ("halved", "taf"):
            assert means(resumed, system) == means(whole, system)

    def test_a_new_figure_is_measured_for_what_is_there(self, photographs: Path, out: Path) -> None:
        fp.evaluate("diffcamera-bokeh", out, photographs, systems=["taf"], metrics=["mae"])
        report = fp.evaluate(
            "diffcamera-bokeh", out, photographs, systems=["taf"], metrics=["mae", "lvcorr"]
        )
        assert set(means(report, "taf")) == {"mae", "lvcorr"}

    def test_another_benchmark_needs_another_folder(self, photographs: Path, out: Path) -> None:
        fp.evaluate("diffcamera-bokeh", out, photographs, systems=["input"], metrics=["mae"])
        with pytest.raises(InputError, match="differs in benchmark"):
            fp.evaluate("diffcamera-deblur", out, photographs, metrics=["mae"])

    def test_a_damaged_result_is_done_again(self, photographs: Path, out: Path) -> None:
        run = {"systems": ["input"], "metrics": ["mae"]}
        first = fp.evaluate("diffcamera-bokeh", out, photographs, **run)
        (out / "results/input/bird.json").write_text('{"figures": {')
        assert means(fp.evaluate("diffcamera-bokeh", out, photographs, **run), "input") == means(
            first, "input"
        )


class TestWhatIsWritten:
    def test_tables_plots_and_sheets(self, photographs: Path, out: Path) -> None:
        metrics = usable("diffcamera-bokeh")
        report = fp.evaluate("diffcamera-bokeh", out, photographs, metrics=metrics, sheets=1)
        assert (out / "results.md").read_text(encoding="utf-8") == report.markdown()
        stored = json.loads((out / "results.json").read_text(encoding="utf-8"))
        assert stored["systems"]["taf"]["means"]["mae"] == pytest.approx(
            means(report, "taf")["mae"], rel=1e-5
        )
        assert stored["columns"]["mae"]["higher_is_better"] is False
        assert sorted(path.name for path in (out / "sheets").iterdir()) == ["bird.png"]
        sheet = Image.open(out / "sheets/bird.png")
        # given, four lenses, target; four levels.
        assert sheet.size == (6 * 324 - 4, 4 * (20 + 240 + 4))
        pytest.importorskip("matplotlib")
        assert sorted(path.name for path in (out / "plots").iterdir()) == ["lvcorr.png", "mae.png"]

    def test_the_best_figure_is_bold(self, photographs: Path, out: Path) -> None:
        report = fp.evaluate(
            "diffcamera-bokeh", out, photographs, systems=["input", "bokehme"], metrics=["mae"]
        )
        lines = report.markdown().splitlines()
        assert any(line.startswith("| bokehme | **0.0000** |") for line in lines)
        assert "| system | MAE ↓ | s per picture |" in lines

    def test_plots_are_left_out_without_matplotlib(
        self, photographs: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
        report = fp.evaluate(
            "diffcamera-bokeh", out, photographs, systems=["input"], metrics=["mae"]
        )
        assert "focuspuller[evaluation]" in "\n".join(report.skipped)
        assert (out / "results.md").is_file()
