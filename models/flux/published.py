"""The published weights of adapters for FLUX.1-dev, and the names of those that are trained."""

from __future__ import annotations

from ..weights import OWN_SOURCE, TRAINED_LICENCE, Hub, Weights

_GENFOCUS_LICENCE = "Apache-2.0 (the code's); made for FLUX.1-dev, which is non-commercial"


def _genfocus(name: str, network: str, file: str, check: str) -> Weights:
    return Weights(
        name=f"genfocus-{name}",
        network=network,
        files=(file,),
        folders=("loras",),
        source="https://huggingface.co/nycu-cplab/Genfocus-Model",
        licence=_GENFOCUS_LICENCE,
        hub=Hub("nycu-cplab/Genfocus-Model"),
        check=f"models.flux.layout:{check}",
    )


def _trained_adapter(name: str, network: str, check: str) -> Weights:
    return Weights(
        name=name,
        network=network,
        files=(f"{name.replace('-', '_')}.safetensors",),
        folders=("loras",),
        source=OWN_SOURCE,
        licence=TRAINED_LICENCE,
        check=f"models.flux.layout:{check}",
    )


GENFOCUS_DEBLUR = _genfocus(
    "deblur", "Generative Refocusing's DeblurNet", "deblurNet.safetensors", "check_deblur"
)
GENFOCUS_PRE_DEBLUR = _genfocus(
    "pre-deblur",
    "Generative Refocusing's DeblurNet with pre-deblur",
    "deblurNet_with_pre_deblur.safetensors",
    "check_pre_deblur",
)
GENFOCUS_BOKEH = _genfocus(
    "bokeh", "Generative Refocusing's BokehNet", "bokehNet.safetensors", "check_bokeh"
)
APERTURE_SHAPE = _trained_adapter(
    "aperture-shape", "BokehNet's shape of the aperture", "check_aperture"
)
DIFFCAMERA = _trained_adapter("diffcamera", "DiffCamera", "check_diffcamera")

ALL = (GENFOCUS_DEBLUR, GENFOCUS_PRE_DEBLUR, GENFOCUS_BOKEH, APERTURE_SHAPE, DIFFCAMERA)
