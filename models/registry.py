"""The one list of weights: what they are, where they come from and who brings them.

Loaders, error messages and nodes read it. Digests are missing for what we have seen no copy of.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """One file of published weights.

    Args:
        network: as people call it.
        file: its published name.
        folder: where users keep it, below ComfyUI's folder of models; empty if it comes with the
            package.
        source: address of the publication.
        licence: what is known of the terms.
    """

    network: str
    file: str
    folder: str
    source: str
    licence: str


# Suffixes of files that hold weights, in lower case.
WEIGHT_SUFFIXES = (".pth", ".pt", ".safetensors")

BOKEHME_FOLDER = "bokehme"
_BOKEHME = "https://github.com/JuewenPeng/BokehMe"
_LICENCE = "unclear: none of its own; the code was published as MIT and as non-commercial"

BOKEHME_ARNET = Weights("BokehMe's ARNet", "arnet.pth", BOKEHME_FOLDER, _BOKEHME, _LICENCE)
BOKEHME_IUNET = Weights("BokehMe's IUNet", "iunet.pth", BOKEHME_FOLDER, _BOKEHME, _LICENCE)

EDGE = Weights(
    "Focus Puller's edge network",
    "weights.safetensors",
    "",
    "https://github.com/focuspuller/focuspuller",
    "Apache-2.0; trained on procedural scenes alone",
)
