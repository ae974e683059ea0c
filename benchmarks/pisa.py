"""Physics-inspired self-attention: by tiles of reachable tokens against whole matrices.

    python benchmarks/pisa.py                          # on a GPU where there is one
    python benchmarks/pisa.py --device cpu --sizes 512 --radius 64

Measured are BokehDiff's two layers (10 heads of 64) for one picture: matrices with visibility for
each layer, as published, tiles with visibility for both. Each runs in a process of its own. On the
CPU time is that of the processor; memory is what is taken beyond the inputs.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from focuspuller.models.bokehdiff.condition import (
    PX_PER_TOKEN,
    PX_PER_UNIT,
    SEGMENTS,
    SUPERSAMPLES,
    TOKEN_STEP,
    TRAINED_HARDNESS,
    PisaCondition,
)
from focuspuller.models.bokehdiff.pisa import pisa
from focuspuller.models.bokehdiff.visibility import places_beside
from measure import machine, peak_memory
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from oracles.pisa import distances, materialised, token_maps, visibility  # noqa: E402

LAYERS, HEADS, WIDTH = 2, 10, 64
SIZES = {"cpu": [256, 512], "cuda": [512, 1024, 2048]}
RADIUS = 32.0
MOST_RUNS = 5
# Largest difference between the two, as a fraction of the largest value.
MOST_ERROR = 1e-3


class Inputs(NamedTuple):
    """One picture's maps `[1,1,H,W]`, and query, key and value of each layer."""

    disparity: Tensor
    radius: Tensor
    layers: list[list[Tensor]]


def main() -> int:
    """Print a table; exit status 1 if the two differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    has_gpu = torch.cuda.is_available()
    parser.add_argument("--device", default="cuda" if has_gpu else "cpu", choices=SIZES)
    parser.add_argument("--sizes", type=int, nargs="+", help="sides of square pictures, px")
    parser.add_argument("--radius", type=float, default=RADIUS, help="widest blur, px")
    parser.add_argument("--only", choices=METHODS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = options.sizes or SIZES[options.device]
    if options.only:
        print(json.dumps(measured_here(METHODS[options.only], sizes[0], options)))
        return 0
    print(machine(options.device))
    print("| picture | whole matrices | tiles | faster | smaller | largest difference |")
    print("|---|---|---|---|---|---|")
    rows = [print_row(size, options) for size in sizes]
    return 0 if all(rows) else 1


def print_row(size: int, options: argparse.Namespace) -> bool:
    """One line of the table; whether the two agree."""
    whole, tiles = (measured(name, size, options) for name in METHODS)
    if whole is None or tiles is None:
        print(f"| {size}² | {text(whole)} | {text(tiles)} | – | – | – |")
        return tiles is not None
    error = difference(size, options)
    gains = [whole[key] / max(tiles[key], 1e-9) for key in ("seconds", "bytes")]
    print(
        f"| {size}² | {text(whole)} | {text(tiles)} | {gains[0]:.1f}× | {gains[1]:.1f}× "
        f"| {error:.1e} |"
    )
    return error <= MOST_ERROR


def text(found: dict[str, float] | None) -> str:
    """A measurement as a cell."""
    if found is None:
        return "out of memory"
    return f"{found['seconds']:.3g} s, {found['bytes'] / 2**20:.0f} MiB"


def measured(name: str, size: int, options: argparse.Namespace) -> dict[str, float] | None:
    """Time and memory of one method in a process of its own; None if memory does not suffice."""
    command = [sys.executable, __file__, "--only", name, "--sizes", str(size)]
    command += ["--device", options.device, "--radius", str(options.radius)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode == 0:
        return json.loads(process.stdout)
    last = process.stderr.strip().splitlines()[-1:] or ["killed"]
    is_memory = process.returncode < 0 or "memory" in last[0]
    if not is_memory:
        raise RuntimeError(f"{name} at {size} px: {last[0]}")
    return None


def measured_here(
    attend: Callable[[Inputs], list[Tensor]], size: int, options: argparse.Namespace
) -> dict[str, float]:
    """Best time of some runs, and memory beyond the inputs."""
    torch.set_num_threads(1)
    on_gpu = options.device == "cuda"
    attend(made(64, options.radius, options.device))  # Kernels are loaded, threads started.
    inputs = made(size, options.radius, options.device)
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if on_gpu else peak_memory(on_gpu)
    times = list(timed(attend, inputs, on_gpu))
    return {"seconds": min(times), "bytes": peak_memory(on_gpu) - before}


def timed(
    attend: Callable[[Inputs], list[Tensor]], inputs: Inputs, on_gpu: bool
) -> Iterator[float]:
    """Seconds of each run."""
    clock = time.perf_counter if on_gpu else time.process_time
    for _ in range(MOST_RUNS):
        start = clock()
        attend(inputs)
        if on_gpu:
            torch.cuda.synchronize()
        yield clock() - start


def difference(size: int, options: argparse.Namespace) -> float:
    """The largest between the two methods, as a fraction of the largest value."""
    inputs = made(size, options.radius, options.device)
    whole, tiles = (METHODS[name](inputs)[0] for name in METHODS)
    return float((whole - tiles).abs().amax() / whole.abs().amax())


def made(size: int, radius: float, device: str) -> Inputs:
    """A box in focus before a slanted ground whose far end is blurred by `radius` px."""
    generator = torch.Generator().manual_seed(0)
    disparity = torch.linspace(0.0, 0.4, size)[:, None].repeat(1, size)
    disparity[size // 4 : 3 * size // 4, size // 3 : 2 * size // 3] = 0.9
    blur = (0.9 - disparity) / 0.9 * radius / PX_PER_UNIT
    shape = (1, HEADS, (size // PX_PER_TOKEN) ** 2, WIDTH)
    layers = [
        [torch.randn(shape, generator=generator).to(device) for _ in range(3)]
        for _ in range(LAYERS)
    ]
    return Inputs(disparity[None, None].to(device), blur[None, None].to(device), layers)


@torch.no_grad()
def by_tiles(inputs: Inputs) -> list[Tensor]:
    """As the package does it."""
    paths = PisaCondition(inputs.disparity, inputs.radius).for_tokens(inputs.layers[0][0].shape[2])
    return [pisa(*layer, paths) for layer in inputs.layers]


@torch.no_grad()
def by_matrices(inputs: Inputs) -> list[Tensor]:
    """As it is defined."""
    side = math.isqrt(inputs.layers[0][0].shape[2])
    jitter = places_beside(SUPERSAMPLES, SEGMENTS, side, side).to(inputs.disparity)
    outputs = []
    for layer in inputs.layers:
        maps = token_maps(inputs.disparity, inputs.radius, side, side)
        seen = visibility(
            maps["disparity"], maps["fine"], side, side, SEGMENTS, jitter[:, :, None, None]
        )
        distance = distances(side, side, TOKEN_STEP, TOKEN_STEP).to(inputs.disparity)
        slope = math.log(TRAINED_HARDNESS)
        outputs.append(materialised(*layer, maps["radius"], distance, slope, seen))
    return outputs


METHODS = {"matrices": by_matrices, "tiles": by_tiles}


if __name__ == "__main__":
    sys.exit(main())
