"""The one list of all weights, which the command line and docs/models.md show.

Its entries stand beside their networks: to add weights, write a `Weights` in the folder's
`published.py`, whose fields `models/weights.py` explains, and list it here.
"""

from __future__ import annotations

from ..errors import InputError
from .birefnet import published as birefnet
from .bokehdiff import published as bokehdiff
from .bokehme import published as bokehme
from .depth import published as depth
from .edge import published as edge
from .exif_generator import published as exif_generator
from .flux import published as flux
from .flux_base import published as flux_base
from .focus_distance import published as focus_distance
from .perceptual import published as perceptual
from .sdxl import published as sdxl
from .vst import published as vst
from .weights import Weights

ALL_WEIGHTS: tuple[Weights, ...] = (
    *bokehme.ALL,
    edge.EDGE,
    *depth.DEPTH_WEIGHTS,
    vst.VST,
    focus_distance.FOCUS_DISTANCE,
    birefnet.BIREFNET,
    *flux.ALL,
    *flux_base.ALL,
    *exif_generator.ALL,
    *sdxl.ALL,
    bokehdiff.BOKEHDIFF,
    *perceptual.ALL,
)


def weights_called(name: str) -> list[Weights]:
    """The weights of a name, or all of a group, such as "metric3d".

    Raises:
        InputError: there are none.

    Example:
        >>> [weights.file for weights in weights_called("bokehme")]
        ['arnet.pth', 'iunet.pth']
    """
    found = [one for one in ALL_WEIGHTS if one.name == name or one.name.startswith(f"{name}-")]
    if not found:
        names = ", ".join(one.name for one in ALL_WEIGHTS)
        raise InputError("name", repr(name), f"Give one of {names}.")
    exact = [one for one in found if one.name == name]
    return exact or found
