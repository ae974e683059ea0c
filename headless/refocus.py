"""Photos refocused with FLUX, for arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..lens.aperture import Aperture
from ..lens.color import displayed, srgb_to_linear
from ..lens.depth import Depth
from ..lens.focus import Focus
from ..lens.optics import Camera
from ..lens.progress import OnProgress
from ..lens.render import Lens
from ..models.depth.handle import depth_weights_path
from ..models.flux.networks import STEPS, Kind
from ..models.loaded import stamp_of
from ..models.places import AUTOMATIC
from ..models.refocus import deblur as network_deblur
from ..models.refocus import diffcamera as network_diffcamera
from ..models.refocus import photo as network_photo
from ..models.refocus.model import RefocusModel
from ..models.refocus.photo import Estimate
from ..models.refocus.sampling import Sampling, Watch
from .estimation import estimated
from .render import Area, Array, Map, choose_focus, exactly_one, opened, scene_from


def deblur(
    image: Array,
    model: RefocusModel,
    *,
    pre_deblurred: Array | None = None,
    steps: int = STEPS,
    seed: int = 0,
    guidance: float | None = None,
    tile: bool = True,
    tiles_at_once: int = 1,
    refresh_every: int = 1,
    keep_colors: bool = True,
    linear: bool = False,
    on_progress: OnProgress | None = None,
) -> Array:
    """Make photos sharp from front to back with DeblurNet (Generative Refocusing).

    Args:
        image: `[H,W,3]` or `[B,H,W,3]` floats, sRGB-coded 0..1, of any size.
        model: with DeblurNet, see `load_refocus_model`.
        pre_deblurred: a conservative restoration of each photo, for the variant that was trained
            with one; it is chosen by this.
        steps: of denoising.
        seed: of the noise; all images of a batch begin with the same.
        guidance: FLUX' guidance scale; as published (3.5) by default.
        tile: make images above 512×512 px of overlapping tiles of that size.
        tiles_at_once: in one pass of the model.
        refresh_every: let conditions follow the picture in every n-th step only; 1 is exact.
        keep_colors: take the autoencoder's drift of colours out.
        linear: `image` is linear light 0..1, and so is the result.
        on_progress: called with the finished fraction, 0..1.

    Returns:
        As `image`, float32.

    Raises:
        InputError: something has no meaning, or the model lacks the adapter.
    """
    pictures, restore = opened(image)
    kinds = [Kind.DEBLUR, Kind.PRE_DEBLUR]
    restored = None if pre_deblurred is None else opened(pre_deblurred)[0]
    result = network_deblur.deblur(
        model.base,
        model.adapter(*(kinds if restored is None else kinds[::-1])),
        _coded(pictures, linear),
        None if restored is None else _coded(restored, linear),
        Sampling(steps, seed, guidance, tile, tiles_at_once, refresh_every),
        keep_colors,
        _watch(on_progress),
    )
    return restore(srgb_to_linear(result) if linear else result)


def refocus_photo(
    image: Array,
    model: RefocusModel,
    depth: Map | Depth | None = None,
    *,
    disparity: Map | None = None,
    depth_model: str | Path = AUTOMATIC,
    focus: Focus | None = None,
    focus_point: Area | Sequence[Area] | None = None,
    focus_mask: Map | None = None,
    focus_distance: float | None = None,
    focus_disparity: float | None = None,
    focus_range: float = 0.0,
    camera: Camera | None = None,
    bokeh_level: float | None = None,
    deblur: bool = True,
    lens: str | Lens | None = None,
    aperture: Aperture | None = None,
    steps: int = STEPS,
    seed: int = 0,
    tile: bool = True,
    tiles_at_once: int = 1,
    refresh_every: int = 1,
    keep_in_focus: bool = True,
    keep_colors: bool = True,
    linear: bool = False,
    on_progress: OnProgress | None = None,
) -> Array:
    """Give photos another focus and aperture: deblur them, then blur them anew.

    DeblurNet makes all of the photo sharp, a network estimates its depth, BokehNet or a lens blurs
    it. What the first two made is remembered: another focus or strength of the same photo with the
    same model takes the last stage alone. Arguments that are not described here are those of
    `deblur` and `render`.

    Args:
        image: `[H,W,3]` or `[B,H,W,3]` floats, sRGB-coded 0..1, of any size.
        model: with DeblurNet and BokehNet, see `load_refocus_model`.
        depth: metres, or a `Depth`; estimated from the sharp picture if None.
        disparity: relative disparity instead.
        depth_model: estimates it, as in `estimate_depth`.
        camera: a real lens, or `bokeh_level`, exactly one.
        deblur: False: the photo is sharp everywhere already.
        lens: renders the blur in place of BokehNet.
        aperture: shape of the blur, for the lens, or for BokehNet with an adapter for shapes.
        keep_in_focus: keep the sharp picture's own pixels where nothing is blurred.

    Returns:
        As `image`, float32.

    Raises:
        InputError: something is missing, given twice, or has no meaning.
        FileError: there is neither depth nor a network for it.

    Example:
        >>> near = refocus_photo(
        ...     photo.image, model, focus_point=(0.4, 0.3), bokeh_level=20.0
        ... )  # doctest: +SKIP
    """
    exactly_one({"camera": camera, "bokeh_level": bokeh_level})
    if depth is not None or disparity is not None:
        scene: Depth | Estimate = scene_from(depth, disparity)
    else:
        scene = _estimate(depth_model, camera, model.base.device)
    places = {
        "focus": focus,
        "focus_point": focus_point,
        "focus_mask": focus_mask,
        "focus_distance": focus_distance,
        "focus_disparity": focus_disparity,
    }
    exactly_one(places)
    pictures, restore = opened(image)
    result = network_photo.refocus_photo(
        model,
        _coded(pictures, linear),
        partial(choose_focus, **places, focus_range=focus_range),
        camera if bokeh_level is None else bokeh_level,  # pyright: ignore
        scene,
        Lens(lens) if isinstance(lens, str) else lens,
        aperture,
        not deblur,
        Sampling(steps, seed, None, tile, tiles_at_once, refresh_every),
        keep_in_focus,
        keep_colors,
        _watch(on_progress),
    ).picture
    return restore(srgb_to_linear(result) if linear else result)


def diffcamera(
    image: Array,
    model: RefocusModel,
    depth: Map | Depth | None = None,
    *,
    focus_point: tuple[float, float],
    bokeh_level: float,
    steps: int = STEPS,
    seed: int = 0,
    refresh_every: int = 1,
    keep_colors: bool = True,
    linear: bool = False,
    on_progress: OnProgress | None = None,
) -> Array:
    """Refocus photos in one go with DiffCamera, add blur to them or remove it.

    Arguments that are not described here are those of `deblur`.

    Args:
        image: `[H,W,3]` or `[B,H,W,3]` floats, sRGB-coded 0..1, best of about a megapixel.
        model: with DiffCamera, see `load_refocus_model`.
        depth: metres, or a `Depth`; without, the network goes by the photo alone.
        focus_point: (x, y) as fractions of width and height, from the top left.
        bokeh_level: blur radius in px between what is nearest and what is farthest; 0 removes blur.

    Returns:
        As `image`, float32.

    Raises:
        InputError: something has no meaning, or the model lacks the adapter.
    """
    pictures, restore = opened(image)
    result = network_diffcamera.refocus(
        model.base,
        model.adapter(Kind.DIFFCAMERA),
        _coded(pictures, linear),
        focus_point,
        bokeh_level,
        None if depth is None else scene_from(depth, None),
        Sampling(steps, seed, refresh_every=refresh_every),
        keep_colors,
        _watch(on_progress),
    )
    return restore(srgb_to_linear(result) if linear else result)


def _coded(pictures: Tensor, linear: bool) -> Tensor:
    return displayed(pictures) if linear else pictures


def _watch(on_progress: OnProgress | None) -> Watch:
    if on_progress is None:
        return Watch()
    return Watch(on_step=lambda done, total, _: on_progress(done / total))


def _estimate(model: str | Path, camera: Camera | None, device: torch.device) -> Estimate:
    """The depth network, found now, so that missing weights are missed before the work begins."""
    path = depth_weights_path(model)

    def estimate(pictures: Tensor) -> Depth:
        return estimated(pictures, path, camera=camera, device=device)

    return Estimate(estimate, (path, stamp_of(path), camera))
