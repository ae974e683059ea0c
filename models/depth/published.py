"""The published weights of networks for depth."""

from __future__ import annotations

from ..metric3d.published import METRIC3D_GIANT, METRIC3D_LARGE, METRIC3D_SMALL
from ..weights import CC_BY_NC, Hub, Weights

_DEPTH_CHECK = "models.depth.handle:check"


def _depth_anything(size: str, letter: str) -> Weights:
    stem = f"depth_anything_v2_vit{letter}"
    return Weights(
        name=f"depth-anything-v2-{size}",
        network=f"Depth Anything V2 {size.capitalize()}",
        files=(f"{stem}_fp32.safetensors",),
        folders=("depthanything",),
        source="https://huggingface.co/Kijai/DepthAnythingV2-safetensors",
        licence="Apache-2.0" if size == "small" else CC_BY_NC,
        hub=Hub("Kijai/DepthAnythingV2-safetensors"),
        other_names=(f"{stem}_fp16.safetensors", f"{stem}.pth", f"{stem}.safetensors"),
        check=_DEPTH_CHECK,
    )


def _depth_anything_folder(size: str) -> Weights:
    title = f"Depth-Anything-V2-{size.capitalize()}-hf"
    return Weights(
        name=f"depth-anything-v2-{size}-hf",
        network=f"Depth Anything V2 {size.capitalize()}",
        files=("model.safetensors", "config.json"),
        folders=("depthanything",),
        source=f"https://huggingface.co/depth-anything/{title}",
        licence="Apache-2.0" if size == "small" else CC_BY_NC,
        hub=Hub(f"depth-anything/{title}"),
        subfolder=title,
        check=_DEPTH_CHECK,
    )


def _depth_anything_metric(place: str, data: str, size: str) -> Weights:
    stem = f"depth_anything_v2_metric_{data.lower()}_vit{size[0]}"
    repo = f"depth-anything/Depth-Anything-V2-Metric-{data}-{size.capitalize()}"
    return Weights(
        name=f"depth-anything-v2-{place}-{size}",
        network=f"Depth Anything V2 {size.capitalize()}, metres {place}s",
        files=(f"{stem}.pth",),
        folders=("depthanything",),
        source=f"https://huggingface.co/{repo}",
        licence="Apache-2.0" if size == "small" else CC_BY_NC,
        hub=Hub(repo),
        other_names=(f"{stem}_fp32.safetensors", f"{stem}_fp16.safetensors"),
        check=_DEPTH_CHECK,
    )


_SIZES = ("large", "base", "small")
DEPTH_ANYTHING_SMALL = _depth_anything("small", "s")
DEPTH_ANYTHING_BASE = _depth_anything("base", "b")
DEPTH_ANYTHING_LARGE = _depth_anything("large", "l")
DEPTH_ANYTHING_FOLDERS = tuple(_depth_anything_folder(size) for size in _SIZES)
DEPTH_ANYTHING_METRIC = tuple(
    _depth_anything_metric(place, data, size)
    for place, data in (("indoor", "Hypersim"), ("outdoor", "VKITTI"))
    for size in _SIZES
)

_DEPTH_PRO_LICENCE = (
    "Apple's model research licence (apple-amlr): for research, not for commercial use"
)
DEPTH_PRO = Weights(
    name="depth-pro",
    network="Depth Pro",
    files=("depth_pro.pt",),
    folders=("depth", "depth_pro", "depthpro"),
    source="https://huggingface.co/apple/DepthPro",
    licence=_DEPTH_PRO_LICENCE,
    hub=Hub("apple/DepthPro"),
    other_names=("depth_pro.fp16.safetensors", "depth_pro.safetensors"),
    check=_DEPTH_CHECK,
)
DEPTH_PRO_FOLDER = Weights(
    name="depth-pro-hf",
    network="Depth Pro",
    files=("model.safetensors", "config.json"),
    folders=("depth", "depth_pro", "depthpro"),
    source="https://huggingface.co/apple/DepthPro-hf",
    licence=_DEPTH_PRO_LICENCE,
    hub=Hub("apple/DepthPro-hf"),
    subfolder="DepthPro-hf",
    check=_DEPTH_CHECK,
)

# All that estimate depth, in the order in which they are taken where nobody has chosen: first those
# whose depth needs no choice between rooms and streets, the best of them first.
DEPTH_WEIGHTS = (
    DEPTH_PRO,
    DEPTH_PRO_FOLDER,
    METRIC3D_GIANT,
    METRIC3D_LARGE,
    METRIC3D_SMALL,
    DEPTH_ANYTHING_LARGE,
    DEPTH_ANYTHING_FOLDERS[0],
    DEPTH_ANYTHING_BASE,
    DEPTH_ANYTHING_FOLDERS[1],
    DEPTH_ANYTHING_SMALL,
    DEPTH_ANYTHING_FOLDERS[2],
    *DEPTH_ANYTHING_METRIC,
)
