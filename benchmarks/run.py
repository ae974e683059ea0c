"""All benchmarks as Markdown tables, for docs/benchmarks.md: `make bench`.

    python benchmarks/run.py                                     # everything
    python benchmarks/run.py speed --sizes 1024 --radii 32 --only layered 'disc stack'
    python benchmarks/run.py truth degraded --truth out/truth640

`speed` measures every renderer on the CPU and, where there is one, on a CUDA GPU: the best of
several runs, each renderer in a process of its own. `truth` compares with path-traced photographs,
`degraded` does so with imperfect depth, `memory` renders 100 MP. Exit status 1 if a target is
missed.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

import torch
from focuspuller.lens.render import DEFAULT_LENS, LENSES
from measure import machine
from memory import memory_target, size
from methods import BASELINES, STACKS, Method, Target, methods, one_thread
from speed import Timings, print_speed
from truth_table import SHIPPED, TruthResult, load_scenes, print_degraded, print_scenes

ROOT = Path(__file__).resolve().parents[1]
TRUTH = ROOT / "out" / "truth640"

SECTIONS = ("speed", "truth", "degraded", "memory")
SIZES = [(1024, 1024), (2048, 2048), (4000, 6000)]
RADII = [8.0, 16.0, 32.0, 64.0, 128.0]

LEAST_TRUTH_PSNR = 40.0
# The default lens against the best approximation that is in use.
STACK_CASE = ((1024, 1024), 32.0)
MOST_TIME_OF_STACK = 1.5
LEAST_GAIN_ON_STACK = 6.0
GPU_CASE = ((4000, 6000), 64.0)
MOST_GPU_SECONDS = 0.25


def main() -> int:
    """Command line."""
    everything = methods()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--only", nargs="+", choices=everything, metavar="NAME", help="renderers")
    parser.add_argument("--sizes", nargs="+", type=size, default=SIZES, help="1024, 6000x4000 ...")
    parser.add_argument("--radii", nargs="+", type=float, default=RADII, help="px, rising")
    parser.add_argument("--devices", nargs="+", choices=("cpu", "cuda"), help="default: all")
    parser.add_argument("--patience", type=float, default=30.0, help="s per picture, then '-'")
    parser.add_argument("--truth", type=Path, help=f"scenes; default {TRUTH}, else the shipped")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    sections = options.sections or SECTIONS
    chosen = {name: everything[name] for name in options.only or everything}

    print(f"{date.today()}, {machine()}, torch {torch.__version__}, float32", flush=True)
    targets: list[Target] = []
    timings: Timings = {}
    if "speed" in sections:
        for device in options.devices or ["cpu", *["cuda"] * torch.cuda.is_available()]:
            print(f"\n### Speed on {machine(device)}", flush=True)
            found, definition = print_speed(
                chosen, options.sizes, options.radii, device, options.patience
            )
            targets += definition
            if device == "cuda":
                targets += gpu_targets(found)
            else:
                timings = found
    one_thread()
    if "truth" in sections:
        result = print_truth(chosen, truth_folder(options.truth))
        targets += truth_targets(result) + stack_targets(result, timings)
    if "degraded" in sections:
        print("\n### With imperfect depth: mean PSNR in dB\n", flush=True)
        print_degraded(load_scenes(truth_folder(options.truth)), truth_methods(chosen))
    if "memory" in sections:
        targets.append(memory_target())
    if targets:
        print("\n### Targets\n\n| target | found | |\n|---|---|---|")
        for target in targets:
            print(f"| {target.what} | {target.found} | {'met' if target.met else '**missed**'} |")
    return 0 if all(target.met for target in targets) else 1


def truth_folder(given: Path | None) -> Path:
    """The large set where it was made."""
    return given or (TRUTH if TRUTH.is_dir() else SHIPPED)


def truth_methods(chosen: dict[str, Method]) -> dict[str, Method]:
    """What is compared with photographs; the published scatter differs little from the naive."""
    names = (*LENSES, *BASELINES, *STACKS)
    return {name: chosen[name] for name in names if name in chosen}


def print_truth(chosen: dict[str, Method], folder: Path) -> TruthResult:
    """The table of scenes."""
    print("\n### Against path-traced truth: PSNR in dB, processor time on one thread\n", flush=True)
    if folder == SHIPPED:
        print("The small scenes of the tests. The large set: benchmarks/truth_scenes.py.\n")
    return print_scenes(load_scenes(folder), truth_methods(chosen))


def truth_targets(result: TruthResult) -> list[Target]:
    """For the default lens: quality in the mean and on every scene, and the time it may take."""
    if DEFAULT_LENS not in result.means or not result.margins:
        return []
    quality, seconds = result.means[DEFAULT_LENS]
    behind = sum(margin < 0 for margin in result.margins.values())
    least = min(result.margins.values())
    targets = [
        Target(
            f"{DEFAULT_LENS}: at least the best of {', '.join(BASELINES)} on every scene",
            f"behind on {behind} of {len(result.margins)}, least margin {least:+.2f} dB",
            behind == 0,
        ),
        Target(
            f"{DEFAULT_LENS}: mean of at least {LEAST_TRUTH_PSNR:g} dB",
            f"{quality:.2f} dB",
            quality >= LEAST_TRUTH_PSNR,
        ),
    ]
    if "lens sampling" in result.means:
        allowed = result.means["lens sampling"][1]
        found = f"{seconds:.2f} s, {allowed:.2f} s"
        what = f"{DEFAULT_LENS}: no slower than lens sampling"
        targets.append(Target(what, found, seconds <= allowed))
    return targets


def stack_targets(result: TruthResult, timings: Timings) -> list[Target]:
    """For the default lens: better than the best stack, and not much slower."""
    stacks = [name for name in STACKS if name in result.means]
    if DEFAULT_LENS not in result.means or not stacks:
        return []
    best = max(stacks, key=lambda name: result.means[name][0])
    gain = result.means[DEFAULT_LENS][0] - result.means[best][0]
    what = f"{DEFAULT_LENS}: {LEAST_GAIN_ON_STACK:g} dB better than the {best}"
    targets = [Target(what, f"{gain:+.2f} dB", gain >= LEAST_GAIN_ON_STACK)]
    own, other = (timings.get((name, *STACK_CASE)) for name in (DEFAULT_LENS, best))
    if own and other:
        ratio = own.seconds / other.seconds
        what = f"{DEFAULT_LENS}: ≤ {MOST_TIME_OF_STACK}× the time of the {best}, 1024×1024, r 32"
        targets.append(Target(what, f"{ratio:.2f}×", ratio <= MOST_TIME_OF_STACK))
    return targets


def gpu_targets(timings: Timings) -> list[Target]:
    """The default lens on 24 MP."""
    found = timings.get((DEFAULT_LENS, *GPU_CASE))
    if found is None:
        return []
    what = f"{DEFAULT_LENS}: 24 MP, r 64 on the GPU within {MOST_GPU_SECONDS} s"
    return [Target(what, f"{found.seconds:.3f} s", found.seconds <= MOST_GPU_SECONDS)]


if __name__ == "__main__":
    sys.exit(main())
