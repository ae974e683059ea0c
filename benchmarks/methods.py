"""All that the benchmarks compare, under one signature: the lenses and what they must beat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import lens_sampling
import naive
import numpy as np
import stacks
import torch
from focuspuller.lens.bokehme import BokehMeOptions
from focuspuller.lens.defocus import Defocus
from focuspuller.lens.render import LENSES, Lens, render
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Method:
    """A renderer: linear image `[1,3,H,W]` and signed blur radius `[1,1,H,W]` to `[1,3,H,W]`."""

    render: Callable[[Tensor, Tensor], Tensor]
    # Whether it takes tensors on any device.
    on_gpu: bool = False


class Target(NamedTuple):
    """What is asked of a renderer, what was found, and whether that is enough."""

    what: str
    found: str
    met: bool


def methods() -> dict[str, Method]:
    """By name: the lenses, BokehMe's exact method, the definitions, lens sampling, the stacks."""
    found = {name: _lens(Lens(name)) for name in LENSES}
    found["bokehme exact"] = Method(_lens(Lens("bokehme", BokehMeOptions(method="exact"))).render)
    found["published scatter"] = _of_arrays(naive.published_scatter)
    found["naive scatter"] = _of_arrays(naive.energy_scatter)
    found["naive gather"] = _of_arrays(naive.gather)
    found["lens sampling"] = _of_arrays(lens_sampling.lens_sampling)
    found["Gaussian stack"] = _of_arrays(stacks.gaussian_stack)
    found["disc stack"] = _of_arrays(stacks.disc_stack)
    return found


# What a lens must not fall behind on any truth scene.
BASELINES = ("naive scatter", "naive gather", "lens sampling")
STACKS = ("Gaussian stack", "disc stack")


def one_thread() -> None:
    """Everything on a single thread from here on."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _lens(lens: Lens) -> Method:
    def rendered(image: Tensor, radius: Tensor) -> Tensor:
        with torch.inference_mode():
            return render(image, Defocus(radius), lens)

    return Method(rendered, on_gpu=True)


def _of_arrays(function: Callable[..., NDArray]) -> Method:
    def rendered(image: Tensor, radius: Tensor) -> Tensor:
        result = function(image[0].numpy(), radius[0, 0].numpy())
        return torch.from_numpy(np.ascontiguousarray(result, np.float32))[None]

    return Method(rendered)
