"""Time and memory of FLUX with two conditions, against the published forward written plainly.

python benchmarks/flux_forward.py                # a small transformer on one thread of the CPU
python benchmarks/flux_forward.py --device cuda  # FLUX.1-dev's size with random weights, bfloat16
"""

from __future__ import annotations

import argparse
import copy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import FluxTransformer2DModel
from flux_published import add_peft_adapter, published_forward
from focuspuller.models.flux.adapters import Adapter, adaptable_layers
from focuspuller.models.flux.conditions import Prompt, Visibility
from focuspuller.models.flux.denoiser import Denoiser
from focuspuller.models.flux.layout import adapter_state
from focuspuller.models.flux.networks import Kind, bokeh_conditions
from focuspuller.models.flux.tokens import Grid, image_positions
from focuspuller.models.flux.transformer import ConditionedFlux
from measure import machine, peak_memory
from methods import Target
from torch import Tensor

STEPS = 28
# So many images are begun with each forward, in turns: the best time counts, since everything else
# on the machine only adds to it.
ROUNDS = 15
GUIDANCE = 1.0
SIGMA = 0.7

Velocity = Callable[[float], Tensor]  # of the same picture at any noise


@dataclass(frozen=True)
class Size:
    """A transformer and what goes through it. The number of tokens to a channel is FLUX' own."""

    config: dict[str, Any]
    grid: Grid
    text: int
    rank: int
    dtype: torch.dtype

    @property
    def tokens(self) -> int:
        """Of prompt, picture and two conditions."""
        return self.text + 3 * self.grid[0] * self.grid[1]


SMALL = Size(
    {
        "num_layers": 4,
        "num_single_layers": 8,
        "attention_head_dim": 32,
        "num_attention_heads": 4,
        "joint_attention_dim": 64,
        "pooled_projection_dim": 64,
        "guidance_embeds": True,
        "axes_dims_rope": (4, 14, 14),
    },
    grid=(12, 12),
    text=24,
    rank=3,
    dtype=torch.float32,
)
# FLUX.1-dev and a picture of 1024×1024 px.
REAL = Size({"guidance_embeds": True}, (64, 64), 512, 64, torch.bfloat16)


class Times(NamedTuple):
    """Seconds of the first step of an image, in which conditions may be encoded, and of others."""

    first: float
    further: float

    @property
    def per_step(self) -> float:
        """Over an image of `STEPS` steps."""
        return (self.first + (STEPS - 1) * self.further) / STEPS


class Scene:
    """Random weights and inputs, the same in every process."""

    def __init__(self, size: Size, device: str) -> None:
        torch.manual_seed(0)
        self.size = size
        torch.set_default_dtype(size.dtype)
        with torch.device(device):
            self.base = FluxTransformer2DModel(**size.config).eval().requires_grad_(False)
            shape = ConditionedFlux(self.base).shape
            self.adapter = Adapter(adaptable_layers(shape), size.rank).requires_grad_(False)
            for factor in self.adapter.parameters():
                factor.normal_(std=factor.shape[1] ** -0.5)
            config = self.base.config
            tokens = (1, size.grid[0] * size.grid[1], config["in_channels"])
            self.picture, sharp, defocus = (torch.randn(tokens) for _ in range(3))
            self.prompt = Prompt(
                torch.randn(1, size.text, config["joint_attention_dim"]),
                torch.randn(1, config["pooled_projection_dim"]),
            )
        torch.set_default_dtype(torch.float32)
        self.conditions = bokeh_conditions(sharp, defocus, size.grid)

    def plain(self, visibility: Visibility) -> Callable[[], Velocity]:
        """The published forward, for a new image."""
        # A copy of the modules, since peft changes them, but with the same weights.
        base = copy.deepcopy(self.base, {id(one): one for one in self.base.parameters()})
        add_peft_adapter(base, Kind.BOKEH.value, adapter_state(self.adapter))
        positions = image_positions(self.size.grid)

        def velocity(sigma: float) -> Tensor:
            timestep = torch.tensor([sigma], device=self.picture.device)
            prompt, conditions = self.prompt, self.conditions
            inputs = (self.picture, positions, timestep, GUIDANCE, prompt, conditions)
            return published_forward(base, *inputs, visibility)

        return lambda: velocity

    def ours(self, visibility: Visibility) -> Callable[[], Velocity]:
        """The forward over all tokens at once, for a new image.

        Independent conditions are remembered.
        """
        model = ConditionedFlux(self.base)
        model.adapters[Kind.BOKEH.value] = self.adapter

        def new_image() -> Velocity:
            grid, prompt, conditions = self.size.grid, self.prompt, self.conditions
            denoiser = Denoiser(model, grid, prompt, conditions, GUIDANCE, visibility)
            return lambda sigma: denoiser(self.picture, sigma)

        return new_image


