"""One call from arrays to arrays: an all-in-focus image and its depth in, the photograph out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..lens.aperture import CIRCLE, Aperture
from ..lens.defocus import Defocus, defocus_from_bokeh_level, defocus_from_camera
from ..lens.depth import Depth
from ..lens.focus import Focus, focus_on_mask
from ..lens.focus_areas import Area, focus_on_areas
from ..lens.highlights import Highlights, compress_highlights, in_pictures, recover_highlights
from ..lens.image import check_finite, to_interleaved, to_planar, without_negative_light
from ..lens.optics import Camera
from ..lens.render import DEFAULT_LENS, Lens
from ..lens.render import render as render_planar
from .devices import device_called
from .estimation import estimated

Array = TypeVar("Array", np.ndarray, Tensor)
Map = np.ndarray | Tensor


def render(
    image: Array,
    depth: Map | Depth | None = None,
    *,
    disparity: Map | None = None,
    depth_model: str | Path | None = None,
    focus: Focus | None = None,
    focus_point: Area | Sequence[Area] | None = None,
    focus_mask: Map | None = None,
    focus_distance: float | None = None,
    focus_disparity: float | None = None,
    focus_range: float = 0.0,
    camera: Camera | None = None,
    bokeh_level: float | None = None,
    focus_scale: float | Tensor = 1.0,
    lens: str | Lens = DEFAULT_LENS,
    aperture: Aperture | None = None,
    highlights: Highlights | None = None,
    roll_off: bool = True,
    linear: bool = False,
    device: torch.device | str | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Array:
    """Render all-in-focus images out of focus.

    Exactly one of `depth`, `disparity` and `depth_model`, one place to focus on, and one of
    `camera` and `bokeh_level` have to be given.

    Args:
        image: `[H,W,3]` or `[B,H,W,3]` floats, sRGB-coded 0..1, of HDR pictures also above; a
            fourth channel is dropped, negative values are taken as 0.
        depth: metres along the optical axis, `[H,W]` or `[B,H,W]`, or a `Depth`. Other sizes are
            resampled; infinity is infinitely far; NaN, zero and negative values are filled.
        disparity: relative disparity instead, larger is nearer, scaled to 0..1 if outside.
        depth_model: a network that estimates the depth instead, as in `estimate_depth`.
        focus: a `Focus`, such as a focus pull with one plane per frame.
        focus_point: (x, y) as fractions of width and height, from the top left; or a region
            (left, top, right, bottom), whose median depth counts; or several of them, all of which
            are sharp while the first is in the focus plane.
        focus_mask: `[H,W]` or `[B,H,W]`, the subject where above 0.5.
        focus_distance: metres.
        focus_disparity: 1/m for metric depth, 0..1 (1 = nearest) for relative.
        focus_range: how much depth stays sharp around the focus, in metres with `focus_distance`,
            else in the depth's disparity.
        camera: a real lens; needs metric depth.
        bokeh_level: K, blur radius in px of the image per unit of disparity.
        focus_scale: f_s of Fine-grained Defocus eq. 6, with a camera; one, or `[B]`.
        lens: a name of `LENSES`, or a `Lens` with options.
        aperture: shape of the blur disc, a circle by default.
        highlights: give clipped lights their brightness back, so that they become bright discs;
            None leaves the picture as it is.
        roll_off: bring what `highlights` made brighter than white softly back after rendering, so
            that sharp highlights look as before. False leaves it, for an HDR file.
        linear: `image` is linear light, and so is the result.
        device: where to compute; by default where the image is.
        on_progress: called with the finished fraction, 0..1.

    Returns:
        As `image`: the same shape (with 3 channels), type and device.

    Raises:
        InputError: something is missing, given twice, or has no meaning.
        FileError: the weights of the network for depth are missing or damaged.

    Example:
        >>> near = render(photo, metres, focus_distance=0.8, camera=Camera(50, 1.4))
    """
    pictures, restore = opened(image)
    check_finite(pictures)
    pictures = without_negative_light(pictures)
    check_kinds(camera, aperture, highlights, focus_point)
    height, width = pictures.shape[-2:]
    if depth_model is None:
        scene = scene_from(depth, disparity)
    else:
        exactly_one({"depth": depth, "disparity": disparity, "depth_model": depth_model})
        scene = estimated(pictures, depth_model, camera=camera, linear=linear, device=device)
    scene = scene.for_image(height, width)
    sharp = choose_focus(
        scene,
        focus=focus,
        focus_point=focus_point,
        focus_mask=focus_mask,
        focus_distance=focus_distance,
        focus_disparity=focus_disparity,
        focus_range=focus_range,
    )
    defocus = _defocus(scene, sharp, camera, bokeh_level, focus_scale)
    rendered = render_with_highlights(
        pictures,
        defocus,
        lens if isinstance(lens, Lens) else Lens(lens),
        aperture or CIRCLE,
        highlights,
        roll_off,
        on_progress,
        device_called(device),
        linear,
    )
    return restore(rendered)


def render_with_highlights(
    pictures: Tensor,
    defocus: Defocus,
    lens: Lens,
    aperture: Aperture,
    highlights: Highlights | None,
    roll_off: bool,
    on_progress: Callable[[float], None] | None,
    device: torch.device | None,
    linear: bool,
) -> Tensor:
    """`lens.render.render` of `[B,3,H,W]`, with clipped highlights recovered as in `render`."""
    if highlights is not None:
        pictures = in_pictures(recover_highlights, pictures, highlights, linear, device)
    rendered = render_planar(pictures, defocus, lens, aperture, on_progress, device, linear)
    if highlights is not None and roll_off:
        return in_pictures(compress_highlights, rendered, highlights, linear, device)
    return rendered


def opened(image: Array) -> tuple[Tensor, Callable[[Tensor], Array]]:
    """An image or batch as `[B,3,H,W]`, and the way back to the caller's kind of array."""
    pixels = _tensor(image)
    is_single = pixels.ndim == 3
    planar = to_planar(pixels[None] if is_single else pixels)

    def restore(result: Tensor) -> Array:
        interleaved = to_interleaved(result)
        if is_single and len(interleaved) == 1:
            interleaved = interleaved[0]
        return interleaved.numpy() if isinstance(image, np.ndarray) else interleaved  # pyright: ignore

    return planar, restore


