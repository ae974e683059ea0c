"""VST against the published code, its files, and what it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.lens.depth import Depth
from focuspuller.models.vst.architecture import VST
from focuspuller.models.vst.layout import is_vst, published_names, sizes_of
from focuspuller.models.vst.preprocessing import (
    DEVIATION,
    MEAN,
    network_depth,
    network_image,
    saliency_at,
)
from focuspuller.models.vst.sizes import VstSizes
from oracles.vst import vst_by_name
from PIL import Image
from torch import Tensor

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance" / "vst_rgbd"


def normalised(pixels: Tensor) -> Tensor:
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (MEAN, DEVIATION))
    return (pixels.expand(3, -1, -1) - mean)[None] / deviation


def ungreyed(pixels: Tensor) -> Tensor:
    """The grey `[B,S,S]` that a network input was made from."""
    return pixels[:, 0] * DEVIATION[0] + MEAN[0]


def agree(computed: Tensor, published: Tensor) -> None:
    torch.testing.assert_close(computed, published, atol=1e-4, rtol=0)


@torch.no_grad()
def test_gives_the_published_numbers() -> None:
    if not CONFORMANCE.exists():
        pytest.skip("the conformance set vst_rgbd is not here")
    network = vst_by_name(VstSizes())
    layout = json.loads((CONFORMANCE / "layout.json").read_text("utf-8"))
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes == {name: entry["shape"] for name, entry in layout.items()}
    with np.load(CONFORMANCE / "io.npz") as arrays:
        published = {name: torch.from_numpy(arrays[name]) for name in arrays}

    image, depth = normalised(published["image"]), normalised(published["depth"])
    rgb, grey = network.rgb_backbone(image), network.depth_backbone(depth)
    agree(rgb.sixteenth, published["rgb_tokens_1_16"])
    agree(grey.sixteenth, published["depth_tokens_1_16"])
    agree(rgb.eighth[:, ::3], published["rgb_tokens_1_8_every3"])
    agree(rgb.quarter[:, ::7], published["rgb_tokens_1_4_every7"])
    converted = network.transformer["encoderlayer"](rgb.sixteenth, grey.sixteenth)
    agree(converted[0], published["convertor_rgb"])
    agree(converted[1], published["convertor_depth"])
    tokens, views = network.token_trans(*converted)
    agree(torch.cat(tokens, dim=1), published["token_trans_tokens"])
    agree(views.saliency, published["token_trans_saliency_fea"])

    output = network(image, depth)
    for suffix, scale in zip(("", "_1_8", "_1_4"), output.tokens, strict=True):
        agree(scale.saliency, published[f"saliency_token{suffix}"])
        agree(scale.contour, published[f"contour_token{suffix}"])
    for side, saliency, contour in zip(
        (14, 28, 56, 224), output.saliency, output.contour, strict=True
    ):
        agree(saliency, published[f"saliency_logits_{side}"])
        agree(contour, published[f"contour_logits_{side}"])
    agree(saliency_at(output.saliency[-1], 224, 224), published["saliency"])


@torch.no_grad()
def test_pictures_of_a_batch_do_not_touch_each_other(vst: VST) -> None:
    image, depth = torch.randn(2, 2, 3, 32, 32)
    together = vst(image, depth).saliency[-1]
    for index in range(2):
        alone = vst(image[index, None], depth[index, None]).saliency[-1]
        torch.testing.assert_close(together[index, None], alone)
    assert not torch.allclose(together[0], together[1])


@torch.no_grad()
def test_depth_matters(vst: VST) -> None:
    image, depth, other = torch.randn(3, 1, 3, 32, 32)
    maps = [vst(image, each).saliency[-1] for each in (depth, other)]
    assert not torch.allclose(*maps)


@pytest.mark.parametrize(
    "sizes",
    [
        VstSizes(48, 128, 16, 2, 3, 1, 4, 2, 7),
        VstSizes(32, 64, 8, 1, 1, 2, 1, 1, 5),
    ],
)
def test_sizes_are_read_from_the_weights(sizes: VstSizes) -> None:
    assert sizes_of(VST(sizes).state_dict()) == sizes


def test_prefix_of_parallel_training_is_dropped(vst: VST) -> None:
    state = vst.state_dict()
    prefixed = {f"module.{name}": tensor for name, tensor in state.items()}
    assert not is_vst(prefixed)
    assert published_names(prefixed).keys() == state.keys()
    assert is_vst(published_names(prefixed))
    assert published_names(state).keys() == state.keys()


def test_a_network_for_images_alone_is_not_taken_for_it(vst: VST) -> None:
    state = vst.state_dict()
    assert not is_vst({name: each for name, each in state.items() if "depth_" not in name})


def test_depth_is_dark_where_near_over_the_full_range() -> None:
    ramp = torch.linspace(0.5, 2.0, 64).expand(1, 1, 64, 64)
    grey = ungreyed(network_depth(Depth.from_metric_disparity(ramp), 64))
    torch.testing.assert_close(grey[0, 0], torch.linspace(1.0, 0.0, 64), atol=1e-6, rtol=0)


def test_depth_looks_the_same_in_metres_and_relative() -> None:
    disparity = torch.rand(2, 1, 40, 60)
    metric, relative = Depth(3.0 * disparity + 0.1, True), Depth(disparity, False)
    torch.testing.assert_close(
        network_depth(metric, 32), network_depth(relative, 32), atol=1e-4, rtol=0
    )


def test_infinity_is_the_brightest_depth() -> None:
    metres = torch.full((1, 1, 32, 32), 2.0)
    metres[..., :16] = torch.inf
    grey = ungreyed(network_depth(Depth.from_metres(metres), 32))
    torch.testing.assert_close(grey[..., :16], torch.ones(1, 32, 16))
    torch.testing.assert_close(grey[..., 16:], torch.zeros(1, 32, 16), atol=1e-6, rtol=0)


def test_each_depth_of_a_batch_has_its_own_range() -> None:
    far = torch.rand(1, 1, 32, 32)
    both = network_depth(Depth(torch.cat([far, 100.0 * far + 5.0]), True), 32)
    torch.testing.assert_close(both[0], both[1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_flat_depth_is_no_division_by_zero(value: float) -> None:
    assert bool(network_depth(Depth(torch.full((1, 1, 9, 9), value), False), 32).isfinite().all())


@pytest.mark.parametrize(("height", "width"), [(224, 224), (301, 517), (97, 64), (1080, 401)])
def test_a_pixel_stays_where_it_is(height: int, width: int) -> None:
    """Down to the network's square and back: a ramp in each direction comes back as itself."""
    rows = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
    columns = ((torch.arange(width) + 0.5) / width).expand(height, width)
    picture = torch.stack([rows, columns, 0 * rows])[None]
    seen = network_image(picture, 224) * torch.tensor(DEVIATION).view(3, 1, 1)
    seen = (seen + torch.tensor(MEAN).view(3, 1, 1)).clamp(1e-4, 1 - 1e-4)
    small = ((torch.arange(224) + 0.5) / 224).expand(224, 224)
    for channel, ramp in enumerate((rows, columns)):
        down = (small.mT, small)[channel]
        middle = (slice(12, -12), slice(12, -12))
        torch.testing.assert_close(seen[0, channel][middle], down[middle], atol=1e-3, rtol=0)
        back = saliency_at(seen[:, channel, None].logit(), height, width)[0, 0]
        inner = (slice(height // 20, -height // 20), slice(width // 20, -width // 20))
        # A quarter of a network's pixel.
        torch.testing.assert_close(back[inner], ramp[inner], atol=0.25 / 224, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(301, 517), (90, 133)])
def test_pictures_are_scaled_as_pillow_does_it(height: int, width: int) -> None:
    """As the published code does, but for its rounding to 8 bits."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    scaled = Image.fromarray(pixels).resize((224, 224), Image.Resampling.BILINEAR)
    published = torch.from_numpy(np.asarray(scaled) / np.float32(255)).movedim(-1, 0)
    image = torch.from_numpy(pixels / np.float32(255)).movedim(-1, 0)[None]
    rounding = 1.01 / 255 / min(DEVIATION)
    torch.testing.assert_close(
        network_image(image, 224), normalised(published), atol=rounding, rtol=0
    )


def test_light_above_white_counts_as_white() -> None:
    bright = torch.rand(1, 3, 20, 20) * 4.0
    torch.testing.assert_close(network_image(bright, 32), network_image(bright.clamp(max=1), 32))
