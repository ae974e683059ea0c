"""How close every renderer comes to path-traced truth, and how long it takes.

    python benchmarks/truth_scenes.py --out out/truth640      # makes the scenes, needs Mitsuba
    python benchmarks/truth_table.py out/truth640
    python benchmarks/truth_table.py out/truth640 --degraded  # imperfect depth, means
    python benchmarks/truth_table.py out/truth640 --only layered 'lens sampling' --scenes 'rods*'

`focuspuller evaluate truth` compares the lenses alone, by more figures and with sheets; this adds
what they have to beat, and the time. Scenes and PSNR are the same.

PSNR in dB of linear light, clipped to 0..1 and coded by 1/2.2; a margin of the largest blur radius
is left out along the frame. Time is processor time per picture, on one thread. The last column is
by how much a lens, the default unless `--judge` names one, leads the best of naive scatter, naive
gather and lens sampling; it is bold where the lens does not lead.
"""

from __future__ import annotations

import argparse
import fnmatch
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from degrade import DEGRADATIONS, Disparity
from focuspuller.lens.defocus import defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import DEFAULT_LENS, LENSES
from focuspuller.training.evaluation.catalog import BENCHMARKS
from focuspuller.training.evaluation.fidelity import psnr
from focuspuller.training.evaluation.truth import SHIPPED, load_truth
from methods import BASELINES, STACKS, Method, methods, one_thread
from torch import Tensor

TRUTH = BENCHMARKS["truth"]

Degrade = Callable[[Disparity], Disparity]


def main() -> None:
    """Command line."""
    everything = methods()
    usual = [*LENSES, *BASELINES, *STACKS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=SHIPPED, help="of scenes, .npz")
    parser.add_argument("--scenes", default="*", help="pattern of names, such as 'portrait*'")
    parser.add_argument("--only", nargs="+", choices=everything, default=usual, metavar="NAME")
    parser.add_argument("--judge", choices=LENSES, default=DEFAULT_LENS, help="lens that must win")
    parser.add_argument("--degraded", action="store_true", help="with imperfect depth instead")
    options = parser.parse_args()
    one_thread()
    scenes = load_scenes(options.folder, options.scenes)
    chosen = {name: everything[name] for name in options.only}
    if options.degraded:
        print_degraded(scenes, chosen)
    else:
        print_scenes(scenes, chosen, options.judge)


@dataclass(frozen=True)
class Scene:
    """A truth scene: linear light `[1,3,H,W]`, disparity `[H,W]` in 1/m."""

    name: str
    image: Tensor
    truth: Tensor
    disparity: Disparity
    camera: Camera
    focus: Focus
    margin: int

    def radius(self, degrade: Degrade) -> Tensor:
        """Signed blur radius `[1,1,H,W]` in px, from degraded disparity."""
        depth = Depth.from_metric_disparity(torch.from_numpy(degrade(self.disparity))[None, None])
        return defocus_from_camera(depth, self.focus, self.camera).radius

    def psnr(self, rendered: Tensor) -> float:
        """In dB, of what a screen shows within the margin."""
        inner = (..., slice(self.margin, -self.margin), slice(self.margin, -self.margin))
        shown = [TRUTH.shown(picture[inner]) for picture in (rendered, self.truth)]
        return psnr(*shown)


def load_scenes(folder: Path, pattern: str = "*") -> list[Scene]:
    """All scenes of a folder whose name fits, sorted."""
    paths = [path for path in sorted(folder.glob("*.npz")) if fnmatch.fnmatch(path.stem, pattern)]
    if not paths:
        raise SystemExit(f"No scene {pattern!r} in {folder}. Make them: truth_scenes.py --out.")
    return [load_scene(path) for path in paths]


def load_scene(path: Path) -> Scene:
    """A file of `truth_scenes.py` or `tests/truth/make_scenes.py`."""
    scene = load_truth(path)
    truth = scene.shots[0].target
    assert truth is not None
    assert scene.depth is not None
    assert scene.camera is not None
    assert scene.focus is not None
    disparity = scene.depth.disparity[0, 0].numpy()
    return Scene(scene.name, scene.image, truth, disparity, scene.camera, scene.focus, scene.margin)


def measured(
    scene: Scene, method: Method, degrade: Degrade = DEGRADATIONS["exact"]
) -> tuple[float, float]:
    """PSNR in dB and processor time in s."""
    radius = scene.radius(degrade)
    start = time.process_time()
    rendered = method.render(scene.image, radius)
    seconds = time.process_time() - start
    return scene.psnr(rendered), seconds


class TruthResult(NamedTuple):
    """Mean dB and s of every renderer; dB by which the judged lens leads, for every scene."""

    means: dict[str, tuple[float, float]]
    margins: dict[str, float]


def print_scenes(
    scenes: list[Scene], chosen: dict[str, Method], judged: str = DEFAULT_LENS
) -> TruthResult:
    """A row per scene, and the means."""
    baselines = [name for name in BASELINES if name in chosen]
    judging = bool(judged in chosen and baselines)
    heads = [*chosen, *[f"{judged} − best"] * judging]
    print("| scene | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    for method in chosen.values():  # Compile, fill caches.
        measured(scenes[0], method)
    rows, margins = [], {}
    for scene in scenes:
        row = {name: measured(scene, method) for name, method in chosen.items()}
        cells = [f"{dB:.1f}" for dB, _ in row.values()]
        if judging:
            margin = row[judged][0] - max(row[name][0] for name in baselines)
            margins[scene.name] = margin
            cells.append(f"{margin:+.1f}" if margin >= 0 else f"**{margin:+.1f}**")
        print(f"| {scene.name} | {' | '.join(cells)} |", flush=True)
        rows.append(list(row.values()))
    means = dict(zip(chosen, map(tuple, np.mean(rows, axis=0).tolist()), strict=True))
    cells = [f"**{dB:.2f}**, {s:.2f} s" for dB, s in means.values()] + [""] * judging
    print(f"| **mean** | {' | '.join(cells)} |", flush=True)
    return TruthResult(means, margins)


def print_degraded(scenes: list[Scene], chosen: dict[str, Method]) -> None:
    """A row per kind of imperfect depth: means over the scenes."""
    print("| depth | " + " | ".join(chosen) + " |")
    print("|---" * (len(chosen) + 1) + "|")
    for kind, degrade in DEGRADATIONS.items():
        rows = [
            [measured(scene, method, degrade)[0] for method in chosen.values()] for scene in scenes
        ]
        cells = " | ".join(f"{dB:.2f}" for dB in np.mean(rows, axis=0))
        print(f"| {kind} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
