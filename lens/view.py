"""Where the pixels at hand lie in the whole picture."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """A block of a picture that is rendered part by part.

    Args:
        picture_height: of the whole picture, px.
        picture_width: of the whole picture, px.
        top: row of the block's first pixel, px; negative in a margin beyond the frame.
        left: its column, px.
    """

    picture_height: int
    picture_width: int
    top: int = 0
    left: int = 0

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

    def part(self, top: int, left: int) -> View:
        """The view of a part whose first pixel is at (top, left) of this block."""
        return View(self.picture_height, self.picture_width, self.top + top, self.left + left)
