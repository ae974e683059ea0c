"""Two surfaces per pixel from one image with depth."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
import torch.nn.functional as F
from focuspuller.lens.layered import edge_matte
from focuspuller.lens.layered.surfaces import surfaces_of, surroundings
from focuspuller.lens.window import Window
from torch import Tensor

NEAR_COLOR, FAR_COLOR = torch.tensor([0.9, 0.6, 0.1]), torch.tensor([0.1, 0.2, 0.7])
HEIGHT, WIDTH, EDGE = 16, 24, 12
MAX_RADIUS = 6.0


def half_planes(share: float, near_radius: float = 4.0, far_radius: float = -3.0):
    """Near surface left of column `EDGE`, which it covers by `share`; far surface right of it."""
    cover = torch.zeros(HEIGHT, WIDTH)
    cover[:, :EDGE] = 1.0
    cover[:, EDGE] = share
    near, far = (color.view(1, 3, 1, 1) for color in (NEAR_COLOR, FAR_COLOR))
    image = cover * near + (1.0 - cover) * far
    radius = torch.where(cover >= 0.5, near_radius, far_radius)[None, None]
    return image, radius


def color_at(colors: Tensor, column: int) -> Tensor:
    return colors[0, :, HEIGHT // 2, column]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_a_mixed_pixel_is_split_between_its_sides(share: float) -> None:
    surfaces = surfaces_of(*half_planes(share), MAX_RADIUS)
    # Colour counts against depth, which knows only all or nothing: some pull towards it is meant.
    assert float(surfaces.near_share[0, 0, HEIGHT // 2, EDGE]) == pytest.approx(share, abs=0.08)
    torch.testing.assert_close(color_at(surfaces.near_color, EDGE), NEAR_COLOR, atol=0.12, rtol=0)
    torch.testing.assert_close(color_at(surfaces.far_color, EDGE), FAR_COLOR, atol=0.12, rtol=0)
    assert float(surfaces.near_radius[0, 0, HEIGHT // 2, EDGE]) == pytest.approx(4.0)
    assert float(surfaces.far_radius[0, 0, HEIGHT // 2, EDGE]) == pytest.approx(-3.0)


def test_wires_side_by_side_keep_their_own_colours() -> None:
    """Neither has a pixel that is not on its edge; the black one must not lend its colour."""
    black, pink = torch.tensor([0.02, 0.02, 0.02]), torch.tensor([0.8, 0.4, 0.4])
    image = FAR_COLOR.view(1, 3, 1, 1).repeat(1, 1, HEIGHT, WIDTH)
    radius = torch.full((1, 1, HEIGHT, WIDTH), -6.0)
    for first, color in ((8, black), (11, pink)):
        image[..., first : first + 2] = color.view(1, 3, 1, 1)
        radius[..., first : first + 2] = 0.0
    surfaces = surfaces_of(image, radius, MAX_RADIUS)
    for column, color in ((8, black), (9, black), (11, pink), (12, pink)):
        assert float(surfaces.near_share[0, 0, HEIGHT // 2, column]) > 0.95
        torch.testing.assert_close(color_at(surfaces.near_color, column), color, atol=0.05, rtol=0)


def test_what_is_in_view_adds_up_to_the_image() -> None:
    generator = torch.Generator().manual_seed(3)
    image = torch.rand(1, 3, HEIGHT, WIDTH, generator=generator)
    radius = 12 * torch.rand(1, 1, HEIGHT, WIDTH, generator=generator) - 6
    surfaces = surfaces_of(image, radius, MAX_RADIUS)
    shown = surfaces.near_share * surfaces.near_color + surfaces.far_shown * surfaces.far_color
    # Where clamping at black has nothing to take away.
    exact = (surfaces.near_color > 0).all(1) & (surfaces.far_color > 0).all(1)
    assert exact.float().mean() > 0.5
    torch.testing.assert_close(shown[0, :, exact[0]], image[0, :, exact[0]], atol=1e-5, rtol=0)
    cover = surfaces.near_share + surfaces.far_shown
    torch.testing.assert_close(cover, torch.ones_like(cover))


def test_the_background_goes_on_behind_the_foreground() -> None:
    surfaces = surfaces_of(*half_planes(1.0), MAX_RADIUS)
    behind = slice(EDGE - 4, EDGE)
    assert (surfaces.far_hidden[..., behind] > 0.9).all()
    assert (surfaces.far_radius[..., behind] < -2.9).all()
    hidden = surfaces.far_color[0, :, HEIGHT // 2, EDGE - 3]
    torch.testing.assert_close(hidden, FAR_COLOR, atol=0.02, rtol=0)


def test_nothing_is_hidden_behind_the_background() -> None:
    surfaces = surfaces_of(*half_planes(1.0), MAX_RADIUS)
    assert surfaces.far_hidden[..., EDGE + 1 :].max() < 1e-6


def test_a_slope_has_no_edges() -> None:
    image = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    radius = torch.linspace(-4.0, 4.0, WIDTH).expand(1, 1, HEIGHT, WIDTH)
    surfaces = surfaces_of(image, radius, MAX_RADIUS)
    assert torch.equal(surfaces.near_color, image)
    assert torch.equal(surfaces.near_radius, radius)
    assert surfaces.near_share.min() == 1
    assert surfaces.far_hidden.max() == 0


def test_a_floor_beside_an_object_hides_nothing() -> None:
    """Behind the object the floor goes on; behind the floor it does not."""
    rows = torch.linspace(-14.0, -6.0, 48)[:, None]
    is_object = torch.arange(64) >= 40
    radius = torch.where(is_object, 0.0, rows)[None, None]
    image = torch.where(is_object, 0.9, 0.2).expand(1, 3, 48, 64)
    hidden = surfaces_of(image, radius, 15.0).far_hidden
    assert hidden[..., :39].max() == 0
    assert hidden[..., 42:46].min() > 0.9


def test_no_lens_sees_deep_behind_what_is_hardly_nearer() -> None:
    """As far as the two surfaces can be displaced against each other, and a little."""
    hidden = surfaces_of(*half_planes(1.0, near_radius=3.0, far_radius=-2.0), 20.0).far_hidden
    depth = int((hidden[0, 0, HEIGHT // 2] > 0.5).sum())
    assert 5 <= depth <= 8


def uneven_scene(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Two images of texture, over surfaces at many depths."""
    generator = torch.Generator().manual_seed(5)
    image = torch.rand(2, 3, height, width, generator=generator)
    radius = 12 * torch.rand(2, 1, 6, 8, generator=generator) - 6
    return image, F.interpolate(radius, (height, width))


