"""What a block of a picture knows of the whole picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor

from .window import Window


@dataclass(frozen=True)
class View:
    """Where the pixels at hand lie in the whole picture, and how blurred that is.

    Pictures are rendered in blocks. What a renderer derives from the whole of a picture it takes
    from here, so that blocks fit together.

    Args:
        picture_height: of the whole picture, px.
        picture_width: of the whole picture, px.
        top: row of the block's first pixel, px.
        left: its column, px.
        least_radius: the smallest signed blur radius in the whole picture, px.
        largest_radius: the largest, px.
        wanted: the part of the block that is for the picture; what is around it is there to be
            looked at, and what a renderer returns for it does not matter. None for all of it.
    """

    picture_height: int
    picture_width: int
    top: int = 0
    left: int = 0
    least_radius: float = 0.0
    largest_radius: float = 0.0
    wanted: Window | None = None

    @classmethod
    def of(cls, defocus: Tensor) -> View:
        """The view of a whole picture, from its signed blur radius `[B,1,H,W]`, px."""
        least, largest = (float(bound) for bound in defocus.detach().aminmax())
        height, width = defocus.shape[-2:]
        return cls(height, width, least_radius=least, largest_radius=largest)

    @property
    def max_radius(self) -> float:
        """Radius of the widest blur in the whole picture, px."""
        return max(abs(self.least_radius), abs(self.largest_radius))

    def field(self, row: float, column: float) -> tuple[float, float]:
        """Position in the lens' field of a place in the block.

        Args:
            row: px from the block's top edge; 0.5 is the middle of its first row.
            column: px from its left edge.

        Returns:
            (x, y) from the picture's centre, right and down, in half diagonals: the corners are at
            distance 1.
        """
        half_diagonal = math.hypot(self.picture_height, self.picture_width) / 2.0
        x = (self.left + column - self.picture_width / 2.0) / half_diagonal
        y = (self.top + row - self.picture_height / 2.0) / half_diagonal
        return x, y

    def shifted(self, radius: float) -> View:
        """The view of the same picture with `radius` (px) added to every signed blur radius."""
        return replace(
            self,
            least_radius=self.least_radius + radius,
            largest_radius=self.largest_radius + radius,
        )

    def part(self, top: int, left: int, wanted: Window | None = None) -> View:
        """The view of a part whose first pixel is at (top, left) of this block."""
        return replace(self, top=self.top + top, left=self.left + left, wanted=wanted)
