"""The footprint of one point of light at any blur radius."""

from __future__ import annotations

import math

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.aperture import CIRCLE, Aperture
from focuspuller.lens.blur_disc import BlurDisc

RADII = [0.0, 0.1, 0.25, 0.5, 0.51, 0.75, 1.0, 1.5, 2.3, 7.9, 8.0, 31.7]

CORNER = torch.zeros(9, 9)
CORNER[0, 0] = 1.0

DISTANCE = torch.hypot(*torch.meshgrid(*[torch.linspace(-1, 1, 65)] * 2, indexing="ij"))

APERTURES = {
    "circle": CIRCLE,
    "five blades": Aperture(5, 20.0, 0.3),
    "ring": Aperture(image=((DISTANCE > 0.6) & (DISTANCE < 1)).float()),
    "one corner": Aperture(image=CORNER, rotation_degrees=45.0),
}


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("edge", ["linear", "tanh"])
@pytest.mark.parametrize("aperture", APERTURES.values(), ids=APERTURES.keys())
def test_energy_weighting_spreads_exactly_the_light_there_is(
    aperture: Aperture, edge, radius: float
) -> None:
    drawn = BlurDisc(aperture, edge, "energy").draw(radius)
    assert float(drawn.double().sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(drawn.min()) >= 0.0


@pytest.mark.parametrize("radius", RADII)
def test_bokehme_weighting_is_the_published_formula(radius: float) -> None:
    drawn = BlurDisc(CIRCLE, "tanh", "bokehme").draw(radius)
    reach = drawn.shape[0] // 2
    for dx, dy in [(0, 0), (1, 0), (0, -1), (-1, 1), (3, -4), (-7, 2), (20, 25)]:
        if max(abs(dx), abs(dy)) > reach:
            continue
        distance = math.sqrt(dx * dx + dy * dy)
        expected = (0.5 + 0.5 * math.tanh(4 * (radius - distance))) / (radius**2 + 0.2)
        assert float(drawn[reach + dy, reach + dx]) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    ("radius", "total"),
    [(0.0, 2.507), (0.1, 3.300), (0.5, 2.348), (0.75, 1.959), (1.0, 2.618), (64.0, 3.141)],
)
def test_bokehme_weighting_swings_as_measured(radius: float, total: float) -> None:
    drawn = BlurDisc(CIRCLE, "tanh", "bokehme").draw(radius)
    assert float(drawn.double().sum()) == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("radius", RADII)
def test_drbokeh_disc_is_the_published_formula(radius: float) -> None:
    disc = BlurDisc(CIRCLE, "drbokeh", "drbokeh")
    drawn = disc.draw(radius)
    reach = drawn.shape[0] // 2
    size = radius + 1
    for dx, dy in [(0, 0), (1, 0), (0, -1), (-1, 1), (3, -4), (-7, 2), (20, 25)]:
        if max(abs(dx), abs(dy)) > reach:
            continue
        edge = 0.1 / (0.1 + math.exp(-3 * (size - math.hypot(dx, dy))))
        assert float(drawn[reach + dy, reach + dx]) == pytest.approx(edge / size**2, rel=1e-5)
    # What is cut off weighs less than a thousandth of the middle.
    outside = 0.1 / (0.1 + math.exp(-3 * (size - reach - 1)))
    assert outside * size**-2 < 1.2e-3 * float(drawn[reach, reach])


@pytest.mark.parametrize(("radius", "total"), [(0, 1.19), (1, 1.49), (4, 2.30), (16, 2.87)])
def test_drbokeh_weights_grow_as_measured(radius: float, total: float) -> None:
    drawn = BlurDisc(CIRCLE, "drbokeh", "drbokeh").draw(radius)
    assert float(drawn.double().sum()) == pytest.approx(total, abs=0.01)


@pytest.mark.parametrize("radius", [0.51, 1.9, 2.0, 6.4])
def test_linear_edge_falls_over_one_pixel_around_the_radius(radius: float) -> None:
    drawn = BlurDisc(CIRCLE, "linear", "bokehme").draw(radius) * (radius**2 + 0.2)
    reach = drawn.shape[0] // 2
    for dx, dy in [(0, 0), (1, 0), (0, 2), (-2, 1), (4, 5), (6, 0), (7, 0)]:
        if max(dx, dy) > reach:
            continue
        expected = min(max(radius + 0.5 - math.hypot(dx, dy), 0.0), 1.0)
        assert float(drawn[reach + dy, reach + dx]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("radius", [0.0, 0.3, 0.5])
def test_below_a_pixel_the_linear_disc_is_a_point(radius: float) -> None:
    drawn = BlurDisc(Aperture(5), "linear", "energy").draw(radius)
    assert torch.equal(drawn.nonzero(), torch.tensor([[drawn.shape[0] // 2] * 2]))


def test_the_linear_disc_grows_out_of_the_point_without_a_jump() -> None:
    disc = BlurDisc(CIRCLE, "linear", "energy")
    point, next_to_it = disc.draw(0.5), disc.draw(0.5001)
    torch.testing.assert_close(point, next_to_it, atol=1e-3, rtol=0)


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("aperture", APERTURES.values(), ids=APERTURES.keys())
def test_the_disc_lies_within_its_reach(aperture: Aperture, radius: float) -> None:
    reach = BlurDisc().reach(radius)
    assert radius < reach <= radius + 1
    assert BlurDisc(aperture).draw(radius).shape == (2 * reach + 1, 2 * reach + 1)


def test_reach_by_hand() -> None:
    assert [BlurDisc().reach(radius) for radius in (0.0, 0.9, 1.0, 7.5)] == [1, 1, 2, 8]


def test_equal_discs_have_equal_keys() -> None:
    disc = BlurDisc(Aperture(5), "tanh", "energy")
    assert disc.key == BlurDisc(Aperture(5), "tanh", "energy").key
    others = [
        BlurDisc(Aperture(6), "tanh", "energy"),
        BlurDisc(Aperture(5), "linear", "energy"),
        BlurDisc(Aperture(5), "tanh", "bokehme"),
    ]
    assert disc.key not in {other.key for other in others}


def test_a_shape_that_turns_out_of_its_square_is_refused() -> None:
    corner = torch.zeros(200, 200)
    corner[:6, :6] = 1.0
    with pytest.raises(InputError, match="rotation"):
        BlurDisc(Aperture(rotation_degrees=45.0, image=corner)).draw(20.0)
