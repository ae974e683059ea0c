"""A base model with the adapters that make DeblurNet, BokehNet and DiffCamera of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import InputError
from ..flux.base import FluxBase
from ..flux.layout import AdapterFile
from ..flux.networks import Kind
from ..flux.published import GENFOCUS_BOKEH, GENFOCUS_DEBLUR

NAMES = {
    Kind.DEBLUR: f"DeblurNet ({GENFOCUS_DEBLUR.file})",
    Kind.PRE_DEBLUR: f"DeblurNet ({GENFOCUS_DEBLUR.file})",
    Kind.BOKEH: f"BokehNet ({GENFOCUS_BOKEH.file})",
    Kind.APERTURE: "one for the shape of the aperture",
    Kind.DIFFCAMERA: "DiffCamera",
}


@dataclass(frozen=True, eq=False)
class RefocusModel:
    """What the link between Load Refocus Model and the nodes that use it carries.

    Args:
        base: FLUX.1-dev.
        adapters: those that are loaded, by what they are for.
    """

    base: FluxBase
    adapters: Mapping[Kind, AdapterFile] = field(default_factory=dict)

    def adapter(self, *kinds: Kind) -> AdapterFile:
        """The first of the adapters that is there.

        Raises:
            InputError: none of them is.
        """
        found = self.optional(*kinds)
        if found is None:
            there = ", ".join(kind.value for kind in self.adapters) or "none"
            received = f"a model without the adapter '{kinds[0].value}' (loaded: {there})"
            raise InputError("model", received, f"Load {NAMES[kinds[0]]} with it.")
        return found

    def optional(self, *kinds: Kind) -> AdapterFile | None:
        """As `adapter`, or None."""
        return next((self.adapters[kind] for kind in kinds if kind in self.adapters), None)
