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


def test_a_shape_behind_the_mirror_is_refused() -> None:
    dot_and_speck = torch.zeros(201, 201)
    dot_and_speck[95:106, 95:106] = 1.0
    aperture = Aperture(image=dot_and_speck, cats_eye=1.0, obstruction=0.9)
    BlurDisc(aperture).draw(20.0)  # its corners look out from behind it
    dot_and_speck[0, 0] = 1.0
    with pytest.raises(InputError, match="hides completely"):
        BlurDisc(Aperture(image=dot_and_speck, cats_eye=1.0, obstruction=0.9)).draw(
            20.0, field=(-0.8, -0.6)
        )


ALL_TRAITS = {
    "squeeze": 1.5,
    "obstruction": 0.3,
    "spherical_aberration": -0.7,
    "cats_eye": 0.9,
    "swirl": 0.6,
}
HEART = torch.zeros(40, 40)
HEART[5:20, 4:36] = 1.0
HEART[20:37, 14:26] = 1.0
COMBINED = {
    "circle": Aperture(**ALL_TRAITS),
    "five blades": Aperture(5, 20.0, 0.3, **ALL_TRAITS),
    "shape": Aperture(image=HEART, rotation_degrees=30.0, **ALL_TRAITS),
}
PLACES = [(0.0, 0.0), (0.8, 0.6), (-0.3, 0.5), (0.0, -1.2)]
every_combination = pytest.mark.parametrize(
    "aperture", COMBINED.values(), ids=[str(name) for name in COMBINED]
)
both_edges = pytest.mark.parametrize("edge", ["linear", "tanh"])


@both_edges
@every_combination
@pytest.mark.parametrize("radius", RADII)
def test_all_traits_together_spread_exactly_the_light_there_is(
    aperture: Aperture, edge, radius: float
) -> None:
    for place in PLACES:
        for in_front in (False, True):
            drawn = BlurDisc(aperture, edge).draw(radius, in_front, place)
            assert drawn.shape == (2 * BlurDisc().reach(radius) + 1,) * 2
            assert float(drawn.double().sum()) == pytest.approx(1.0, abs=1e-5)
            assert float(drawn.min()) >= 0.0


@pytest.mark.parametrize("radius", RADII)
def test_what_bends_or_cuts_a_disc_leaves_bokehme_s_weight_as_it_is(radius: float) -> None:
    plain = {name: Aperture(5, 20.0, 0.3) for name in COMBINED}
    plain["circle"] = plain["shape"] = CIRCLE
    for name, aperture in COMBINED.items():
        expected = BlurDisc(plain[name], weighting="bokehme").draw(radius).sum()
        weighed = BlurDisc(aperture, weighting="bokehme").draw(radius, field=(0.8, 0.6)).sum()
        assert float(weighed) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("radius", [0.2, 0.5])
def test_the_weight_of_an_image_does_not_jump(radius: float) -> None:
    disc = BlurDisc(Aperture(image=HEART), weighting="bokehme")
    below, above = disc.draw(radius - 1e-4), disc.draw(radius + 1e-4)
    torch.testing.assert_close(below, above, atol=0.01, rtol=0)


@both_edges
@every_combination
def test_discs_change_smoothly_with_the_radius(aperture: Aperture, edge) -> None:
    """From one drawing to the next, little light moves; an image is drawn with finite samples."""
    disc = BlurDisc(aperture, edge)
    side = 2 * BlurDisc().reach(8.0) + 1
    before = None
    for radius in torch.arange(0.0, 8.0, 0.02).tolist():
        drawn = disc.draw(radius, field=(0.6, -0.5))
        edge_px = (side - len(drawn)) // 2
        drawn = torch.nn.functional.pad(drawn, (edge_px,) * 4)
        if before is not None:
            assert float((drawn - before).abs().sum()) < 0.1
        before = drawn


@both_edges
@every_combination
def test_discs_change_smoothly_over_the_field(aperture: Aperture, edge) -> None:
    disc = BlurDisc(aperture, edge)
    line = torch.linspace(-1.0, 1.0, 201, dtype=torch.float64)
    drawn = disc.draw_many(7.3, False, torch.stack([line, 0.3 * line], dim=1))
    assert float((drawn[1:] - drawn[:-1]).abs().sum((1, 2)).amax()) < 0.05


def test_many_are_the_same_as_one_by_one() -> None:
    disc = BlurDisc(COMBINED["five blades"])
    together = disc.draw_many(9.4, True, torch.tensor(PLACES, dtype=torch.float64))
    for drawn, place in zip(together, PLACES, strict=True):
        torch.testing.assert_close(drawn, disc.draw(9.4, True, place), atol=1e-8, rtol=1e-5)


def test_beyond_the_corners_discs_are_as_at_the_corners() -> None:
    disc = BlurDisc(COMBINED["circle"])
    torch.testing.assert_close(disc.draw(9.0, field=(0.6, 0.8)), disc.draw(9.0, field=(0.9, 1.2)))
