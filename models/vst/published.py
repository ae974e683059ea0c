"""The published weights of the RGB-D saliency transformer."""

from __future__ import annotations

from ..weights import Weights

VST = Weights(
    name="vst-rgbd",
    network="RGB-D Visual Saliency Transformer",
    files=("RGBD_VST.pth",),
    folders=("vst",),
    source="https://github.com/nnizhang/VST",
    licence="unclear: the publication names none",
    other_names=("RGBD_VST.safetensors",),
    check="models.vst.layout:check",
)
