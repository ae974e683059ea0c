"""Depth estimators from files: found, recognised, loaded once, shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ...errors import FileError, InputError
from ..layout import Findings
from ..lending import CPU, compute_dtype
from ..loaded import loaded
from ..metric3d import layout as metric3d_layout
from ..metric3d.handle import metric3d_network
from ..places import AUTOMATIC, found, located, missing
from ..state_dict import read_state_dict
from . import depth_anything_layout, depth_pro_layout
from .checkpoint import Checkpoint, built, is_in_folder, read_folder
from .depth_anything import DepthAnything
from .depth_pro import DepthPro
from .estimator import DepthEstimator
from .metric3d import Metric3DEstimator
from .published import DEPTH_ANYTHING_SMALL, DEPTH_WEIGHTS

_LAYOUTS = (depth_anything_layout, depth_pro_layout)


def open_depth_estimator(
    model: str | Path = AUTOMATIC,
    device: torch.device = CPU,
    resolution: int | None = None,
) -> DepthEstimator:
    """A depth network, ready to be used.

    Args:
        model: name of one of `DEPTH_WEIGHTS` or of a group of them ("depth-anything-v2"), a file or
            a folder of weights, or "automatic": the first of them all that is there.
        device: where it is going to compute, which decides its precision.
        resolution: of the picture's shorter side in the network, px, for networks that leave the
            choice (Depth Anything; 518 by default).

    Raises:
        InputError: there is no network of that name, or a resolution that is not above zero.
        FileError: its weights are missing, unreadable, or another network's.
        MissingDependencyError: it needs the library transformers, which is not installed.
    """
    if resolution is not None and resolution < 1:
        raise InputError("resolution", str(resolution), "Give a number of px above zero.")
    path = depth_weights_path(model)
    if path.is_file() and metric3d_layout.is_original(read_state_dict(path)):
        return Metric3DEstimator(metric3d_network(path, device))
    half = compute_dtype(device, (torch.float16,))
    network: Any = loaded(_load, path, half)
    if network.config.model_type == "depth_pro":
        return DepthPro(network)
    return DepthAnything(network, resolution)


def depth_weights_path(model: str | Path = AUTOMATIC) -> Path:
    """The file or folder that `open_depth_estimator` would take.

    Raises:
        InputError: there is no network of that name.
        FileError: its weights are missing.
    """
    if model == AUTOMATIC:
        place = next((place for place in map(found, DEPTH_WEIGHTS) if place), None)
        if place is None:
            raise missing(DEPTH_ANYTHING_SMALL)  # The smallest, and free for every use.
        return place
    named = [one for one in DEPTH_WEIGHTS if f"{one.name}-".startswith(f"{model}-")]
    if named:
        exact = [one for one in named if one.name == model]
        return located(exact or named)
    path = Path(model)
    if not path.exists():
        names = ", ".join(weights.name for weights in DEPTH_WEIGHTS)
        raise InputError("model", repr(str(model)), f"Give a file, a folder, or one of {names}.")
    return path


def check(path: Path) -> Findings:
    """What does not fit in a file or folder of a depth network.

    Raises:
        FileError: it is missing, unreadable, or no depth network.
        MissingDependencyError: it needs the library transformers, which is not installed.
    """
    return built(read_checkpoint(path))[1]


def read_checkpoint(path: Path) -> Checkpoint:
    """The network in a folder of transformers, or in a file as the papers' repositories have it.

    Raises:
        FileError: it is missing, unreadable, or no network that is known.
    """
    if path.is_dir():
        return read_folder(path)
    if is_in_folder(path):
        return read_folder(path.parent)
    state = read_state_dict(path)
    for layout in _LAYOUTS:
        if layout.is_original(state):
            return layout.from_original(state, path)
    raise FileError(
        str(path),
        "weights of a network that is none of the known ones for depth",
        "Give Metric3D's, Depth Anything V2's or Depth Pro's, or a folder with config.json beside "
        "the weights.",
    )


def _load(path: Path, half: torch.dtype) -> Any:
    """The network. Depth Pro is published for half precision; Depth Anything loses much by it."""
    checkpoint = read_checkpoint(path)
    dtype = half if checkpoint.config.get("model_type") == "depth_pro" else torch.float32
    network, findings = built(checkpoint.copied(dtype), dtype)
    if findings:
        received = f"weights that do not fit the network ({findings})"
        raise FileError(str(path), received, "Copy or download the published files again.")
    return network
