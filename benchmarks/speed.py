"""Time and memory of every renderer by size and blur radius. `run.py` is the command line.

At 1024×1024 on the CPU, BokehMe's fast scatters are also compared with their published definition.
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import Measurement, measured, save_scene
from methods import Method, Target
from numpy.typing import NDArray

Size = tuple[int, int]  # height, width
# By method, size and radius.
Timings = dict[tuple[str, Size, float], Measurement]

DEFINITION = "published scatter"
DEFINITION_SIZE = (1024, 1024)
LEAST_PSNR = 52.0
LEAST_SPEEDUP = {8.0: 8, 16.0: 25, 32.0: 60, 64.0: 90}
FAST_SCATTERS = ("bokehme", "bokehme exact")


def print_speed(
    chosen: dict[str, Method],
    sizes: list[Size],
    radii: list[float],
    device: str = "cpu",
    patience: float = 30.0,
) -> tuple[Timings, list[Target]]:
    """A table per size.

    A radius after one that took more than `patience` seconds is left out, and so is a picture that
    would take longer judging by a smaller one. Both show as "-": nothing is extrapolated.

    Returns:
        What was measured, and what was asked of the scatters where their definition was measured.
    """
    timings: Timings = {}
    targets: list[Target] = []
    for size in sorted(sizes, key=math.prod):
        print(f"\n{size[1]}×{size[0]} px:\n")
        print("| renderer | " + " | ".join(f"r {radius:g}" for radius in radii) + " | memory |")
        print("|---" * (len(radii) + 2) + "|", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            scene = Path(folder)
            save_scene(scene, *size)
            comparing = size == DEFINITION_SIZE and device == "cpu"
            for name, method in chosen.items():
                if device != "cpu" and not method.on_gpu:
                    continue
                allowed = [r for r in radii if _is_bearable(timings, name, size, r, patience)]
                keep = comparing and name in (DEFINITION, *FAST_SCATTERS)
                found = _measured(name, scene, allowed, device, patience, keep)
                timings |= {(name, size, one.radius): one for one in found}
                print(_row(name, radii, found), flush=True)
            if comparing:
                targets += _definition_targets(timings, radii, scene)
    return timings, targets


def _is_bearable(timings: Timings, name: str, size: Size, radius: float, patience: float) -> bool:
    """By the number of pixels, from the largest picture so far."""
    earlier = [other for method, other, _ in timings if method == name and other != size]
    if not earlier:
        return True
    found = timings.get((name, earlier[-1], radius))
    pixels = math.prod(size) / math.prod(earlier[-1])
    return found is not None and found.seconds * pixels <= patience


def _measured(
    name: str, scene: Path, radii: list[float], device: str, patience: float, keep: bool
) -> list[Measurement]:
    """With `keep`, the pictures lie beside the scene."""
    if not radii:
        return []
    try:
        return measured(name, scene, radii, device, patience, scene if keep else None)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return []


def _row(name: str, radii: list[float], found: list[Measurement]) -> str:
    times = {one.radius: _duration(one.seconds) for one in found}
    cells = [times.get(radius, "-") for radius in radii]
    memory = f"{max(one.peak for one in found) / 2**30:.2f} GiB" if found else "-"
    return f"| {name} | {' | '.join(cells)} | {memory} |"


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 0.1 else f"{seconds:.3g} s"


def _definition_targets(timings: Timings, radii: list[float], pictures: Path) -> list[Target]:
    """By how much the fast scatters are faster than the published loop, and how close to it."""
    targets = []
    for radius in radii:
        slow = timings.get((DEFINITION, DEFINITION_SIZE, radius))
        for name in FAST_SCATTERS:
            fast = timings.get((name, DEFINITION_SIZE, radius))
            if slow is None or fast is None or radius not in LEAST_SPEEDUP:
                continue
            faster = slow.seconds / fast.seconds
            both = (np.load(pictures / f"{of} {radius:g}.npy") for of in (name, DEFINITION))
            quality = psnr(*both)
            least = LEAST_SPEEDUP[radius]
            targets.append(
                Target(
                    f"{name}, r {radius:g}: the published scatter, {least}× as fast, "
                    f"within {LEAST_PSNR:g} dB",
                    f"{faster:.0f}×, {quality:.1f} dB",
                    faster >= least and quality >= LEAST_PSNR,
                )
            )
    return targets


def psnr(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Similarity of two linear pictures as a screen shows them (gamma 2.2, peak 1), in dB."""
    shown = [np.clip(picture, 0.0, 1.0).astype(np.float64) ** (1.0 / 2.2) for picture in (a, b)]
    error = float(np.mean((shown[0] - shown[1]) ** 2))
    return math.inf if error == 0.0 else -10.0 * math.log10(error)
