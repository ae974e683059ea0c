"""Networks whose weights follow from their names, and files of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from focuspuller.models.bokehme.architecture import ARNet, IUNet
from focuspuller.models.vst.architecture import VST
from oracles.vst import tiny_vst
from oracles.weights import filled
from safetensors.torch import save_file


@pytest.fixture
def arnet() -> ARNet:
    network = filled(ARNet())
    assert isinstance(network, ARNet)
    return network


@pytest.fixture
def iunet() -> IUNet:
    network = filled(IUNet())
    assert isinstance(network, IUNet)
    return network


@pytest.fixture
def weight_files(tmp_path: Path, arnet: ARNet, iunet: IUNet) -> Callable[..., dict[str, Path]]:
    """Writes the weights of both networks, as published or as .safetensors."""

    def write(suffix: str = ".pth") -> dict[str, Path]:
        paths = {}
        for name, network in {"arnet": arnet, "iunet": iunet}.items():
            paths[name] = tmp_path / f"{name}{suffix}"
            if suffix == ".safetensors":
                save_file(network.state_dict(), paths[name])
            else:
                torch.save({"model": network.state_dict(), "epoch": 30}, paths[name])
        return paths

    return write


@pytest.fixture
def vst() -> VST:
    """The published layout with very few weights."""
    return tiny_vst()
