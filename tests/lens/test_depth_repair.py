"""Repaired depth: what it changes and leaves, and how much closer pictures come to truth."""

from __future__ import annotations

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens import blocks
from focuspuller.lens.color import linear_to_srgb
from focuspuller.lens.defocus import defocus_from_bokeh_level
from focuspuller.lens.depth import Depth
from focuspuller.lens.depth_holes import filled_from_behind
from focuspuller.lens.depth_repair import repaired_depth, without_flying_pixels
from focuspuller.lens.depth_sequence import stabilized_batch
from focuspuller.lens.focus import Focus
from focuspuller.lens.layered.render import LayeredOptions
from focuspuller.lens.pull_push import pull_push
from focuspuller.lens.render import Lens, render
from focuspuller.training.degradation import coarse
from oracles.sensors import scaled_anew, seen_by_two_cameras, without_dropouts
from oracles.truth import Scene, load
from torch import Tensor

HEIGHT, WIDTH = 40, 64
SILHOUETTES = ["near_frame", "portrait", "spheres"]
SMOOTH = ["ground", "hills", "slanted_plane"]


def object_before_wall() -> Tensor:
    """Disparity: an object of 0.8 before a slanted wall of 0.1 to 0.15."""
    wall = torch.linspace(0.1, 0.15, HEIGHT)[:, None].expand(1, 1, HEIGHT, WIDTH).clone()
    wall[..., 10:30, 20:40] = 0.8
    return wall


def guide(scene: Scene) -> Tensor:
    return linear_to_srgb(scene.all_in_focus.clamp(0.0, 1.0))


def psnr(scene: Scene, disparity: Tensor, lens: str = "layered") -> float:
    known = scene.with_depth(Depth(disparity, is_metric=True))
    return known.psnr(known.rendered(Lens(lens)))


class TestFilling:
    def test_a_shadow_beside_an_object_lies_on_the_wall(self) -> None:
        exact = object_before_wall()
        valid = torch.ones_like(exact, dtype=torch.bool)
        valid[..., 12:28, 13:20] = False
        filled = filled_from_behind(exact, valid)
        torch.testing.assert_close(filled, exact, atol=0.02, rtol=0)
        smooth = pull_push(torch.where(valid, exact, 0.0), valid.float())
        assert (smooth - exact).abs().max() > 0.2, "a smooth filling is meant to fail here"

    @pytest.mark.parametrize("size", [3, 9, 14])
    def test_a_hole_in_one_surface_is_filled_smoothly(self, size: int) -> None:
        slope = torch.linspace(0.1, 0.5, WIDTH).expand(1, 1, HEIGHT, WIDTH).clone()
        valid = torch.ones_like(slope, dtype=torch.bool)
        valid[..., 10 : 10 + size, 20 : 20 + size] = False
        filled = filled_from_behind(torch.where(valid, slope, torch.nan), valid)
        torch.testing.assert_close(filled, slope, atol=0.002 * size, rtol=0)
        assert torch.equal(filled[valid], slope[valid])

    def test_a_hole_that_has_the_colour_of_the_object_belongs_to_it(self) -> None:
        exact = object_before_wall()
        image = torch.where(exact > 0.5, 0.8, 0.3).expand(1, 3, -1, -1)
        valid = torch.ones_like(exact, dtype=torch.bool)
        valid[..., 15:25, 14:26] = False  # six columns of the wall, six of the object
        filled = filled_from_behind(exact, valid, image)
        torch.testing.assert_close(filled, exact, atol=0.02, rtol=0)
        without = filled_from_behind(exact, valid)
        assert without[..., 15:25, 14:26].max() < 0.35

    def test_maps_of_a_batch_do_not_fill_each_other(self) -> None:
        maps = torch.cat([object_before_wall(), 5 + object_before_wall()])
        valid = torch.rand(maps.shape, generator=torch.Generator().manual_seed(2)) > 0.3
        together = filled_from_behind(maps, valid)
        for index in range(2):
            alone = filled_from_behind(maps[index, None], valid[index, None])
            torch.testing.assert_close(together[index, None], alone)

    def test_metres_without_values_are_filled_from_behind_and_remembered(self) -> None:
        exact = 1 / object_before_wall()
        metres = exact.clone()
        metres[..., 12:28, 13:20] = 0.0
        depth = Depth.from_metres(metres)
        torch.testing.assert_close(depth.disparity, 1 / exact, atol=0.02, rtol=0)
        assert depth.holes is not None
        assert torch.equal(depth.holes, metres == 0)
        larger = depth.resized(2 * HEIGHT, 2 * WIDTH).holes
        assert larger is not None
        assert larger[..., 25:55, 28:38].all()
        assert Depth.from_metres(exact).holes is None


