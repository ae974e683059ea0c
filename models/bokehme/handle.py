"""BokehMe as a lens: classical without weights, hybrid with a user's files of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from ...errors import InputError
from ...lens.aperture import Aperture
from ...lens.bokehme import BokehMeOptions
from ...lens.progress import OnProgress
from ...lens.render import Lens, LensKind
from ...lens.view import View
from ..lending import lent
from ..loaded import loaded
from ..places import located
from ..state_dict import load_network
from .architecture import ARNet, IUNet
from .hybrid import refuse_shapes, render_hybrid
from .published import BOKEHME_ARNET, BOKEHME_IUNET


@dataclass(frozen=True)
class HybridOptions:
    """The classical renderer's options, and the networks with their weights."""

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
        arnet: weights of ARNet, `.pth` or `.safetensors`; "automatic" finds them in the folders of
            models.
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
        loaded(load_arnet, located(BOKEHME_ARNET, arnet)),
        loaded(load_iunet, located(BOKEHME_IUNET, iunet)),
    )
    return Lens("bokehme", HybridOptions(*networks, classical), HYBRID)


def load_arnet(path: Path) -> ARNet:
    """ARNet with the weights of a file."""
    return load_network(ARNet, path, BOKEHME_ARNET)


def load_iunet(path: Path) -> IUNet:
    """IUNet with the weights of a file."""
    return load_network(IUNet, path, BOKEHME_IUNET)


def render_with_networks(
    image: Tensor,
    defocus: Tensor,
    aperture: Aperture,
    options: HybridOptions,
    on_progress: OnProgress | None = None,
    view: View | None = None,
) -> Tensor:
    """`render_hybrid` as a renderer: the networks come to the image's device."""
    with lent([options.arnet, options.iunet], image.device):
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
    check_aperture=refuse_shapes,
)
