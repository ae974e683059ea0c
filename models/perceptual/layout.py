"""Whether files are the networks that judge pictures, and what of them is used."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..layout import Findings, findings
from ..state_dict import read_state_dict
from .backbones import alexnet, vgg16
from .clip_iqa import ClipRn50
from .dists import DistsWeights
from .inception import FidInception
from .lpips import CHANNELS, LpipsHeads
from .maniqa import Maniqa, without_prefix
from .musiq import Musiq

StateDict = dict[str, Tensor]


def convolutions(state: StateDict) -> StateDict:
    """Without the layers that name things: nobody here asks what a picture shows."""
    return {name: tensor for name, tensor in state.items() if name.startswith("features.")}


def check_vgg16(path: Path) -> Findings:
    """What does not fit in torchvision's VGG16."""
    return findings(convolutions(read_state_dict(path)), vgg16)


def check_alexnet(path: Path) -> Findings:
    """What does not fit in torchvision's AlexNet."""
    return findings(convolutions(read_state_dict(path)), alexnet)


def check_lpips_vgg(path: Path) -> Findings:
    """What does not fit in LPIPS' weights of VGG16's features."""
    return findings(read_state_dict(path), lambda: LpipsHeads(CHANNELS["vgg"]))


def check_lpips_alex(path: Path) -> Findings:
    """What does not fit in LPIPS' weights of AlexNet's features."""
    return findings(read_state_dict(path), lambda: LpipsHeads(CHANNELS["alex"]))


def check_dists(path: Path) -> Findings:
    """What does not fit in DISTS' weights."""
    return findings(read_state_dict(path), DistsWeights)


def check_fid_inception(path: Path) -> Findings:
    """What does not fit in the Inception of the Fréchet inception distance."""
    return findings(read_state_dict(path), FidInception)


def check_musiq(path: Path) -> Findings:
    """What does not fit in MUSIQ."""
    return findings(read_state_dict(path), Musiq)


def check_maniqa(path: Path) -> Findings:
    """What does not fit in MANIQA."""
    return findings(without_prefix(read_state_dict(path)), Maniqa)


def check_clip_rn50(path: Path) -> Findings:
    """What does not fit in CLIP with a ResNet-50."""
    return findings(read_state_dict(path), ClipRn50)
