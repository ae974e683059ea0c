"""The node Estimate Depth, with tiny networks."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from focuspuller.errors import FileError
from focuspuller.lens.depth import Depth
from focuspuller.lens.optics import Camera
from focuspuller.models.loaded import forget_models
from focuspuller.models.metric3d.architecture import Metric3D, Variant
from focuspuller.nodes import EstimateDepth
from focuspuller.nodes.standin import Host, installed_host
from oracles.depth_networks import TINY_DEPTH_ANYTHING, TINY_DEPTH_PRO, by_name
from oracles.weights import filled
from safetensors.torch import save_file
from torch import Tensor

pytest.importorskip("transformers", reason="needs the extra focuspuller[networks]")

SMALL = "depth_anything_v2_vits_fp32.safetensors"
PRO = "depth_pro.fp16.safetensors"


@pytest.fixture
def models(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of models with both networks, where the packs that use them keep them."""
    monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
    for kind, name, shapes in (
        ("depthanything", SMALL, TINY_DEPTH_ANYTHING),
        ("depth/ml-depth-pro", PRO, TINY_DEPTH_PRO),
    ):
        folder = tmp_path / "models" / kind
        folder.mkdir(parents=True)
        save_file(by_name(shapes), folder / name)
    with installed_host(dataclasses.replace(host, model_roots=[tmp_path / "models"])):
        yield tmp_path / "models"
    forget_models()


def estimated(image: Tensor, model: str = SMALL, **others: object) -> tuple[Depth, Tensor, float]:
    return EstimateDepth.execute(image, model, 56, **others).args


class TestResults:
    def test_relative_depth(self, models: Path, picture: Callable[..., Tensor]) -> None:
        depth, shown, focal_length = estimated(picture(2, 40, 57))
        assert not depth.is_metric
        assert depth.disparity.shape == (2, 1, 40, 57)
        assert shown.shape == (2, 40, 57, 3)
        torch.testing.assert_close(shown[..., 0], depth.disparity[:, 0])
        assert focal_length == 0.0

    def test_metres_and_focal_length(self, models: Path, picture: Callable[..., Tensor]) -> None:
        own, _, estimate = estimated(picture(1, 40, 60), f"ml-depth-pro/{PRO}")
        assert own.is_metric
        assert estimate == pytest.approx(float(own.split()[0].focal_length_px or 0))
        camera = Camera(50.0, 2.0, sensor_width_mm=25.0)
        given, _, focal_length = estimated(picture(1, 40, 60), f"ml-depth-pro/{PRO}", camera=camera)
        assert focal_length == 50.0 * 60 / 25.0
        inside = (given.disparity > 1e-3) & (own.disparity > 1e-3)
        ratio = own.disparity[inside] / given.disparity[inside]
        torch.testing.assert_close(
            ratio, torch.full_like(ratio, focal_length / estimate), rtol=1e-3, atol=0
        )

    def test_automatic_takes_the_best_that_is_there(
        self, models: Path, picture: Callable[..., Tensor]
    ) -> None:
        assert estimated(picture(), "automatic")[0].is_metric
        (models / "depth/ml-depth-pro" / PRO).unlink()
        assert not estimated(picture(), "automatic")[0].is_metric

    def test_the_node_offers_what_is_there(self, models: Path) -> None:
        (port,) = (port for port in EstimateDepth.GET_SCHEMA().inputs if port.id == "model")
        assert port.options == ["automatic", f"ml-depth-pro/{PRO}", SMALL]

    def test_another_file_is_noticed(self, models: Path) -> None:
        before = EstimateDepth.fingerprint_inputs(model=SMALL, resolution=0)
        assert before == EstimateDepth.fingerprint_inputs(model=SMALL, resolution=0)
        path = models / "depthanything" / SMALL
        save_file({"other": torch.zeros(1)}, path)
        assert before != EstimateDepth.fingerprint_inputs(model=SMALL, resolution=0)


class TestRefusing:
    def test_no_weights(self, models: Path, picture: Callable[..., Tensor]) -> None:
        for path in models.rglob("*.safetensors"):
            path.unlink()
        with pytest.raises(FileError, match="Estimate Depth") as caught:
            EstimateDepth.execute(picture(), "automatic", 0)
        assert SMALL in str(caught.value)
        assert "Apache-2.0" in caught.value.advice
        assert "models fetch depth-anything-v2-small" in caught.value.advice

    def test_without_the_library(
        self,
        models: Path,
        picture: Callable[..., Tensor],
        refuses: Callable[..., str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setitem(sys.modules, "transformers", None)
        path = models / "depthanything" / SMALL
        message = refuses(EstimateDepth, str(path), image=picture(), model=SMALL, resolution=0)
        assert "pip install focuspuller[networks]" in message

    def test_other_packs_cameras(
        self, models: Path, picture: Callable[..., Tensor], refuses: Callable[..., str]
    ) -> None:
        values = {"image": picture(), "model": SMALL, "resolution": 0}
        refuses(EstimateDepth, "camera", camera="a camera", **values)


class TestMetric3D:
    @pytest.fixture
    def file(self, models: Path) -> str:
        network = filled(Metric3D(Variant(width=64, depth=2, iterations=4)))
        path = models / "metric3d" / "metric_depth_vit_small_800k.pth"
        path.parent.mkdir()
        torch.save({"model_state_dict": network.state_dict()}, path)
        return path.name

    def test_it_needs_no_other_library_and_knows_its_confidence(
        self, file: str, picture: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "transformers", None)
        camera = Camera(50.0, 2.0, sensor_width_mm=25.0)
        depth, _, focal_length = estimated(picture(1, 40, 60), file, camera=camera)
        assert depth.is_metric
        assert depth.size == (40, 60)
        assert depth.confidence is not None
        assert focal_length == 50.0 * 60 / 25.0

    def test_it_is_chosen_before_relative_depth(
        self, file: str, models: Path, picture: Callable[..., Tensor]
    ) -> None:
        (models / "depth/ml-depth-pro" / PRO).unlink()
        depth, _, focal_length = estimated(picture(), "automatic")
        assert depth.is_metric
        assert focal_length == 0.0