VARIANTS: dict[str, Callable[[Scene], Callable[[], Velocity]]] = {
    "published, plainly": lambda scene: scene.plain(Visibility.PUBLISHED),
    "published": lambda scene: scene.ours(Visibility.PUBLISHED),
    "independent, plainly": lambda scene: scene.plain(Visibility.INDEPENDENT),
    "independent": lambda scene: scene.ours(Visibility.INDEPENDENT),
}
# By how much they must be faster than the plain ones of their kind.
LEAST_SPEEDUP = {"published": 1.25, "independent": 1.8}
# Root mean square of the difference over that of the velocity.
MOST_DIFFERENCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


def main() -> int:
    """Print the table; exit status 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--velocity", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = SMALL if options.device == "cpu" else REAL
    if options.only:
        print(peak_of(options.only, size, options.device, options.velocity))
        return 0
    print(f"{machine(options.device)}; {size.tokens} tokens, rank {size.rank}, {size.dtype}\n")
    print("| forward | ms per step | peak memory | difference |\n|---|---|---|---|")
    times = times_in_turns(Scene(size, options.device), options.device)
    with tempfile.TemporaryDirectory() as folder:
        peaks = {name: in_own_process(name, options.device, Path(folder)) for name in VARIANTS}
        differences = {name: difference(Path(folder), name) for name in LEAST_SPEEDUP}
    for name, found in times.items():
        off = f"{differences[name]:.1e}" if name in differences else "-"
        print(f"| {name} | {1000 * found.per_step:.4g} | {peaks[name] / 2**30:.2f} GiB | {off} |")
    return print_targets(times, differences, MOST_DIFFERENCE[size.dtype])


def print_targets(times: dict[str, Times], differences: dict[str, float], most: float) -> int:
    """What is asked of the fast forwards; 1 if one of them falls short."""
    targets = []
    for name, least in LEAST_SPEEDUP.items():
        faster = times[f"{name}, plainly"].per_step / times[name].per_step
        what = f"{name}: {least:g}× as fast as written plainly, within {most:g}"
        is_met = faster >= least and differences[name] <= most
        targets.append(Target(what, f"{faster:.2f}×, {differences[name]:.1e}", is_met))
    print("\n| target | found | |\n|---|---|---|")
    for what, found, met in targets:
        print(f"| {what} | {found} | {'met' if met else 'missed'} |")
    return 0 if all(target.met for target in targets) else 1


@torch.inference_mode()
def times_in_turns(scene: Scene, device: str) -> dict[str, Times]:
    """The best times of all forwards, with the same weights."""
    new_images = {name: make(scene) for name, make in VARIANTS.items()}
    for new_image in new_images.values():
        new_image()(SIGMA)  # With what is done once in a process.
    times: dict[str, list[Times]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name, new_image in new_images.items():
            velocity = new_image()
            times[name].append(Times(timed(velocity, device), timed(velocity, device)))
    return {
        name: Times(min(one.first for one in found), min(one.further for one in found))
        for name, found in times.items()
    }


def in_own_process(name: str, device: str, folder: Path) -> int:
    """Bytes at the most where nothing else has taken memory. The velocity lies in the folder."""
    command = [sys.executable, __file__, "--only", name, "--device", device]
    command += ["--velocity", str(velocity_file(folder, name))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{name}: {done.stderr.strip().splitlines()[-1:]}")
    return int(done.stdout.splitlines()[-1])


@torch.inference_mode()
def peak_of(name: str, size: Size, device: str, path: Path) -> int:
    """Bytes at the most during two steps. The second's velocity is written to the path."""
    velocity = VARIANTS[name](Scene(size, device))()
    velocity(SIGMA)
    np.save(path, velocity(SIGMA).float().cpu().numpy())
    return peak_memory(device != "cpu")


def timed(velocity: Velocity, device: str) -> float:
    """Seconds: of this process on the CPU, of the clock on a GPU."""
    if device == "cpu":
        start = time.process_time()
        velocity(SIGMA)
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    velocity(SIGMA)
    torch.cuda.synchronize()
    return time.perf_counter() - start


def difference(folder: Path, name: str) -> float:
    """Of the fast velocity from the plain one, relative."""
    found, wanted = (np.load(velocity_file(folder, of)) for of in (name, f"{name}, plainly"))
    return float(np.sqrt(np.mean((found - wanted) ** 2) / np.mean(wanted**2)))


def velocity_file(folder: Path, name: str) -> Path:
    """Where a variant's velocity lies."""
    return folder / f"{name}.npy"


if __name__ == "__main__":
    sys.exit(main())
