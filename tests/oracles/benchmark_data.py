"""Tiny scenes for benchmarks: a near square before a far plane, sharp and blurred."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from focuspuller.lens.color import linear_to_srgb, srgb_to_linear
from focuspuller.lens.defocus import defocus_from_bokeh_level
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.render import Lens, render
from focuspuller.models.perceptual.backbones import alexnet
from focuspuller.models.perceptual.lpips import CHANNELS, LpipsHeads
from focuspuller.training.evaluation.catalog import BENCHMARKS
from focuspuller.training.evaluation.report import Report
from numpy.typing import NDArray
from oracles.weights import filled
from PIL import Image
from torch import Tensor

HEIGHT, WIDTH = 48, 64
# Metrics that need no weights.
FREE = ("psnr", "ssim", "mae", "lvcorr", "blur-monotonicity")


def disparity() -> NDArray[np.float32]:
    """A near square before a far plane, relative."""
    values = np.full((HEIGHT, WIDTH), 0.1, np.float32)
    values[12:36, 8:32] = 0.9
    return values


def sharp(seed: int = 0) -> Tensor:
    """Linear light `[1,3,H,W]`, with the square in another tone."""
    random = np.random.default_rng(seed)
    levels = random.integers(0, 2, (1, 3, HEIGHT // 2, WIDTH // 2)).astype(np.float32)
    picture = 0.1 + 0.5 * torch.from_numpy(levels).repeat_interleave(2, -1).repeat_interleave(2, -2)
    picture[..., 12:36, 8:32] += 0.25
    return srgb_to_linear(picture)


def blurred(level: float, plane: float = 0.9, seed: int = 0, lens: str = "bokehme") -> Tensor:
    depth = Depth.from_relative(torch.from_numpy(disparity())[None, None])
    defocus = defocus_from_bokeh_level(depth, Focus.at_disparity(plane, False), level)
    return render(sharp(seed), defocus, Lens(lens))


def save(path: Path, light: Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coded = linear_to_srgb(light[0].clamp(0, 1)).permute(1, 2, 0)
    Image.fromarray((255 * coded).round().byte().numpy()).save(path, quality=100)


def save_depth(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255 * disparity()).round().astype(np.uint8)).save(path)


def write_lpips(folder: Path) -> None:
    """LPIPS with weights that follow from their names."""
    networks = {
        "perceptual/alexnet-owt-7be5be79.pth": filled(alexnet()),
        "lpips/alex.pth": filled(LpipsHeads(CHANNELS["alex"])),
    }
    for name, network in networks.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        state = {key: value.abs() for key, value in network.state_dict().items()}
        torch.save(state if "lpips" in name else network.state_dict(), folder / name)


def usable(name: str) -> list[str]:
    """Metrics of a benchmark that need no weights."""
    columns = BENCHMARKS[name].columns
    return list(dict.fromkeys(one.metric for one in columns if one.metric in FREE))


def means(report: Report, system: str) -> dict[str, Any]:
    return dict(next(row.means for row in report.rows if row.system == system))
