"""The lens in training: from a picture that is sharp all over to a photograph (section 3.3).

The focus is that of the focus distance transformer, with its focus scale (eq. 6); the blur is the
TAF lens's. Gradients reach the picture, the focus and the scale. Depth is taken as it is found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ...lens.aperture import CIRCLE
from ...lens.color import linear_to_srgb, srgb_to_linear
from ...lens.defocus import defocus_from_bokeh_level
from ...lens.depth import Depth
from ...lens.focus import Focus
from ...lens.optics import bokeh_level
from ...lens.taf import TafOptions, render_taf
from ...models.focus_distance.architecture import FocusDistanceTransformer, FocusPrediction
from ...models.focus_distance.loss import FocusRegularization

# Metric depth of sRGB pictures `[B,3,H,W]` 0..1 with focal lengths in px, `[B]`.
DepthOf = Callable[[Tensor, Tensor], Depth]

# A focus nearer than twice the focal length is taken for that: such a lens is none any more.
NEAREST_IN_FOCAL_LENGTHS = 2.0
# Largest blur radius, as part of the picture's side.
LARGEST_RADIUS = 0.25


class Cameras(NamedTuple):
    """The cameras of a batch, each `[B]`.

    Args:
        f_number: aperture N.
        focal_length_mm: f.
        px_per_mm: pixels of the picture on a mm of the sensor.
    """

    f_number: Tensor
    focal_length_mm: Tensor
    px_per_mm: Tensor


class Taken(NamedTuple):
    """Photographs, and what the lens has been focused on.

    Args:
        image: `[B,3,H,W]` sRGB-coded 0..1.
        focus_loss: Huber loss of the focus, m².
    """

    image: Tensor
    focus_loss: Tensor


class TrainedLens(nn.Module):
    """The TAF lens, focused by a transformer that is trained.

    Args:
        transformer: finds focus and focus scale.
        depth_of: finds metric depth; without gradients.
    """

    def __init__(self, transformer: FocusDistanceTransformer, depth_of: DepthOf) -> None:
        super().__init__()
        self.regularization = FocusRegularization(transformer.vst)
        self.transformer = transformer.unfreeze()
        self.depth_of = depth_of

    def forward(self, image: Tensor, cameras: Cameras) -> Taken:
        """Photographs of pictures `[B,3,H,W]`, sRGB-coded 0..1."""
        depth, prediction = self.focused(image, cameras)
        blurred = photographed(image, depth, prediction, cameras)
        return Taken(blurred, self.regularization(prediction, image.detach(), depth))

    def focus_loss(self, image: Tensor, cameras: Cameras) -> Tensor:
        """The Huber loss alone, m² (λ3 of eq. 7)."""
        depth, prediction = self.focused(image, cameras)
        return self.regularization(prediction, image, depth)

    def focused(self, image: Tensor, cameras: Cameras) -> tuple[Depth, FocusPrediction]:
        """Depth of pictures, and where to focus in them."""
        with torch.no_grad():
            depth = self.depth_of(image, cameras.focal_length_mm * cameras.px_per_mm)
        return depth, self.transformer(image, depth)


def photographed(
    image: Tensor, depth: Depth, prediction: FocusPrediction, cameras: Cameras
) -> Tensor:
    """Pictures as cameras take them, focused as predicted."""
    limit = 1000.0 * prediction.scale / (NEAREST_IN_FOCAL_LENGTHS * cameras.focal_length_mm)
    plane = prediction.focus.plane.minimum(limit)
    f_number, focal_length, px_per_mm = cameras
    level = bokeh_level(focal_length, f_number, px_per_mm, plane, prediction.scale)
    focus = Focus.at_disparity(plane, is_metric=True)
    defocus = defocus_from_bokeh_level(depth, focus, cast(Tensor, level))
    largest = LARGEST_RADIUS * min(image.shape[-2:])
    radius = defocus.radius.clamp(-largest, largest)
    light = render_taf(srgb_to_linear(image), radius, CIRCLE, TafOptions())
    return linear_to_srgb(light).clamp(0.0, 1.0)
