"""A photo refocused from beginning to end: deblur, depth, focus, blur."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from torch import Tensor

from ...lens.aperture import CIRCLE, Aperture
from ...lens.defocus import Defocus, check_focus, defocus_from_bokeh_level, defocus_from_camera
from ...lens.depth import Depth
from ...lens.focus import Focus
from ...lens.optics import Camera
from ...lens.render import Lens, render
from ..flux.networks import Kind
from .bokeh import render_bokeh
from .deblur import deblur
from .generation import check_pictures
from .memory import digest, memory_of
from .model import RefocusModel
from .sampling import NOBODY, Sampling, Watch


@dataclass(frozen=True, eq=False)
class Estimate:
    """A way to get the depth of pictures.

    Args:
        depth: of pictures `[B,3,H,W]` sRGB 0..1.
        key: equal where the same picture gets the same depth, such as the stamp of the weights.
    """

    depth: Callable[[Tensor], Depth]
    key: Hashable


@dataclass(frozen=True, eq=False)
class Refocused:
    """A refocused photo and how it came about.

    Args:
        picture: `[B,3,H,W]` sRGB 0..1.
        all_in_focus: what DeblurNet made of the photo, or the photo.
        depth: of it.
        focus: what is sharp.
        defocus: blur of every pixel.
    """

    picture: Tensor
    all_in_focus: Tensor
    depth: Depth
    focus: Focus
    defocus: Defocus


def refocus_photo(
    model: RefocusModel,
    photo: Tensor,
    focus: Callable[[Depth], Focus],
    strength: float | Camera,
    depth: Depth | Estimate,
    lens: Lens | None = None,
    aperture: Aperture | None = None,
    is_sharp: bool = False,
    sampling: Sampling | None = None,
    keep_in_focus: bool = True,
    keep_colors: bool = True,
    watch: Watch = NOBODY,
) -> Refocused:
    """Photos with another focus and another aperture.

    What DeblurNet and the depth estimator made of a photo is remembered for the next call with the
    same base model, so that another focus or strength takes the last stage alone.

    Args:
        model: FLUX.1-dev with DeblurNet and, without a lens, BokehNet.
        photo: `[B,3,H,W]` sRGB 0..1, of any size.
        focus: what shall be sharp, of the depth.
        strength: bokeh level K, px per unit of the depth's disparity, or a camera.
        depth: of the photo, or what estimates it from the all-in-focus picture.
        lens: renders the blur instead of BokehNet.
        aperture: shape of the blur: for the lens, or for BokehNet with its adapter for shapes.
        is_sharp: the photo is all in focus already; DeblurNet is not asked.
        sampling: how both networks make pictures.
        keep_in_focus: see `render_bokeh`.
        keep_colors: take drift of colours out; see `colors`.
        watch: who is told how far it is.

    Raises:
        InputError: something that the stages do not take.
    """
    check_pictures(photo)
    sampling = sampling or Sampling()
    pictures = photo.float().clamp(0.0, 1.0)
    deblurring = 0 if is_sharp else len(pictures) * sampling.steps
    blurring = 0 if lens else len(pictures) * sampling.steps
    renders = None if lens else model.adapter(Kind.BOKEH)
    shapes = None if lens or aperture is None else model.adapter(Kind.APERTURE)
    check_focus(focus, strength, *pictures.shape[-2:])
    sharp = pictures
    if not is_sharp:
        stage = watch.stage(0, deblurring + blurring)
        sharp = _all_in_focus(model, pictures, sampling, keep_colors, stage)
    scene = _depth_of(model, sharp, depth).for_image(*pictures.shape[-2:])
    plane = focus(scene)
    blur = _blur(scene, plane, strength)
    if renders is None:
        result = render(
            sharp, blur, lens, aperture or CIRCLE, device=model.base.device, linear=False
        )
    else:
        blurring = max(len(sharp), len(blur.radius)) * sampling.steps
        result = render_bokeh(
            model.base,
            renders,
            sharp,
            blur,
            aperture,
            shapes,
            sampling,
            keep_in_focus,
            keep_colors,
            watch.stage(deblurring, deblurring + blurring),
        )
    return Refocused(result, sharp, scene, plane, blur)


def _all_in_focus(
    model: RefocusModel, pictures: Tensor, sampling: Sampling, keep_colors: bool, watch: Watch
) -> Tensor:
    adapter = model.adapter(Kind.DEBLUR, Kind.PRE_DEBLUR)
    # What does not change the picture shall not make it anew.
    settings = replace(sampling, tiles_at_once=1)
    key = ("all in focus", digest(pictures), adapter, settings, keep_colors)
    return memory_of(model.base).recall(
        key,
        lambda: deblur(
            model.base,
            adapter,
            pictures,
            sampling=sampling,
            keep_colors=keep_colors,
            watch=watch,
        ),
    )


def _depth_of(model: RefocusModel, pictures: Tensor, depth: Depth | Estimate) -> Depth:
    if isinstance(depth, Depth):
        return depth
    key = ("depth", digest(pictures), depth.key)
    return memory_of(model.base).recall(key, lambda: depth.depth(pictures))


def _blur(depth: Depth, focus: Focus, strength: float | Camera) -> Defocus:
    if isinstance(strength, Camera):
        return defocus_from_camera(depth, focus, strength)
    return defocus_from_bokeh_level(depth, focus, strength)
