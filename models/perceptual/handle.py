"""The networks that judge pictures, loaded from users' files and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..loaded import loaded
from ..places import located
from ..state_dict import load_network
from .backbones import Backbone, SmoothBackbone, alexnet, smooth_vgg16, vgg16
from .dists import Dists, DistsWeights
from .inception import FidInception
from .layout import convolutions
from .lpips import CHANNELS, Lpips, LpipsHeads
from .published import ALEXNET, DISTS, FID_INCEPTION, LPIPS_ALEX, LPIPS_VGG, VGG16

BackboneName = Literal["alex", "vgg"]


def lpips(backbone: BackboneName = "alex") -> Lpips:
    """LPIPS, on the CPU until it is lent (`models.lending`). Its parameters are frozen.

    Args:
        backbone: "alex", with which the published code judges, or "vgg", with which it trains.

    Raises:
        FileError: weights are missing or do not fit.
    """
    if backbone == "alex":
        features = loaded(load_alexnet, located(ALEXNET))
        return Lpips(features, loaded(load_alex_heads, located(LPIPS_ALEX)))
    features = loaded(load_vgg16, located(VGG16))
    return Lpips(features, loaded(load_vgg_heads, located(LPIPS_VGG)))


def dists() -> Dists:
    """DISTS, on the CPU until it is lent. Its parameters are frozen.

    Raises:
        FileError: weights are missing or do not fit.
    """
    features = loaded(load_smooth_vgg16, located(VGG16))
    return Dists(features, loaded(load_dists_weights, located(DISTS)))


def fid_inception() -> FidInception:
    """The network of the Fréchet inception distance, on the CPU until it is lent.

    Raises:
        FileError: weights are missing or do not fit.
    """
    return loaded(load_inception, located(FID_INCEPTION))


def load_alexnet(path: Path) -> Backbone:
    """AlexNet's convolutions of a file of torchvision's."""
    return load_network(alexnet, path, ALEXNET, convert=convolutions)


def load_vgg16(path: Path) -> Backbone:
    """VGG16's convolutions of a file of torchvision's."""
    return load_network(vgg16, path, VGG16, convert=convolutions)


def load_smooth_vgg16(path: Path) -> SmoothBackbone:
    """VGG16's convolutions with the poolings of DISTS."""
    return load_network(smooth_vgg16, path, VGG16, convert=convolutions)


def load_alex_heads(path: Path) -> LpipsHeads:
    """LPIPS' weights for AlexNet."""
    return load_network(lambda: LpipsHeads(CHANNELS["alex"]), path, LPIPS_ALEX)


def load_vgg_heads(path: Path) -> LpipsHeads:
    """LPIPS' weights for VGG16."""
    return load_network(lambda: LpipsHeads(CHANNELS["vgg"]), path, LPIPS_VGG)


def load_dists_weights(path: Path) -> DistsWeights:
    """DISTS' weights."""
    return load_network(DistsWeights, path, DISTS)


def load_inception(path: Path) -> FidInception:
    """The network of the Fréchet inception distance."""
    return load_network(FidInception, path, FID_INCEPTION)
