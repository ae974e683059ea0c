"""What lens took a photograph: Fit Lens."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from ..lens.color import srgb_to_linear
from ..lens.depth import Depth
from ..lens.fitting.fit import fit_bokeh_level, fit_camera, fit_picture
from ..lens.fitting.fitted_lens import FittedLens
from ..lens.focus import Focus
from ..lens.image import to_interleaved, to_planar, without_negative_light
from ..lens.optics import Camera
from ..lens.render import Lens
from ..lens.sequence import each_camera
from .comfy import intermediate_device, io, progress_of_whole, render_device
from .focus import DEPTH_ADVICE, FOCUS_ADVICE
from .node import CATEGORY, found_as, names_node
from .previews import focus_text, shown
from .sockets import (
    CameraSocket,
    DepthSocket,
    FocusSocket,
    LensSocket,
    expect,
    expect_if_given,
)


class FitLens(io.ComfyNode):
    """Focus and f-number of a photograph."""

    @classmethod
    @found_as("match blur", "match depth of field", "estimate aperture", "calibrate lens")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerFitLens",
            display_name="Fit Lens",
            category=CATEGORY,
            description="Finds where a photograph was focused and how strong its blur is, from an "
            "all-in-focus picture of the same view and its depth: to give another picture the same "
            "look, or to label photographs.",
            inputs=[
                io.Image.Input("all_in_focus", tooltip="The view with everything sharp."),
                io.Image.Input(
                    "bokeh", tooltip="The photograph: the same view and size, with blur."
                ),
                DepthSocket.Input("depth", tooltip="Depth of the view."),
                CameraSocket.Input(
                    "camera",
                    optional=True,
                    tooltip="Focal length and sensor of the photograph; its f-number is what is "
                    "looked for. Needs metric depth. Without a camera: bokeh level and focus.",
                ),
                FocusSocket.Input(
                    "focus",
                    optional=True,
                    tooltip="What is sharp, where that is known, for example from a mask. Then "
                    "only the strength is looked for.",
                ),
                LensSocket.Input(
                    "lens",
                    optional=True,
                    tooltip="The renderer whose bokeh level is looked for; without one, "
                    "BokehMe Lens. With a camera and no focus it only makes the preview.",
                ),
                io.Boolean.Input(
                    "linear",
                    default=False,
                    optional=True,
                    tooltip="On: both pictures hold linear light (from another pack's EXR loader). "
                    "Off: ordinary sRGB pictures.",
                ),
            ],
            outputs=[
                CameraSocket.Output(display_name="camera"),
                FocusSocket.Output(display_name="focus"),
                io.Float.Output(display_name="bokeh_level"),
                io.Image.Output(display_name="preview"),
            ],
        )

    @classmethod
    @names_node
    def execute(
        cls,
        all_in_focus: Tensor,
        bokeh: Tensor,
        depth: Depth,
        camera: Camera | None = None,
        focus: Focus | None = None,
        lens: Lens | None = None,
        linear: bool = False,
    ) -> io.NodeOutput:
        scene = expect(depth, Depth, "depth", DEPTH_ADVICE)
        taken_with = expect_if_given(camera, Camera, "camera", "Connect Camera.")
        if taken_with is not None and len(each_camera(taken_with)) > 1:
            raise InputError("camera", "an f-number per frame", "Connect Camera.")
        known_focus = expect_if_given(focus, Focus, "focus", FOCUS_ADVICE)
        renderer = expect_if_given(lens, Lens, "lens", "Connect a lens of Focus Puller.")
        device = render_device()
        sharp = _light(all_in_focus, "all_in_focus", linear, device)
        photo = _light(bokeh, "bokeh", linear, device)
        scene = scene.with_disparity(scene.disparity.to(sharp))
        on_progress = progress_of_whole()
        if taken_with is None:
            fitted = fit_bokeh_level(sharp, photo, scene, known_focus, renderer, on_progress)
        else:
            fitted = fit_camera(
                sharp,
                photo,
                scene,
                taken_with,
                known_focus,
                lens=renderer,
                on_progress=on_progress,
            )
        picture = fit_picture(sharp, photo, scene, fitted, renderer)
        return io.NodeOutput(
            fitted.camera,
            fitted.focus,
            fitted.bokeh_level,
            to_interleaved(picture).to(intermediate_device()),
            ui=shown(cls, picture, _text(fitted)),
        )


def _light(image: Tensor, subject: str, linear: bool, device: torch.device) -> Tensor:
    planar = without_negative_light(to_planar(image, subject), subject).to(device).float()
    return planar if linear else srgb_to_linear(planar)


def _text(fitted: FittedLens) -> str:
    """What was found, how well it is known, and what is not known."""
    low, high = fitted.bokeh_level_interval
    lines = [
        f"focus {focus_text(fitted.focus)}",
        f"bokeh level {fitted.bokeh_level:.4g} ({low:.4g} to {high:.4g})",
    ]
    if fitted.f_number is not None and fitted.f_number_interval is not None:
        low, high = fitted.f_number_interval
        lines.insert(0, f"f/{fitted.f_number:.3g} ({low:.3g} to {high:.3g})")
    return "\n".join([*lines, *fitted.problems])
