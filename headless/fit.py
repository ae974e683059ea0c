"""Fits from arrays: which camera, focus or bokeh level a photograph was taken with."""

from __future__ import annotations

import torch
from torch import Tensor

from ..lens.color import srgb_to_linear
from ..lens.depth import Depth
from ..lens.fitting import fit
from ..lens.fitting.fit import FIT_LENS, Unknown
from ..lens.fitting.fitted_lens import FittedLens
from ..lens.focus import Focus
from ..lens.image import without_negative_light
from ..lens.optics import Camera
from ..lens.progress import OnProgress
from ..lens.render import Lens
from .devices import device_called
from .render import Array, Map, opened, scene_from


def fit_camera(
    all_in_focus: Array,
    bokeh: Array,
    depth: Map | Depth,
    camera: Camera,
    *,
    focus: Focus | None = None,
    unknown: Unknown = "f_number",
    lens: str | Lens = FIT_LENS,
    linear: bool = False,
    device: torch.device | str | None = None,
    on_progress: OnProgress | None = None,
) -> FittedLens:
    """Focus distance and f-number that a photograph was taken with.

    Args:
        all_in_focus: `[H,W,3]` or `[1,H,W,3]` floats, sRGB-coded 0..1.
        bokeh: the photograph: the same view and size with blur; another exposure does no harm.
        depth: metres along the optical axis, `[H,W]`, or a metric `Depth`.
        camera: its focal length and sensor width count; its f-number only for the focus scale.
        focus: the focus where it is known; then only the strength is fitted, by SSIM.
        unknown: "f_number", or "focus_scale" (Fine-grained Defocus eq. 6) for the camera's
            f-number. The two act on a picture only together, so one has to be known.
        lens: renderer where the focus is known.
        linear: the pictures hold linear light.
        device: where to compute; by default where the picture is.
        on_progress: called with the finished fraction, 0..1.

    Returns:
        `camera` with the fitted f-number, the focus, how well both are known, and in words what
        the photograph does not tell (`problems`).

    Raises:
        InputError: nothing can be fitted: relative or constant depth; pictures of different size,
            of different things, or shifted against each other.

    Example:
        >>> fitted = fit_camera(sharp, photo, metres, Camera(focal_length_mm=85, f_number=1))
        >>> fitted.f_number, fitted.focus_distance_m
    """
    sharp, photo = (light_of(image, linear, device) for image in (all_in_focus, bokeh))
    scene = _scene(scene_from(depth, None), sharp)
    chosen = lens if isinstance(lens, Lens) else Lens(lens)
    return fit.fit_camera(sharp, photo, scene, camera, focus, unknown, chosen, on_progress)


def fit_bokeh_level(
    all_in_focus: Array,
    bokeh: Array,
    depth: Map | Depth | None = None,
    *,
    disparity: Map | None = None,
    focus: Focus | None = None,
    lens: str | Lens = FIT_LENS,
    linear: bool = False,
    device: torch.device | str | None = None,
    on_progress: OnProgress | None = None,
) -> FittedLens:
    """Bokeh level at which a rendering is most like a photograph (Generative Refocusing eq. 5).

    Args:
        all_in_focus: `[H,W,3]` or `[1,H,W,3]` floats, sRGB-coded 0..1.
        bokeh: the photograph: the same view and size with blur.
        depth: metres, `[H,W]`, or a `Depth`; or
        disparity: relative disparity, larger is nearer.
        focus: the focus where it is known, such as from a mask; None fits it too.
        lens: renderer, a name of `LENSES` or a `Lens`.
        linear: the pictures hold linear light.
        device: where to compute; by default where the picture is.
        on_progress: called with the finished fraction, 0..1.

    Returns:
        Bokeh level, focus, how well both are known, and in words what the photograph does not
        tell (`problems`).

    Raises:
        InputError: as `fit_camera`.
    """
    sharp, photo = (light_of(image, linear, device) for image in (all_in_focus, bokeh))
    scene = _scene(scene_from(depth, disparity), sharp)
    chosen = lens if isinstance(lens, Lens) else Lens(lens)
    return fit.fit_bokeh_level(sharp, photo, scene, focus, chosen, on_progress)


def light_of(image: Array, linear: bool, device: torch.device | str | None = None) -> Tensor:
    """Linear light `[B,3,H,W]`, float32, of `[H,W,3]` or `[B,H,W,3]`."""
    planar = without_negative_light(opened(image)[0]).to(device_called(device)).float()
    return planar if linear else srgb_to_linear(planar)


def _scene(depth: Depth, image: Tensor) -> Depth:
    return depth.with_disparity(depth.disparity.to(image))
