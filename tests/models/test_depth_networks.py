"""Depth Anything V2 and Depth Pro: published numbers, layouts, units, and what is refused."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from focuspuller.errors import FileError, InputError, MissingDependencyError
from focuspuller.models.depth import depth_anything_layout, depth_pro_layout
from focuspuller.models.depth.checkpoint import Checkpoint, built
from focuspuller.models.depth.depth_pro import DepthPro, focal_length_of_view, metric_disparity
from focuspuller.models.depth.handle import (
    check,
    depth_weights_path,
    open_depth_estimator,
    read_checkpoint,
)
from focuspuller.models.depth.published import DEPTH_WEIGHTS
from oracles.depth_networks import (
    TINY_DEPTH_ANYTHING,
    TINY_DEPTH_PRO,
    Shapes,
    by_name,
    depth_anything,
    depth_pro,
)
from safetensors.torch import load_file, save_file
from torch import Tensor

pytest.importorskip("transformers", reason="needs the extra focuspuller[networks]")

PUBLISHED = Path(__file__).with_name("depth_published.npz")
RELATIVE, INDOOR = "depth_anything_v2_vits.pth", "depth_anything_v2_metric_hypersim_vits.pth"


@pytest.fixture
def published() -> dict[str, Tensor]:
    """Outputs of the authors' own code with weights that follow from their names."""
    with np.load(PUBLISHED) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A file of weights in the layout of the authors' repository."""

    def write_file(name: str = RELATIVE, shapes: Shapes = TINY_DEPTH_ANYTHING) -> Path:
        path = tmp_path / name
        if path.suffix == ".safetensors":
            save_file(by_name(shapes), path)
        else:
            torch.save(by_name(shapes), path)
        return path

    return write_file


@pytest.fixture
def folder(write: Callable[..., Path], tmp_path: Path) -> Path:
    """The same network as transformers saves it."""
    network: Any = built(read_checkpoint(write()))[0]
    network.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def noise(side: int, count: int = 1) -> Tensor:
    values = np.random.default_rng(7).standard_normal((count, 3, side, side))
    return torch.from_numpy(values).float()


def output(path: Path, pixels: Tensor) -> Any:
    with torch.no_grad():
        return built(read_checkpoint(path))[0](pixels)


