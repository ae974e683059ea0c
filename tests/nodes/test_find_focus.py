"""Find Focus, from weights in the folder of models to the blur."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from focuspuller.lens.depth import Depth
from focuspuller.lens.optics import Camera
from focuspuller.models.focus_distance.architecture import FocusDistanceTransformer
from focuspuller.models.focus_distance.files import save_focus_transformer
from focuspuller.models.vst.architecture import VST
from focuspuller.nodes import DefocusMap, FindFocus, RenderBokeh
from focuspuller.nodes.standin import Host, installed_host
from oracles.vst import tiny_vst, trained_transformer
from torch import Tensor


@pytest.fixture
def models(host: Host, tmp_path: Path) -> Iterator[Path]:
    """Folders of models with VST as published."""
    root = tmp_path / "models"
    (root / "vst").mkdir(parents=True)
    (root / "focus_distance").mkdir()
    state = {f"module.{name}": each for name, each in tiny_vst().state_dict().items()}
    torch.save(state, root / "vst" / "RGBD_VST.pth")
    with installed_host(replace(host, model_roots=[root])):
        yield root


@pytest.fixture
def trained(models: Path) -> Path:
    """A trained transformer beside it."""
    path = models / "focus_distance" / "mine.safetensors"
    save_focus_transformer(path, trained_transformer(), base="RGBD_VST.pth", licence="CC0-1.0")
    return path


def weighted_mean(values: Tensor, saliency: Tensor) -> list[float]:
    return ((values[:, 0] * saliency).sum((1, 2)) / saliency.sum((1, 2))).tolist()


def test_published_vst_gives_the_distance_of_what_is_salient(models, near_and_far, picture):
    focus, distance, scale, saliency = FindFocus.execute(picture(), near_and_far).result
    assert saliency.shape == (1, 24, 36)
    assert focus.is_metric
    assert [distance] == pytest.approx(weighted_mean(near_and_far.metres, saliency), rel=1e-5)
    assert distance == pytest.approx(focus.distance_m.item())
    assert scale == 1.0


def test_what_it_found_is_shown(models, near_and_far, picture, preview):
    output = FindFocus.execute(picture(), near_and_far)
    (text,) = output.ui["text"]
    assert text == f"focus {output[1]:.3g} m, focus scale 1"
    shown = preview(output)
    assert abs(shown[..., 0] - output[3][0].numpy()).max() < 1 / 255


def test_the_whole_way_to_a_photograph(trained, near_and_far, picture):
    image = picture()
    focus, _, scale, _ = FindFocus.execute(image, near_and_far, weights=trained.name).result
    assert scale != 1.0
    camera = Camera(50.0, 1.4, 36.0, 4000)
    maps = [DefocusMap.execute(near_and_far, focus, 0.0, each, camera)[0] for each in (1.0, scale)]
    # The strength of the blur goes with 1 / (f_s z_f - f).
    f, z = 0.05, focus.distance_m.item()
    torch.testing.assert_close(maps[1].radius, maps[0].radius * (z - f) / (scale * z - f))
    assert RenderBokeh.execute(image, maps[1])[0].shape == image.shape


def test_each_picture_has_its_own_focus_as_far_as_defocus_map(trained, picture):
    image = picture(3)
    depth = Depth.from_metres(1.0 + torch.rand(3, 1, 24, 36))
    focus, distances, scales, saliency = FindFocus.execute(image, depth, trained.name).result
    assert len(focus.plane) == len(distances) == len(scales) == len(saliency) == 3
    assert len(set(scales)) == 3
    camera = Camera(50.0, 1.4, 36.0, 4000)
    together = DefocusMap.execute(depth, focus, 0.0, scales, camera)[0].radius
    for index in range(3):
        one = Depth(depth.disparity[index, None], True)
        alone = FindFocus.execute(image[index, None], one, trained.name).result
        assert alone[1] == pytest.approx(distances[index], rel=1e-5)
        radius = DefocusMap.execute(one, alone[0], 0.0, alone[2], camera)[0].radius
        torch.testing.assert_close(together[index, None], radius, rtol=1e-3, atol=1e-4)


def test_the_distance_can_be_said_and_the_scale_stays(trained, near_and_far, picture):
    found = FindFocus.execute(picture(), near_and_far, trained.name).result
    said = FindFocus.execute(picture(), near_and_far, trained.name, distance_override=0.7).result
    assert said[0].distance_m.tolist() == pytest.approx([0.7])
    assert said[1] == pytest.approx(0.7)
    assert said[2] == found[2]


def test_a_mask_can_take_the_place_of_saliency(models, near_and_far, picture):
    right = torch.zeros(1, 12, 18)
    right[..., 12:] = 1.0
    distance = FindFocus.execute(picture(), near_and_far, mask=right)[1]
    assert distance == pytest.approx(4.0)


def test_relative_depth_has_a_focus_without_metres(models, near_and_far, picture):
    depth = Depth.from_relative(near_and_far.disparity)
    focus, distance, scale, saliency = FindFocus.execute(picture(), depth).result
    assert not focus.is_metric
    assert focus.plane.tolist() == pytest.approx(weighted_mean(depth.disparity, saliency))
    assert (distance, scale) == (0.0, 1.0)


def test_a_focus_range_widens_what_is_sharp(models, near_and_far, picture):
    focus = FindFocus.execute(picture(), near_and_far, focus_range=0.1)[0]
    assert (focus.near - focus.far).tolist() == pytest.approx([0.1])


def test_depth_of_another_size_is_brought_to_that_of_the_image(models, near_and_far, picture):
    saliency = FindFocus.execute(picture(1, 41, 67), near_and_far)[3]
    assert saliency.shape == (1, 41, 67)


def test_weights_are_offered_and_a_trained_transformer_comes_first(trained):
    (port,) = [one for one in FindFocus.GET_SCHEMA().inputs if one.id == "weights"]
    assert port.options == ["automatic", "mine.safetensors", "RGBD_VST.pth"]


def test_a_changed_file_is_noticed(models):
    before = FindFocus.fingerprint_inputs()
    state = FocusDistanceTransformer(VST(tiny_vst().sizes)).vst.state_dict()
    torch.save({"model": state, "more": 1}, models / "vst" / "RGBD_VST.pth")
    assert FindFocus.fingerprint_inputs() != before


class TestRefusals:
    def test_missing_weights_say_where_to_get_them(self, models, near_and_far, picture, refuses):
        (models / "vst" / "RGBD_VST.pth").unlink()
        with pytest.raises(Exception, match=r"github\.com/nnizhang/VST.*models/vst.*Licence"):
            FindFocus.execute(picture(), near_and_far)

    def test_weights_of_another_network(self, models, near_and_far, picture):
        torch.save({"conv.weight": torch.ones(3)}, models / "vst" / "other.pth")
        with pytest.raises(Exception, match="do not fit"):
            FindFocus.execute(picture(), near_and_far, weights="other.pth")

    def test_metres_for_relative_depth(self, models, near_and_far, picture, refuses):
        depth = Depth.from_relative(near_and_far.disparity)
        values = {"image": picture(), "depth": depth, "distance_override": 2.0}
        assert "metric" in refuses(FindFocus, "distance_override", **values)

    def test_a_distance_beside_a_mask(self, models, near_and_far, picture, refuses):
        values = {"image": picture(), "depth": near_and_far, "distance_override": 2.0}
        refuses(FindFocus, "distance_override", mask=torch.ones(1, 8, 8), **values)

    def test_an_empty_mask(self, models, near_and_far, picture, refuses):
        values = {"image": picture(), "depth": near_and_far, "mask": torch.zeros(1, 8, 8)}
        assert "zeros" in refuses(FindFocus, "mask", **values)

    def test_nan(self, models, near_and_far, picture, refuses):
        image = picture()
        image[0, 3, 4, 1] = torch.nan
        assert "NaN" in refuses(FindFocus, "image", image=image, depth=near_and_far)

    @pytest.mark.parametrize("depth", [None, torch.rand(1, 24, 36, 3)])
    def test_what_is_no_depth(self, models, picture, refuses, depth):
        refuses(FindFocus, "depth", image=picture(), depth=depth)

    def test_batches_that_do_not_fit(self, models, near_and_far, picture, refuses):
        depth = Depth(near_and_far.disparity.expand(2, -1, -1, -1), True)
        refuses(FindFocus, "depth", image=picture(3), depth=depth)
