"""The same picture at several apertures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..errors import InputError
from .aperture import CIRCLE, Aperture
from .defocus import Defocus
from .progress import OnProgress, part_of
from .render import Lens, render

# Of Fine-grained Defocus Blur Control, section 4.1.
APERTURES = (1.8, 2.8, 4.0, 5.6, 8.0, 11.0, 16.0, 22.0)


def swept(
    image: Tensor,
    defocus: Defocus,
    f_number: float,
    f_numbers: Sequence[float] = APERTURES,
    lens: Lens | None = None,
    aperture: Aperture = CIRCLE,
    on_progress: OnProgress | None = None,
    device: torch.device | None = None,
    linear: bool = True,
) -> Iterator[Tensor]:
    """Images at one aperture after the other, each rendered when it is asked for.

    A circle of confusion is inversely proportional to the f-number, so that one defocus map tells
    those of all apertures, of metric and of relative depth.

    Args:
        image: `[B,C,H,W]`, as in `lens.render.render`.
        defocus: at `f_number`.
        f_number: above 0.
        f_numbers: wanted, each above 0.
        lens: as in `render`, and so are the others.
        aperture: shape of the blur disc.
        on_progress: called with the finished fraction of all.
        device: where to compute.
        linear: False if the image is sRGB-coded.

    Raises:
        InputError: an f-number has no meaning; else as `render`.
    """
    wanted = checked_f_numbers(f_numbers)
    (given,) = checked_f_numbers([f_number], "f_number")
    for index, one in enumerate(wanted):
        stopped_down = Defocus(defocus.radius * (given / one))
        part = part_of(on_progress, index, len(wanted))
        yield render(image, stopped_down, lens, aperture, part, device, linear)


def f_numbers_in(text: str) -> list[float]:
    """F-numbers as people write them, separated by commas or spaces.

    Raises:
        InputError: something is no number.

    Example:
        >>> f_numbers_in("f/1.8, 2.8 4")
        [1.8, 2.8, 4.0]
    """
    parts = text.replace(",", " ").replace(";", " ").split()
    try:
        return checked_f_numbers([float(part.lower().removeprefix("f/")) for part in parts])
    except ValueError:
        advice = "Give numbers such as 1.8, 2.8, 4."
        raise InputError("f_numbers", repr(text), advice) from None


def checked_f_numbers(values: Sequence[float], subject: str = "f_numbers") -> list[float]:
    """The f-numbers, if they have a meaning.

    Raises:
        InputError: there are none, or one is not above zero.
    """
    if not values or not all(0 < value < float("inf") for value in values):
        received = ", ".join(f"{value:g}" for value in values) or "none"
        raise InputError(subject, received, "Give numbers above zero, such as 1.8.")
    return list(values)