def check_kinds(camera: object, aperture: object, highlights: object, focus_point: object) -> None:
    """Refuse what is no camera, no aperture and no point, before anything is computed."""
    for subject, value, kind in (
        ("camera", camera, Camera),
        ("aperture", aperture, Aperture),
        ("highlights", highlights, Highlights),
    ):
        if value is not None and not isinstance(value, kind):
            raise InputError(subject, repr(value), f"Give a focuspuller.{kind.__name__}.")
    if focus_point is not None:
        _areas(focus_point)


def _areas(focus_point: Any) -> list[Area]:
    """One or several points and regions as a list."""
    try:
        listed = [focus_point] if np.ndim(focus_point[0]) == 0 else focus_point
        return [_area(*map(float, area)) for area in listed]
    except (TypeError, ValueError, IndexError, KeyError):
        advice = (
            "Give (x, y) as fractions, 0..1, or a region (left, top, right, bottom), or a list of "
            "them."
        )
        raise InputError("focus_point", repr(focus_point), advice) from None


def _area(x: float, y: float, *end: float) -> Area:
    if not end:
        return x, y
    right, bottom = end
    return x, y, right, bottom


def scene_from(depth: Map | Depth | None, disparity: Map | None) -> Depth:
    """The depth from the one of both that is given; as in `render`."""
    exactly_one({"depth": depth, "disparity": disparity})
    if disparity is not None:
        return Depth.from_relative(planar_map(disparity, "disparity"))
    if isinstance(depth, Depth):
        return depth
    assert depth is not None
    return Depth.from_metres(planar_map(depth, "depth"))


def choose_focus(
    scene: Depth,
    *,
    focus: Focus | None = None,
    focus_point: Area | Sequence[Area] | None = None,
    focus_mask: Map | None = None,
    focus_distance: float | None = None,
    focus_disparity: float | None = None,
    focus_range: float = 0.0,
) -> Focus:
    """The focus from the one place that is given; arguments and errors as in `render`."""
    places = {
        "focus": focus,
        "focus_point": focus_point,
        "focus_mask": focus_mask,
        "focus_distance": focus_distance,
        "focus_disparity": focus_disparity,
    }
    exactly_one(places)
    if focus is not None:
        return focus
    if focus_point is not None:
        return focus_on_areas(scene, _areas(focus_point), focus_range)
    if focus_mask is not None:
        return focus_on_mask(scene, planar_map(focus_mask, "focus_mask"), focus_range)
    if focus_distance is not None:
        return Focus.at_distance(focus_distance, focus_range)
    assert focus_disparity is not None
    return Focus.at_disparity(focus_disparity, scene.is_metric, focus_range)


def _defocus(
    scene: Depth,
    focus: Focus,
    camera: Camera | None,
    bokeh_level: float | None,
    focus_scale: float | Tensor,
) -> Defocus:
    exactly_one({"camera": camera, "bokeh_level": bokeh_level})
    if camera is not None:
        return defocus_from_camera(scene, focus, camera, focus_scale)
    assert bokeh_level is not None
    return defocus_from_bokeh_level(scene, focus, bokeh_level)


def planar_map(values: Map, subject: str) -> Tensor:
    """`[B,1,H,W]` float of `[H,W]` or `[B,H,W]`."""
    tensor = _tensor(values)
    if tensor.ndim == 3 and tensor.shape[-1] == 1:
        tensor = tensor[..., 0]  # [H,W,1], as some estimators return it
    # Nobody has images that are 3 or 4 px wide, many have maps with colour channels.
    has_channels = tensor.ndim == 3 and tensor.shape[-1] in (3, 4) and min(tensor.shape[:2]) > 4
    if tensor.ndim not in (2, 3) or 0 in tensor.shape or has_channels:
        advice = "Give one channel: [H,W] or [B,H,W]."
        raise InputError(subject, f"shape {list(tensor.shape)}", advice)
    if not torch.is_floating_point(tensor) or tensor.dtype == torch.float16:
        tensor = tensor.float()
    return tensor.reshape(-1, 1, *tensor.shape[-2:])


def _tensor(values: Map) -> Tensor:
    """A tensor of any array: PyTorch takes no flipped, read-only or byte-swapped ones."""
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise InputError("image or map", repr(values)[:80], "Give a numpy array or a tensor.")
    return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["C", "W"]))


def exactly_one(choices: dict[str, object]) -> None:
    """Refuse arguments of which not one but none or several are given.

    Raises:
        InputError: so it is.
    """
    given = [name for name, value in choices.items() if value is not None]
    if len(given) != 1:
        names = ", ".join(choices)
        raise InputError(names, " and ".join(given) or "none of them", "Give exactly one.")
