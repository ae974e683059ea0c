"""VST and the focus distance transformer with very few weights, in the published layout."""

from __future__ import annotations

import torch
from focuspuller.models.focus_distance.architecture import FocusDistanceTransformer, SaliencyToken
from focuspuller.models.vst.architecture import VST
from focuspuller.models.vst.sizes import VstSizes

from .weights import filled

TINY = VstSizes(32, 64, 8, 1, 1, 1, 1, 1, 4)


def vst_by_name(sizes: VstSizes) -> VST:
    """Filled by the names of its parameters; tables of positions stay as they are computed."""
    network = VST(sizes)
    tables = {
        name: each.clone() for name, each in network.state_dict().items() if "pos_embed" in name
    }
    filled(network).load_state_dict(tables, strict=False)
    return network


def tiny_vst() -> VST:
    """All parts, each as small as it can be."""
    return vst_by_name(TINY)


def trained_transformer(saliency_token: SaliencyToken = "1/16") -> FocusDistanceTransformer:
    """With a head that says something, as after training."""
    generator = torch.Generator().manual_seed(1)
    network = FocusDistanceTransformer(tiny_vst(), saliency_token)
    for layer in (network.scale_head[0], network.scale_head[2]):
        torch.nn.init.normal_(layer.weight, std=0.2, generator=generator)
    torch.nn.init.zeros_(network.scale_head[0].bias)
    return network.eval().requires_grad_(False)
