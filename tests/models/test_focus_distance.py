"""The focus distance transformer: what it predicts, how it is trained, its files."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.depth import Depth
from focuspuller.models import places
from focuspuller.models.focus_distance.architecture import (
    FocusDistanceTransformer,
    SaliencyToken,
)
from focuspuller.models.focus_distance.files import (
    DEPTH_INPUT,
    FocusMetadata,
    check,
    focus_metadata,
    load_focus_transformer,
    save_focus_transformer,
)
from focuspuller.models.focus_distance.handle import (
    PICTURES_AT_ONCE,
    find_focus,
    focus_weights,
)
from focuspuller.models.focus_distance.loss import FocusRegularization
from focuspuller.models.vst.architecture import VST
from focuspuller.models.vst.layout import check as check_vst
from focuspuller.models.vst.published import VST as VST_WEIGHTS
from oracles.vst import trained_transformer
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor


@pytest.fixture
def transformer() -> FocusDistanceTransformer:
    """With a head that says something, as after training."""
    return trained_transformer()


@pytest.fixture
def scene() -> tuple[Tensor, Depth]:
    """Two pictures of 35×51 px with metric depth between 1 and 6 m."""
    generator = torch.Generator().manual_seed(3)
    image = torch.rand(2, 3, 35, 51, generator=generator)
    metres = 1.0 + 5.0 * torch.rand(2, 1, 35, 51, generator=generator)
    return image, Depth.from_metres(metres)


def relative(depth: Depth) -> Depth:
    return Depth.from_relative(depth.disparity)


def vst_file(network: VST, path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file(network.state_dict(), path)
    else:
        torch.save({f"module.{name}": each for name, each in network.state_dict().items()}, path)
    return path


class TestPrediction:
    @torch.no_grad()
    def test_focus_is_the_mean_depth_weighted_by_saliency(self, transformer, scene):
        image, depth = scene
        predicted = transformer(image, depth)
        assert predicted.saliency.shape == (2, 1, 35, 51)
        weights = predicted.saliency.double()
        expected = (depth.metres * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3))
        torch.testing.assert_close(predicted.focus.distance_m, expected.float(), rtol=1e-5, atol=0)

    @torch.no_grad()
    def test_scale_starts_at_exactly_one(self, vst, scene):
        assert FocusDistanceTransformer(vst)(*scene).scale.tolist() == [1.0, 1.0]

    @pytest.mark.parametrize("token", ["1/16", "1/8"])
    @torch.no_grad()
    def test_scale_comes_from_the_chosen_token(self, vst, scene, token: SaliencyToken):
        image, depth = scene
        network = FocusDistanceTransformer(vst, token)
        torch.nn.init.normal_(network.scale_head[-1].weight, std=0.1)
        seen = []
        layers = (
            vst.token_trans.encoderlayer
            if token == "1/16"
            else vst.decoder.token_pre_1_8.encoderlayer
        )
        layers.register_forward_hook(lambda module, given, tokens: seen.append(tokens.saliency))
        scale = network(image, depth).scale
        exponent = network.scale_head(seen[0][:, 0])[:, 0]
        bound = math.log(100.0)
        torch.testing.assert_close(scale, (bound * torch.tanh(exponent / bound)).exp())
        assert scale[0] != scale[1]

    @torch.no_grad()
    def test_scale_stays_between_a_hundredth_and_a_hundred(self, transformer, scene):
        for bias in (-1e4, 1e4):
            torch.nn.init.constant_(transformer.scale_head[-1].bias, bias)
            scale = transformer(*scene).scale
            torch.testing.assert_close(scale, torch.full((2,), 100.0 if bias > 0 else 0.01))

    @torch.no_grad()
    def test_relative_depth_has_a_focus_but_no_scale(self, transformer, scene):
        image, depth = scene
        predicted = transformer(image, relative(depth))
        assert not predicted.focus.is_metric
        assert predicted.scale.tolist() == [1.0, 1.0]


class TestTraining:
    def test_gradient_reaches_exactly_what_is_trained(self, transformer, scene):
        image, depth = scene
        network = transformer.unfreeze()
        predicted = network(image, depth)
        (predicted.focus.distance_m.sum() + predicted.scale.log().sum()).backward()
        trained = {name for name, each in network.named_parameters() if each.requires_grad}
        reached = {name for name, each in network.named_parameters() if each.grad is not None}
        assert reached == trained
        assert any(name.startswith("scale_head") for name in trained)
        assert any("rgb_backbone.tokens_to_token" in name for name in trained)
        assert any("depth_backbone.blocks" in name for name in trained)
        zero = [
            name
            for name, each in network.named_parameters()
            if each.grad is not None and not bool(each.grad.any())
        ]
        assert zero == []

    def test_gradient_is_that_of_finite_differences(self, transformer, scene):
        image, depth = (scene[0][:1].double(), Depth(scene[1].disparity[:1].double(), True))
        network = transformer.double().unfreeze()

        def outputs(values: Tensor, bias: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
            names = ("vst.decoder.pre_1_1.weight", "scale_head.2.bias")
            changed = dict(zip(names, (values, bias), strict=True))
            predicted = torch.func.functional_call(network, changed, (pixels, depth))
            return predicted.focus.distance_m, predicted.scale

        values = network.vst.decoder.pre_1_1.weight.detach().clone().requires_grad_()
        bias = network.scale_head[-1].bias.detach().clone().requires_grad_()
        coarse = image[..., :6, :5].clone().requires_grad_()

        def from_few_pixels(values: Tensor, bias: Tensor, few: Tensor) -> tuple[Tensor, Tensor]:
            pixels = torch.cat([torch.cat([few, image[..., :6, 5:]], -1), image[..., 6:, :]], -2)
            return outputs(values, bias, pixels)

        # Saliency is kept in float32 at the network's end, hence the wide step.
        assert torch.autograd.gradcheck(
            from_few_pixels,
            (values, bias, coarse),
            eps=1e-3,
            atol=1e-3,
            rtol=1e-2,
            nondet_tol=1e-6,
            fast_mode=True,
        )

    def test_loss_is_zero_before_training_and_huber_after(self, transformer, scene):
        image, depth = scene
        published = copy.deepcopy(transformer.vst)
        before = transformer(image, depth)
        assert float(FocusRegularization(published)(before, image, depth)) == 0.0
        with torch.no_grad():
            transformer.vst.decoder.pre_1_1.weight.mul_(4.0)
        after = transformer(image, depth)
        error = (after.focus.distance_m - before.focus.distance_m).abs()
        delta = float(error.mean())
        assert error.min() < delta < error.max()
        huber = torch.where(error < delta, 0.5 * error**2, delta * (error - 0.5 * delta)).mean()
        loss = FocusRegularization(published, delta)(after, image, depth)
        torch.testing.assert_close(loss, huber)

    def test_loss_pulls_the_focus_back(self, transformer, scene):
        image, depth = scene
        loss = FocusRegularization(transformer.vst)
        with torch.no_grad():
            transformer.vst.decoder.pre_1_1.weight.mul_(4.0)
        network = transformer.unfreeze()
        assert not any(each.requires_grad for each in loss.parameters())
        optimizer = torch.optim.Adam(
            [each for each in network.parameters() if each.requires_grad], 1e-3
        )
        losses = []
        for _ in range(12):
            error = loss(network(image, depth), image, depth)
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            losses.append(error.item())
        assert losses[-1] < 0.2 * losses[0]

    def test_loss_needs_metres(self, transformer, scene):
        image, depth = scene[0], relative(scene[1])
        with pytest.raises(InputError, match="metric"):
            FocusRegularization(transformer.vst)(transformer(image, depth), image, depth)


class TestFiles:
    @pytest.mark.parametrize("token", ["1/16", "1/8"])
    @torch.no_grad()
    def test_a_saved_transformer_predicts_the_same(self, vst, scene, tmp_path, token):
        network = FocusDistanceTransformer(vst, token).eval()
        torch.nn.init.normal_(network.scale_head[-1].weight)
        path = tmp_path / "focus.safetensors"
        save_focus_transformer(path, network, base="RGBD_VST.pth", licence="CC0-1.0")
        loaded = load_focus_transformer(path)
        assert not any(each.requires_grad for each in loaded.parameters())
        before, after = network(*scene), loaded(*scene)
        assert before.scale[0] != 1.0
        assert torch.equal(before.scale, after.scale)
        assert torch.equal(before.focus.plane, after.focus.plane)
        assert focus_metadata(path) == FocusMetadata("RGBD_VST.pth", "CC0-1.0", token, DEPTH_INPUT)
        assert not check(path)
        assert list(tmp_path.iterdir()) == [path], "something temporary was left"

    def test_metadata_are_readable_without_this_package(self, transformer, tmp_path):
        path = tmp_path / "focus.safetensors"
        save_focus_transformer(path, transformer, base="a", licence="b")
        with safe_open(path, "pt") as file:
            assert file.metadata() == {
                "format": "focus-puller/focus-distance",
                "format_version": "1",
                "base": "a",
                "licence": "b",
                "saliency_token": "1/16",
                "depth_input": DEPTH_INPUT,
            }

    @pytest.mark.parametrize("name", ["RGBD_VST.pth", "RGBD_VST.safetensors"])
    @torch.no_grad()
    def test_published_vst_is_a_transformer_with_scale_one(self, vst, scene, tmp_path, name):
        path = vst_file(vst, tmp_path / name)
        loaded = load_focus_transformer(path)
        assert focus_metadata(path) is None
        assert not check_vst(path)
        predicted, own = loaded(*scene), FocusDistanceTransformer(vst)(*scene)
        assert predicted.scale.tolist() == [1.0, 1.0]
        torch.testing.assert_close(predicted.saliency, own.saliency, rtol=0, atol=0)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("format_version", "2"), ("saliency_token", "1/4"), ("depth_input", "metres")],
    )
    def test_what_a_later_version_wrote_is_refused(self, transformer, tmp_path, name, value):
        path = tmp_path / "focus.safetensors"
        save_focus_transformer(path, transformer, base="a", licence="b")
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        save_file(load_file(path), path, {**metadata, name: value})
        with pytest.raises(FileError, match=value):
            load_focus_transformer(path)

    def test_other_networks_are_refused_by_name(self, arnet, tmp_path):
        path = tmp_path / "arnet.safetensors"
        save_file(arnet.state_dict(), path)
        with pytest.raises(FileError, match=r"missing: rgb_backbone.*unexpected: block_stack"):
            load_focus_transformer(path)
        assert check_vst(path).unexpected
        assert check(path)

    def test_vst_with_a_tensor_missing_is_refused(self, vst, tmp_path):
        state = vst.state_dict()
        state.pop("decoder.pre_1_8.bias")
        path = tmp_path / "vst.safetensors"
        save_file(state, path)
        assert check_vst(path).missing == ("decoder.pre_1_8.bias",)
        with pytest.raises(FileError, match=r"missing: decoder\.pre_1_8\.bias"):
            load_focus_transformer(path)

    def test_nan_in_weights_is_refused(self, transformer, tmp_path):
        transformer.scale_head[0].bias[0] = torch.nan
        path = tmp_path / "focus.safetensors"
        save_focus_transformer(path, transformer, base="a", licence="b")
        with pytest.raises(FileError, match=r"not finite: scale_head\.0\.bias"):
            load_focus_transformer(path)

    def test_a_damaged_file_is_said_to_be_damaged(self, transformer, tmp_path):
        path = tmp_path / "focus.safetensors"
        save_focus_transformer(path, transformer, base="a", licence="b")
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(FileError, match="cannot be read"):
            load_focus_transformer(path)

    def test_places_that_cannot_be_written_to(self, transformer, tmp_path):
        with pytest.raises(FileError, match=r"\.safetensors"):
            save_focus_transformer(tmp_path / "focus.pth", transformer, base="a", licence="b")
        nowhere = tmp_path / "nowhere" / "focus.safetensors"
        with pytest.raises(FileError, match="another place"):
            save_focus_transformer(nowhere, transformer, base="a", licence="b")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models."""
    monkeypatch.setattr(places, "_installed", lambda kind: [tmp_path / "models" / kind])
    return tmp_path / "models"


