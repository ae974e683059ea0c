"""The edge network: what it sees, what it may change, and what it gains on path-traced scenes."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.color import linear_to_srgb
from focuspuller.lens.defocus import defocus_from_camera
from focuspuller.lens.depth import Depth
from focuspuller.lens.focus import Focus
from focuspuller.lens.optics import Camera
from focuspuller.lens.render import Lens, render
from focuspuller.models.edge import handle
from focuspuller.models.edge.architecture import (
    DISTANCES,
    STRIDE,
    EdgeNetwork,
    at_places,
    evidence_of,
    local_range,
    places,
)
from focuspuller.models.edge.handle import WEIGHTS, edge_network, judged, refine_depth
from focuspuller.models.edge.refinement import edge_step, refined
from focuspuller.training.degradation import blurred, coarse, dilated, displaced, eroded
from safetensors import safe_open
from torch import Tensor

TRUTH = Path(__file__).parents[1] / "truth"
SCENES = sorted(path.stem for path in TRUTH.glob("*.npz"))
IMPERFECT = {
    "eroded": lambda disparity: eroded(disparity, 2),
    "displaced": lambda disparity: displaced(disparity, 2.0, 40.0, np.random.default_rng(2)),
    "eroded and soft": lambda disparity: blurred(eroded(disparity, 2), 1.0),
}
SOFT = {
    "blurred": lambda disparity: blurred(disparity, 1.0),
    "coarse": lambda disparity: coarse(disparity, 2),
}


@pytest.fixture(autouse=True)
def same_noise() -> None:
    torch.manual_seed(0)


def noisy_depth(height: int = 40, width: int = 56) -> Tensor:
    """Blocks of depth, `[1,1,H,W]`, with edges everywhere."""
    blocks = torch.rand(1, 1, math.ceil(height / 9), math.ceil(width / 9))
    return blocks.repeat_interleave(9, 2).repeat_interleave(9, 3)[..., :height, :width]


class TestWhatItSees:
    def test_places_lie_around_the_pixel_and_the_first_is_the_pixel(self):
        assert places()[0] == (0, 0)
        assert len(set(places())) == len(places()) == 25
        assert max(abs(step) for place in places() for step in place) == max(DISTANCES)
        assert np.abs(np.sum(places(), axis=0)).max() == 0, "no direction is preferred"

    def test_values_at_places_are_the_neighbours(self):
        values = torch.rand(2, 1, 20, 24)
        found = at_places(values)
        for index, (dy, dx) in enumerate(places()):
            assert float(found[1, index, 10, 12]) == float(values[1, 0, 10 + dy, 12 + dx])
            row, column = max(0, 1 + dy), min(23, 22 + dx)  # beyond the frame: the nearest pixel
            assert float(found[0, index, 1, 22]) == float(values[0, 0, row, column])

    def test_the_local_range_is_that_of_a_square(self):
        values = torch.randn(1, 1, 30, 30)
        low, high = local_range(values, 4)
        square = values[0, 0, 8:17, 9:18]
        assert float(low[0, 0, 12, 13]) == float(square.min())
        assert float(high[0, 0, 12, 13]) == float(square.max())

    def test_a_plane_has_no_edge_and_a_step_has(self):
        x, y = torch.meshgrid(torch.arange(60.0), torch.arange(50.0), indexing="xy")
        plane = (0.8 * x - 0.5 * y)[None, None]
        assert float(edge_step(plane).max()) == 0
        step = edge_step(plane + 30 * (x > 30))
        assert (step[..., 23:38] > 30).all()
        assert (step[..., :19] == 0).all()
        assert (step[..., 43:] == 0).all()
        crease = edge_step((x - 30).clamp(min=0)[None, None])
        assert float(crease.max()) == 0
        soft = edge_step(blurred(20.0 * (x > 30)[None, None], 2.5))
        assert (soft[..., 26:35] > 15).all()

    def test_it_does_not_see_where_the_focus_is(self):
        image, defocus = torch.rand(1, 3, 40, 56), 20 * noisy_depth()
        first, second = (evidence_of(image, defocus - focus) for focus in (3.0, 11.0))
        torch.testing.assert_close(first, second, atol=1e-4, rtol=0)

    def test_a_colour_tells_which_side_of_an_edge_it_fits(self):
        """A dark thing whose depth ends 3 px too early: its rim fits the near side."""
        image, defocus = torch.ones(1, 3, 40, 40), torch.zeros(1, 1, 40, 40)
        image[..., :20] = 0.2
        defocus[..., :17] = 12.0
        image += 0.02 * torch.randn_like(image)
        fits_near = evidence_of(image, defocus)[0, 8]  # of the shorter reach, which fits better
        assert (fits_near[5:-5, 17:20] > 0.5).all()
        assert (fits_near[5:-5, 21:24] < -0.5).all()


class TestWhatItMayChange:
    def test_the_weights_are_small_and_free(self):
        assert WEIGHTS.stat().st_size < 2**20
        with safe_open(WEIGHTS, "pt") as file:
            assert file.metadata()["licence"] == "Apache-2.0"

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 12), (33, 50)])
    def test_any_size(self, height, width):
        depth = Depth.from_relative(torch.rand(1, 1, height, width))
        result = refine_depth(depth, torch.rand(1, 3, height, width))
        assert result.disparity.shape == depth.disparity.shape
        assert not result.is_metric

    @pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
    def test_flat_depth_stays_as_it_is(self, value):
        depth = Depth.from_relative(torch.full((1, 1, 30, 40), value))
        assert torch.equal(refine_depth(depth, torch.rand(1, 3, 30, 40)).disparity, depth.disparity)

    def test_a_slope_stays_as_it_is(self):
        slope = torch.linspace(0.2, 0.6, 200).expand(1, 1, 64, 200)
        depth = Depth.from_metric_disparity(slope)
        assert torch.equal(refine_depth(depth, torch.rand(1, 3, 64, 200)).disparity, slope)

    def test_depth_stays_within_that_of_its_surroundings(self):
        disparity = dilated(noisy_depth(), 2)
        picture = torch.rand(1, 3, 5, 7).repeat_interleave(9, 2).repeat_interleave(9, 3)
        result = refine_depth(Depth.from_relative(disparity), picture[..., :40, :56]).disparity
        low, high = local_range(disparity, max(DISTANCES))
        assert ((result >= low - 1e-5) & (result <= high + 1e-5)).all()
        assert not torch.equal(result, disparity)

    def test_the_unit_of_depth_does_not_matter(self):
        disparity, image = blurred(noisy_depth(), 2.0), torch.rand(1, 3, 40, 56)
        relative = refine_depth(Depth.from_relative(disparity), image)
        metric = refine_depth(Depth.from_metric_disparity(0.3 + 4 * disparity), image)
        assert metric.is_metric
        torch.testing.assert_close((metric.disparity - 0.3) / 4, relative.disparity)

    def test_tiles_make_no_difference(self, monkeypatch):
        image, nearness = torch.rand(1, 3, 200, 260), 24 * blurred(noisy_depth(200, 260), 1.5)
        with torch.no_grad():
            whole = judged(edge_network(), image, nearness)
            monkeypatch.setattr(handle, "TILE", 8 * STRIDE)
            tiled = judged(edge_network(), image, nearness)
        torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=1e-4)

    def test_an_edge_moves_onto_that_of_the_picture(self):
        """A textured thing before a textured wall; its depth is soft and 2 px too wide."""
        image, exact = torch.full((1, 3, 96, 96), 0.6), torch.zeros(1, 1, 96, 96)
        image[..., 30:66, 30:66] = torch.tensor([0.5, 0.2, 0.1]).view(3, 1, 1)
        exact[..., 30:66, 30:66] = 1.0
        image = (image + 0.05 * torch.randn_like(image)).clamp(0, 1)
        given = blurred(dilated(exact, 2), 1.0)
        result = refine_depth(Depth.from_relative(given), image).disparity
        wrong = [int(((part - exact).abs() > 0.2).sum()) for part in (given, result)]
        assert wrong[1] < 0.25 * wrong[0]

    def test_one_depth_serves_several_pictures_and_no_gradient_is_kept(self):
        disparity = blurred(noisy_depth(), 2.0).requires_grad_()
        images = torch.rand(2, 3, 40, 56)
        both = refine_depth(Depth.from_relative(disparity), images).disparity
        alone = refine_depth(Depth.from_relative(disparity), images[1:]).disparity
        assert both.shape == (2, 1, 40, 56)
        torch.testing.assert_close(both[1:], alone)
        assert not both.requires_grad

    def test_what_does_not_fit_is_refused(self):
        depth = Depth.from_relative(torch.rand(3, 1, 16, 16))
        with pytest.raises(InputError, match="2 images for 3 depths"):
            refine_depth(depth, torch.rand(2, 3, 16, 16))
        with pytest.raises(InputError, match="Give an image of"):
            refine_depth(depth, torch.rand(1, 3, 16, 20))
        with pytest.raises(InputError, match="NaN"):
            refine_depth(depth, torch.full((1, 3, 16, 16), torch.nan))

    def test_a_network_that_is_sure_of_every_pixel_changes_nothing(self):
        nearness = 20 * noisy_depth()
        sure = torch.cat([nearness + 5, torch.ones_like(nearness)], 1)
        assert torch.equal(refined(nearness, sure), nearness)

    def test_a_network_that_is_not_moves_only_edges(self):
        nearness = torch.zeros(1, 1, 40, 80)
        nearness[..., 40:] = 20.0
        nearer, odds = torch.full_like(nearness, 20.0), torch.ones_like(nearness)
        odds[..., 37:40] = 0.0  # beside the edge
        odds[..., 5:10] = 0.0  # far from it
        moved = refined(nearness, torch.cat([nearer, odds], 1))
        assert (moved[..., 37:] == 20).all()
        assert (moved[..., :37] == 0).all()

    def test_nothing_thin_is_lost(self):
        """A wire that the network takes for background stays; one too wide becomes thin."""
        wire = torch.zeros(1, 1, 40, 80)
        wire[..., 38:41] = 20.0
        odds = torch.zeros_like(wire)
        assert torch.equal(refined(wire, torch.cat([torch.zeros_like(wire), odds], 1)), wire)
        odds[..., 39] = 1.0
        thin = refined(wire, torch.cat([torch.zeros_like(wire), odds], 1))
        assert (thin[..., 39] == 20).all()
        assert (thin[..., [38, 40]] == 0).all()

    def test_gradients_reach_every_weight(self):
        network = EdgeNetwork()
        torch.nn.init.normal_(network.choice.weight)
        logits = network(torch.rand(1, 3, 32, 32), 20 * noisy_depth(32, 32))
        logits.square().mean().backward()
        assert all(float(weight.grad.abs().sum()) > 0 for weight in network.parameters())


@cache
def truth(name: str) -> dict[str, np.ndarray]:
    with np.load(TRUTH / f"{name}.npz") as file:
        return {key: file[key] for key in file}


def picture(name: str, key: str) -> Tensor:
    return torch.from_numpy(truth(name)[key]).float().movedim(-1, 0)[None]


def exact_disparity(name: str) -> Tensor:
    return torch.from_numpy(1 / truth(name)["depth"]).float()[None, None]


def psnr(name: str, disparity: Tensor) -> float:
    """Of the layered lens with this depth against the path tracer, dB."""
    scene = truth(name)
    numbers = [float(scene[key]) for key in ("focal_length_mm", "f_number", "sensor_width_mm")]
    focus = Focus.at_distance(float(scene["focus_distance"]))
    defocus = defocus_from_camera(Depth.from_metric_disparity(disparity), focus, Camera(*numbers))
    margin = math.ceil(float(scene["max_radius_px"]))
    rendered = render(picture(name, "all_in_focus"), defocus, Lens("layered"))
    coded = [
        image[..., margin:-margin, margin:-margin].clamp(0, 1) ** (1 / 2.2)
        for image in (rendered, picture(name, "defocused"))
    ]
    return -10 * math.log10(float((coded[0] - coded[1]).square().mean()))


def refined_disparity(name: str, disparity: Tensor) -> Tensor:
    coded = linear_to_srgb(picture(name, "all_in_focus").clamp(0, 1))
    return refine_depth(Depth.from_metric_disparity(disparity), coded).disparity


class TestAgainstPathTracedScenes:
    """None of them was seen in training."""

    @pytest.mark.parametrize("name", SCENES)
    def test_exact_depth_is_left_alone(self, name):
        disparity = exact_disparity(name)
        torch.testing.assert_close(refined_disparity(name, disparity), disparity)

    @pytest.mark.parametrize("kind", SOFT)
    @pytest.mark.parametrize("name", SCENES)
    def test_edges_that_are_only_soft_are_left_to_the_lens(self, name, kind):
        given = SOFT[kind](exact_disparity(name))
        assert psnr(name, refined_disparity(name, given)) > psnr(name, given) - 0.3

    @pytest.mark.parametrize("kind", IMPERFECT)
    def test_imperfect_depth_gains_a_decibel(self, kind):
        gains = []
        for name in ("near_frame", "portrait", "spheres"):
            given = IMPERFECT[kind](exact_disparity(name))
            gains.append(psnr(name, refined_disparity(name, given)) - psnr(name, given))
        assert np.mean(gains) > 1.0
