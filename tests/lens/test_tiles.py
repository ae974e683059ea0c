"""Tiles that discs of their own are drawn for, and what the renderers make of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.blur_disc import BlurDisc
from focuspuller.lens.bokehme import BokehMeOptions, render_bokehme
from focuspuller.lens.layered_fft import Layers, gather, scatter
from focuspuller.lens.run_length import is_available
from focuspuller.lens.taf import TafOptions, render_taf
from focuspuller.lens.tiles import TileGrid
from focuspuller.lens.view import View
from oracles.scenes import defocus_map, photo, psnr
from torch import Tensor

needs_numba = pytest.mark.skipif(not is_available(), reason="numba is not installed")

SWIRLY = Aperture(5, 10.0, swirl=0.8, obstruction=0.3, spherical_aberration=-0.5)
CUT = Aperture(cats_eye=1.0)
# Borders between tiles run through small blocks at these places.
LARGE = View(400, 500, top=280, left=10)
MIDDLE = View(400, 500, top=182, left=225)


def tensor(array: Any) -> Tensor:
    return torch.from_numpy(array)[None].float()


def each_with_its_own_disc(
    source: Tensor, defocus: Tensor, aperture: Aperture, view: View, edge: Any, is_gather: bool
) -> Tensor:
    """Every pixel's disc drawn at its own place, in float64; the frame's edge continued or dark."""
    disc = BlurDisc(aperture, edge)
    margin = disc.reach(float(defocus.abs().max()))
    mode = "replicate" if is_gather else "constant"
    padded = torch.nn.functional.pad(source, (margin,) * 4, mode=mode).double()
    result = torch.zeros_like(source).double() if is_gather else torch.zeros_like(padded)
    height, width = source.shape[-2:]
    for y in range(height):
        for x in range(width):
            radius = float(defocus[0, 0, y, x])
            drawn = disc.draw(abs(radius), radius > 0, view.field(y + 0.5, x + 0.5)).double()
            reach = len(drawn) // 2
            rows = slice(y + margin - reach, y + margin + reach + 1)
            columns = slice(x + margin - reach, x + margin + reach + 1)
            if is_gather:  # what sources spread by this disc would leave here
                result[..., y, x] = (padded[..., rows, columns] * drawn.flip(0, 1)).sum((2, 3))
            else:
                result[..., rows, columns] += source[..., y, x, None, None].double() * drawn
    inside = slice(margin, margin + height), slice(margin, margin + width)
    return result if is_gather else result[(..., *inside)]


class TestGrid:
    @pytest.mark.parametrize(("top", "left"), [(0, 0), (-40, -13), (75, 100), (90, 260), (123, 7)])
    @pytest.mark.parametrize(("height", "width"), [(1, 1), (50, 70), (200, 131)])
    def test_every_pixel_is_covered_once_over(
        self, top: int, left: int, height: int, width: int
    ) -> None:
        grid = TileGrid.over_field(View(600, 800, top, left), height, width)
        covered = grid.padded(torch.zeros(1, 1, height, width))
        for tile in grid.tiles(1):
            grid.cut(covered, tile).add_(grid.fade(covered))
        before_x, _, before_y, _ = grid.padding(0)
        block = covered[..., before_y : before_y + height, before_x : before_x + width]
        torch.testing.assert_close(block, torch.ones_like(block))

    def test_no_tile_is_without_a_pixel(self) -> None:
        grid = TileGrid.over_field(View(600, 800, 40, 30), 200, 131)
        padded = grid.padded(torch.ones(1, 1, 200, 131))
        assert all(bool(grid.cut(padded, tile).any()) for tile in grid.tiles(1))

    def test_blocks_of_a_picture_share_its_tiles(self) -> None:
        whole = TileGrid.over_field(View(600, 800), 600, 800)
        view = View(600, 800, 170, 230)
        block = TileGrid.over_field(view, 200, 300)
        assert (block.size, block.overlap) == (whole.size, whole.overlap)
        all_places = whole.fields(whole.tiles(1), View(600, 800), torch.device("cpu"))
        for place in block.fields(block.tiles(1), view, torch.device("cpu")):
            assert float((all_places - place).norm(dim=1).min()) < 1e-9

    def test_tiles_are_small_in_the_field(self) -> None:
        for height, width in [(400, 600), (4000, 6000)]:
            grid = TileGrid.over_field(View(height, width), height, width)
            assert grid.size <= math.hypot(height, width) / 16 + 1


class TestAgainstDiscsOfTheirOwn:
    image = tensor(photo(36, 50))
    defocus = tensor(defocus_map(36, 50, 6.0)[None])

    @pytest.mark.parametrize("aperture", [SWIRLY, CUT], ids=["swirly", "cut"])
    def test_scatter(self, aperture: Aperture) -> None:
        layers = Layers.for_defocus(BlurDisc(aperture), self.defocus, view=LARGE)
        truth = each_with_its_own_disc(self.image, self.defocus, aperture, LARGE, "tanh", False)
        assert psnr(scatter(self.image, self.defocus, layers).numpy(), truth.numpy()) > 43

    @pytest.mark.parametrize("aperture", [SWIRLY, CUT], ids=["swirly", "cut"])
    def test_gather(self, aperture: Aperture) -> None:
        disc = BlurDisc(aperture, edge="linear")
        layers = Layers.for_defocus(disc, self.defocus, view=LARGE)
        truth = each_with_its_own_disc(self.image, self.defocus, aperture, LARGE, "linear", True)
        assert psnr(gather(self.image, self.defocus, layers).numpy(), truth.numpy()) > 45

    @needs_numba
    def test_the_exact_method(self) -> None:
        exact = BokehMeOptions(method="exact", weighting="energy")
        rendered = render_bokehme(self.image, self.defocus, SWIRLY, exact, view=LARGE)
        source = torch.cat([self.image, torch.ones_like(self.image[:, :1])], 1)
        sums = each_with_its_own_disc(source, self.defocus, SWIRLY, LARGE, "tanh", False)
        assert psnr(rendered.numpy(), (sums[:, :3] / sums[:, 3:]).numpy()) > 50

    def test_the_place_in_the_picture_counts(self) -> None:
        options = BokehMeOptions()
        here = render_bokehme(self.image, self.defocus, CUT, options, view=LARGE)
        there = render_bokehme(self.image, self.defocus, CUT, options, view=MIDDLE)
        plain = render_bokehme(self.image, self.defocus, Aperture(), options)
        assert psnr(there.numpy(), plain.numpy()) > psnr(here.numpy(), plain.numpy()) + 10


@pytest.mark.parametrize("render", ["taf", "bokehme", pytest.param("exact", marks=needs_numba)])
class TestSeams:
    def rendered(self, render: str, image: Tensor, defocus: Tensor, view: View | None) -> Tensor:
        if render == "taf":
            return render_taf(image, defocus, SWIRLY, TafOptions(), view=view)
        options = BokehMeOptions(method="exact" if render == "exact" else "fft")
        return render_bokehme(image, defocus, SWIRLY, options, view=view)

    def test_a_block_is_rendered_as_in_the_whole(self, render: str) -> None:
        image, defocus = tensor(photo(90, 120)), tensor(defocus_map(90, 120, 5.0)[None])
        defocus[..., ::30, ::30] = 5.0  # The ladder of radii depends on the largest.
        whole = self.rendered(render, image, defocus, None)
        top, bottom, left, right = 20, 81, 13, 70
        part = (..., slice(top, bottom), slice(left, right))
        block = self.rendered(render, image[part], defocus[part], View(90, 120, top, left))
        inner = (..., slice(7, -7), slice(7, -7))
        torch.testing.assert_close(block[inner], whole[part][inner], atol=1e-5, rtol=0)

    def test_a_flat_picture_stays_flat(self, render: str) -> None:
        image = torch.full((1, 3, 70, 90), 0.7)
        defocus = tensor(defocus_map(70, 90, 5.0)[None])
        rendered = self.rendered(render, image, defocus, None)
        torch.testing.assert_close(rendered, image, atol=2e-4, rtol=0)

    def test_no_border_shows_in_a_smooth_picture(self, render: str) -> None:
        y, x = torch.meshgrid(torch.linspace(0, 1, 150), torch.linspace(0, 1, 200), indexing="ij")
        smooth = (0.2 + 0.5 * x + 0.2 * torch.sin(5 * y))[None, None].expand(1, 3, -1, -1)
        rendered = self.rendered(render, smooth, torch.full((1, 1, 150, 200), -9.0), None)
        inner = rendered[..., 12:-12, 12:-12]
        for axis in (2, 3):
            bend = inner.diff(2, dim=axis).abs().amax()
            assert float(bend) < 4 * float(smooth.diff(2, dim=axis).abs().amax()) + 2e-4

    def test_lights_change_little_from_pixel_to_pixel(self, render: str) -> None:
        """Across the borders of tiles, the light of neighbouring points moves along evenly."""
        centres = []
        steps = torch.arange(200.0)
        for column in range(80, 180, 4):
            image = torch.zeros(1, 3, 48, 200)
            image[..., 40, column] = 100.0
            part = View(150, 200, top=90)
            defocus = torch.full((1, 1, 48, 200), -8.0)
            light = self.rendered(render, image, defocus, part)[0, 0]
            centres.append(float((light.sum(0) * steps).sum() / light.sum()) - column)
        change = torch.tensor(centres).diff().abs()
        total = abs(centres[-1] - centres[0])
        assert total > 1.0, "the cut moves the light"
        assert float(change.amax()) < 0.25 * total


def test_gradients_are_those_of_the_rendered_picture() -> None:
    image = torch.from_numpy(photo(4, 5)[None, :1]).requires_grad_()
    defocus = torch.from_numpy(defocus_map(4, 5, 2.2)[None, None]).requires_grad_()
    view = View(60, 64, top=5, left=22)  # a border between tiles runs through it
    assert len(TileGrid.over_field(view, 4, 5).tiles(1)) == 2

    def gathered(image: Tensor, defocus: Tensor) -> Tensor:
        return render_taf(image, defocus, SWIRLY, TafOptions(), view=view)

    def scattered(image: Tensor, defocus: Tensor) -> Tensor:
        return render_bokehme(image, defocus, SWIRLY, BokehMeOptions(), view=view)

    assert torch.autograd.gradcheck(gathered, (image, defocus), eps=1e-5, atol=1e-4)
    assert torch.autograd.gradcheck(scattered, (image, defocus), eps=1e-5, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("image", [None, torch.ones(20, 20)], ids=["blades", "shape"])
def test_the_same_picture_on_a_gpu(image: Tensor | None) -> None:
    aperture = replace(SWIRLY, image=image)
    picture, defocus = tensor(photo(70, 90)), tensor(defocus_map(70, 90, 9.0)[None])
    expected = render_bokehme(picture, defocus, aperture, BokehMeOptions())
    rendered = render_bokehme(picture.cuda(), defocus.cuda(), aperture, BokehMeOptions())
    torch.testing.assert_close(rendered.cpu(), expected, atol=1e-4, rtol=0)


def test_what_is_drawn_for_one_tile_is_not_kept() -> None:
    layers = Layers.for_defocus(BlurDisc(CUT), torch.full((1, 1, 100, 120), 5.0))
    scatter(torch.rand(1, 3, 100, 120), torch.full((1, 1, 100, 120), 5.0), layers)
    assert not layers._spectra
