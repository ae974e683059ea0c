"""BokehMe as a lens: classical without weights, hybrid with a user's files of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...lens.aperture import Aperture
from ...lens.blocks import OnProgress
from ...lens.bokehme import BokehMeOptions
from ...lens.render import Lens, LensKind
from ...lens.view import View
from ..registry import BOKEHME_ARNET, BOKEHME_IUNET, Weights
from ..state_dict import load_network
from .architecture import ARNet, IUNet
from .hybrid import render_hybrid

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class HybridOptions:
    """The classical renderer's options, and the networks with their weights, on the CPU."""

    arnet: ARNet
    iunet: IUNet
    classical: BokehMeOptions = field(default_factory=BokehMeOptions)


def bokehme_lens(
    options: BokehMeOptions | None = None,
    arnet: str | Path | None = None,
    iunet: str | Path | None = None,
) -> Lens:
    """BokehMe, with its networks if their weights are given.

    Args:
        options: of the classical renderer; its gamma holds for the networks as well.
        arnet: weights of ARNet, `.pth` or `.safetensors`.
        iunet: weights of IUNet.

    Raises:
        InputError: only one of the two is given.
        FileError: a file is missing, unreadable, could run code, or is for another network.

    Example:
        >>> bokehme_lens().name
        'bokehme'
    """
    classical = options or BokehMeOptions()
    if arnet is None and iunet is None:
        return Lens("bokehme", classical)
    if arnet is None or iunet is None:
        received = f"only {'iunet' if arnet is None else 'arnet'}"
        raise InputError("arnet, iunet", received, "Give both, or none to render classically.")
    networks = (
        _loaded(ARNet, Path(arnet), BOKEHME_ARNET),
        _loaded(IUNet, Path(iunet), BOKEHME_IUNET),
    )
    return Lens("bokehme", HybridOptions(*networks, classical), HYBRID)


def render_with_networks(
    image: Tensor,
    defocus: Tensor,
    aperture: Aperture,
    options: HybridOptions,
    on_progress: OnProgress | None = None,
    view: View | None = None,
) -> Tensor:
    """`render_hybrid` as a renderer: the networks come to the image's device and leave it after."""
    with _lent_to(image.device, options.arnet, options.iunet):
        return render_hybrid(
            image,
            defocus,
            aperture,
            options.classical,
            options.arnet,
            options.iunet,
            on_progress,
            view,
        )


HYBRID = LensKind(
    render_with_networks,
    HybridOptions,
    "scatter, repaired at depth edges by BokehMe's networks",
    # Widest at no blur at all, when ARNet sees the full size: 128 channels at half of it.
    bytes_per_pixel=1200,
)


@contextmanager
def _lent_to(device: torch.device, *networks: nn.Module) -> Iterator[None]:
    """Have networks on a device for a while.

    They are small (5 MB together), so that moving them for each picture costs nothing. ComfyUI's
    ModelPatcher would keep them there and let other models push them out.
    """
    try:
        for network in networks:
            network.to(device)
        yield
    finally:
        for network in networks:
            network.to("cpu")


def _loaded(network: type[N], path: Path, weights: Weights) -> N:
    """A network filled from a file; the same one while the file stays as it is."""
    changed_ns = path.stat().st_mtime_ns if path.is_file() else 0
    loaded = _load(network, path.absolute(), weights, changed_ns)
    assert isinstance(loaded, network)
    return loaded


@lru_cache(maxsize=4)
def _load(network: type[nn.Module], path: Path, weights: Weights, changed_ns: int) -> nn.Module:
    return load_network(network(), path, weights)
