"""How well focus distance and f-number of path-traced photographs are found.

    python benchmarks/truth_scenes.py --out out/truth640  # makes the scenes, needs Mitsuba
    python benchmarks/fit_table.py out/truth640

Errors and half widths of the intervals in percent of the truth; processor time on one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from focuspuller.lens.depth import Depth
from focuspuller.lens.fitting.fit import fit_camera
from methods import one_thread
from truth_table import SHIPPED, Scene, load_scenes

WITHIN = 10.0


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=SHIPPED, help="of scenes, .npz")
    parser.add_argument("--scenes", default="*", help="pattern of names, such as 'portrait*'")
    options = parser.parse_args()
    one_thread()
    print("| scene | focus distance | ± | f-number | ± | unexplained | time |")
    print("|---|---|---|---|---|---|---|")
    rows = np.array([_row(scene) for scene in load_scenes(options.folder, options.scenes)])
    errors = np.abs(rows[:, :2])
    within = int((errors < WITHIN).all(1).sum())
    held = rows[:, 2:].mean(0) * 100
    medians = np.median(errors, axis=0)
    print(f"\nMedian error: focus {medians[0]:.1f} %, f-number {medians[1]:.1f} %.")
    print(f"Both within {WITHIN:.0f} %: {within} of {len(rows)}.")
    print(f"The interval holds the focus in {held[0]:.0f} %, the f-number in {held[1]:.0f} %.")


def _row(scene: Scene) -> tuple[float, float, bool, bool]:
    """Errors in percent, and whether the intervals hold the truth; prints the line."""
    depth = Depth.from_metric_disparity(torch.from_numpy(scene.disparity)[None, None])
    start = time.process_time()
    fitted = fit_camera(scene.image, scene.truth, depth, scene.camera)
    seconds = time.process_time() - start
    assert fitted.f_number is not None
    assert fitted.f_number_interval is not None
    figures, held = [], []
    for value, interval, true in (
        (fitted.focus_distance_m, fitted.focus_distance_interval_m, scene.focus.distance_m.item()),
        (fitted.f_number, fitted.f_number_interval, scene.camera.f_number),
    ):
        figures += [100 * (value / true - 1), 50 * (interval[1] - interval[0]) / true]
        held.append(interval[0] <= true <= interval[1])
    unexplained = 100 * fitted.loss / fitted.sharp_loss
    texts = (
        f"{figure:{'+.1f' if place % 2 == 0 else '.1f'}} %" for place, figure in enumerate(figures)
    )
    print(f"| {scene.name} | {' | '.join(texts)} | {unexplained:.0f} % | {seconds:.1f} s |")
    return figures[0], figures[2], held[0], held[1]


if __name__ == "__main__":
    main()
