"""The networks that judge pictures: numbers of the published code, and files of users.

The figures were computed by the published code (`lpips` 0.1.4, `DISTS_pytorch` 0.1,
`torch_fidelity` 0.4.0, `pyiqa` 0.1.16, OpenAI's CLIP) with weights that follow from their names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError
from focuspuller.models import places
from focuspuller.models.perceptual import clip_iqa, handle, layout, maniqa, musiq
from focuspuller.models.perceptual.backbones import Backbone, alexnet, smooth_vgg16, vgg16
from focuspuller.models.perceptual.clip import clip_features, clip_vision
from focuspuller.models.perceptual.dists import Dists, DistsWeights
from focuspuller.models.perceptual.inception import FidInception
from focuspuller.models.perceptual.lpips import CHANNELS, Lpips, LpipsHeads
from focuspuller.models.perceptual.segmentation import segmenter, top_classes
from oracles.weights import weights_by_name
from torch import Tensor, nn


def by_names(network: nn.Module, positive: bool = False) -> nn.Module:
    """Filled by the rule of the conformance sets."""
    state = {}
    for name, value in network.state_dict().items():
        if not value.is_floating_point() or name.endswith("attn_mask"):
            state[name] = value
        elif not value.ndim:
            state[name] = torch.tensor(2.0)
        else:
            filled = weights_by_name(name, tuple(value.shape))
            state[name] = filled.abs() if positive else filled
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def random_image(seed: int, *size: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(size)).float()


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(7)
    one = torch.from_numpy(random.random((2, 3, 70, 101))).float()
    noise = torch.from_numpy(random.normal(0, 0.1, (2, 3, 70, 101))).float()
    return one, (one + noise).clamp(0, 1)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models, where all weights are looked for."""
    monkeypatch.setattr(places, "_installed", lambda kind: [tmp_path / kind])
    return tmp_path


def lpips_of(backbone: str) -> Lpips:
    features = by_names({"alex": alexnet, "vgg": vgg16}[backbone]())
    heads = by_names(LpipsHeads(CHANNELS[backbone]), positive=True)
    assert isinstance(features, Backbone)
    assert isinstance(heads, LpipsHeads)
    return Lpips(features, heads)


def dists_of() -> Dists:
    features, weights = by_names(smooth_vgg16()), by_names(DistsWeights(), positive=True)
    return Dists(features, weights)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("network", "published"),
    [
        (lambda: lpips_of("alex"), (0.014742416, 0.014974643)),
        (lambda: lpips_of("vgg"), (0.014198487, 0.014494837)),
        (dists_of, (0.010516107, 0.010636270)),
    ],
    ids=["lpips alex", "lpips vgg", "dists"],
)
def test_distances_are_the_published_ones(
    network: Callable[[], nn.Module], published: tuple[float, float], pair: tuple[Tensor, Tensor]
) -> None:
    distance = network()
    assert distance(*pair).tolist() == pytest.approx(published, abs=1e-6)
    assert distance(pair[0], pair[0]).tolist() == pytest.approx([0, 0], abs=1e-6)


def test_distances_have_gradients(pair: tuple[Tensor, Tensor]) -> None:
    """Training minimises them."""
    for network in (lpips_of("vgg"), dists_of()):
        picture = pair[1][:1].clone().requires_grad_()
        network(picture, pair[0][:1]).sum().backward()
        assert picture.grad is not None
        assert bool(torch.isfinite(picture.grad).all())
        assert float(picture.grad.abs().max()) > 0


def test_the_inception_is_the_published_one() -> None:
    network = by_names(FidInception())
    features = network(random_image(3, 1, 3, 299, 299))[0]
    assert features.shape == (2048,)
    assert float(features.sum()) == pytest.approx(31.026493, rel=1e-4)
    assert float(features.std()) == pytest.approx(0.021548079, rel=1e-4)
    assert features[3:5].tolist() == pytest.approx([0.010595083, 0.020563701], abs=1e-6)


class TestWithoutReference:
    def test_musiq_is_the_published_one(self) -> None:
        network = by_names(musiq.Musiq())
        image = random_image(11, 1, 3, 150, 230)
        assert network(image).tolist() == pytest.approx([1.2839239], abs=1e-5)
        small = image[..., :97, :64]
        assert network(small).tolist() == pytest.approx([1.2665867], abs=1e-5)

    def test_clip_iqa_is_the_published_one(self) -> None:
        network = by_names(clip_iqa.ClipRn50())
        assert isinstance(network, clip_iqa.ClipRn50)
        image = random_image(11, 1, 3, 150, 230)
        assert clip_iqa.quality(network, image).tolist() == pytest.approx([0.49610692], abs=1e-6)
        words = network.encode_text(torch.tensor(clip_iqa.PROMPTS))
        assert words[0, :3].tolist() == pytest.approx([-0.0086715, -0.1388453, 0.0699236], abs=1e-5)

    def test_maniqa_is_the_published_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(maniqa, "CROPS", 1)  # All 20 take minutes.
        # In float64, since attention of 3072 channels multiplies rounding.
        network = by_names(maniqa.Maniqa()).double()
        image = random_image(12, 1, 3, 230, 240).double()
        assert network(image).tolist() == pytest.approx([41.10636918679], abs=1e-8)

    def test_maniqa_sees_all_of_a_picture(self) -> None:
        rows, columns = torch.meshgrid(torch.arange(500), torch.arange(700), indexing="ij")
        crops = maniqa.crops_of(torch.stack([rows, columns, rows])[None].float())
        assert len(crops) == 20
        assert all(crop.shape[-2:] == (224, 224) for crop in crops)
        assert max(float(crop[:, 1].max()) for crop in crops) == 699
        small = maniqa.crops_of(torch.rand(1, 3, 90, 120))
        assert {crop.shape[-2:] for crop in small} == {(224, 224)}


