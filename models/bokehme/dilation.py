"""Where blur discs reach: the defocus map, dilated by each pixel's own disc."""

from __future__ import annotations

import torch
from torch import Tensor

# Sources worked on at once; bounds the memory of their indices.
CHUNK = 2**18
NOTHING = -(2**30)


def defocus_dilated(defocus: Tensor) -> Tensor:
    """The largest defocus, cut to whole px, of all discs that reach a pixel.

    A disc of radius r reaches all pixels up to a distance of exactly r, so that blur in front of
    the focus spreads over what is behind it, and blur behind stays within its own region. Exact,
    as in BokehMe's scatter; time grows with the radius, not with its square.

    Args:
        defocus: `[B,1,H,W]` signed blur radius, px.

    Returns:
        `[B,1,H,W]`, whole numbers in the dtype of `defocus`.
    """
    signed = defocus.detach()[:, 0]
    return torch.stack([_dilated(one) for one in signed])[:, None].to(defocus.dtype)


def _dilated(defocus: Tensor) -> Tensor:
    """`[H,W]` to `[H,W]` int32.

    A disc is a stack of rows, and a row of any length is covered by two runs whose length is a
    power of two. So the table of runs has one plane per power of two, in which a run is entered at
    its left end; in the end each plane is handed down to the next smaller one, in two halves.
    """
    height, width = defocus.shape
    own = defocus.trunc().int()
    # A disc reaches a pixel if dx² + dy² <= r², for whole dx and dy if it is <= floor(r²).
    reach_squared = defocus.double().square().floor().long().flatten()
    margin = int(defocus.abs().amax())
    table = _Table(height, width, margin, defocus.device)
    reaching = (reach_squared >= 1).nonzero().flatten()  # Smaller discs reach no neighbour.
    for chunk in reaching.split(CHUNK):
        table.enter(chunk, reach_squared[chunk], own.flatten()[chunk])
    return torch.maximum(own, table.handed_down())


class _Table:
    """Largest value of the runs that begin at each pixel, `[powers of two, rows, columns]`."""

    def __init__(self, height: int, width: int, margin: int, device: torch.device) -> None:
        self.height, self.width, self.margin = height, width, margin
        powers = (2 * margin + 1).bit_length()
        # Runs may begin and end beyond the frame.
        shape = (powers, height + 2 * margin, width + 2 * margin)
        self.runs = torch.full(shape, NOTHING, dtype=torch.int32, device=device)
        self.left, self.right = self._offsets()

    def _offsets(self) -> tuple[Tensor, Tensor]:
        """Where in the flat table the two runs of a row begin, from its middle, by `w²` at least.

        Entry q is for rows that reach w = floor(sqrt(q)) to either side.
        """
        half_width = torch.arange(self.margin + 1)
        length = 2 * half_width + 1
        power = length.double().log2().floor().long()
        plane = power * self.runs[0].numel()
        left, right = plane - half_width, plane + half_width + 1 - 2**power
        repeats = length  # (w + 1)² - w²
        device = self.runs.device
        return left.repeat_interleave(repeats).to(device), right.repeat_interleave(repeats).to(
            device
        )

    def enter(self, places: Tensor, reach_squared: Tensor, values: Tensor) -> None:
        """Enter whole discs.

        Args:
            places: flat indices of their centres in the picture.
            reach_squared: `floor(r²)`.
            values: what to enter.
        """
        columns = self.width + 2 * self.margin
        row, column = places // self.width, places % self.width
        centre = (row + self.margin) * columns + column + self.margin
        flat = self.runs.view(-1)
        for dy in range(self.margin + 1):
            rest = reach_squared - dy * dy
            if dy and bool((rest < 0).any()):
                kept = rest >= 0
                reach_squared, values = reach_squared[kept], values[kept]
                centre, rest = centre[kept], rest[kept]
            if len(rest) == 0:
                return
            for offsets in (self.left, self.right):
                start = offsets.take(rest).add_(centre)
                for shift in {-dy * columns, dy * columns}:
                    flat.scatter_reduce_(0, start + shift, values, "amax")

    def handed_down(self) -> Tensor:
        """Largest value that covers each pixel, `[H,W]`."""
        for power in range(len(self.runs) - 1, 0, -1):
            longer, shorter, half = self.runs[power], self.runs[power - 1], 2 ** (power - 1)
            torch.maximum(shorter, longer, out=shorter)
            moved = shorter[:, half:]
            torch.maximum(moved, longer[:, :-half], out=moved)
        inner = slice(self.margin, self.margin + self.height)
        return self.runs[0, inner, self.margin : self.margin + self.width]
