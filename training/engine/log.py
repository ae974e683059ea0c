"""What a training says: JSON lines, TensorBoard where it is installed, and pictures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

LOG, SAMPLES, BOARD = "log.jsonl", "samples", "tensorboard"


class Log:
    """The log of a run in its folder.

    Args:
        folder: of the run.
        step: at which the run goes on; later lines of a run that was killed are dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.folder = folder
        self._sums: dict[str, list[Tensor]] = defaultdict(list)
        _cut_after(folder / LOG, step)
        self._lines = (folder / LOG).open("a", encoding="utf-8")
        self._board = _board(folder / BOARD, step)

    def collect(self, losses: Mapping[str, Tensor]) -> None:
        """Remember losses for the next line, which has their means."""
        for name, value in losses.items():
            self._sums[name].append(value.detach().float())

    def write_collected(self, step: int, extra: Mapping[str, float]) -> dict[str, float]:
        """A line with the means of what was collected since the last one."""
        means = {name: float(torch.stack(values).mean()) for name, values in self._sums.items()}
        self._sums.clear()
        self.write(step, means | dict(extra))
        return means

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """A line for a step."""
        line = {"step": step, **{name: _rounded(value) for name, value in values.items()}}
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def write_pictures(self, step: int, pictures: Tensor, columns: int) -> Path:
        """Pictures `[N,3,H,W]`, sRGB-coded 0..1, as one PNG."""
        from PIL import Image

        file = self.folder / SAMPLES / f"step_{step:08}.png"
        file.parent.mkdir(exist_ok=True)
        sheet = _sheet(pictures, columns)
        levels = (255 * sheet.clamp(0.0, 1.0)).round().byte().permute(1, 2, 0)
        Image.fromarray(levels.cpu().numpy()).save(file)
        if self._board is not None:
            self._board.add_image("samples", sheet.clamp(0.0, 1.0), step)
        return file

    def close(self) -> None:
        """Write everything to disk."""
        self._lines.close()
        if self._board is not None:
            self._board.close()


def _cut_after(file: Path, step: int) -> None:
    """Drop the lines after a step: the run does them again."""
    if not file.is_file():
        return
    lines = file.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if _step_of(line) <= step]
    if len(kept) < len(lines):
        unfinished = file.with_name(f".{file.name}")
        unfinished.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        unfinished.replace(file)


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return float("inf")  # Cut off in the middle when the run was killed.


def _board(folder: Path, step: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)


def _sheet(pictures: Tensor, columns: int) -> Tensor:
    """Pictures in rows, `[3,H,W]`."""
    missing = -len(pictures) % columns
    full = torch.cat([pictures, pictures.new_zeros(missing, *pictures.shape[1:])])
    rows = full.unflatten(0, (-1, columns))  # [R,columns,3,h,w]
    return rows.permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)


def _rounded(value: float) -> float:
    """Six digits are enough to read, and the same on the same machine."""
    return float(f"{value:.6g}")
