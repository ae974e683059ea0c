"""How close every lens comes to path-traced truth, and how long it takes.

    python benchmarks/truth_scenes.py --out out/truth640      # makes the scenes, needs Mitsuba
    python benchmarks/truth_table.py out/truth640

PSNR in dB of linear light, clipped to 0..1 and coded by 1/2.2; a margin of the largest blur radius
is left out along the frame. Time is processor time per picture, on one thread.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
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
    torch.set_num_threads(1)
    print("| scene | " + " | ".join(LENSES) + " |")
    print("|---" * (len(LENSES) + 1) + "|")
    rows = []
    for path in sorted(parser.parse_args().folder.glob("*.npz")):
        rows.append([measured(path, Lens(name)) for name in LENSES])
        print(f"| {path.stem} | " + " | ".join(f"{dB:.1f}" for dB, _ in rows[-1]) + " |")
    means = np.mean(rows, axis=0)
    print("| **mean** | " + " | ".join(f"**{dB:.2f}**, {s:.2f} s" for dB, s in means) + " |")


def measured(path: Path, lens: Lens) -> tuple[float, float]:
    """PSNR in dB and processor time in s."""
    scene = np.load(path)
    image, truth = (
        torch.from_numpy(scene[name].astype(np.float32)).permute(2, 0, 1)[None]
        for name in ("all_in_focus", "defocused")
    )
    start = time.process_time()
    with torch.inference_mode():
        rendered = render(image, defocus_of(scene), lens)
    seconds = time.process_time() - start
    return psnr(rendered, truth, math.ceil(float(scene["max_radius_px"]))), seconds


def defocus_of(scene: np.lib.npyio.NpzFile) -> Defocus:
    """The scene's blur, from its depth and camera."""
    numbers = (float(scene[name]) for name in ("focal_length_mm", "f_number", "sensor_width_mm"))
    depth = Depth.from_metres(torch.from_numpy(scene["depth"])[None, None])
    focus = Focus.at_distance(float(scene["focus_distance"]))
    return defocus_from_camera(depth, focus, Camera(*numbers, scene["depth"].shape[1]))


def psnr(rendered: Tensor, truth: Tensor, margin: int) -> float:
    """In dB, of what a screen shows within the margin."""
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    shown = [picture[inner].clamp(0, 1) ** (1 / 2.2) for picture in (rendered, truth)]
    return float(-10 * (shown[0] - shown[1]).square().mean().log10())


if __name__ == "__main__":
    main()
