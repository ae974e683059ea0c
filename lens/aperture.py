"""The aperture as a photographer knows it: its iris, and what the lens around it does to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from ..errors import InputError

MAX_BLADES = 20
# What is darker than this part of an aperture image's brightest pixel is noise, not light.
LEAST_LIGHT = 1 / 32

# Least and largest value of every parameter that has both, and what they mean.
RANGES: dict[str, tuple[float, float, str]] = {
    "roundness": (0.0, 1.0, "Give 0 (straight) to 1 (circle)."),
    "squeeze": (1.0, 2.0, "Give 1 (round discs) to 2 (half as wide as high)."),
    "obstruction": (0.0, 0.9, "Give 0 (none) to 0.9, the part of the diameter that is covered."),
    "spherical_aberration": (-1.0, 1.0, "Give -1 (bright rim) to 1 (soft rim)."),
    "cats_eye": (0.0, 1.0, "Give 0 (none) to 1 (discs in the corners are cut to the middle)."),
    "swirl": (0.0, 1.0, "Give 0 (none) to 1 (strong)."),
    "axial_chromatism": (-10.0, 10.0, "Give thousandths of the picture's diagonal, -10 to 10."),
}


@dataclass(frozen=True, eq=False)
class Aperture:
    """An iris of blades or an arbitrary shape, and the traits of the lens that shape its bokeh.

    All of them combine. None makes the picture darker: a disc of less area is brighter.

    Args:
        blades: number of straight blades, 3..20; 0 is a perfect circle.
        rotation_degrees: counter-clockwise rotation as seen in the blurred background.
        roundness: 0 straight blades, 1 a circle.
        image: `[h,w]` transmission 0..1 of an arbitrary shape, upright as it appears in the
            background's bokeh. Its middle is the middle of the disc, its farthest light lies on
            the circle of the blur radius. Replaces the blades.
        squeeze: of an anamorphic lens, 1..2: discs are as high as ever and 1/squeeze as wide.
        obstruction: diameter of the secondary mirror of a catadioptric lens, as a part of the
            aperture's, 0..0.9.
        spherical_aberration: how the light lies in the discs behind the focus, -1..1: soft with a
            bright middle above 0, a bright rim as of a soap bubble below. In front of the focus it
            is the other way round.
        cats_eye: optical vignetting: how far the rim of the barrel has moved over the aperture at
            the picture's corners, 0..1, in radii.
        swirl: astigmatism, 0..1, that makes discs narrower towards the corners across the circles
            around the centre. Lenses that have it vignette: it cuts as `cats_eye` of that value
            does, if that is less.
        axial_chromatism: by how much more red and blue are blurred than green in front of the
            focus, and less behind it, in thousandths of the picture's diagonal of blur radius,
            -10..10. About 1 for a fast lens wide open. Makes magenta fringes in front and green
            ones behind; below 0 the other way round.

    Raises:
        InputError: a value out of range; an image that is empty or not 2-D.
    """

    blades: int = 0
    rotation_degrees: float = 0.0
    roundness: float = 0.0
    image: Tensor | None = None
    squeeze: float = 1.0
    obstruction: float = 0.0
    spherical_aberration: float = 0.0
    cats_eye: float = 0.0
    swirl: float = 0.0
    axial_chromatism: float = 0.0

    def __post_init__(self) -> None:
        if self.blades not in (0, *range(3, MAX_BLADES + 1)):
            raise InputError("blades", str(self.blades), f"Give 0 (circle) or 3..{MAX_BLADES}.")
        for name, (least, largest, advice) in RANGES.items():
            value = getattr(self, name)
            if not least <= value <= largest:
                raise InputError(name, str(value), advice)
        if not math.isfinite(self.rotation_degrees):
            raise InputError("rotation_degrees", str(self.rotation_degrees), "Give degrees.")
        if self.image is not None:
            self._check_image(self.image)

    @staticmethod
    def _check_image(image: Tensor) -> None:
        if image.ndim != 2:
            raise InputError("aperture image", f"shape {tuple(image.shape)}", "Give one [h,w] map.")
        if not bool(torch.isfinite(image).all()) or float(image.clamp(min=0).sum()) <= 0:
            raise InputError(
                "aperture image", "an image without light", "Draw the shape in white on black."
            )

    @property
    def is_circle(self) -> bool:
        """Whether the iris is a circle."""
        return self.image is None and (self.blades == 0 or self.roundness == 1.0)

    @property
    def is_bare_iris(self) -> bool:
        """Whether the disc is that of the blades alone, with nothing that bends, cuts or shades."""
        is_bent = self.squeeze != 1.0 or self.varies_over_field
        is_shaded = self.obstruction > 0.0 or self.spherical_aberration != 0.0
        return self.image is None and not is_bent and not is_shaded

    @property
    def shaping(self) -> str:
        """The parameters that make the disc another than a round one of even brightness."""
        iris = "a drawn shape" if self.image is not None else f"{self.blades} blades"
        named = [] if self.is_circle else [iris]
        unset = {field.name: field.default for field in fields(self)}
        named += [
            f"{name} {getattr(self, name):g}"
            for name in RANGES
            if name not in ("roundness", "axial_chromatism") and getattr(self, name) != unset[name]
        ]
        return ", ".join(named)

    @property
    def varies_over_field(self) -> bool:
        """Whether the disc depends on where in the picture it is."""
        return self.cats_eye > 0.0 or self.swirl > 0.0

    @property
    def is_point_symmetric(self) -> bool:
        """Whether a half turn leaves it unchanged, so that front and back blur look alike."""
        has_even_iris = self.is_circle or (self.image is None and self.blades % 2 == 0)
        return has_even_iris and self.spherical_aberration == 0.0 and not self.varies_over_field

    @cached_property
    def light(self) -> Tensor:
        """The image on the CPU, `[h,w]` float32 0..1, without the noise of its black."""
        assert self.image is not None
        transmission = self.image.detach().float().cpu().clamp(0.0, 1.0)
        return transmission * (transmission >= LEAST_LIGHT * transmission.amax())

    @cached_property
    def image_radius(self) -> float:
        """From the image's middle to the outer corner of its farthest lit pixel, px."""
        height, width = self.light.shape
        row, column = self.light.nonzero(as_tuple=True)
        farthest = torch.hypot(
            (row + 0.5 - height / 2).abs() + 0.5, (column + 0.5 - width / 2).abs() + 0.5
        )
        return float(farthest.amax())

    def key(self) -> tuple[object, ...]:
        """Identity for caches: equal keys draw equal discs."""
        pixels = None if self.image is None else (self.light.shape, self.light.numpy().tobytes())
        iris = (self.blades, self.rotation_degrees, self.roundness, pixels)
        shade = (self.obstruction, self.spherical_aberration)
        return (*iris, *shade, self.squeeze, self.cats_eye, self.swirl)

    def edge(self, dx: Tensor, dy: Tensor) -> Tensor:
        """Distance from centre to rim in direction (dx, dy), for a blur radius of 1.

        A regular polygon whose corners lie on the circle, blended towards it by `roundness`. An
        image lies within the circle.
        """
        if self.is_circle or self.image is not None:
            return torch.ones_like(dx)
        sector = 2.0 * math.pi / self.blades
        angle = torch.atan2(-dy, dx) - math.radians(self.rotation_degrees) - math.pi / 2.0
        from_middle = torch.remainder(angle, sector) - sector / 2.0
        polygon = math.cos(sector / 2.0) / torch.cos(from_middle)
        return torch.lerp(polygon, torch.ones_like(polygon), self.roundness)


CIRCLE = Aperture()
