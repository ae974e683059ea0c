"""BokehNet: an all-in-focus picture and its defocus map, out of focus (section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import InputError
from ...lens.aperture import Aperture
from ...lens.defocus import Defocus
from ..flux.base import FluxBase
from ..flux.layout import AdapterFile
from ..flux.networks import Kind, bokeh_conditions
from ..flux.tokens import Grid, packed
from .canvas import extended
from .colors import without_drift
from .generation import Adapters, Generation, Shown, check_pictures, one_for_each
from .keeping import changed_by, kept
from .maps import aperture_picture, defocus_values
from .memory import encoded
from .sampling import NOBODY, Sampling, Watch


@torch.no_grad()
def render_bokeh(
    base: FluxBase,
    adapter: AdapterFile,
    all_in_focus: Tensor,
    defocus: Defocus,
    aperture: Aperture | None = None,
    aperture_adapter: AdapterFile | None = None,
    sampling: Sampling | None = None,
    keep_in_focus: bool = True,
    keep_colors: bool = True,
    watch: Watch = NOBODY,
) -> Tensor:
    """All-in-focus pictures with the blur of a lens.

    Args:
        base: FLUX.1-dev.
        adapter: BokehNet's.
        all_in_focus: `[B,3,H,W]` sRGB 0..1, of any size.
        defocus: one, or one for each picture; of another size it is resampled. One picture serves
            all maps.
        aperture: shape of the blur, for `aperture_adapter`.
        aperture_adapter: trained for shapes on this very BokehNet.
        sampling: how the picture is made.
        keep_in_focus: keep the very pixels of the input where blur changes nothing.
        keep_colors: take drift of colours out; see `colors`.
        watch: who is told how far it is.

    Returns:
        `[B,3,H,W]` sRGB 0..1, float32 on the picture's device. With `keep_in_focus` a map of zeros
        gives the input back, without running the network.

    Raises:
        InputError: pictures and maps that are none or do not fit each other, an adapter for
            something else or another base model, or a shape without an adapter for it.
    """
    count = _checked_count(all_in_focus, defocus)
    _check_shape(aperture, aperture_adapter)
    adapters: dict[Kind, AdapterFile] = {Kind.BOKEH: adapter}
    if aperture is not None and aperture_adapter is not None:
        adapters[Kind.APERTURE] = aperture_adapter
    network = _BokehNet(base, adapters, sampling or Sampling(), watch, count, aperture)
    pictures = all_in_focus.float().clamp(0.0, 1.0)
    radius = defocus.resized(*pictures.shape[-2:]).radius
    results = []
    for index in range(count):
        picture = pictures[min(index, len(pictures) - 1)][None]
        blur = Defocus(radius[min(index, len(radius) - 1)][None].to(picture))
        changed = changed_by(blur)
        if keep_in_focus and not bool(changed.any()):
            results.append(picture)
            continue
        result = network.rendered(picture, blur, index)
        if keep_colors:
            result = without_drift(result, picture, 1.0 - changed)
        results.append(kept(picture, result, changed) if keep_in_focus else result)
    return torch.cat(results)


class _BokehNet:
    """The network with what is the same for all pictures of a call."""

    def __init__(
        self,
        base: FluxBase,
        adapters: Adapters,
        sampling: Sampling,
        watch: Watch,
        count: int,
        aperture: Aperture | None,
    ) -> None:
        self._base = base
        self._generation = Generation(base, Kind.BOKEH, adapters, sampling, watch, count)
        self._aperture = None if aperture is None else self._shape_tokens(aperture)

    def rendered(self, picture: Tensor, blur: Defocus, index: int) -> Tensor:
        base = self._base
        shown = Shown.of(base, picture)
        values = extended(defocus_values(blur).to(base.device))
        tokens = packed(encoded(base, values)).to(base.dtype)
        conditions = bokeh_conditions(shown.tokens(base), tokens, shown.grid, self._aperture)
        return self._generation.picture(picture, shown, conditions, index)

    def _shape_tokens(self, aperture: Aperture) -> tuple[Tensor, Grid]:
        shown = Shown.of(self._base, aperture_picture(aperture))
        return shown.tokens(self._base), shown.grid


def _checked_count(pictures: Tensor, defocus: Defocus) -> int:
    """How many results there are."""
    check_pictures(pictures)
    radius = defocus.radius
    if radius.numel() == 0 or not bool(torch.isfinite(radius).all()):
        received = f"an empty, NaN or infinite map {list(radius.shape)}"
        raise InputError("defocus", received, "Make it by defocus_from_camera or _bokeh_level.")
    if len(pictures) > 1:
        one_for_each(len(radius), len(pictures), "defocus")
    return max(len(pictures), len(radius))


def _check_shape(aperture: Aperture | None, adapter: AdapterFile | None) -> None:
    if aperture is not None and adapter is None:
        advice = "Give an adapter that was trained for shapes, or render with a lens."
        raise InputError("aperture", "a shape without an adapter for it", advice)
    if adapter is not None and aperture is None:
        received = "an adapter for shapes without a shape"
        raise InputError("aperture_adapter", received, "Give an aperture, or no adapter.")
