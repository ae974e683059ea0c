"""Refocus Photo: a photo with another focus and aperture, in one node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ..lens.aperture import Aperture
from ..lens.depth import Depth
from ..lens.focus import Focus, focus_on_mask, focus_on_point
from ..lens.image import mask_to_planar, to_interleaved, to_planar
from ..lens.optics import Camera
from ..lens.render import Lens
from ..models.depth.handle import depth_weights_path, open_depth_estimator
from ..models.depth.published import DEPTH_WEIGHTS
from ..models.loaded import stamp_of
from ..models.places import AUTOMATIC
from ..models.refocus.model import RefocusModel
from ..models.refocus.photo import Estimate, refocus_photo
from ..models.refocus.sampling import Sampling
from .comfy import intermediate_device, io, render_device
from .focus import DEPTH_ADVICE, FOCUS_ADVICE, point_inputs
from .node import CATEGORY, found_as, names_node, renames
from .previews import focus_text, shown
from .render import bokeh_level_input
from .sampling import MODEL_ADVICE, noise_inputs, pass_inputs, tile_inputs, watched
from .sockets import (
    ApertureSocket,
    CameraSocket,
    DefocusSocket,
    DepthSocket,
    FocusSocket,
    LensSocket,
    RefocusModelSocket,
    expect,
    expect_if_given,
)
from .weights import NetworkNode, weights_fingerprint, weights_input, weights_path


class RefocusPhoto(NetworkNode):
    """Deblur, depth, focus, blur."""

    @classmethod
    @found_as("refocus", "change focus", "light field", "lytro")
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FocusPullerRefocusPhoto",
            display_name="Refocus Photo",
            category=CATEGORY,
            description="Gives a photo another focus and aperture: DeblurNet makes it all sharp, a "
            "network estimates its depth, BokehNet or a lens blurs it anew. Another focus or "
            "strength takes the last step alone.",
            inputs=[
                RefocusModelSocket.Input(
                    "model", tooltip="FLUX with DeblurNet and BokehNet, from Load Refocus Model."
                ),
                io.Image.Input(
                    "image",
                    tooltip="Photos of any size, in ordinary sRGB colours. They are not resampled.",
                ),
                *point_inputs(),
                bokeh_level_input(),
                io.Boolean.Input(
                    "deblur",
                    default=True,
                    tooltip="Off: the photo is sharp everywhere already, DeblurNet is left out.",
                ),
                *noise_inputs(),
                weights_input(
                    "depth_model",
                    DEPTH_WEIGHTS,
                    "The network that estimates depth where none is connected. BokehNet was "
                    "trained with Depth Pro's",
                ),
                io.Boolean.Input(
                    "keep_in_focus",
                    default=True,
                    optional=True,
                    tooltip="BokehNet: keep the all-in-focus picture's own pixels where nothing is "
                    "blurred, with a soft edge.",
                ),
                *tile_inputs(),
                *pass_inputs(),
                DepthSocket.Input(
                    "depth",
                    optional=True,
                    tooltip="Depth of the photo, in place of an estimate.",
                ),
                FocusSocket.Input(
                    "focus",
                    optional=True,
                    tooltip="What is sharp, such as Focus Distance's; goes before mask, x and y.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Focus on the median depth of what is white; goes before x and y.",
                ),
                CameraSocket.Input(
                    "camera",
                    optional=True,
                    tooltip="Gives the strength of the blur as a real lens would, in place of "
                    "bokeh_level; needs metric depth, which the network then estimates for its "
                    "focal length.",
                ),
                LensSocket.Input(
                    "lens",
                    optional=True,
                    tooltip="Renders the blur in place of BokehNet, which then need not be loaded.",
                ),
                ApertureSocket.Input(
                    "aperture",
                    optional=True,
                    tooltip="Shape of the blur: of the lens, or of BokehNet with an adapter for "
                    "shapes.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="refocused"),
                io.Image.Output(display_name="all_in_focus"),
                DepthSocket.Output(display_name="depth"),
                FocusSocket.Output(display_name="focus"),
                DefocusSocket.Output(display_name="defocus"),
            ],
        )

    @classmethod
    def fingerprint_inputs(
        cls, depth_model: str = AUTOMATIC, **others: object
    ) -> tuple[object, ...]:
        return (weights_fingerprint(depth_model, DEPTH_WEIGHTS), *sorted(others.items()))

    @classmethod
    @names_node
    @renames(adapter="model", focus_point="x, y")
    def execute(
        cls,
        model: RefocusModel,
        image: Tensor,
        x: float,
        y: float,
        bokeh_level: float,
        deblur: bool,
        steps: int,
        seed: int,
        depth_model: str = AUTOMATIC,
        keep_in_focus: bool = True,
        keep_colors: bool = True,
        depth: Depth | None = None,
        focus: Focus | None = None,
        mask: Tensor | None = None,
        camera: Camera | None = None,
        lens: Lens | None = None,
        aperture: Aperture | None = None,
        **passes: Any,
    ) -> io.NodeOutput:
        strength = expect_if_given(camera, Camera, "camera", "Connect Camera or Load Photo.")
        given = expect_if_given(depth, Depth, "depth", DEPTH_ADVICE)
        result = refocus_photo(
            expect(model, RefocusModel, "model", MODEL_ADVICE),
            to_planar(image),
            _focus_by(focus, mask, x, y),
            bokeh_level if strength is None else strength,
            given or _estimate_by(depth_model, strength),
            expect_if_given(lens, Lens, "lens", "Connect a lens of Focus Puller."),
            expect_if_given(aperture, Aperture, "aperture", "Connect Aperture."),
            not deblur,
            Sampling(steps, seed, **passes),
            keep_in_focus,
            keep_colors,
            watched(),
        )
        pictures = (result.picture, result.all_in_focus)
        return io.NodeOutput(
            *(to_interleaved(one).to(intermediate_device()) for one in pictures),
            result.depth,
            result.focus,
            result.defocus,
            ui=shown(cls, text=f"focus {focus_text(result.focus)}"),
        )


def _focus_by(
    focus: Focus | None, mask: Tensor | None, x: float, y: float
) -> Callable[[Depth], Focus]:
    chosen = expect_if_given(focus, Focus, "focus", FOCUS_ADVICE)
    if chosen is not None:
        return lambda depth: chosen
    if mask is not None:
        masks = mask_to_planar(mask).cpu()
        return lambda depth: focus_on_mask(depth, masks)
    return lambda depth: focus_on_point(depth, x, y)


def _estimate_by(name: str, camera: Camera | None) -> Estimate:
    """The depth network, found now, so that missing weights are missed before the work begins."""
    path = weights_path(name, DEPTH_WEIGHTS) if name != AUTOMATIC else depth_weights_path()
    assert path is not None

    def estimate(pictures: Tensor) -> Depth:
        device, focal_length = render_device(), None
        if camera is not None:
            focal_length = camera.for_image(*pictures.shape[-2:]).focal_length_px
        network = open_depth_estimator(path, device)
        return network.estimate(pictures.cpu(), focal_length, device)

    return Estimate(estimate, (path, stamp_of(path), camera))