class TestFilesOfUsers:
    def test_distances_come_from_files_as_they_are_published(
        self, models: Path, pair: tuple[Tensor, Tensor]
    ) -> None:
        save(models / "perceptual/vgg16-397923af.pth", classifier(by_names(vgg16())))
        save(models / "perceptual/alexnet-owt-7be5be79.pth", classifier(by_names(alexnet())))
        for name, backbone in {"vgg.pth": "vgg", "alex.pth": "alex"}.items():
            heads = by_names(LpipsHeads(CHANNELS[backbone]), positive=True)
            save(models / "lpips" / name, heads.state_dict())
        save(models / "dists/weights.pt", by_names(DistsWeights(), positive=True).state_dict())
        assert handle.lpips("vgg")(*pair).tolist() == pytest.approx(lpips_of("vgg")(*pair).tolist())
        assert handle.lpips()(*pair).tolist() == pytest.approx(lpips_of("alex")(*pair).tolist())
        assert handle.dists()(*pair).tolist() == pytest.approx(dists_of()(*pair).tolist())

    def test_missing_files_are_named(self, models: Path) -> None:
        with pytest.raises(FileError, match=r"alexnet-owt-7be5be79\.pth.*models fetch alexnet"):
            handle.lpips()
        with pytest.raises(FileError, match="pt_inception-2015-12-05"):
            handle.fid_inception()

    def test_a_file_of_another_network_is_refused(self, models: Path) -> None:
        save(models / "perceptual/alexnet-owt-7be5be79.pth", classifier(by_names(vgg16())))
        with pytest.raises(FileError, match="do not fit AlexNet"):
            handle.lpips()

    def test_checks_know_their_files(self, tmp_path: Path) -> None:
        networks = {
            layout.check_vgg16: vgg16,
            layout.check_lpips_vgg: lambda: LpipsHeads(CHANNELS["vgg"]),
            layout.check_dists: DistsWeights,
        }
        for check, make in networks.items():
            path = tmp_path / f"{check.__name__}.pth"
            save(path, make().state_dict())
            assert not check(path)
            assert layout.check_alexnet(path)


def classifier(network: nn.Module) -> dict[str, Tensor]:
    """As torchvision's files: with the layers that name things."""
    return network.state_dict() | {"classifier.0.weight": torch.zeros(2, 2)}


def save(path: Path, state: dict[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)


class TestTransformers:
    """Small networks of the transformers library, saved as their hub repositories are."""

    def test_clip_features_are_those_of_the_whole_model(self, models: Path) -> None:
        transformers = pytest.importorskip("transformers")
        small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
        config = transformers.CLIPConfig(
            vision_config={**small, "num_attention_heads": 2, "image_size": 28, "patch_size": 14},
            text_config={**small, "num_attention_heads": 2, "vocab_size": 50},
            projection_dim=24,
        )
        torch.manual_seed(0)
        whole = transformers.CLIPModel(config).eval()
        whole.save_pretrained(models / "clip_vision/clip-vit-large-patch14")
        image = torch.rand(1, 3, 28, 28)
        with torch.no_grad():
            found = clip_features(clip_vision(), image)
            mean, std = (
                torch.tensor(values).view(1, 3, 1, 1) for values in (clip_iqa.MEAN, clip_iqa.STD)
            )
            hidden = whole.vision_model(pixel_values=(image - mean) / std).pooler_output
            wanted = whole.visual_projection(hidden)
        assert found.shape == (1, 24)
        assert torch.allclose(found, wanted, atol=1e-5)

    def test_classes_are_those_of_the_highest_scores(self, models: Path) -> None:
        transformers = pytest.importorskip("transformers")
        config = transformers.SegformerConfig(
            num_labels=5,
            depths=[1, 1, 1, 1],
            hidden_sizes=[8, 8, 8, 8],
            num_attention_heads=[1, 1, 1, 1],
            decoder_hidden_size=8,
        )
        torch.manual_seed(0)
        network = transformers.SegformerForSemanticSegmentation(config).eval()
        folder = models / "segformer/segformer-b5-finetuned-ade-640-640"
        network.save_pretrained(folder)
        torch.save(network.state_dict(), folder / "pytorch_model.bin")
        with torch.no_grad():
            found = top_classes(segmenter(), torch.rand(1, 3, 50, 70))
        assert found.shape == (3, 160, 160)
        assert bool((found.sort(dim=0).values.diff(dim=0) > 0).all()), "three different ones"
