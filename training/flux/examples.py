"""Examples for adapters: pictures and maps as networks are shown them."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ...errors import InputError
from ...models.refocus.maps import aperture_picture, defocus_values
from ..series import Photograph, Series, SeriesSource


def deblur_example(
    source: SeriesSource, step: int, random: np.random.Generator
) -> dict[str, Tensor]:
    """`bokeh` and `all_in_focus`, `[3,H,W]`."""
    series = source.draw(step, random)
    return {"bokeh": series.photographs[0].image, "all_in_focus": sharp_of(series)}


def bokeh_example(
    source: SeriesSource, step: int, random: np.random.Generator
) -> dict[str, Tensor]:
    """`all_in_focus`, `defocus` as BokehNet is shown it, and `bokeh`, `[3,H,W]`."""
    return _blurred(source.draw(step, random))


def aperture_example(
    source: SeriesSource, step: int, random: np.random.Generator
) -> dict[str, Tensor]:
    """As for BokehNet, with `aperture`, `[3,128,128]`."""
    series = source.draw(step, random)
    shape = aperture_picture(series.photographs[0].aperture)[0]
    return {**_blurred(series), "aperture": shape}


def _blurred(series: Series) -> dict[str, Tensor]:
    photograph = series.photographs[0]
    return {
        "all_in_focus": sharp_of(series),
        "defocus": defocus_of(series, photograph),
        "bokeh": photograph.image,
    }


def sharp_of(series: Series) -> Tensor:
    """The picture that is sharp everywhere.

    Raises:
        InputError: there is none.
    """
    if series.all_in_focus is None:
        raise InputError("datasets", f"{series.name}, which has no sharp picture", "Leave it out.")
    return series.all_in_focus


def defocus_of(series: Series, photograph: Photograph) -> Tensor:
    """BokehNet's defocus map, `[3,H,W]`.

    Raises:
        InputError: depth, strength or focus plane are not known.
    """
    if series.depth is None or photograph.blur is None:
        missing = "depth" if series.depth is None else "bokeh level and focus plane"
        advice = "Give data with depth, bokeh level and focus plane, see docs/training.md."
        raise InputError("datasets", f"{series.name}, which has no {missing}", advice)
    return defocus_values(photograph.blur.defocus(series.depth))[0]
