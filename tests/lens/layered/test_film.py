"""What reaches the film past a foreground, against the sum over all points of a lens.

In one dimension: a foreground covers the left half of the picture, a wall is seen in the right half
and goes on behind the foreground. The lens is a slit, so that every blur is a mean over a segment.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from focuspuller.lens.layered.film import Exposure, Film
from focuspuller.lens.window import Window
from torch import Tensor

WIDTH, EDGE = 120, 60
FILM = Window(0, 0, 3, WIDTH)  # The film has a margin of 1 px.
POINTS = torch.linspace(-1.0, 1.0, 4001)[:, None]
PLACES = torch.arange(WIDTH) + 0.5


def seen_by_lens(near: float, far: float) -> Tensor:
    """`[3,W]`: how much of the lens sees the foreground, the wall in view and the hidden wall."""
    foreground = PLACES - near * POINTS < EDGE
    beside = PLACES - far * POINTS >= EDGE
    parts = (foreground, ~foreground & beside, ~foreground & ~beside)
    return torch.stack([part.float().mean(0) for part in parts])


def spread(radius: float, is_left: bool) -> Tensor:
    """`[4,3,W]`: light of no colour and weight of one half of the picture."""
    on_left = (PLACES - radius * POINTS < EDGE).float().mean(0)
    weight = on_left if is_left else 1.0 - on_left
    return F.pad(weight.expand(1, 3, WIDTH), (0, 0, 0, 0, 3, 0))


def on_film(near: float, far: float) -> Tensor:
    """`[3,W]`: the same as `seen_by_lens`, as the film has it."""
    film = Film(torch.zeros(1), 3, (FILM.height, FILM.width))
    for color, (radius, is_left, is_hidden) in enumerate(
        [(near, True, False), (far, False, False), (far, True, True)]
    ):
        light = spread(radius, is_left)
        light[color] = light[-1]
        film.expose(Exposure(radius, light, FILM, is_hidden))
    return film.developed(torch.zeros(1, 3, 1, WIDTH - 2), 1)[0, :, 0]


@pytest.mark.parametrize(
    ("near", "far"),
    [
        pytest.param(-4.0, -10.0, id="both behind the focus"),
        pytest.param(10.0, 4.0, id="both in front of the focus"),
        pytest.param(6.0, -9.0, id="on both sides of the focus"),
        pytest.param(0.0, -8.0, id="a sharp foreground"),
        pytest.param(8.0, 0.0, id="a sharp wall"),
        pytest.param(-8.0, -30.0, id="a wall far behind"),
    ],
)
def test_each_point_of_the_lens_sees_one_surface(near: float, far: float) -> None:
    """Exact for straight edges, whatever is sharp."""
    expected = seen_by_lens(near, far)[:, 1:-1]
    torch.testing.assert_close(on_film(near, far), expected, atol=2e-3, rtol=0)


def test_a_surface_in_several_layers_does_not_hide_itself() -> None:
    film = Film(torch.zeros(1), 3, (FILM.height, FILM.width))
    for radius, part in ((20.0, 0.4), (19.0, 0.6)):
        film.expose(Exposure(radius, torch.full((4, 3, WIDTH), part), FILM, is_hidden=False))
    assert film.total.max() == 0, "it waits for all of the surface"
    assert film.developed(torch.zeros(1, 3, 1, WIDTH - 2), 1).min() == pytest.approx(1.0)
    torch.testing.assert_close(film.total, torch.ones_like(film.total))


def test_where_nothing_comes_the_picture_is_kept() -> None:
    film = Film(torch.zeros(1), 3, (FILM.height, FILM.width))
    image = torch.rand(1, 3, 1, WIDTH - 2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(film.developed(image, 1), image)
