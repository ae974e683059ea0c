"""The nodes Subject Mask and Refine Mask."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from focuspuller.errors import FileError
from focuspuller.lens.image import to_planar
from focuspuller.lens.matting import refined_mask
from focuspuller.models.loaded import forget_models
from focuspuller.nodes import RefineMask, SubjectMask
from focuspuller.nodes.standin import Host, installed_host
from oracles.birefnet import tiny_birefnet
from safetensors.torch import save_file
from torch import Tensor


def test_it_refines_masks(picture: Callable[..., Tensor]) -> None:
    masks = torch.zeros(2, 24, 36)
    masks[:, 6:18, 9:27] = 1.0
    image = picture(2)
    refined = RefineMask.execute(masks, image, 4)[0]
    assert torch.equal(refined, refined_mask(masks[:, None], to_planar(image), 4)[:, 0])
    assert not torch.equal(refined, masks)


def test_what_does_not_fit(picture: Callable[..., Tensor], refuses: Callable[..., str]) -> None:
    text = refuses(RefineMask, "image", mask=torch.zeros(1, 9, 9), image=picture(), radius=4)
    assert "36×24 px for a mask of 9×9 px" in text


@pytest.fixture
def models(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of models with BiRefNet where ComfyUI's own node keeps it."""
    monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
    folder = tmp_path / "models" / "background_removal"
    folder.mkdir(parents=True)
    state = {key: value.contiguous() for key, value in tiny_birefnet().state_dict().items()}
    save_file(state, folder / "BiRefNet-general.safetensors")
    with installed_host(dataclasses.replace(host, model_roots=[tmp_path / "models"])):
        yield folder
    forget_models()


def test_it_finds_the_subject(models: Path, picture: Callable[..., Tensor]) -> None:
    (port,) = (port for port in SubjectMask.GET_SCHEMA().inputs if port.id == "model")
    assert port.options == ["automatic", "BiRefNet-general.safetensors"]
    found, chosen = (SubjectMask.execute(picture(2), name, 64)[0] for name in port.options)
    assert found.shape == (2, 24, 36)
    assert torch.equal(found, chosen)
    assert 0.0 <= found.min() < found.max() <= 1.0


def test_without_weights_it_says_where_to_get_them(
    models: Path, picture: Callable[..., Tensor]
) -> None:
    (models / "BiRefNet-general.safetensors").unlink()
    with pytest.raises(FileError, match="Subject Mask") as caught:
        SubjectMask.execute(picture(), "automatic", 64)
    assert "models fetch birefnet" in caught.value.advice
