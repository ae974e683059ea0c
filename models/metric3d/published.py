"""The published weights of Metric3Dv2."""

from __future__ import annotations

from ..weights import Hub, Weights


def _metric3d(size: str, network: str, check: str) -> Weights:
    file = f"metric_depth_vit_{size}_800k.pth"
    return Weights(
        name=f"metric3d-vit-{size}",
        network=network,
        files=(file,),
        folders=("metric3d", "metric3dv2"),
        source="https://huggingface.co/JUGGHM/Metric3D",
        licence="BSD-2-Clause (the code's; the weights' page names none)",
        hub=Hub("JUGGHM/Metric3D"),
        other_names=(file.replace(".pth", ".safetensors"),),
        check=f"models.metric3d.layout:{check}",
    )


METRIC3D_SMALL = _metric3d("small", "Metric3Dv2 ViT-S", "check_small")
METRIC3D_LARGE = _metric3d("large", "Metric3Dv2 ViT-L", "check_large")
METRIC3D_GIANT = _metric3d("giant2", "Metric3Dv2 ViT-giant2", "check_giant")
