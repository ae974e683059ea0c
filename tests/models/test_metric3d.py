"""Metric3D from a file to metres."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.models.depth.handle import open_depth_estimator
from focuspuller.models.depth.metric3d import Metric3DEstimator
from focuspuller.models.metric3d import layout
from focuspuller.models.metric3d.architecture import (
    GIANT,
    LARGE,
    SIZE_STEP_PX,
    SMALL,
    Metric3D,
    Prediction,
    Variant,
)
from focuspuller.models.metric3d.handle import estimate, load_metric3d, metric3d_network
from focuspuller.models.metric3d.layout import converted, variant_of
from focuspuller.models.metric3d.processing import DEVIATION, MEAN, default_focal_length_px
from focuspuller.photo.photo import load_photo
from oracles.weights import filled
from PIL import ExifTags, Image
from safetensors.torch import save_file
from torch import Tensor

StateDict = dict[str, Tensor]

CPU = torch.device("cpu")
TINY = Variant(width=64, depth=2, iterations=SMALL.iterations)
TINY_GIANT = Variant(width=64, depth=4, iterations=SMALL.iterations, is_giant=True)


def as_published(variant: Variant) -> StateDict:
    """The parameters under all the names that a file may hold."""
    state = dict(filled(Metric3D(variant), gammas=True).state_dict())
    for name in list(state):
        if ".downsample.1." in name:
            state[name.replace(".downsample.1.", ".norm3.")] = state[name]
    return state | {"depth_model.encoder.mask_token": torch.zeros(1, variant.width)}


@pytest.fixture(scope="module")
def tiny() -> Metric3D:
    network = filled(Metric3D(TINY), gammas=True)
    assert isinstance(network, Metric3D)
    return network


@pytest.fixture
def published_file(tmp_path: Path) -> Callable[..., Path]:
    def write(variant: Variant = TINY, name: str = "metric_depth_vit_small_800k.pth") -> Path:
        path = tmp_path / name
        torch.save({"model_state_dict": as_published(variant)}, path)
        return path

    return write


class TestArchitecture:
    def test_each_picture_of_a_batch_is_seen_by_itself(self, tiny: Metric3D) -> None:
        images = torch.randn(3, 3, 2 * SIZE_STEP_PX, SIZE_STEP_PX)
        together = tiny(images)
        for index in range(3):
            alone = tiny(images[index : index + 1])
            for all_of_it, part in zip(together, alone, strict=True):
                torch.testing.assert_close(all_of_it[index : index + 1], part, atol=1e-4, rtol=1e-4)

    def test_what_is_predicted_has_the_size_and_range_it_says(self, tiny: Metric3D) -> None:
        size = (3 * SIZE_STEP_PX, 2 * SIZE_STEP_PX)
        prediction = tiny(torch.randn(1, 3, *size))
        assert {tuple(maps.shape[-2:]) for maps in prediction} == {size}
        assert 0.1 <= float(prediction.depth.min()) <= float(prediction.depth.max()) <= 200.0
        lengths = prediction.normals.norm(dim=1)
        torch.testing.assert_close(lengths, torch.ones_like(lengths))
        assert float(prediction.concentration.min()) > 0

    @pytest.mark.parametrize("variant", [TINY, TINY_GIANT])
    @pytest.mark.parametrize(("dtype", "steps_m"), [(torch.bfloat16, 5.0), (torch.float16, 1.0)])
    def test_an_encoder_in_half_precision_says_nearly_the_same(
        self, variant: Variant, dtype: torch.dtype, steps_m: float
    ) -> None:
        network = filled(Metric3D(variant), gammas=True)
        image = torch.randn(1, 3, 56, 84, generator=torch.Generator().manual_seed(1))
        full = network(image)
        assert isinstance(network, Metric3D)
        network.depth_model.encoder.to(dtype)
        half = network(image)
        assert half.depth.dtype == torch.float32
        assert 0.0 < float((half.depth - full.depth).abs().max()) < steps_m
        assert float((half.normals - full.normals).abs().max()) < 0.05

    def test_steps_are_counted(self, tiny: Metric3D) -> None:
        calls: list[None] = []
        tiny(torch.zeros(1, 3, 28, 28), lambda: calls.append(None))
        assert len(calls) == tiny.steps == 6

    def test_it_can_be_trained(self) -> None:
        network = filled(Metric3D(TINY), gammas=True).requires_grad_(True)
        prediction = network(torch.randn(1, 3, 28, 56))
        sum(maps.square().sum() for maps in prediction).backward()
        without = [name for name, one in network.named_parameters() if one.grad is None]
        assert without == []


class TestLayout:
    @pytest.mark.parametrize("variant", [SMALL, LARGE, GIANT, TINY, TINY_GIANT])
    def test_a_file_tells_which_network_it_is_for(self, variant: Variant) -> None:
        with torch.device("meta"):
            state = Metric3D(variant).state_dict()
        assert variant_of(state, Path("any.pth")) == variant

    @pytest.mark.parametrize(
        "state",
        [
            {"depth_model.encoder.downsample_layers.0.0.weight": torch.zeros(96, 3, 4, 4)},
            {"depth_model.encoder.cls_token": torch.zeros(1, 1, 64)},
            {"depth_model.encoder.cls_token": torch.zeros(())},
            {"arnet": torch.zeros(3)},
        ],
    )
    def test_other_networks_are_refused(self, state: StateDict, tmp_path: Path) -> None:
        path = tmp_path / "convtiny_hourglass_v1.pth"
        torch.save({"model_state_dict": state}, path)
        with pytest.raises(FileError, match=r"not those of a Metric3D v2 .* metric_depth_vit_sm"):
            load_metric3d(path)

    @pytest.mark.parametrize("kept", [".downsample.1.", ".norm3."])
    def test_shared_parameters_may_have_either_name(self, kept: str) -> None:
        """Formats that store each tensor once keep the one or the other."""
        state = as_published(TINY)
        dropped = ".norm3." if kept == ".downsample.1." else ".downsample.1."
        own = converted({name: value for name, value in state.items() if dropped not in name})
        wanted = filled(Metric3D(TINY), gammas=True).state_dict()
        assert set(own) == set(wanted)
        assert sum(torch.equal(own[name], wanted[name]) for name in wanted) == len(wanted)

    def test_of_two_copies_the_one_that_the_published_code_loads_last_counts(self) -> None:
        state = as_published(TINY)
        for name in [name for name in state if ".norm3." in name]:
            state[name] = torch.full_like(state[name], 7.0)
        assert not any(bool((value == 7.0).any()) for value in converted(state).values())

    @pytest.mark.parametrize(
        ("check", "name"),
        [
            (layout.check_small, "SMALL"),
            (layout.check_large, "LARGE"),
            (layout.check_giant, "GIANT"),
        ],
    )
    def test_checks_know_their_own_file_only(
        self,
        check: Callable,
        name: str,
        published_file: Callable[..., Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        path = published_file()
        assert "of another shape: depth_model.encoder.cls_token [1, 1, 64]" in str(check(path))
        monkeypatch.setattr(layout, name, TINY)
        assert str(check(path)) == ""


class TestLoading:
    @pytest.mark.parametrize("variant", [TINY, TINY_GIANT])
    def test_published_files(self, variant: Variant, published_file: Callable[..., Path]) -> None:
        network = load_metric3d(published_file(variant))
        assert network.variant == variant
        wanted = filled(Metric3D(variant), gammas=True).state_dict()
        assert all(torch.equal(value, wanted[name]) for name, value in network.state_dict().items())
        assert not network.training

    def test_safetensors(self, tmp_path: Path) -> None:
        path = tmp_path / "metric_depth_vit_small_800k.safetensors"
        save_file({name: value.clone() for name, value in as_published(TINY).items()}, path)
        assert load_metric3d(path).variant == TINY

    def test_only_the_encoder_is_in_half_precision(
        self, published_file: Callable[..., Path]
    ) -> None:
        network = load_metric3d(published_file(), torch.bfloat16)
        halves = network.depth_model
        assert {one.dtype for one in halves.encoder.parameters()} == {torch.bfloat16}
        assert {one.dtype for one in halves.decoder.parameters()} == {torch.float32}

    def test_a_missing_parameter_is_named_as_in_the_file(self, tmp_path: Path) -> None:
        state = as_published(TINY)
        del state["depth_model.decoder.update_block.mask.2.bias"]
        path = tmp_path / "damaged.pth"
        torch.save({"model_state_dict": state}, path)
        wanted = r"missing: depth_model\.decoder\.update_block\.mask\.2\.bias"
        with pytest.raises(FileError, match=wanted) as caught:
            load_metric3d(path)
        assert "Metric3Dv2 ViT-S" in str(caught.value)

    def test_it_is_loaded_once(self, published_file: Callable[..., Path]) -> None:
        path = published_file()
        assert metric3d_network(path, CPU) is metric3d_network(path, CPU)


def save_with_focal_length(path: Path, focal_length_mm: int) -> None:
    """A photo of a camera whose sensor is 24 mm wide."""
    exif = Image.Exif()
    tags = exif.get_ifd(ExifTags.IFD.Exif)
    tags[ExifTags.Base.FocalLength] = float(focal_length_mm)
    tags[ExifTags.Base.FocalLengthIn35mmFilm] = round(1.5 * focal_length_mm)
    tags[ExifTags.Base.FNumber] = 2.8
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, exif=exif)


class Echo(Metric3D):
    """Says that depth is the canvas' red, confidence its green, and normals lie along the view."""

    def __init__(self) -> None:
        super().__init__(TINY)

    def forward(self, image: Tensor, on_step: Callable[[], object] | None = None) -> Prediction:
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        red, green, _ = ((image * deviation + mean) / 255.0).split(1, dim=1)
        normals = torch.zeros_like(image)
        normals[:, 2] = -1.0
        for _ in range(self.steps):
            if on_step:
                on_step()
        return Prediction(100.0 * red, 2.0 * green - 0.5, normals, torch.ones_like(red))