def test_a_window_has_the_surfaces_of_the_whole() -> None:
    image, radius = uneven_scene(90, 120)
    window = Window(20, 33, 70, 101)
    whole = surfaces_of(image, radius, MAX_RADIUS)
    part = surfaces_of(image, radius, MAX_RADIUS, window)
    for field in fields(whole):
        expected = window.of(getattr(whole, field.name))
        torch.testing.assert_close(getattr(part, field.name), expected, atol=1e-6, rtol=0)


def test_what_is_beyond_the_surroundings_does_not_matter() -> None:
    image, radius = uneven_scene(140, 150)
    around = surroundings(MAX_RADIUS)
    window = Window(136, 144, 140, 150)
    top, left = (start - around.reach for start in (window.top, window.left))
    part = Window(top // around.grid * around.grid, left // around.grid * around.grid, 140, 150)
    assert min(part.top, part.left) > 0
    whole = surfaces_of(image, radius, MAX_RADIUS, window)
    alone = surfaces_of(part.of(image), part.of(radius), MAX_RADIUS, window.seen_from(part))
    for field in fields(whole):
        torch.testing.assert_close(
            getattr(alone, field.name), getattr(whole, field.name), atol=1e-6, rtol=0
        )


def test_edges_looked_at_some_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    image, radius = uneven_scene(60, 80)
    at_once = surfaces_of(image, radius, MAX_RADIUS)
    monkeypatch.setattr(edge_matte, "EDGES_AT_ONCE", 97)
    one_by_one = surfaces_of(image, radius, MAX_RADIUS)
    for field in fields(at_once):
        torch.testing.assert_close(getattr(one_by_one, field.name), getattr(at_once, field.name))
