"""Shapes of the aperture as they appear in the bokeh."""

from __future__ import annotations

import math

import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.lens.aperture import CIRCLE, MAX_BLADES, Aperture
from focuspuller.lens.blur_disc import BlurDisc
from torch import Tensor

RADIUS = 32.0


def drawn(aperture: Aperture, radius: float = RADIUS) -> Tensor:
    """Coverage 0..1 of a disc that is evenly bright inside."""
    disc = BlurDisc(aperture, edge="linear", weighting="energy").draw(radius)
    return disc / disc.max()


def polygon_area(blades: int) -> float:
    return blades / 2 * RADIUS**2 * math.sin(2 * math.pi / blades)


def extent(shape: Tensor) -> tuple[int, int, int, int]:
    """Pixels from the centre to the farthest covered one: up, down, left, right."""
    centre = shape.shape[0] // 2
    rows, columns = (shape > 0.5).nonzero().T
    return (
        centre - int(rows.min()),
        int(rows.max()) - centre,
        centre - int(columns.min()),
        int(columns.max()) - centre,
    )


def quarters(shape: Tensor) -> list[float]:
    """Shares of light: top left, top right, bottom left, bottom right of the centre."""
    centre = shape.shape[0] // 2
    halves = (shape[:centre], shape[centre + 1 :])
    sums = [
        float(part.sum()) for half in halves for part in (half[:, :centre], half[:, centre + 1 :])
    ]
    return [part / sum(sums) for part in sums]


class TestBlades:
    @pytest.mark.parametrize("rotation", [0.0, 17.0])
    @pytest.mark.parametrize("blades", [3, 4, 5, 6, 7, 9, MAX_BLADES])
    def test_area_of_the_polygon(self, blades: int, rotation: float) -> None:
        area = float(drawn(Aperture(blades, rotation)).sum())
        assert area == pytest.approx(polygon_area(blades), rel=5e-3)

    def test_area_of_the_circle(self) -> None:
        assert float(drawn(CIRCLE).sum()) == pytest.approx(math.pi * RADIUS**2, rel=1e-3)

    def test_a_corner_points_up_and_lies_on_the_circle(self) -> None:
        up, down, left, right = extent(drawn(Aperture(3)))
        assert up == pytest.approx(RADIUS, abs=1.5)
        assert down == pytest.approx(RADIUS / 2, abs=1)
        assert left == right == pytest.approx(RADIUS * math.sqrt(3) / 2, abs=1.5)

    def test_rotation_is_counter_clockwise(self) -> None:
        up, down, left, right = extent(drawn(Aperture(3, rotation_degrees=90.0)))
        assert left == pytest.approx(RADIUS, abs=1.5)
        assert right == pytest.approx(RADIUS / 2, abs=1)
        assert up == down
        tilted = drawn(Aperture(3, rotation_degrees=20.0))
        _, column = (tilted > 0.5).nonzero()[0]
        assert int(column) < tilted.shape[1] // 2, "the corner on top moves to the left"

    @pytest.mark.parametrize("blades", [3, 4, 7])
    def test_one_sector_further_is_the_same_shape(self, blades: int) -> None:
        turned = drawn(Aperture(blades, 10.0 + 360 / blades))
        torch.testing.assert_close(turned, drawn(Aperture(blades, 10.0)), atol=1e-4, rtol=0)

    @pytest.mark.parametrize("blades", [3, 6])
    def test_full_roundness_is_a_circle(self, blades: int) -> None:
        round_blades = Aperture(blades, rotation_degrees=12.0, roundness=1.0)
        assert round_blades.is_circle
        assert torch.equal(drawn(round_blades), drawn(CIRCLE))

    def test_roundness_grows_from_polygon_to_circle(self) -> None:
        areas = [
            float(drawn(Aperture(5, roundness=amount)).sum()) for amount in (0, 0.25, 0.5, 0.75, 1)
        ]
        assert areas == sorted(areas)
        assert areas[0] == pytest.approx(polygon_area(5), rel=5e-3)
        assert areas[-1] == pytest.approx(math.pi * RADIUS**2, rel=1e-3)

    @pytest.mark.parametrize(
        ("aperture", "is_symmetric"),
        [
            (CIRCLE, True),
            (Aperture(6, 11.0), True),
            (Aperture(5), False),
            (Aperture(5, roundness=1.0), True),
            (Aperture(image=torch.ones(4, 4)), False),
            (Aperture(6, squeeze=1.5, obstruction=0.4), True),
            (Aperture(6, spherical_aberration=0.1), False),
            (Aperture(6, cats_eye=0.1), False),
            (Aperture(swirl=0.1), False),
        ],
    )
    def test_point_symmetry_is_what_a_half_turn_leaves_unchanged(
        self, aperture: Aperture, is_symmetric: bool
    ) -> None:
        assert aperture.is_point_symmetric is is_symmetric
        if aperture.image is None:
            disc = BlurDisc(aperture, edge="linear")
            behind, in_front = (disc.draw(RADIUS, front, (0.5, 0.3)) for front in (False, True))
            assert torch.allclose(behind, in_front, atol=1e-7) is is_symmetric


