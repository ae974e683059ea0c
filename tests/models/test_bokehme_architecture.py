"""ARNet and IUNet against the published code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.models.bokehme.architecture import ARNet, IUNet
from torch import Tensor, nn

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance"


def published(name: str) -> tuple[dict[str, Tensor], dict[str, list[int]]]:
    """The arrays and the parameters' shapes of a conformance set."""
    folder = CONFORMANCE / name
    if not folder.exists():
        pytest.skip(f"the conformance set {name} is not here")
    with np.load(folder / "io.npz") as arrays:
        values = {key: torch.from_numpy(arrays[key]) for key in arrays}
    layout = json.loads((folder / "layout.json").read_text("utf-8"))
    return values, {key: entry["shape"] for key, entry in layout.items()}


@pytest.mark.parametrize(("network", "name"), [(ARNet, "bokehme_arnet"), (IUNet, "bokehme_iunet")])
def test_parameters_have_the_published_names_and_shapes(
    network: type[nn.Module], name: str
) -> None:
    _, layout = published(name)
    assert {key: list(value.shape) for key, value in network().state_dict().items()} == layout


@pytest.mark.parametrize("size", ["even", "odd"])
def test_arnet_gives_the_published_numbers(arnet: ARNet, size: str) -> None:
    arrays, _ = published("bokehme_arnet")
    picture, error_map = arnet(
        arrays[f"{size}_image"], arrays[f"{size}_defocus"], float(arrays[f"{size}_gamma"])
    )
    torch.testing.assert_close(picture, arrays[f"{size}_bokeh"], atol=1e-4, rtol=0)
    torch.testing.assert_close(error_map, arrays[f"{size}_error_map"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", ["even", "odd"])
def test_iunet_gives_the_published_numbers(iunet: IUNet, size: str) -> None:
    arrays, _ = published("bokehme_iunet")
    inputs = [arrays[f"{size}_{name}"] for name in ("image", "defocus", "coarse")]
    refined = iunet(*inputs, float(arrays[f"{size}_gamma"]))
    torch.testing.assert_close(refined, arrays[f"{size}_refined"], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (3, 2), (7, 12)])
def test_any_size(arnet: ARNet, iunet: IUNet, height: int, width: int) -> None:
    image, defocus = torch.rand(2, 3, height, width), torch.rand(2, 1, height, width)
    picture, error_map = arnet(image, defocus, 0.5)
    assert picture.shape == image.shape
    assert error_map.shape == defocus.shape
    assert iunet(image, defocus, picture, 0.5).shape == image.shape


def test_gamma_matters(arnet: ARNet) -> None:
    image, defocus = torch.rand(1, 3, 12, 12), torch.rand(1, 1, 12, 12)
    assert not torch.allclose(arnet(image, defocus, 0.0)[0], arnet(image, defocus, 1.0)[0])
