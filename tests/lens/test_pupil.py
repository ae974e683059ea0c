"""What a lens does to its blur discs, against the geometry of rays."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from focuspuller.lens.aperture import Aperture
from focuspuller.lens.blur_disc import BlurDisc
from numpy.typing import NDArray
from oracles.spots import spot_diagram
from torch import Tensor

Array = NDArray[np.float64]
RADIUS = 24.0
CORNER = (0.8, 0.6)


def drawn(
    aperture: Aperture,
    in_front: bool = False,
    field: tuple[float, float] = (0.0, 0.0),
    radius: float = RADIUS,
) -> Tensor:
    return BlurDisc(aperture, edge="linear").draw(radius, in_front, field).double()


def area(disc: Tensor) -> float:
    """Of an evenly bright disc of unit energy, px²."""
    return 1.0 / float(disc.max())


def centre_of_gravity(disc: Tensor) -> tuple[float, float]:
    """(x, y) from the middle, right and down, px."""
    steps = torch.arange(len(disc), dtype=torch.float64) - len(disc) // 2
    return float((disc.sum(0) * steps).sum()), float((disc.sum(1) * steps).sum())


def width(disc: Tensor, towards: tuple[float, float]) -> float:
    """Standard deviation of the light along a direction, px."""
    steps = torch.arange(len(disc), dtype=torch.float64) - len(disc) // 2
    along = steps * towards[0] + steps[:, None] * towards[1]
    mean = (disc * along).sum()
    return float((disc * (along - mean).square()).sum().sqrt())


def misplaced(disc: Tensor, truth: Array) -> float:
    """Share of the light that lies elsewhere."""
    return float(np.abs(disc.numpy() - truth).sum() / 2)


def everywhere(x: Array, y: Array) -> NDArray[np.bool_]:
    return np.ones(x.shape, bool)


class TestCatsEye:
    @pytest.mark.parametrize("amount", [0.25, 0.5, 1.0])
    @pytest.mark.parametrize("distance", [0.3, 0.7, 1.0])
    def test_its_area_is_that_of_two_circles_that_overlap(
        self, amount: float, distance: float
    ) -> None:
        shift = amount * distance
        lens = 2 * math.acos(shift / 2) - shift / 2 * math.sqrt(4 - shift**2)
        disc = drawn(Aperture(cats_eye=amount), field=(0.6 * distance, -0.8 * distance))
        assert area(disc) == pytest.approx(lens * RADIUS**2, rel=0.01)

    @pytest.mark.parametrize("field", [CORNER, (-0.6, 0.8), (0.5, 0.0), (0.0, -0.9)])
    def test_it_is_what_rays_past_the_shifted_rim_leave(self, field: tuple[float, float]) -> None:
        truth = spot_diagram(
            RADIUS, lambda x, y: np.hypot(x + 0.8 * field[0], y + 0.8 * field[1]) < 1
        )
        assert misplaced(drawn(Aperture(cats_eye=0.8), field=field), truth) < 0.01

    @pytest.mark.parametrize("field", [CORNER, (-0.6, 0.8), (0.5, 0.0), (0.0, -0.9)])
    def test_light_moves_to_the_picture_s_centre_behind_the_focus_and_away_in_front(
        self, field: tuple[float, float]
    ) -> None:
        for in_front, sign in ((False, -1.0), (True, 1.0)):
            x, y = centre_of_gravity(drawn(Aperture(cats_eye=0.8), in_front, field))
            shift = math.hypot(x, y)
            assert shift > 0.1 * RADIUS
            assert (x, y) == pytest.approx(
                [sign * shift * along / math.hypot(*field) for along in field], abs=0.02
            )

    def test_in_the_middle_there_is_none(self) -> None:
        assert torch.equal(drawn(Aperture(cats_eye=1.0)), drawn(Aperture()))

    def test_it_grows_towards_the_corners(self) -> None:
        areas = [
            area(drawn(Aperture(cats_eye=0.7), field=(x, 0.0))) for x in (0.0, 0.2, 0.5, 0.8, 1.0)
        ]
        assert areas == sorted(areas, reverse=True)
        assert areas[-1] < 0.6 * areas[0]

    @pytest.mark.parametrize("trait", ["cats_eye", "swirl"])
    def test_mirrored_places_have_mirrored_discs(self, trait: str) -> None:
        aperture = Aperture(**{trait: 0.8}, squeeze=1.3, obstruction=0.3)
        disc = drawn(aperture, field=CORNER)
        torch.testing.assert_close(drawn(aperture, field=(-0.8, 0.6)), disc.flip(1))
        torch.testing.assert_close(drawn(aperture, field=(0.8, -0.6)), disc.flip(0))

    def test_it_cuts_a_drawn_shape(self) -> None:
        bar = torch.zeros(60, 60)
        bar[:, 25:35] = 1.0
        whole = drawn(Aperture(image=bar), field=(0.0, 1.0))
        cut = drawn(Aperture(image=bar, cats_eye=1.0), field=(0.0, 1.0))
        middle = len(cut) // 2
        assert float(cut[middle + 2 :].sum()) < 1e-3, "the outer half is hidden"
        assert float(cut[: middle + 1].sum()) > 1.9 * float(whole[: middle - 1].sum())


class TestSwirl:
    def test_it_is_what_rays_past_the_rim_leave_stretched_around_the_centre(self) -> None:
        outward = np.array(CORNER)

        def lands(x: Array, y: Array) -> tuple[Array, Array]:
            out = x * outward[0] + y * outward[1]
            less = out * (1 - 1 / (1 + 0.5 * 0.7))
            return x - less * outward[0], y - less * outward[1]

        truth = spot_diagram(
            RADIUS, lambda x, y: np.hypot(x + 0.7 * outward[0], y + 0.7 * outward[1]) < 1, lands
        )
        assert misplaced(drawn(Aperture(swirl=0.7), field=CORNER), truth) < 0.012

    def test_discs_are_longest_around_the_centre(self) -> None:
        disc = drawn(Aperture(swirl=0.7), field=CORNER)
        ratio = width(disc, (-0.6, 0.8)) / width(disc, CORNER)
        cut_alone = drawn(Aperture(cats_eye=0.7), field=CORNER)
        without = width(cut_alone, (-0.6, 0.8)) / width(cut_alone, CORNER)
        assert ratio == pytest.approx(1.35 * without, rel=0.01)

    def test_the_stronger_cut_counts(self) -> None:
        strong = Aperture(swirl=0.4, cats_eye=0.9)
        cut = area(drawn(strong, field=CORNER)) * (1 + 0.5 * 0.4)
        assert cut == pytest.approx(area(drawn(Aperture(cats_eye=0.9), field=CORNER)), rel=0.02)


class TestSqueeze:
    @pytest.mark.parametrize("squeeze", [1.33, 1.8, 2.0])
    @pytest.mark.parametrize("blades", [0, 6])
    def test_discs_are_as_high_as_ever_and_as_much_narrower(
        self, squeeze: float, blades: int
    ) -> None:
        plain, squeezed = drawn(Aperture(blades)), drawn(Aperture(blades, squeeze=squeeze))
        assert width(squeezed, (0, 1)) == pytest.approx(width(plain, (0, 1)), rel=0.01)
        assert width(squeezed, (1, 0)) * squeeze == pytest.approx(width(plain, (1, 0)), rel=0.01)
        assert area(squeezed) * squeeze == pytest.approx(area(plain), rel=0.01)

    def test_it_squeezes_a_drawn_shape(self) -> None:
        square = Aperture(image=torch.ones(64, 64), squeeze=2.0)
        disc = drawn(square)
        assert width(disc, (0, 1)) == pytest.approx(2 * width(disc, (1, 0)), rel=0.01)


class TestObstruction:
    @pytest.mark.parametrize("ratio", [0.2, 0.5, 0.8, 0.9])
    def test_the_hole_has_its_share_of_the_diameter(self, ratio: float) -> None:
        ring = drawn(Aperture(obstruction=ratio))
        assert area(ring) == pytest.approx((1 - ratio**2) * math.pi * RADIUS**2, rel=0.02)
        middle = len(ring) // 2
        hole = int(ratio * RADIUS) - 1
        assert float(ring[middle, middle - hole : middle + hole + 1].max()) < 1e-9

    def test_all_blades_and_the_mirror(self) -> None:
        truth = spot_diagram(
            RADIUS,
            lambda x, y: (
                (np.hypot(x, y) > 0.45)
                & (np.maximum(np.abs(x - y), np.abs(x + y)) < 1)  # a square on its corner
            ),
        )
        assert misplaced(drawn(Aperture(4, obstruction=0.45)), truth) < 0.012

    @pytest.mark.parametrize("radius", [0.0, 0.1, 0.5])
    def test_what_is_sharp_stays_sharp(self, radius: float) -> None:
        disc = drawn(Aperture(obstruction=0.9), radius=radius)
        assert float(disc[len(disc) // 2, len(disc) // 2]) == pytest.approx(1.0)


class TestSphericalAberration:
    @pytest.mark.parametrize("amount", [-1.0, -0.4, 0.4, 1.0])
    def test_it_is_where_rays_land_that_the_rim_bends_more(self, amount: float) -> None:
        strength = 0.45 * amount

        def lands(x: Array, y: Array) -> tuple[Array, Array]:
            scale = 1 - strength + strength * (x**2 + y**2)
            return scale * x, scale * y

        truth = spot_diagram(RADIUS, everywhere, lands)
        # At -1 a twelfth of the light is in the last half pixel, where an edge is half covered.
        tolerance = 0.05 if amount < -0.5 else 0.012
        assert misplaced(drawn(Aperture(spherical_aberration=amount)), truth) < tolerance

    def test_it_turns_over_in_front_of_the_focus(self) -> None:
        soft, bubble = Aperture(spherical_aberration=0.8), Aperture(spherical_aberration=-0.8)
        torch.testing.assert_close(drawn(soft, in_front=True), drawn(bubble))
        torch.testing.assert_close(drawn(bubble, in_front=True), drawn(soft))

    def test_soft_has_a_bright_middle_and_a_bubble_a_bright_rim(self) -> None:
        middle = int(RADIUS) + 1
        soft = drawn(Aperture(spherical_aberration=1.0))[middle]
        bubble = drawn(Aperture(spherical_aberration=-1.0))[middle]
        assert float(soft[middle]) > 4 * float(soft[3])
        assert float(bubble[2]) > 3 * float(bubble[middle])

    def test_a_drawn_shape_keeps_its_outline(self) -> None:
        square = torch.ones(64, 64)
        plain = drawn(Aperture(image=square))
        bubble = drawn(Aperture(image=square, spherical_aberration=-0.8))
        assert torch.equal(plain > 0, bubble > 0)