class TestImages:
    LETTER = torch.zeros(40, 40)
    LETTER[:20, :20] = 1.0
    LETTER[:20, 20:] = 0.5

    def test_shape_is_upright(self) -> None:
        shares = quarters(drawn(Aperture(image=self.LETTER), 20.0))
        assert shares == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=0.03)

    def test_rotation_is_counter_clockwise(self) -> None:
        turned = Aperture(image=self.LETTER, rotation_degrees=90.0)
        assert quarters(drawn(turned, 20.0)) == pytest.approx([1 / 3, 0, 2 / 3, 0], abs=0.03)

    def test_the_farthest_light_lies_on_the_circle(self) -> None:
        square = drawn(Aperture(image=torch.ones(50, 50)), 20.0)
        assert float(square.sum()) == pytest.approx((20.0 * math.sqrt(2)) ** 2, rel=0.02)
        assert extent(square) == (14, 14, 14, 14)

    def test_a_black_margin_changes_nothing(self) -> None:
        shape = torch.zeros(120, 200)
        shape[40:80, 80:120] = self.LETTER
        bare, framed = (drawn(Aperture(image=image), 20.0) for image in (self.LETTER, shape))
        torch.testing.assert_close(framed, bare, atol=0.02, rtol=0)

    def test_noise_in_the_black_is_no_light(self) -> None:
        noisy = torch.full((60, 60), 0.02)
        noisy[20:40, 20:40] = 1.0
        clean = noisy * (noisy > 0.5)
        assert torch.equal(drawn(Aperture(image=noisy)), drawn(Aperture(image=clean)))

    def test_a_turned_square_keeps_its_corners(self) -> None:
        square = Aperture(image=torch.ones(64, 64), rotation_degrees=45.0)
        shape = drawn(square, 20.0)
        assert float(shape.sum()) == pytest.approx((20.0 * math.sqrt(2)) ** 2, rel=0.02)
        assert min(extent(shape)) >= 19

    @pytest.mark.parametrize("side", [16, 64, 512])
    def test_a_disc_drawn_at_any_resolution_is_a_disc(self, side: int) -> None:
        steps = (torch.arange(side) + 0.5) / side * 2 - 1
        disc = (torch.hypot(steps[:, None], steps[None, :]) <= 1).float()
        area = float(drawn(Aperture(image=disc), 9.5).sum())
        # A coarse drawing is a polygon of squares, whose farthest corners lie on the circle.
        rough = float(disc.sum()) * (9.5 / Aperture(image=disc).image_radius) ** 2
        assert area == pytest.approx(rough, rel=0.03)

    @pytest.mark.parametrize(
        ("height", "width"), [(20, 60), (60, 20), (7, 21), (200, 600), (601, 200)]
    )
    def test_a_shape_that_is_not_square_keeps_its_proportions(
        self, height: int, width: int
    ) -> None:
        shape = drawn(Aperture(image=torch.ones(height, width)), 12.0)
        tall, wide = (24 * side / math.hypot(height, width) for side in (height, width))
        assert float(shape.sum(0).max()) == pytest.approx(tall, rel=0.05)
        assert float(shape.sum(1).max()) == pytest.approx(wide, rel=0.05)
        up, down, left, right = extent(shape)
        assert up == down
        assert left == right

    def test_fine_detail_is_averaged_not_sampled(self) -> None:
        comb = torch.zeros(512, 512)
        comb[:, ::4] = 1.0
        disc = BlurDisc(Aperture(image=comb)).draw(4.3)
        inner = disc[3:-3, 3:-3]
        torch.testing.assert_close(inner, inner.mean().expand_as(inner), atol=0, rtol=0.04)

    def test_the_caller_s_pixels_decide_whether_two_are_the_same(self) -> None:
        same = Aperture(image=self.LETTER.clone())
        assert Aperture(image=self.LETTER).key() == same.key()
        assert Aperture(image=self.LETTER.T.contiguous()).key() != same.key()
        assert Aperture(5).key() == Aperture(5).key() != Aperture(5, 1.0).key()

    @pytest.mark.parametrize(
        "trait",
        [
            {"squeeze": 1.5},
            {"obstruction": 0.5},
            {"spherical_aberration": 0.5},
            {"cats_eye": 0.5},
            {"swirl": 0.5},
        ],
    )
    def test_every_trait_makes_another_aperture(self, trait: dict[str, float]) -> None:
        assert Aperture(5, **trait).key() != Aperture(5).key()
        assert not Aperture(**trait).is_bare_iris


@pytest.mark.parametrize("blades", [-1, 1, 2, 3.5, MAX_BLADES + 1])
def test_blades_that_make_no_polygon(blades: float) -> None:
    with pytest.raises(InputError, match="blades"):
        Aperture(blades)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("roundness", value) for value in (-0.1, 1.1, math.nan)],
        *[("squeeze", value) for value in (0.9, 2.1, math.nan)],
        *[("obstruction", value) for value in (-0.1, 0.95, math.nan)],
        *[("spherical_aberration", value) for value in (-1.1, 1.1, math.inf)],
        *[("cats_eye", value) for value in (-0.1, 1.1, math.nan)],
        *[("swirl", value) for value in (-0.1, 1.1, math.nan)],
        *[("axial_chromatism", value) for value in (-11.0, 11.0, math.nan)],
    ],
)
def test_values_out_of_range_are_named(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name}: received {value}"):
        Aperture(**{name: value})


@pytest.mark.parametrize("rotation", [math.nan, math.inf])
def test_rotation_without_an_angle(rotation: float) -> None:
    with pytest.raises(InputError, match="rotation_degrees"):
        Aperture(5, rotation)


@pytest.mark.parametrize(
    "image",
    [
        torch.ones(1, 4, 4),
        torch.zeros(4, 4),
        torch.full((4, 4), -1.0),
        torch.full((4, 4), math.nan),
        torch.zeros(0, 4),
    ],
)
def test_images_that_are_no_shape(image: Tensor) -> None:
    with pytest.raises(InputError, match="aperture image"):
        Aperture(image=image)