class TestRepairing:
    def test_exact_depth_stays_as_it_is(self) -> None:
        depth = Depth(object_before_wall(), is_metric=True)
        torch.testing.assert_close(repaired_depth(depth).disparity, depth.disparity)

    def test_flying_pixels_go_to_the_closer_surface(self) -> None:
        exact = object_before_wall()
        flying = coarse(exact, 2)
        assert ((flying > 0.35) & (flying < 0.75)).any()
        cleared = without_flying_pixels(flying)
        assert not ((cleared > 0.35) & (cleared < 0.75)).any()
        left = repaired_depth(Depth(flying, True), flying_pixels=False)
        assert torch.equal(left.disparity, flying)

    def test_blocks_of_a_map_are_repaired_as_the_whole(self, monkeypatch) -> None:
        flying = coarse(object_before_wall(), 2).repeat(1, 1, 5, 4)
        whole = without_flying_pixels(flying)
        monkeypatch.setattr(blocks, "LEAST_SIDE", 64)
        monkeypatch.setattr(blocks, "CPU_BYTES", 1)
        assert torch.equal(without_flying_pixels(flying), whole)

    def test_a_mask_and_a_picture_of_another_size_and_a_batch_of_them(self) -> None:
        exact = object_before_wall()
        image = torch.where(exact > 0.5, 0.8, 0.3).expand(1, 3, -1, -1)
        images = torch.nn.functional.interpolate(image, scale_factor=2).repeat(2, 1, 1, 1)
        spoiled, holes = exact.clone(), torch.zeros(1, 1, 2 * HEIGHT, 2 * WIDTH, dtype=torch.bool)
        spoiled[..., 15:25, 14:26] = 0.5
        holes[..., 30:50, 28:52] = True
        repaired = repaired_depth(Depth(spoiled, False), images, holes)
        assert repaired.disparity.shape == (2, 1, HEIGHT, WIDTH)
        assert not repaired.is_metric
        torch.testing.assert_close(
            repaired.disparity, exact.expand(2, -1, -1, -1), atol=0.02, rtol=0
        )

    @pytest.mark.parametrize(
        ("image", "holes", "said"),
        [
            (None, torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.bool), "Leave some depth"),
            (torch.full((1, 3, 8, 8), torch.nan), torch.eye(8)[None, None] > 0, "NaN"),
            (torch.ones(2, 3, 8, 8), (torch.eye(8) > 0).expand(3, 1, 8, 8), "image: received 2"),
        ],
    )
    def test_what_has_no_meaning_is_refused(self, image, holes, said: str) -> None:
        with pytest.raises(InputError, match=said):
            repaired_depth(Depth(object_before_wall(), True), image, holes)


class TestAgainstPathTracedScenes:
    """Depth as sensors and estimators give it, before and after each repair."""

    def test_holes(self) -> None:
        gains, by_color = [], []
        for name in SILHOUETTES:
            scene = load(name)
            exact = scene.depth.disparity.float()
            valid = seen_by_two_cameras(exact) & without_dropouts(exact)
            assert 0.05 < float((~valid).float().mean()) < 0.2
            measured = Depth.from_metric_disparity(torch.where(valid, exact, torch.nan))
            none = psnr(scene, torch.where(valid, exact, 0.0))
            smooth = psnr(scene, pull_push(torch.where(valid, exact, 0.0), valid.float()))
            repaired = repaired_depth(measured, guide(scene), flying_pixels=False)
            result = psnr(scene, repaired.disparity)
            gains.append(result - none)
            by_color.append(result - smooth)
            assert psnr(scene, measured.disparity) > none + 1.0
        assert min(gains) > 0.7
        assert sum(gains) > 10.0
        assert min(by_color) > 0.4

    @pytest.mark.parametrize("name", SMOOTH)
    def test_holes_where_nothing_hides_anything(self, name: str) -> None:
        scene = load(name)
        exact = scene.depth.disparity.float()
        measured = torch.where(without_dropouts(exact), exact, torch.nan)
        filled = Depth.from_metric_disparity(measured)
        assert psnr(scene, filled.disparity) > psnr(scene, exact) - 0.1
        repaired = repaired_depth(filled, guide(scene))
        assert psnr(scene, repaired.disparity) > psnr(scene, exact) - 0.1

    def test_flying_pixels(self) -> None:
        """Of a bilinear enlargement, with a lens that does not remove them itself."""
        gains = []
        for name in SILHOUETTES:
            scene = load(name)
            flying = coarse(scene.depth.disparity.float(), 3)
            cleared = repaired_depth(Depth(flying, True)).disparity
            gains.append(psnr(scene, cleared, "drbokeh") - psnr(scene, flying, "drbokeh"))
        assert min(gains) > 0.5
        assert sum(gains) > 5.0

    def test_flying_pixels_with_a_lens_that_takes_depth_as_it_is(self) -> None:
        scene = load("spheres")
        flying = coarse(scene.depth.disparity.float(), 3)
        as_it_is = Lens("layered", LayeredOptions(repair_depth=False))
        before, after = (
            scene.psnr(scene.with_depth(Depth(each, True)).rendered(as_it_is))
            for each in (flying, without_flying_pixels(flying))
        )
        assert after > before + 3.0

    def test_a_scale_that_jumps_from_frame_to_frame(self) -> None:
        """The blur of a still shot: like that of the first frame, once the depth is stabilized."""
        scene = load("portrait")
        frames = scaled_anew(scene.depth.disparity.float())
        steady = stabilized_batch(Depth(torch.cat(frames), False)).disparity.split(1)
        focus = Focus.at_disparity(float(frames[0].median()), is_metric=False)

        def pictures(disparities) -> list[Tensor]:
            depths = (Depth(each, False) for each in disparities)
            blurs = (defocus_from_bokeh_level(depth, focus, 20.0) for depth in depths)
            return [render(scene.all_in_focus, blur, Lens("taf")) for blur in blurs]

        truth = pictures(frames[:1])[0]
        errors = [
            sum(float((each - truth).square().mean()) for each in pictures(given)[1:])
            for given in (frames, steady)
        ]
        assert errors[1] < 0.01 * errors[0]
