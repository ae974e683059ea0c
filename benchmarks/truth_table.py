"""How close every lens comes to path-traced truth, and how long it takes.

    python benchmarks/truth_scenes.py --out out/truth640      # makes the scenes, needs Mitsuba
    python benchmarks/truth_table.py out/truth640
    python benchmarks/truth_table.py out/truth640 --degraded  # as means over the scenes, per kind
    python benchmarks/truth_table.py out/truth640 --degraded --only layered --scenes 'portrait*'

PSNR in dB of linear light, clipped to 0..1 and coded by 1/2.2; a margin of the largest blur radius
is left out along the frame. Time is processor time per picture, on one thread.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from degrade import DEGRADATIONS, Disparity
from focuspuller.lens.defocus import Defocus, defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import LENSES, Lens, render
from torch import Tensor


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of truth scenes, .npz")
    parser.add_argument("--scenes", default="*", help="pattern of names, such as 'portrait*'")
    parser.add_argument("--only", nargs="+", choices=LENSES, default=list(LENSES), help="lenses")
    parser.add_argument("--degraded", action="store_true", help="with imperfect depth instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted(options.folder.glob(f"{options.scenes}.npz"))
    if options.degraded:
        print_degraded(paths, options.only)
    else:
        print_scenes(paths, options.only)


def print_scenes(paths: list[Path], lenses: list[str]) -> None:
    """A row per scene."""
    print("| scene | " + " | ".join(lenses) + " |")
    print("|---" * (len(lenses) + 1) + "|")
    rows = []
    for path in paths:
        rows.append([measured(path, Lens(name)) for name in lenses])
        cells = " | ".join(f"{dB:.1f}" for dB, _ in rows[-1])
        print(f"| {path.stem} | {cells} |", flush=True)
    means = np.mean(rows, axis=0)
    print("| **mean** | " + " | ".join(f"**{dB:.2f}**, {s:.2f} s" for dB, s in means) + " |")


def print_degraded(paths: list[Path], lenses: list[str]) -> None:
    """A row per kind of imperfect depth: means over the scenes."""
    print("| depth | " + " | ".join(lenses) + " |")
    print("|---" * (len(lenses) + 1) + "|")
    for kind, degrade in DEGRADATIONS.items():
        rows = [[measured(path, Lens(name), degrade)[0] for name in lenses] for path in paths]
        cells = " | ".join(f"{dB:.2f}" for dB in np.mean(rows, axis=0))
        print(f"| {kind} | {cells} |", flush=True)


def measured(
    path: Path, lens: Lens, degrade: Callable[[Disparity], Disparity] = DEGRADATIONS["exact"]
) -> tuple[float, float]:
    """PSNR in dB and processor time in s."""
    scene = np.load(path)
    image, truth = (
        torch.from_numpy(scene[name].astype(np.float32)).permute(2, 0, 1)[None]
        for name in ("all_in_focus", "defocused")
    )
    defocus = defocus_of(scene, degrade)
    start = time.process_time()
    with torch.inference_mode():
        rendered = render(image, defocus, lens)
    seconds = time.process_time() - start
    return psnr(rendered, truth, math.ceil(float(scene["max_radius_px"]))), seconds


def defocus_of(
    scene: np.lib.npyio.NpzFile,
    degrade: Callable[[Disparity], Disparity] = DEGRADATIONS["exact"],
) -> Defocus:
    """The scene's blur, from its depth and camera."""
    numbers = (float(scene[name]) for name in ("focal_length_mm", "f_number", "sensor_width_mm"))
    disparity = torch.from_numpy(degrade(1.0 / scene["depth"]))
    depth = Depth.from_metric_disparity(disparity[None, None])
    focus = Focus.at_distance(float(scene["focus_distance"]))
    return defocus_from_camera(depth, focus, Camera(*numbers, scene["depth"].shape[1]))


def psnr(rendered: Tensor, truth: Tensor, margin: int) -> float:
    """In dB, of what a screen shows within the margin."""
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    shown = [picture[inner].clamp(0, 1) ** (1 / 2.2) for picture in (rendered, truth)]
    return float(-10 * (shown[0] - shown[1]).square().mean().log10())


if __name__ == "__main__":
    main()
