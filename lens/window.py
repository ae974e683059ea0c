"""Rectangles of pixels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels: the first row and column, and those after the last."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """In px."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """In px."""
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and its columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def of(self, values: Tensor) -> Tensor:
        """The part of `[...,H,W]` inside."""
        return values[..., self.top : self.bottom, self.left : self.right]

    def grown(self, reach: int) -> Window:
        """The window with everything around it up to `reach`, px."""
        return Window(self.top - reach, self.left - reach, self.bottom + reach, self.right + reach)

    def within(self, height: int, width: int) -> Window:
        """The part of it that lies on a picture of this size, px."""
        return Window(
            max(self.top, 0), max(self.left, 0), min(self.bottom, height), min(self.right, width)
        )

    def moved(self, rows: int, columns: int) -> Window:
        """The window moved down and right, px."""
        return Window(
            self.top + rows, self.left + columns, self.bottom + rows, self.right + columns
        )

    def margins_to(self, other: Window) -> tuple[int, int, int, int]:
        """How far another window reaches beyond this one: left, right, top, bottom, px."""
        return (
            self.left - other.left,
            other.right - self.right,
            self.top - other.top,
            other.bottom - self.bottom,
        )

    def seen_from(self, other: Window) -> Window:
        """The window in coordinates of another one's corner."""
        return self.moved(-other.top, -other.left)