class TestFindingWeights:
    def test_missing_weights_are_named_with_source_licence_and_folder(self, models):
        with pytest.raises(FileError) as caught:
            focus_weights()
        for part in (VST_WEIGHTS.file, VST_WEIGHTS.source, "unclear", str(models / "vst")):
            assert part in str(caught.value)

    def test_a_trained_transformer_goes_before_vst(self, models, vst):
        (models / "vst").mkdir(parents=True)
        published = vst_file(vst, models / "vst" / "RGBD_VST.pth")
        assert focus_weights() == focus_weights("automatic") == published
        (models / "focus_distance").mkdir()
        trained = models / "focus_distance" / "focus_distance.safetensors"
        save_focus_transformer(trained, FocusDistanceTransformer(vst), "a", "b")
        assert focus_weights() == trained
        assert focus_weights(published) == published

    def test_a_given_path_has_to_exist(self, tmp_path):
        with pytest.raises(FileError, match="does not exist"):
            focus_weights(tmp_path / "none.pth")


class TestFindFocus:
    def test_each_picture_of_a_batch_gets_its_own(self, transformer):
        count = PICTURES_AT_ONCE + 2
        image, metres = torch.rand(count, 3, 20, 30), 1.0 + torch.rand(count, 1, 20, 30)
        depth = Depth.from_metres(metres)
        together = find_focus(transformer, image, depth)
        for index in range(count):
            one = Depth(depth.disparity[index, None], True)
            alone = find_focus(transformer, image[index, None], one)
            torch.testing.assert_close(together.focus.plane[index, None], alone.focus.plane)
            torch.testing.assert_close(together.scale[index, None], alone.scale)
            torch.testing.assert_close(together.saliency[index, None], alone.saliency)

    def test_one_depth_serves_several_pictures(self, transformer, scene):
        image, depth = scene[0], Depth(scene[1].disparity[:1], True)
        predicted = find_focus(transformer, image, depth)
        assert predicted.focus.plane[0] != predicted.focus.plane[1]
        assert predicted.focus.plane.shape == predicted.scale.shape == (2,)

    def test_distance_of_the_user_leaves_scale_and_saliency(self, transformer, scene):
        found = find_focus(transformer, *scene)
        said = find_focus(transformer, *scene, distance_m=0.75)
        torch.testing.assert_close(said.focus.distance_m, torch.tensor([0.75, 0.75]))
        torch.testing.assert_close(said.scale, found.scale)
        torch.testing.assert_close(said.saliency, found.saliency)

    def test_mask_takes_the_place_of_saliency(self, transformer, scene):
        image, depth = scene
        mask = torch.zeros(1, 1, 35, 51)
        mask[..., 4:9, 7:11] = 1.0
        found = find_focus(transformer, image, depth, mask=mask)
        expected = depth.metres[..., 4:9, 7:11].mean((1, 2, 3))
        torch.testing.assert_close(found.focus.distance_m, expected)
        torch.testing.assert_close(found.scale, find_focus(transformer, image, depth).scale)

    def test_width_is_in_disparity(self, transformer, scene):
        focus = find_focus(transformer, *scene, width=0.2).focus
        torch.testing.assert_close(focus.near - focus.far, torch.tensor([0.2, 0.2]))

    @pytest.mark.parametrize(
        ("choices", "part"),
        [
            ({"distance_m": 0.0}, "above zero"),
            ({"distance_m": float("nan")}, "above zero"),
            ({"distance_m": 2.0, "mask": torch.ones(1, 1, 8, 8)}, "one of the two"),
            ({"mask": torch.zeros(1, 1, 8, 8)}, "nothing but zeros"),
            ({"mask": torch.full((1, 1, 8, 8), torch.nan)}, "NaN"),
            ({"mask": torch.ones(3, 1, 8, 8)}, "3 maps"),
        ],
    )
    def test_choices_that_make_no_sense(self, transformer, scene, choices, part):
        with pytest.raises(InputError, match=part):
            find_focus(transformer, *scene, **choices)

    def test_metres_need_metric_depth(self, transformer, scene):
        with pytest.raises(InputError, match="metric"):
            find_focus(transformer, scene[0], relative(scene[1]), distance_m=2.0)

    def test_nan_pixels_are_refused(self, transformer, scene):
        image = scene[0].clone()
        image[1, 0, 3, 4] = torch.nan
        with pytest.raises(InputError, match="1 NaN"):
            find_focus(transformer, image, scene[1])

    def test_batches_have_to_fit(self, transformer, scene):
        with pytest.raises(InputError, match="2 depths for 3 images"):
            find_focus(transformer, torch.rand(3, 3, 35, 51), scene[1])
