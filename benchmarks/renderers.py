"""Time and accuracy of BokehMe's scatter against its naive definition: `make bench`.

Prints a Markdown table for `docs/benchmarks.md`. The naive definition is compiled by numba and runs
on one thread, as published; ours uses all cores. Every time is the best of a few runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import TypeVar

import numpy as np
import torch
from focuspuller.lens.aperture import CIRCLE
from focuspuller.lens.bokehme import BokehMeOptions, Method, render_bokehme
from naive_scatter import benchmark_scene, naive_bokeh, psnr

SIZE = 1024
LEAST_PSNR = 52.0
LEAST_SPEEDUP = {8: 8, 16: 25, 32: 60, 64: 90}
METHODS: tuple[Method, ...] = ("fft", "exact")

T = TypeVar("T")


def main() -> int:
    """Print the table; exit code 1 if the default method misses its target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--radius", type=int, nargs="+", default=list(LEAST_SPEEDUP))
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the best counts")
    options = parser.parse_args()
    print(f"{date.today()}, {_machine()}, torch {torch.__version__}, {SIZE}×{SIZE} px, float32\n")
    print("| largest radius | naive | method | time | faster | PSNR | target |")
    print("|---|---|---|---|---|---|---|")
    naive_bokeh(*benchmark_scene(2, size=64))  # compile
    met = [_bench_radius(radius, options.repeats) for radius in options.radius]
    return 0 if all(met) else 1


def _bench_radius(radius: int, repeats: int) -> bool:
    image, defocus = benchmark_scene(radius, SIZE)
    naive_time, truth = _timed(lambda: naive_bokeh(image, defocus), 1)
    target = LEAST_SPEEDUP.get(radius, 1)
    met = {}
    for method in METHODS:
        best_time, rendered = _timed(lambda m=method: _rendered(image, defocus, m), repeats)
        speedup, quality = naive_time / best_time, psnr(rendered, truth)
        met[method] = speedup >= target and quality >= LEAST_PSNR
        print(
            f"| {radius} px | {naive_time:.1f} s | {method} | {best_time:.2f} s | {speedup:.0f}× "
            f"| {quality:.1f} dB | ≥ {target}×, ≥ {LEAST_PSNR:.0f} dB: "
            f"{'met' if met[method] else 'missed'} |",
            flush=True,
        )
    return met["fft"]


def _rendered(image: np.ndarray, defocus: np.ndarray, method: Method) -> np.ndarray:
    with torch.inference_mode():
        result = render_bokehme(
            torch.from_numpy(image)[None],
            torch.from_numpy(defocus)[None, None],
            CIRCLE,
            BokehMeOptions(method=method),
        )
    return result[0].numpy()


def _timed(work: Callable[[], T], repeats: int) -> tuple[float, T]:
    """Best time in seconds, and the result; one run more than `repeats` to warm up, if several."""
    times, result = [], work() if repeats > 1 else None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result  # pyright: ignore[reportReturnType]


def _machine() -> str:
    return f"{os.cpu_count()} CPU cores ({platform.processor() or platform.machine()})"


if __name__ == "__main__":
    sys.exit(main())
