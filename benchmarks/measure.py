"""Time and peak memory of one method, in a process of its own, since memory and caches are.

`measured` starts this file as a program, which prints a line of JSON per blur radius.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from methods import Method, methods
from timed_scene import timed_scene
from torch import Tensor

# Fast methods run up to so often, while the runs take no longer than this together.
MOST_RUNS = 7
RUNS_S = 3.0
WARM_UP_PX = 128


@dataclass(frozen=True)
class Measurement:
    """Of one picture at one largest blur radius in px: seconds, and bytes at most."""

    radius: float
    seconds: float
    peak: int


def save_scene(folder: Path, height: int, width: int) -> None:
    """The timed scene as the files that `measured` takes."""
    image, defocus = timed_scene(height, width)
    np.save(folder / "image.npy", image)
    np.save(folder / "defocus.npy", defocus)


def measured(
    method: str,
    folder: Path,
    radii: list[float],
    device: str = "cpu",
    patience: float = math.inf,
    results: Path | None = None,
) -> list[Measurement]:
    """Best time and peak memory for each radius, as far as patience goes.

    Args:
        method: a name of `methods()`.
        folder: of the scene.
        radii: largest blur radii in px, rising.
        device: of torch.
        patience: after a picture that took more seconds, larger radii are left out.
        results: folder for the pictures, `<method> <radius>.npy`; none are kept if None.

    Raises:
        RuntimeError: the process failed; its last words.
    """
    command = [sys.executable, __file__, method, str(folder), "--device", device]
    command += ["--patience", str(patience), "--radii", *map(str, radii)]
    if results is not None:
        command += ["--results", str(results)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        last = process.stderr.strip().splitlines()[-1:] or ["no message"]
        raise RuntimeError(f"{method}, exit status {process.returncode}: {last[0]}")
    return [Measurement(**json.loads(line)) for line in process.stdout.splitlines()]


def machine(device: str = "cpu") -> str:
    """What it runs on, in words."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores ({_processor()})"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    """The program that `measured` starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=methods())
    parser.add_argument("folder", type=Path)
    parser.add_argument("--radii", type=float, nargs="+", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--patience", type=float, default=math.inf)
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    method = methods()[options.method]
    image = torch.from_numpy(np.load(options.folder / "image.npy"))[None].to(options.device)
    unit = torch.from_numpy(np.load(options.folder / "defocus.npy"))[None, None]
    for radius in options.radii:
        defocus = (unit * radius).to(options.device)
        measurement, picture = _measure(method, image, defocus, radius)
        print(json.dumps(asdict(measurement)), flush=True)
        if options.results is not None:
            np.save(options.results / f"{options.method} {radius:g}.npy", picture.cpu().numpy())
        if measurement.seconds > options.patience:
            break


def _measure(
    method: Method, image: Tensor, defocus: Tensor, radius: float
) -> tuple[Measurement, Tensor]:
    part = (..., slice(WARM_UP_PX), slice(WARM_UP_PX))
    # Compile, start threads. numba compiles anew for arrays that are not contiguous.
    method.render(image[part].contiguous(), defocus[part].contiguous())
    if image.is_cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds, picture = _timed(lambda: method.render(image, defocus))
    times = [seconds]
    while len(times) < MOST_RUNS and sum(times) + min(times) < RUNS_S:
        del picture
        seconds, picture = _timed(lambda: method.render(image, defocus))
        times.append(seconds)
    return Measurement(radius, min(times), peak_memory(image.is_cuda)), picture


def _timed(render: Callable[[], Tensor]) -> tuple[float, Tensor]:
    start = time.perf_counter()
    picture = render()
    if picture.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start, picture


def peak_memory(on_gpu: bool) -> int:
    """Bytes: of the GPU's memory, else of this process with Python, torch and the picture."""
    if on_gpu:
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent held when it started this process.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
