"""What nodes show of their results: a picture, a line of text, or both."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..lens.aperture import Aperture
from ..lens.blur_disc import BlurDisc
from ..lens.color import linear_to_srgb
from ..lens.depth import Depth
from ..lens.focus import Focus
from ..lens.highlights import Highlights
from ..lens.image import to_interleaved
from ..lens.optics import Camera, depth_of_field, hyperfocal_distance
from ..lens.sequence import each_camera
from .comfy import ui

APERTURE_PREVIEW_RADIUS_PX = 120.0
# Longest side of a map that the browser gets; pictures on the canvas are smaller.
BROWSER_MAP_SIDE_PX = 1024


def shown(node: Any, picture: Tensor | None = None, text: str | None = None) -> dict[str, Any]:
    """The `ui` of a NodeOutput.

    Args:
        node: the node's class.
        picture: `[B,C,H,W]`, sRGB 0..1.
        text: one line.
    """
    result: dict[str, Any] = {}
    if picture is not None:
        result |= ui.PreviewImage(to_interleaved(picture.float().cpu()), cls=node).as_dict()
    if text is not None:
        result |= ui.PreviewText(text).as_dict()
    return result


def ends(pictures: Tensor) -> Tensor:
    """The first and the last of a batch, enough to look at."""
    return pictures if len(pictures) <= 2 else pictures[[0, -1]]


def depth_picture(depth: Depth) -> Tensor:
    """`[B,3,H,W]`: grey, from black at the farthest to white at the nearest point."""
    disparity = depth.disparity
    low, high = disparity.amin(), disparity.amax()
    return ((disparity - low) / (high - low).clamp(min=1e-12)).expand(-1, 3, -1, -1)


def aperture_picture(aperture: Aperture) -> Tensor:
    """`[1,3,H,W]`: the blur disc of a point behind the focus, white on black.

    Where it changes over the field, the one in the upper left corner comes first.
    """
    disc = BlurDisc(aperture, edge="linear", weighting="energy")
    corner = math.sqrt(0.5)
    places = [(-corner, -corner), (0.0, 0.0)] if aperture.varies_over_field else [(0.0, 0.0)]
    drawn = [disc.draw(APERTURE_PREVIEW_RADIUS_PX, field=place) for place in places]
    coded = torch.cat([linear_to_srgb(each / each.amax()) for each in drawn], dim=1)
    return (coded / coded.amax()).expand(1, 3, -1, -1)


def depth_text(depth: Depth) -> str:
    """Kind and range of a depth map."""
    low, high = float(depth.disparity.amin()), float(depth.disparity.amax())
    if depth.is_metric:
        return f"metric, {_metres(high)} to {_metres(low)}"
    return f"relative disparity {low:.3g} to {high:.3g}"


def depth_for_browser(depth: Depth) -> dict[str, Any]:
    """The `ui` with which the browser learns the depth of the first image."""
    told = numbers_for_browser(depth.disparity[:1]) | {"is_metric": depth.is_metric}
    return {"focus_puller_depth": [told]}


def numbers_for_browser(numbers: Tensor) -> dict[str, Any]:
    """Where the browser finds a map of numbers `[1,1,H,W]`; see `packed_numbers`."""
    packed, low, high = packed_numbers(numbers)
    # Half a step more, because saving rounds down.
    return {"picture": picture_for_browser((packed + 0.5) / 255), "low": low, "high": high}


def packed_numbers(numbers: Tensor) -> tuple[Tensor, float, float]:
    """A map of numbers as a picture with 16 bits.

    The high byte is red and the low one green, because a browser reads 8 bits per colour.

    Args:
        numbers: `[1,1,H,W]`.

    Returns:
        `[1,3,H,W]` whole numbers 0..255, smaller where it would be very large; the number that 0
        stands for; the number that 65535 stands for.
    """
    height, width = numbers.shape[-2:]
    scale = min(1.0, BROWSER_MAP_SIDE_PX / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    # Of the nearest pixel, not of a mean of near and far, which is nowhere.
    values = F.interpolate(numbers.double().cpu(), size, mode="nearest-exact")
    low, high = float(values.amin()), float(values.amax())
    steps = ((values - low) / max(high - low, 1e-12) * 65535).round()
    return torch.cat([steps // 256, steps % 256, torch.zeros_like(steps)], dim=1), low, high


def picture_for_browser(picture: Tensor) -> dict[str, str]:
    """Write a picture `[1,C,H,W]`, sRGB 0..1; its file as the browser asks for it."""
    (file,) = ui.PreviewImage(to_interleaved(picture.float().cpu())).as_dict()["images"]
    return file


def focus_text(focus: Focus) -> str:
    """Where the focus is; of several, the first and the last."""
    planes = [float(focus.plane[0]), float(focus.plane[-1])]
    places = [_metres(plane) if focus.is_metric else f"disparity {plane:.3f}" for plane in planes]
    return places[0] if len(focus.plane) == 1 else " → ".join(places)


def depth_of_field_text(camera: Camera, focus: Focus) -> str:
    """From where to where the first focus is acceptably sharp."""
    near, far = depth_of_field(each_camera(camera)[0], float(focus.distance_m[0]))
    return f"sharp from {_metres(1.0 / near)} to {_metres(1.0 / far)}"


def f_number_text(camera: Camera) -> str:
    """The f-number; of several, the first and the last."""
    first, *others = each_camera(camera)
    ends_of = [first, *others[-1:]]
    return " → ".join(f"f/{each.f_number:.3g}" for each in ends_of)


def highlights_text(mask: Tensor, highlights: Highlights) -> str:
    """How much of the pictures got light, for a mask `[B,1,H,W]` of it."""
    share, most = 100.0 * float((mask > 0).float().mean()), float(mask.amax())
    brightest = 1.0 + highlights.added_light * most
    return f"{share:.2g} % of the picture is brighter, up to {brightest:.3g} × white"


def camera_text(camera: Camera) -> str:
    """Focal length, f-number, sensor and hyperfocal distance."""
    return (
        f"{camera.focal_length_mm:.4g} mm {f_number_text(camera)}, "
        f"{camera.sensor_width_mm:.3g} mm sensor, "
        f"hyperfocal {hyperfocal_distance(each_camera(camera)[0]):.3g} m"
    )


def _metres(disparity: float) -> str:
    return f"{1.0 / disparity:.3g} m" if disparity > 1e-6 else "infinity"