class TestPublishedNumbers:
    def test_depth_anything(self, write: Callable[..., Path], published: dict[str, Tensor]) -> None:
        values = output(write(), noise(56)).predicted_depth[0]
        torch.testing.assert_close(values, published["depth_anything"], atol=1e-5, rtol=1e-4)

    def test_depth_anything_in_metres(
        self, write: Callable[..., Path], published: dict[str, Tensor]
    ) -> None:
        values = output(write(INDOOR), noise(56)).predicted_depth[0]
        torch.testing.assert_close(values, published["depth_anything_metric"], atol=1e-4, rtol=1e-5)

    def test_depth_anything_giant_whose_blocks_are_others(
        self, write: Callable[..., Path], published: dict[str, Tensor]
    ) -> None:
        gated = depth_anything(64, 4, 16, (8, 16, 24, 32), side=56, head=4, gated=True)
        path = write("depth_anything_v2_vitg.safetensors", gated)
        values = output(path, noise(56)).predicted_depth[0]
        torch.testing.assert_close(values, published["depth_anything_gated"], atol=1e-5, rtol=1e-4)

    def test_depth_pro(self, write: Callable[..., Path], published: dict[str, Tensor]) -> None:
        path = write("depth_pro.pt", depth_pro(64, 4, 16, (16, 12, 20, 24)))
        pixels = torch.nn.functional.interpolate(noise(96), (1536, 1536), mode="bilinear")
        result = output(path, pixels)
        values = result.predicted_depth[0, 5::32, 5::32]
        torch.testing.assert_close(values, published["depth_pro"], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(result.field_of_view, published["depth_pro_view"])


class TestLayouts:
    @pytest.mark.parametrize(
        ("shapes", "millions"),
        [  # Sizes are those that Depth Anything's page names.
            (depth_anything(384, 12, 64, (48, 96, 192, 384)), 24.8),
            (depth_anything(768, 12, 128, (96, 192, 384, 768)), 97.5),
            (depth_anything(1024, 24, 256, (256, 512, 1024, 1024)), 335.3),
        ],
    )
    def test_every_parameter_of_depth_anything_has_its_place(
        self, shapes: Shapes, millions: float
    ) -> None:
        count = sum(math.prod(shape) for shape in shapes.values())
        assert count / 1e6 == pytest.approx(millions, abs=0.05)
        state = without_memory(shapes)
        checkpoint = depth_anything_layout.from_original(state, Path(RELATIVE))
        assert not built(checkpoint)[1]

    def test_every_parameter_of_depth_pro_has_its_place(self) -> None:
        shapes = depth_pro(1024, 24, 256, (256, 512, 1024, 1024))
        checkpoint = depth_pro_layout.from_original(without_memory(shapes), Path("depth_pro.pt"))
        assert checkpoint.config["intermediate_hook_ids"] == [11, 5]
        assert not built(checkpoint)[1]

    def test_published_blocks_are_taken(self) -> None:
        taken = {12: [3, 6, 9, 12], 24: [5, 12, 18, 24], 40: [10, 20, 30, 40]}
        for blocks, expected in taken.items():
            state = without_memory(depth_anything(64, blocks, 16, (8, 8, 8, 8), side=56))
            config = depth_anything_layout.from_original(state, Path(RELATIVE)).config
            assert config["backbone_config"]["out_indices"] == expected

    @pytest.mark.parametrize(
        ("name", "taken"),
        [
            ("depth_anything_vits14.pth", [9, 10, 11, 12]),
            ("depth_anything_vitb14.safetensors", [9, 10, 11, 12]),
            ("depth_anything_vitl14.pth", [21, 22, 23, 24]),
            ("depth_anything_v2_vits14.pth", [3, 6, 9, 12]),
            ("my_depth.pth", [3, 6, 9, 12]),
        ],
    )
    def test_the_first_version_takes_the_last_blocks(self, name: str, taken: list[int]) -> None:
        state = without_memory(depth_anything(64, taken[-1], 16, (8, 8, 8, 8), side=56))
        config = depth_anything_layout.from_original(state, Path(name)).config
        assert config["backbone_config"]["out_indices"] == taken

    @pytest.mark.parametrize(
        ("name", "kind", "metres"),
        [
            ("depth_anything_v2_vitl_fp16.safetensors", "relative", 1),
            ("depth_anything_v2_metric_hypersim_vitl_fp32.safetensors", "metric", 20),
            ("depth_anything_v2_metric_vkitti_vitl_fp32.safetensors", "metric", 80),
        ],
    )
    def test_the_name_says_which_depth(self, name: str, kind: str, metres: float) -> None:
        config = depth_anything_layout.from_original(
            without_memory(TINY_DEPTH_ANYTHING), Path(name)
        ).config
        assert (config["depth_estimation_type"], config["max_depth"]) == (kind, metres)

    def test_metres_of_unknown_range_are_refused(self, write: Callable[..., Path]) -> None:
        with pytest.raises(FileError, match="hypersim for indoors"):
            read_checkpoint(write("depth_anything_v2_metric.pth"))

    @pytest.mark.parametrize("place", ["saved", "saved/model.safetensors"])
    def test_a_folder_of_transformers_is_the_same_network(
        self, folder: Path, write: Callable[..., Path], place: str
    ) -> None:
        expected = output(write(), noise(56)).predicted_depth
        assert torch.equal(output(folder.parent / place, noise(56)).predicted_depth, expected)

    def test_a_folder_in_several_parts(self, folder: Path, write: Callable[..., Path]) -> None:
        whole = folder / "model.safetensors"
        names = sorted(load_file(whole))
        parts = {"model-1.safetensors": names[:70], "model-2.safetensors": names[70:]}
        state = load_file(whole)
        for part, own in parts.items():
            save_file({name: state[name].clone() for name in own}, folder / part)
        places = {name: part for part, own in parts.items() for name in own}
        index = {"weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        whole.unlink()
        expected = output(write(), noise(56)).predicted_depth
        assert torch.equal(output(folder, noise(56)).predicted_depth, expected)


class TestRefusing:
    def test_what_does_not_fit_is_named(self, write: Callable[..., Path], tmp_path: Path) -> None:
        state = torch.load(write(), weights_only=True)
        del state["depth_head.scratch.output_conv2.2.bias"]
        state["surplus.weight"] = torch.zeros(1)
        state["depth_head.scratch.output_conv2.0.bias"] = torch.zeros(9)
        state["pretrained.norm.bias"][0] = math.nan
        path = tmp_path / "damaged.pth"
        torch.save(state, path)
        findings = check(path)
        assert findings.missing == ("head.conv3.bias",)
        assert findings.unexpected == ("surplus.weight",)
        assert findings.misshaped == ("head.conv2.bias [9] instead of [4]",)
        assert findings.not_finite == ("backbone.layernorm.bias",)
        with pytest.raises(FileError, match="do not fit the network") as caught:
            open_depth_estimator(path)
        assert caught.value.subject == str(path)

    @pytest.mark.parametrize("name", ["pretrained.cls_token", "depth_head.projects.2.weight"])
    def test_what_the_sizes_follow_from_is_missing(
        self, write: Callable[..., Path], tmp_path: Path, name: str
    ) -> None:
        state = torch.load(write(), weights_only=True)
        del state[name]
        torch.save(state, tmp_path / "damaged.pth")
        with pytest.raises(FileError, match=f"without {name}"):
            read_checkpoint(tmp_path / "damaged.pth")

    def test_another_network(self, tmp_path: Path) -> None:
        torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other.pth")
        with pytest.raises(FileError, match="none of the known ones for depth"):
            open_depth_estimator(tmp_path / "other.pth")

    def test_folders(self, folder: Path) -> None:
        config = folder / "config.json"
        settings = json.loads(config.read_text())
        for content, text in (
            (json.dumps(settings | {"model_type": "bert"}), "type 'bert'"),
            (json.dumps(settings | {"fusion_hidden_size": "many"}), "describe no network"),
            ("[1]", "without settings"),
            ("{", "cannot be read"),
        ):
            config.write_text(content)
            with pytest.raises(FileError, match=text):
                open_depth_estimator(folder)
        config.unlink()
        with pytest.raises(FileError, match=r"config\.json.*does not exist"):
            open_depth_estimator(folder)

    def test_a_folder_without_weights(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        with pytest.raises(FileError, match="without weights"):
            open_depth_estimator(folder)

    def test_without_the_library_it_says_what_to_install(
        self, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write()
        monkeypatch.setitem(sys.modules, "transformers", None)
        with pytest.raises(MissingDependencyError, match=r"pip install focuspuller\[networks\]"):
            open_depth_estimator(path)

    def test_no_weights_anywhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("focuspuller.models.places._installed", lambda kind: [tmp_path / kind])
        monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
        for model in ("automatic", "depth-anything-v2-small"):
            with pytest.raises(FileError, match=r"depth_anything_v2_vits_fp32\.safetensors"):
                open_depth_estimator(model)

    def test_unknown_names_and_resolutions(self) -> None:
        with pytest.raises(InputError, match="depth-anything-v2-small"):
            open_depth_estimator("deep-anything")
        with pytest.raises(InputError, match="resolution"):
            open_depth_estimator(resolution=0)


class TestFinding:
    def test_by_name_by_group_and_by_itself(
        self, write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("focuspuller.models.places._installed", lambda kind: [tmp_path])
        monkeypatch.setattr("focuspuller.models.places._in_hub_cache", lambda weights: None)
        small, pro = write(RELATIVE), write("depth_pro.pt", TINY_DEPTH_PRO)
        assert depth_weights_path("depth-anything-v2-small") == small
        assert depth_weights_path("depth-anything-v2") == small
        assert depth_weights_path(str(small)) == small
        assert depth_weights_path() == pro

    def test_every_network_can_be_asked_for(self) -> None:
        names = [weights.name for weights in DEPTH_WEIGHTS]
        assert len(set(names)) == len(names)
        assert all(weights.check for weights in DEPTH_WEIGHTS)


class TestDepthAnything:
    @pytest.mark.parametrize("size", [(56, 90), (133, 41), (5, 3), (20, 300)])
    def test_any_picture(self, write: Callable[..., Path], size: tuple[int, int]) -> None:
        estimator = open_depth_estimator(write(), resolution=56)
        depth = estimator.estimate(torch.rand(1, 3, *size))
        assert depth.size == size
        assert not depth.is_metric
        assert (depth.disparity.min(), depth.disparity.max()) == (0.0, 1.0)
        assert depth.focal_length_px is None

    def test_a_picture_s_depth_does_not_depend_on_its_batch(
        self, write: Callable[..., Path]
    ) -> None:
        estimator = open_depth_estimator(write(), resolution=56)
        images = torch.rand(3, 3, 40, 60) * torch.tensor([1.0, 0.1, 0.5]).reshape(3, 1, 1, 1)
        fractions: list[float] = []
        together = estimator.estimate(images, on_progress=fractions.append).disparity
        assert fractions == pytest.approx([1 / 3, 2 / 3, 1])
        for image, disparity in zip(images.split(1), together.split(1), strict=True):
            assert torch.equal(estimator.estimate(image).disparity, disparity)

    def test_metres(self, write: Callable[..., Path]) -> None:
        estimator = open_depth_estimator(write(INDOOR), resolution=56)
        depth = estimator.estimate(torch.rand(1, 3, 40, 60), focal_length_px=77.0)
        assert depth.is_metric
        assert depth.metres.max() <= 20.0
        assert float(depth.focal_length_px or 0) == 77.0

    def test_resolution(self, write: Callable[..., Path]) -> None:
        """A finer network sees a picture of another size: its map differs, its size does not."""
        path, image = write(), torch.rand(1, 3, 64, 80)
        coarse, fine = (
            open_depth_estimator(path, resolution=px).estimate(image) for px in (28, 112)
        )
        assert coarse.size == fine.size
        assert not torch.equal(coarse.disparity, fine.disparity)

    def test_broken_pixels(self, write: Callable[..., Path]) -> None:
        image = torch.rand(1, 3, 30, 30)
        image[0, 0, 3, 4] = math.nan
        with pytest.raises(InputError, match="1 NaN or infinite pixels"):
            open_depth_estimator(write()).estimate(image)


class TestDepthPro:
    @pytest.fixture
    def estimator(self, write: Callable[..., Path]) -> DepthPro:
        estimator = open_depth_estimator(write("depth_pro.pt", TINY_DEPTH_PRO))
        assert isinstance(estimator, DepthPro)
        return estimator

    def test_depth_grows_with_the_given_focal_length(self, estimator: DepthPro) -> None:
        image = torch.rand(1, 3, 50, 75)
        near = estimator.estimate(image, focal_length_px=60.0)
        far = estimator.estimate(image, focal_length_px=150.0)
        inside = near.disparity > 1e-3
        ratio = near.disparity[inside] / far.disparity[inside]
        torch.testing.assert_close(ratio, torch.full_like(ratio, 2.5), rtol=1e-4, atol=0)
        assert float(far.focal_length_px or 0) == 150.0

    def test_its_own_focal_length_counts_where_none_is_given(self, estimator: DepthPro) -> None:
        images = torch.rand(2, 3, 40, 30)
        own = estimator.estimate(images)
        assert isinstance(own.focal_length_px, Tensor)
        assert own.focal_length_px.shape == (2,)
        given = estimator.estimate(images, focal_length_px=own.focal_length_px)
        torch.testing.assert_close(given.disparity, own.disparity)

    @pytest.mark.parametrize("broken", [0.0, -3.0, math.nan, torch.tensor([1.0, 2.0])])
    def test_focal_lengths_that_are_none(self, estimator: DepthPro, broken: Any) -> None:
        with pytest.raises(InputError, match="focal_length_px"):
            estimator.estimate(torch.rand(1, 3, 8, 8), focal_length_px=broken)

    def test_canonical_depth_is_in_widths_per_focal_length(self) -> None:
        canonical = torch.full((1, 1, 4, 1000), 0.25)
        assert metric_disparity(canonical, 500.0)[0, 0, 0, 0] == 0.5
        assert focal_length_of_view(2 * math.degrees(math.atan(0.5)), 1000) == pytest.approx(1000)


class TestPrecision:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("name", [RELATIVE, INDOOR])
    def test_half_precision_is_close_and_has_no_steps(
        self, write: Callable[..., Path], dtype: torch.dtype, name: str
    ) -> None:
        checkpoint: Checkpoint = read_checkpoint(write(name))
        full, half = (
            built(checkpoint.copied(each), each)[0](noise(56).to(each)).predicted_depth
            for each in (torch.float32, dtype)
        )
        assert half.dtype == torch.float32
        spread = float(full.max() - full.min())
        tolerance = 0.02 if dtype == torch.float16 else 0.15
        assert (half - full).abs().max() < tolerance * spread
        # Half precision has about a thousand values per octave, bfloat16 only 128.
        assert half.unique().numel() > 0.9 * full.unique().numel()


def without_memory(shapes: Shapes) -> dict[str, Tensor]:
    """Tensors of these shapes that share a single number."""
    return {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}
