"""All lenses behind one call: linear image and defocus map in, linear image out."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .aperture import CIRCLE, Aperture
from .blocks import Block, Surroundings, in_blocks
from .bokehme import BokehMeOptions, render_bokehme
from .chromatic import axial_shift, render_in_colors
from .color import linear_to_srgb, srgb_to_linear
from .defocus import Defocus
from .drbokeh import DrBokehOptions, drbokeh_surroundings, prepare_drbokeh, render_drbokeh
from .image import check_finite
from .layered.render import LayeredOptions, layered_surroundings, prepare_layered, render_layered
from .layered_fft import SPECTRA_BYTES, ladder
from .progress import OnProgress, part_of
from .taf import TafOptions, render_taf
from .view import View
from .window import Window

logger = logging.getLogger(__name__)

# Largest blur radius as a fraction of the image's longest edge. Beyond it a disc covers half of
# the picture; what asks for more is a wrong depth value, not a photograph.
MAX_RADIUS_FRACTION = 0.25


@dataclass(frozen=True)
class LensKind:
    """A renderer, its options and one line that says what it is.

    Args:
        render: (linear image, defocus px, aperture, options, on_progress, view) to linear image.
        options: its dataclass.
        summary: one line.
        bytes_per_pixel: of device memory that it takes at most, beside the image.
        surroundings: what a pixel's result depends on; None if it is the whole picture, which then
            cannot be rendered in blocks.
        check_aperture: raises InputError for an aperture that the renderer cannot honour; None if
            it honours all.
        prepare: what has to be done for the whole picture before it is cut into blocks. From
            what makes the linear light of a window, the defocus in px and the options, to the
            defocus that is rendered, and the options for that.
    """

    render: Callable[..., Tensor]
    options: type[Any]
    summary: str
    # Light, weights and the padded canvas, float32, with room for copies.
    bytes_per_pixel: int = 400
    surroundings: Callable[[View, Any], Surroundings] | None = None
    prepare: Callable[[Callable[..., Tensor], Tensor, Any], tuple[Tensor, Any]] | None = None
    check_aperture: Callable[[Aperture], None] | None = None


def within_discs(view: View, options: Any) -> Surroundings:
    """The surroundings of a renderer in which light stays within the widest disc."""
    del options
    return Surroundings(math.ceil(ladder(view.max_radius)[-1]) + 2)


LENSES: dict[str, LensKind] = {
    "layered": LensKind(
        render_layered,
        LayeredOptions,
        "surfaces that hide each other, with what lies behind them: true edges",
        bytes_per_pixel=250,
        surroundings=layered_surroundings,
        prepare=prepare_layered,
    ),
    "drbokeh": LensKind(
        render_drbokeh,
        DrBokehOptions,
        "layers over each other, from depth or a mask: true edges, a given background",
        bytes_per_pixel=600,
        surroundings=drbokeh_surroundings,
        prepare=prepare_drbokeh,
    ),
    "bokehme": LensKind(
        render_bokehme,
        BokehMeOptions,
        "scatter of every pixel's disc: true highlights, no occlusion",
        surroundings=within_discs,
    ),
    "taf": LensKind(
        render_taf,
        TafOptions,
        "thin-lens gather: differentiable, fast, no occlusion",
        surroundings=within_discs,
    ),
}
DEFAULT_LENS = "layered"


@dataclass(frozen=True)
class Lens:
    """A renderer with its options, ready to render.

    Args:
        name: one of `LENSES`, or any with `own_kind`.
        options: the options dataclass of that renderer; None for its defaults.
        own_kind: a renderer that is not in `LENSES`, such as one with a network.

    Raises:
        InputError: there is no such lens.
    """

    name: str = DEFAULT_LENS
    options: Any = field(default=None)
    own_kind: LensKind | None = None

    def __post_init__(self) -> None:
        if self.own_kind is None and self.name not in LENSES:
            raise InputError("lens", repr(self.name), f"Choose one of: {', '.join(LENSES)}.")
        if self.options is None:
            object.__setattr__(self, "options", self.kind.options())
        if not isinstance(self.options, self.kind.options):
            raise InputError(
                "options",
                f"a {type(self.options).__name__} for the lens {self.name!r}",
                f"Give {self.kind.options.__name__}, or none for its defaults.",
            )

    @property
    def kind(self) -> LensKind:
        """The renderer."""
        return self.own_kind or LENSES[self.name]

    def frame(self, index: int) -> Lens:
        """The lens for one picture of a batch: its options may hold a picture for each.

        Raises:
            InputError: they hold several, but not as many.
        """
        if not hasattr(self.options, "frame"):
            return self
        return replace(self, options=self.options.frame(index))

    def for_film(self) -> Lens:
        """The lens for frames that follow each other, one after the other, of one shot.

        What it chooses for a frame, such as where layers end, it chooses alike for the next.
        """
        if not hasattr(self.options, "for_film"):
            return self
        return replace(self, options=self.options.for_film())


def render(
    image: Tensor,
    defocus: Defocus,
    lens: Lens | None = None,
    aperture: Aperture = CIRCLE,
    on_progress: OnProgress | None = None,
    device: torch.device | None = None,
    linear: bool = True,
) -> Tensor:
    """Render all-in-focus images out of focus, one after the other.

    Args:
        image: linear light `[B,C,H,W]`, any float dtype, values above 1 allowed.
        defocus: of any size (resampled to the image), one or one per image.
        lens: renderer; the default lens if None.
        aperture: shape of the blur disc.
        on_progress: called with the finished fraction, 0..1.
        device: where to compute; by default where the image is.
        linear: False if the image is sRGB-coded instead; then the result is, too.

    Returns:
        `[B,C,H,W]` coded as the image, in its dtype, on its device. B is the larger batch of the
        two; a single image or defocus map serves a whole batch.

    Raises:
        InputError: the batches do not fit, image or map are empty, NaN or infinite, or the lens
            cannot honour the aperture.
    """
    lens = lens or Lens()
    if lens.kind.check_aperture is not None:
        lens.kind.check_aperture(aperture)
    _check_image(image)
    radius = _radius_for(image, defocus)
    batch = _common_batch(image.shape[0], radius.shape[0])
    if hasattr(lens.options, "checked"):
        lens.options.checked(*image.shape[-2:], batch)
    if batch > 1:
        lens = lens.for_film()
    rendered = image.new_empty(batch, *image.shape[1:])
    for index in range(batch):
        # One at a time: beside the result, memory does not grow with the batch.
        _render_frame(
            image[min(index, len(image) - 1)][None],
            radius[min(index, len(radius) - 1)][None].to(device or image.device),
            lens.frame(index),
            aperture,
            linear,
            rendered[index : index + 1],
            part_of(on_progress, index, batch),
        )
    return rendered


def _render_frame(
    image: Tensor,
    radius: Tensor,
    lens: Lens,
    aperture: Aperture,
    linear: bool,
    rendered: Tensor,
    on_progress: OnProgress | None,
) -> None:
    """Render one image `[1,C,H,W]` into `rendered`, in blocks where it is large."""
    kind, device, options = lens.kind, radius.device, lens.options
    working = torch.promote_types(image.dtype, torch.float32)

    def light(window: Window) -> Tensor:
        part = window.of(image).to(device, working)
        return part if linear else srgb_to_linear(part)

    if kind.prepare is not None:
        radius, options = kind.prepare(light, radius, options)
    view = View.of(radius)

    def render_block(block: Block, report: OnProgress | None) -> Tensor:
        result = render_in_colors(
            kind.render,
            light(block.outer),
            block.outer.of(radius).to(working),
            aperture,
            options.block(*block.outer.slices) if hasattr(options, "block") else options,
            report,
            view.part(block.outer.top, block.outer.left, block.inner.seen_from(block.outer)),
        )
        return (result if linear else linear_to_srgb(result)).to(image)

    shift = axial_shift(aperture, *image.shape[-2:])
    widest = replace(
        view,
        least_radius=min(view.least_radius, view.least_radius + shift),
        largest_radius=max(view.largest_radius, view.largest_radius + shift),
    )
    around = kind.surroundings and kind.surroundings(widest, options)
    in_blocks(render_block, rendered, around, kind.bytes_per_pixel, device, on_progress)


def pass_over(image: Tensor, defocus: Defocus, lens: Lens) -> None:
    """Let a lens for a film see a frame that is not rendered: those after it are as if it were.

    Args:
        image: `[1,C,H,W]`.
        defocus: of the frame.
        lens: of this frame, from a `Lens.for_film`.
    """
    if hasattr(lens.options, "pass_over"):
        lens.options.pass_over(_radius_for(image, defocus))


def working_memory(height: int, width: int, lens: Lens | None = None) -> int:
    """Bytes that rendering one image takes at most on its device, beside the image."""
    kind = (lens or Lens()).kind
    return kind.bytes_per_pixel * height * width + 4 * SPECTRA_BYTES["cuda"]


def _check_image(image: Tensor) -> None:
    if 0 in image.shape:
        raise InputError(
            "image", f"an empty batch {tuple(image.shape)}", "Give at least one image."
        )
    check_finite(image)


def _radius_for(image: Tensor, defocus: Defocus) -> Tensor:
    height, width = image.shape[-2:]
    if defocus.radius.numel() == 0 or not bool(torch.isfinite(defocus.radius).all()):
        received = f"an empty, NaN or infinite map {tuple(defocus.radius.shape)}"
        raise InputError("defocus", received, "Make it by defocus_from_camera or _bokeh_level.")
    if defocus.size != (height, width):
        logger.warning(
            "The defocus map is %d×%d, the image %d×%d: the map is resampled.",
            *reversed(defocus.size),
            width,
            height,
        )
    radius = defocus.resized(height, width).radius
    limit = MAX_RADIUS_FRACTION * max(height, width)
    if float(radius.detach().abs().amax()) > limit:
        logger.warning("Blur radii above %.0f px (a quarter of the image) are limited.", limit)
    return radius.clamp(-limit, limit)


def _common_batch(images: int, maps: int) -> int:
    if images != maps and 1 not in (images, maps):
        raise InputError(
            "defocus", f"{maps} maps for {images} images", "Give one, or one per image."
        )
    return max(images, maps)
