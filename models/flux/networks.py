"""What DeblurNet, BokehNet and DiffCamera are conditioned on: which tokens, where, by whom changed.

Order, places, timesteps and prompts of the first two as published (Genfocus, 54752a1).
"""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor

from .conditions import Condition
from .tokens import Grid, image_positions


class Kind(str, Enum):
    """What an adapter is for. Its value is the adapter's name in `ConditionedFlux.adapters`.

    DEBLUR: DeblurNet.
    PRE_DEBLUR: DeblurNet that also sees a conservative restoration.
    BOKEH: BokehNet.
    APERTURE: for BokehNet's condition on the shape of the aperture.
    DIFFCAMERA: DiffCamera.
    """

    DEBLUR = "deblur"
    PRE_DEBLUR = "pre_deblur"
    BOKEH = "bokeh"
    APERTURE = "aperture"
    DIFFCAMERA = "diffcamera"


PROMPTS = {
    Kind.DEBLUR: "a sharp photo with everything in focus",
    Kind.PRE_DEBLUR: "a sharp photo with everything in focus",
    Kind.BOKEH: "an excellent photo with a large aperture",
    Kind.DIFFCAMERA: "",
}
# Guidance scale of text and picture; that of conditions is always 1.
GUIDANCE = {Kind.DEBLUR: 3.5, Kind.PRE_DEBLUR: 3.5, Kind.BOKEH: 1.0, Kind.DIFFCAMERA: 1.0}
STEPS = 28
# Tokens by which a first restoration lies to the right of the blurred picture.
PRE_DEBLURRED_DELTA = (0, 32)
# The first number of a position tells apart what lies in the same place.
REFERENCE_FRAME, DEPTH_FRAME = 1, 2


def deblur_conditions(
    blurred: Tensor, grid: Grid, pre_deblurred: Tensor | None = None
) -> list[Condition]:
    """What DeblurNet sees.

    Args:
        blurred: tokens of the photo, `[B,T,C]`.
        grid: its rows and columns of tokens.
        pre_deblurred: tokens of a conservative restoration of it, on the same grid; for the
            variant that was trained with one.
    """
    here = image_positions(grid)
    if pre_deblurred is None:
        return [Condition(blurred, here, Kind.DEBLUR.value)]
    aside = image_positions(grid, PRE_DEBLURRED_DELTA)
    name = Kind.PRE_DEBLUR.value
    return [Condition(pre_deblurred, aside, name), Condition(blurred, here, name)]


def bokeh_conditions(
    all_in_focus: Tensor,
    defocus: Tensor,
    grid: Grid,
    aperture: tuple[Tensor, Grid] | None = None,
) -> list[Condition]:
    """What BokehNet sees.

    Args:
        all_in_focus: tokens of the sharp picture, `[B,T,C]`.
        defocus: tokens of the defocus map on the same grid.
        grid: rows and columns of tokens.
        aperture: tokens of a picture of the aperture, with their grid. They lie to the left of the
            picture, so that their place does not depend on its size, and have their own adapter
            (section 3.3: the others stay frozen).
    """
    here = image_positions(grid)
    name = Kind.BOKEH.value
    conditions = [Condition(all_in_focus, here, name, lasting=True), Condition(defocus, here, name)]
    if aperture is not None:
        tokens, own_grid = aperture
        aside = image_positions(own_grid, (0, -own_grid[1]))
        name = Kind.APERTURE.value
        conditions.append(Condition(tokens, aside, name, aligned=False, lasting=True))
    return conditions


def diffcamera_conditions(
    reference: Tensor, depth: Tensor, camera: Tensor, grid: Grid
) -> list[Condition]:
    """What DiffCamera sees: everything attends to everything.

    Args:
        reference: tokens of the photo, `[B,T,C]`.
        depth: tokens of its relative disparity on the same grid; of a map of zeros if none is
            known (depth dropout, section 3.2).
        camera: the camera token, `[B,1,width]`, see `CameraProjection`.
        grid: rows and columns of tokens.
    """
    name = Kind.DIFFCAMERA.value
    return [
        Condition(reference, image_positions(grid, frame=REFERENCE_FRAME), name, group=0),
        Condition(depth, image_positions(grid, frame=DEPTH_FRAME), name, group=0),
        Condition(camera, torch.zeros(1, 3), name, group=0, aligned=False, embedded=True),
    ]
