"""The published weights of BokehMe's networks."""

from __future__ import annotations

from ..weights import Weights

_BOKEHME = "https://github.com/JuewenPeng/BokehMe"
_BOKEHME_LICENCE = "unclear: none of its own; the code was published as MIT and as non-commercial"

BOKEHME_ARNET = Weights(
    name="bokehme-arnet",
    network="BokehMe's ARNet",
    files=("arnet.pth",),
    folders=("bokehme",),
    source=_BOKEHME,
    licence=_BOKEHME_LICENCE,
    downloads=f"{_BOKEHME}/raw/HEAD/checkpoints",
    other_names=("arnet.safetensors",),
    check="models.bokehme.layout:check_arnet",
)
BOKEHME_IUNET = Weights(
    name="bokehme-iunet",
    network="BokehMe's IUNet",
    files=("iunet.pth",),
    folders=("bokehme",),
    source=_BOKEHME,
    licence=_BOKEHME_LICENCE,
    downloads=f"{_BOKEHME}/raw/HEAD/checkpoints",
    other_names=("iunet.safetensors",),
    check="models.bokehme.layout:check_iunet",
)

ALL = (BOKEHME_ARNET, BOKEHME_IUNET)
