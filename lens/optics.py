"""The camera and the thin lens: units, formulas and conversions, each in one place.

All functions work on floats and on tensors alike (and are differentiable there). Distances along
the optical axis are in metres or, as disparity, in 1/m; lengths of the lens and sensor in mm;
blur in pixels of the image being rendered. Focus at infinity is disparity 0, so the formulas are
written in disparity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from ..errors import InputError

Number = float | torch.Tensor

FULL_FRAME_WIDTH_MM = 36.0
# The customary acceptable circle of confusion on full frame; other sensors scale it.
FULL_FRAME_ACCEPTABLE_COC_MM = 0.03


@dataclass(frozen=True)
class Camera:
    """A lens at one aperture in front of a sensor.

    Args:
        focal_length_mm: real focal length, not the 35 mm equivalent.
        f_number: aperture N as engraved on the lens. A tensor (one, or one per image) passes too,
            for those who differentiate by it.
        sensor_width_mm: long side of the sensor.
        image_width_px: pixels along the sensor's long side, uncropped, at the resolution being
            rendered. None: the longest edge of the image being rendered.

    Raises:
        InputError: a value is not a finite number above zero.

    Example:
        >>> Camera(50.0, 1.8, 36.0, 1024).pixels_per_mm
        28.444444444444443
    """

    focal_length_mm: float
    f_number: float
    sensor_width_mm: float = FULL_FRAME_WIDTH_MM
    image_width_px: int | None = None

    def __post_init__(self) -> None:
        for name in ("focal_length_mm", "f_number", "sensor_width_mm", "image_width_px"):
            value = getattr(self, name)
            if value is None and name == "image_width_px":
                continue
            numbers = torch.as_tensor(value)
            if not bool((torch.isfinite(numbers) & (numbers > 0)).all()):
                raise InputError(name, repr(value), "Give a number above zero.")

    @property
    def pixels_per_mm(self) -> float:
        """Pixels of the rendered image per mm on the sensor (GenRefocus' "pixel ratio")."""
        if self.image_width_px is None:
            raise InputError(
                "image_width_px", "None", "Set it, or call Camera.for_image(height, width) first."
            )
        return self.image_width_px / self.sensor_width_mm

    @property
    def focal_length_px(self) -> float:
        """Focal length in pixels of the rendered image, as pinhole cameras have it."""
        return self.focal_length_mm * self.pixels_per_mm

    @property
    def equivalent_focal_length_mm(self) -> float:
        """Focal length that gives the same horizontal view on 36 mm film."""
        return self.focal_length_mm * FULL_FRAME_WIDTH_MM / self.sensor_width_mm

    @property
    def acceptable_coc_mm(self) -> float:
        """Largest blur on the sensor that still counts as sharp: 0.03 mm on full frame."""
        return FULL_FRAME_ACCEPTABLE_COC_MM * self.sensor_width_mm / FULL_FRAME_WIDTH_MM

    def for_image(self, height: int, width: int) -> Camera:
        """This camera with `image_width_px` known: as set, else the image's longest edge."""
        if self.image_width_px is not None:
            return self
        return replace(self, image_width_px=max(height, width))


def bokeh_level(
    focal_length_mm: Number,
    f_number: Number,
    pixels_per_mm: Number,
    focus_disparity: Number,
    focus_scale: Number = 1.0,
) -> Number:
    """Bokeh level K of a camera on metric disparity: `r = K·|δ − δ_f|`.

    Generative Refocusing eq. 3, `K = f² z_f / (2 N (z_f − f)) · px/mm`, written in the focus
    disparity `δ_f = 1/z_f`, and with the focus scale `f_s` of Fine-grained Defocus eq. 6, whose
    denominator is `N (f_s z_f − f)`.

    Args:
        focal_length_mm: f, mm.
        f_number: N.
        pixels_per_mm: pixels per mm on the sensor.
        focus_disparity: δ_f in 1/m; 0 is focus at infinity.
        focus_scale: f_s, 1 for a plain thin lens.

    Returns:
        K in px per 1/m (a radius). Full-frame 50 mm f/1.8 at 2 m and 1024 px: 20.2596.
    """
    focal_length_m = focal_length_mm / 1000.0
    extension = focus_scale - focal_length_m * focus_disparity
    return focal_length_m**2 * 1000.0 * pixels_per_mm / (2.0 * f_number * extension)


def camera_bokeh_level(
    camera: Camera, focus_disparity: Number, focus_scale: Number = 1.0
) -> Number:
    """`bokeh_level` of a `Camera`, with the focus checked against its focal length.

    Raises:
        InputError: the focus lies at or inside the focal length, where no image forms.
    """
    nearest = 1000.0 / camera.focal_length_mm
    if not bool(torch.as_tensor(focus_disparity < nearest * focus_scale).all()):
        raise InputError(
            "focus_distance",
            f"a distance that is not beyond the focal length ({camera.focal_length_mm:g} mm)",
            "Focus farther away, or use a shorter focal length.",
        )
    return bokeh_level(
        camera.focal_length_mm, camera.f_number, camera.pixels_per_mm, focus_disparity, focus_scale
    )


def signed_blur_radius(disparity: Number, focus_disparity: Number, level: Number) -> Number:
    """Defocus `d = K (δ − δ_f)` in px: positive in front of the focus plane, negative behind."""
    return level * (disparity - focus_disparity)


def circle_of_confusion_px(
    depth_m: Number, focus_distance_m: Number, camera: Camera, focus_scale: Number = 1.0
) -> Number:
    """Signed diameter of the blur disc in px (Fine-grained Defocus eq. 6, in pixels).

    Positive in front of the focus plane. Distances in metres; infinity is allowed for both.
    """
    focus_disparity = 1.0 / focus_distance_m
    level = camera_bokeh_level(camera, focus_disparity, focus_scale)
    return 2.0 * signed_blur_radius(1.0 / depth_m, focus_disparity, level)


def circle_of_confusion_mm(
    depth_m: Number, focus_distance_m: Number, camera: Camera, focus_scale: Number = 1.0
) -> Number:
    """Signed diameter of the blur disc on the sensor in mm (Fine-grained Defocus eq. 6)."""
    # One pixel per mm makes the pixel formula speak mm.
    in_mm = replace(camera, image_width_px=1, sensor_width_mm=1.0)
    return circle_of_confusion_px(depth_m, focus_distance_m, in_mm, focus_scale)


def relative_bokeh_level(level: Number, near_disparity: Number, far_disparity: Number) -> Number:
    """K on disparity scaled to 0..1 (BokehMe, MPIB, DiffCamera) from K on metric disparity."""
    return level * (near_disparity - far_disparity)


def relative_disparity(disparity: Number, near_disparity: Number, far_disparity: Number) -> Number:
    """Disparity in 1/m to 0..1 of a scene's range, 1 = nearest."""
    return (disparity - far_disparity) / (near_disparity - far_disparity)


def f_number_for_bokeh_level(level: float, camera: Camera, focus_disparity: float) -> float:
    """The f-number at which `camera`, focused there, has bokeh level `level` (px per 1/m).

    Raises:
        InputError: the level is not above zero; no aperture is that small.
    """
    if not level > 0:
        raise InputError("bokeh_level", repr(level), "Give a number above zero.")
    wide_open = camera_bokeh_level(replace(camera, f_number=1.0), focus_disparity)
    return float(wide_open) / level


def focus_scale_for_bokeh_level(level: float, camera: Camera, focus_disparity: float) -> float:
    """The focus scale f_s at which `camera`, focused there, has bokeh level `level` (px per 1/m).

    Raises:
        InputError: the level is not above zero; no focus scale makes it that small.
    """
    if not level > 0:
        raise InputError("bokeh_level", repr(level), "Give a number above zero.")
    # K is `unscaled / (f_s − f δ_f)`.
    unscaled = camera_bokeh_level(camera, 0.0)
    return float(unscaled) / level + camera.focal_length_mm / 1000.0 * focus_disparity


def hyperfocal_distance(camera: Camera, acceptable_coc_mm: float | None = None) -> float:
    """Focus distance in metres from which infinity is just acceptably sharp: `f²/(N c) + f`."""
    coc = camera.acceptable_coc_mm if acceptable_coc_mm is None else acceptable_coc_mm
    focal_length = camera.focal_length_mm
    return (focal_length**2 / (camera.f_number * coc) + focal_length) / 1000.0


def depth_of_field(
    camera: Camera, focus_distance_m: float, acceptable_coc_mm: float | None = None
) -> tuple[float, float]:
    """Nearest and farthest distance in metres that is acceptably sharp.

    The limits are where the circle of confusion equals `acceptable_coc_mm`; the far one is
    infinity from the hyperfocal distance on.
    """
    coc = camera.acceptable_coc_mm if acceptable_coc_mm is None else acceptable_coc_mm
    focus_disparity = 1.0 / focus_distance_m
    in_mm = replace(camera, image_width_px=1, sensor_width_mm=1.0)
    half_range = coc / 2.0 / float(camera_bokeh_level(in_mm, focus_disparity))
    far_disparity = focus_disparity - half_range
    # At the hyperfocal distance itself, rounding leaves a trace on either side of zero.
    reaches_infinity = far_disparity <= 1e-12 * focus_disparity
    far = math.inf if reaches_infinity else 1.0 / far_disparity
    return 1.0 / (focus_disparity + half_range), far