class TestEstimate:
    @pytest.mark.parametrize(
        ("height", "width"), [(48, 64), (63, 41), (999, 1501), (3, 200), (200, 3)]
    )
    def test_depth_lands_on_the_pixel_that_it_is_of(self, height: int, width: int) -> None:
        image = torch.zeros(1, 3, height, width)
        image[:, 0] = torch.linspace(0.1, 0.9, width)
        image[:, 1] = torch.linspace(0.3, 0.7, height)[:, None]
        scale = min(616 / height, 1064 / width)
        found = estimate(Echo(), image, 1000.0 / scale)
        assert found.metres.shape == found.confidence.shape == (1, 1, height, width)
        slack = 0.8 * max(1.0, 1.0 / scale)  # in px, at the borders
        apart = (found.metres / 100.0 - image[:, :1]).abs().max()
        assert float(apart) < 0.8 / max(1, width - 1) * slack + 1e-4
        apart = (found.confidence - (2.0 * image[:, 1:2] - 0.5)).abs().max()
        assert float(apart) < 0.8 / max(1, height - 1) * slack + 1e-4
        assert found.normals is not None
        assert float((found.normals[:, 2] + 1.0).abs().max()) < 1e-5

    def test_normals_are_left_out_where_nobody_wants_them(self) -> None:
        image = torch.rand(1, 3, 20, 30)
        without = estimate(Echo(), image, 30.0, with_normals=False)
        assert without.normals is None
        assert torch.equal(without.metres, estimate(Echo(), image, 30.0).metres)

    def test_normals_stay_of_unit_length_between_surfaces(self) -> None:
        class Edge(Echo):
            def forward(self, *inputs: Any) -> Prediction:
                prediction = super().forward(*inputs)
                prediction.normals[..., 532:] = torch.tensor([-1.0, 0.0, 0.0])[:, None, None]
                return prediction

        normals = estimate(Edge(), torch.rand(1, 3, 308, 532), 30.0).normals
        assert normals is not None
        assert float(normals[0, 0, 150, 266]) < -0.1  # a mixture
        torch.testing.assert_close(normals.norm(dim=1), torch.ones(1, 308, 532))

    def test_pictures_beyond_their_range_are_cut_off(self) -> None:
        bright = estimate(Echo(), torch.full((1, 3, 20, 30), 7.0), 30.0)
        white = estimate(Echo(), torch.ones(1, 3, 20, 30), 30.0)
        assert torch.equal(bright.metres, white.metres)

    def test_confidence_stays_within_0_and_1(self) -> None:
        image = torch.zeros(1, 3, 8, 8)
        image[..., 4:] = 1.0
        confidence = estimate(Echo(), image, 100.0).confidence
        assert float(confidence.min()) == 0.0
        assert float(confidence.max()) == 1.0

    def test_the_focal_length_in_exif_changes_depth_by_exactly_its_ratio(
        self, tmp_path: Path
    ) -> None:
        metres = []
        for focal_length_mm in (24, 36):
            path = tmp_path / f"{focal_length_mm}.jpg"
            save_with_focal_length(path, focal_length_mm)
            photo = load_photo(path)
            assert photo.camera is not None
            focal_length_px = photo.camera.for_image(60, 90).focal_length_px
            image = torch.from_numpy(photo.image).permute(2, 0, 1)[None]
            metres.append(estimate(Echo(), image, focal_length_px).metres)
        assert float(metres[0].std()) > 0.1
        assert float(metres[1].max()) < 300.0
        torch.testing.assert_close(metres[1] / metres[0], torch.full_like(metres[0], 1.5))

    def test_every_picture_of_a_batch_has_its_own_focal_length(self) -> None:
        image = torch.full((1, 3, 616, 1064), 0.5).expand(2, -1, -1, -1)
        found = estimate(Echo(), image, torch.tensor([500.0, 2000.0]))
        assert found.metres.amax((1, 2, 3)).tolist() == pytest.approx([25.0, 100.0], rel=1e-4)
        assert found.focal_length_px.tolist() == [500.0, 2000.0]

    def test_without_a_camera_the_assumed_view_is_said(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            found = estimate(Echo(), torch.full((1, 3, 90, 60), 0.5))
        assert "a view of 54° is assumed (88 px)" in caplog.text
        assert float(found.focal_length_px) == pytest.approx(default_focal_length_px(90, 60))
        factor = float(found.focal_length_px) * (616 / 90) / 1000.0
        assert float(found.metres.mean()) == pytest.approx(50.0 * factor, rel=1e-4)

    def test_progress_reaches_the_end_in_equal_steps(self) -> None:
        reported: list[float] = []
        estimate(Echo(), torch.rand(2, 3, 28, 28), 30.0, on_progress=reported.append)
        assert reported == [(index + 1) / 12 for index in range(12)]

    @pytest.mark.parametrize(
        ("focal_length", "wrong"),
        [
            (0.0, "above zero"),
            (math.nan, "above zero"),
            (math.inf, "above zero"),
            (torch.tensor([1.0, -1.0]), "above zero"),
            (torch.ones(3), "3 focal lengths for 2 images"),
        ],
    )
    def test_focal_lengths_that_are_none(self, focal_length: float | Tensor, wrong: str) -> None:
        with pytest.raises(InputError, match=wrong):
            estimate(Echo(), torch.rand(2, 3, 28, 28), focal_length)

    def test_broken_pixels_are_refused(self) -> None:
        with pytest.raises(InputError, match="NaN"):
            estimate(Echo(), torch.full((1, 3, 28, 28), math.nan), 30.0)

    def test_a_real_network_and_what_others_may_do_with_its_depth(self, tiny: Metric3D) -> None:
        found = estimate(tiny, torch.rand(1, 3, 60, 41), 30.0)
        assert 0.0 < float(found.metres.min()) <= float(found.metres.max()) <= 300.0
        factor = torch.ones((), requires_grad=True)
        (found.metres * factor).sum().backward()
        assert float(factor.grad or 0.0) == pytest.approx(float(found.metres.sum()), rel=1e-4)


class TestAsOneOfTheEstimators:
    def test_a_file_of_its_layout_opens_it(self, published_file: Callable[..., Path]) -> None:
        estimator = open_depth_estimator(published_file())
        assert isinstance(estimator, Metric3DEstimator)
        assert estimator.is_metric

    def test_other_networks_of_the_project_are_told_from_it(self, tmp_path: Path) -> None:
        path = tmp_path / "convlarge_hourglass_0.3_150_step750k_v1.1.pth"
        torch.save({"model_state_dict": {"depth_model.decoder.x": torch.zeros(3)}}, path)
        with pytest.raises(FileError, match="not those of a Metric3D v2 with a vision transformer"):
            open_depth_estimator(path)

    def test_depth_has_metres_confidence_and_the_given_focal_length(self) -> None:
        image = torch.rand(2, 3, 24, 36)
        estimator = Metric3DEstimator(Echo())
        focal_lengths = torch.tensor([30.0, 60.0])
        depth = estimator.estimate(image, focal_lengths)
        found = estimate(Echo(), image, focal_lengths)
        torch.testing.assert_close(depth.metres, found.metres)
        assert torch.equal(depth.confidence, found.confidence)
        assert torch.equal(depth.focal_length_px, focal_lengths)
        alone = estimator.estimate_one(image[1:], 60.0, CPU)
        torch.testing.assert_close(alone.disparity, depth.disparity[1:])

    def test_an_assumed_focal_length_is_not_passed_on_as_known(self) -> None:
        assert Metric3DEstimator(Echo()).estimate(torch.rand(1, 3, 24, 36)).focal_length_px is None
