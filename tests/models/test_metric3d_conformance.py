"""Metric3D against the numbers of the published code (YvanYin/Metric3D, commit eb5b6fac).

All weights follow from their names. The numbers of the published ViT-S are in ../shared. Those in
`metric3d_published.npz` come from the published classes at tiny widths, so that its branch for
ViT-giant2 is tested as well, and wherever the tests run: every fifth row and column of the state.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.models.metric3d.architecture import (
    GIANT,
    LARGE,
    SMALL,
    Metric3D,
    Prediction,
    Variant,
    expected_depth,
)
from focuspuller.models.metric3d.processing import (
    DEVIATION,
    MEAN,
    Placement,
    from_canvas,
    to_canvas,
    to_metres,
)
from oracles.weights import filled
from torch import Tensor, nn

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance" / "metric3d_vit_small"
TINY = Path(__file__).with_name("metric3d_published.npz")
# Depth is 100 times a number of the state, and so are its rounding errors.
DEPTH_TOLERANCE = 1e-3
TOLERANCE = 1e-4

Arrays = dict[str, Tensor]


def arrays_of(path: Path) -> Arrays:
    with np.load(path) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


@pytest.fixture(scope="module")
def published() -> Arrays:
    if not CONFORMANCE.exists():
        pytest.skip("the conformance set metric3d_vit_small is not here")
    return arrays_of(CONFORMANCE / "io.npz")


def filled_network(variant: Variant) -> Metric3D:
    network = filled(Metric3D(variant), gammas=True)
    assert isinstance(network, Metric3D)
    return network


@pytest.fixture(scope="module")
def small() -> Metric3D:
    return filled_network(SMALL)


@pytest.fixture(scope="module")
def damped() -> Metric3D:
    """With smaller steps of depth, so that it stays off the clamps and shows mistakes."""
    network = filled_network(SMALL)
    head = network.depth_model.decoder.update_block.flow_head.conv2d
    for parameter in head.parameters():
        parameter.mul_(torch.tensor(0.02))
    return network


def normalised(image_uint8: Tensor) -> Tensor:
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    return ((image_uint8.float() - mean) / deviation)[None]


def spied(network: nn.Module, forward: Callable[[], object], *names: str) -> dict[str, list]:
    """What modules get and give while `forward` runs: by name, a pair for each call."""
    calls: dict[str, list] = {name: [] for name in names}

    def listener(name: str) -> Callable[..., None]:
        def listen(_: nn.Module, inputs: tuple, output: object) -> None:
            copy = output.clone() if isinstance(output, Tensor) else output
            calls[name].append((inputs, copy))

        return listen

    hooks = [network.get_submodule(name).register_forward_hook(listener(name)) for name in names]
    forward()
    for hook in hooks:
        hook.remove()
    return calls


def check(received: Tensor, wanted: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(received, wanted, atol=tolerance, rtol=0)


def check_prediction(received: Prediction, published: Arrays, size: str, stride: int) -> None:
    suffix = f"_s{stride}" if stride > 1 else ""
    at = np.s_[..., ::stride, ::stride]
    check(received.depth[at], published[f"{size}_depth{suffix}"], DEPTH_TOLERANCE)
    check(received.confidence[at], published[f"{size}_confidence{suffix}"])


class TestLayout:
    @pytest.mark.parametrize(
        ("variant", "names", "checksum"),
        [(SMALL, 349, 1686887812), (LARGE, 517, 3103852128), (GIANT, 741, 2308668185)],
    )
    def test_names_and_shapes_are_those_of_the_published_code(
        self, variant: Variant, names: int, checksum: int
    ) -> None:
        """But for what it holds twice (`norm3`) or never reads (`mask_token`)."""
        with torch.device("meta"):
            state = Metric3D(variant).state_dict()
        lines = [f"{name}:{','.join(map(str, state[name].shape))}" for name in sorted(state)]
        assert (len(state), zlib.crc32("\n".join(lines).encode())) == (names, checksum)

    def test_names_and_shapes_of_the_small_one_in_full(self, published: Arrays) -> None:
        layout = json.loads((CONFORMANCE / "layout.json").read_text("utf-8"))
        wanted = {
            key: entry["shape"]
            for key, entry in layout.items()
            if ".norm3." not in key and "mask_token" not in key
        }
        with torch.device("meta"):
            state = Metric3D(SMALL).state_dict()
        assert {key: list(value.shape) for key, value in state.items()} == wanted


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("plain", Variant(width=64, depth=2, iterations=3)),
        ("giant", Variant(width=64, depth=8, iterations=3, is_giant=True)),
    ],
)
def test_tiny_networks_of_both_kinds(name: str, variant: Variant) -> None:
    arrays = arrays_of(TINY)
    network = filled_network(variant)
    image = normalised(arrays["image_uint8"])
    calls = spied(network, lambda: network(image), "depth_model.decoder")
    ((_, state),) = calls["depth_model.decoder"]
    check(state[..., ::5, ::5], arrays[f"{name}_state"], 2e-5)


@pytest.fixture(scope="module")
def calls(small: Metric3D, published: Arrays) -> dict[str, list]:
    image = normalised(published["small_image_uint8"])
    decoder = "depth_model.decoder"
    names = [
        "",
        "depth_model.encoder",
        decoder,
        *(f"{decoder}.token2feature.read_{index}" for index in range(4)),
        f"{decoder}.token2feature",
        f"{decoder}.decoder_mono",
        f"{decoder}.depth_regressor",
        f"{decoder}.update_block",
        *(f"{decoder}.context_feature_encoder.outputs{at}.0" for at in ("04", "08", "16")),
    ]
    calls = spied(small, lambda: small(image), *names)
    return {name.removeprefix(f"{decoder}."): found for name, found in calls.items()}


class TestSmallPictures:
    def test_prediction(self, calls: dict[str, list], published: Arrays) -> None:
        ((_, prediction),) = calls[""]
        check_prediction(prediction, published, "small", 1)
        normals = torch.cat([prediction.normals, prediction.concentration], dim=1)
        check(normals[..., ::2, ::2], published["small_normal_s2"])

    def test_state_at_full_size(self, calls: dict[str, list], published: Arrays) -> None:
        ((_, state),) = calls["depth_model.decoder"]
        check(state[..., ::2, ::2], published["small_up_state_final_s2"])

    def test_tokens(self, calls: dict[str, list], published: Arrays) -> None:
        ((_, tokens),) = calls["depth_model.encoder"]
        assert len(tokens) == 4
        for level in tokens:
            check(level, published["small_vit_tokens"])

    def test_maps_of_features(self, calls: dict[str, list], published: Arrays) -> None:
        ((_, seventh),) = calls["token2feature.read_1"]
        ((_, fourteenth),) = calls["token2feature.read_2"]
        ((_, (quarter, *_)),) = calls["token2feature"]
        check(quarter[:, ::4], published["small_feat_1_4"])
        check(seventh[:, ::4], published["small_feat_1_7"])
        check(fourteenth[:, ::4], published["small_feat_1_14"])

    def test_the_first_guess(self, calls: dict[str, list], published: Arrays) -> None:
        ((_, fused),) = calls["decoder_mono"]
        check(fused[:, [*range(0, 96, 8), 96, 97]], published["small_decoder_mono"])
        ((_, logits),) = calls["depth_regressor"]
        check(expected_depth(logits), published["small_expected_depth"], DEPTH_TOLERANCE)

    @pytest.mark.parametrize(("at", "size"), [("04", "1_4"), ("08", "1_7"), ("16", "1_14")])
    def test_what_the_recurrent_units_start_with(
        self, calls: dict[str, list], published: Arrays, at: str, size: str
    ) -> None:
        ((_, hidden),) = calls[f"context_feature_encoder.outputs{at}.0"]
        check(hidden[:, ::4], published[f"small_ctx_hidden_{size}"])

    @pytest.mark.parametrize("step", [0, 3])
    def test_each_step(self, calls: dict[str, list], published: Arrays, step: int) -> None:
        (_, _, state), (_, change) = calls["update_block"][step]
        check(state + change, published[f"small_state_iter{step}"])

    def test_damped(self, damped: Metric3D, published: Arrays) -> None:
        prediction = damped(normalised(published["small_image_uint8"]))
        check_prediction(prediction, published, "small_damped", 1)


def test_pictures_of_the_full_size(small: Metric3D, damped: Metric3D, published: Arrays) -> None:
    # One test, and the encoder, which both share, runs once: this takes many seconds.
    names = ("depth_model.encoder", "depth_model.decoder.depth_regressor", "depth_model.decoder")
    image = normalised(published["full_image_uint8"])
    prediction: list[Prediction] = []
    calls = spied(small, lambda: prediction.append(small(image)), *names)
    check_prediction(prediction[0], published, "full", 8)
    normals = torch.cat([prediction[0].normals, prediction[0].concentration], dim=1)
    check(normals[..., ::8, ::8], published["full_normal_s8"])
    ((_, tokens),), ((_, logits),), ((_, state),) = (calls[name] for name in names)
    check(state[..., ::8, ::8], published["full_up_state_final_s8"])
    check(expected_depth(logits)[..., ::2, ::2], published["full_expected_depth_s2"], 1e-3)
    damped.depth_model.encoder.forward = lambda *_: tokens
    check_prediction(damped(image), published, "full_damped", 8)
    del damped.depth_model.encoder.forward


class TestAroundTheNetwork:
    """What the published example does with a picture, and with what the network says of it."""

    @pytest.fixture
    def image(self, published: Arrays) -> Tensor:
        return published["pp_image_uint8_hwc"].permute(2, 0, 1)[None].float() / 255.0

    def test_where_the_picture_lies(self, image: Tensor, published: Arrays) -> None:
        place = Placement(*image.shape[-2:])
        assert place.padding == tuple(published["pp_pad_info"].int().tolist())
        assert place.size == (616, 1026)
        wanted = published["pp_intrinsic_scaled"][0] / published["pp_intrinsic_in"][0]
        assert place.scale == pytest.approx(float(wanted))

    def test_what_the_network_sees(self, image: Tensor, published: Arrays) -> None:
        """OpenCV resizes 8-bit pictures in fixed point: up to 1 of 255 apart, mostly not at all."""
        place = Placement(*image.shape[-2:])
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        seen = to_canvas(image, place)[0] * deviation + mean
        above, _, left, right = place.padding
        picture = seen[:, above:, left:-right][:, ::4, ::4]
        apart = picture - published["pp_resized_uint8_hwc_s4"].permute(2, 0, 1)
        assert float(apart.abs().max()) <= 1.0
        assert float(apart.abs().mean()) < 0.3  # Rounding alone makes it 0.25.
        check(seen[:, 0, 0], published["pp_pad_pixel_uint8"].float())

    def test_metres(self, damped: Metric3D, published: Arrays) -> None:
        cv2 = pytest.importorskip("cv2", reason="the published example resizes with OpenCV")
        image = published["pp_image_uint8_hwc"].numpy()
        place = Placement(*image.shape[:2])
        resized = torch.from_numpy(cv2.resize(image, place.size[::-1])).permute(2, 0, 1)[None]
        canonical = damped(to_canvas(resized / 255.0, Placement(*place.size))).depth
        check(canonical[..., ::8, ::8], published["pp_canonical_depth_s8"], DEPTH_TOLERANCE)
        focal_length = float(published["pp_intrinsic_in"][0])
        metres = to_metres(from_canvas(canonical, place), focal_length, place.scale)
        factor = float(published["pp_canonical_to_real"])
        check(metres[0, 0], published["pp_metric_depth"], DEPTH_TOLERANCE * factor)
        assert float(metres.max()) == 300.0
