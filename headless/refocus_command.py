"""`focuspuller refocus`: any photo with another focus and aperture, by FLUX."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..lens.aperture import CIRCLE, Aperture
from ..lens.defocus import check_focus
from ..lens.depth import Depth
from ..lens.depth_sequence import DepthStabilizer
from ..lens.image import to_planar
from ..lens.progress import OnProgress
from ..lens.render import LENSES
from ..models.flux.networks import Kind
from ..models.places import AUTOMATIC
from ..models.refocus.model import RefocusModel
from .aperture_options import add_aperture_options, aperture_from
from .camera_options import add_camera_options, camera_of
from .depth_options import (
    add_depth_options,
    check_depth_options,
    estimated_depth,
    improved_depth,
)
from .devices import working_device
from .focus_options import add_focus_options, focus_place
from .refocus import deblur, diffcamera, refocus_photo
from .refocus_options import (
    Work,
    add_model_options,
    add_photo_options,
    add_sampling_options,
    check_out,
    model_from,
    sampling_from,
    written,
)
from .render import render as render_with_lens
from .shots import DepthReading, Picture, Shot, is_linear, open_depths, open_shot

STAGES = ("deblur", "bokeh", "aperture")
DIFFCAMERA = "diffcamera"

EXAMPLES = """examples:
  focuspuller refocus portrait.jpg --focus 0.4,0.3 --bokeh-level 20 -o refocused.png
  focuspuller refocus portrait.jpg --focus 0.4,0.3 --f-number 1.8 --lens layered -o refocused.png
  focuspuller refocus sharp.png --sharp --focus-mask subject.png --bokeh-level 15 -o soft.png
  focuspuller refocus lights.png --sharp --focus 0.5,0.6 --bokeh-level 30 --blades 5 \\
      --aperture-adapter shapes.safetensors -o stars.png
  focuspuller refocus photo.jpg --diffcamera-adapter diffcamera.safetensors \\
      --focus 0.5,0.6 --bokeh-level 10 -o refocused.png
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "refocus",
        description="Give a photo, or the frames of a folder, a pattern or a video, another focus "
        "and aperture, whatever is sharp in it now: DeblurNet makes all of it sharp, a network "
        "estimates its depth, and BokehNet or a lens blurs it anew. Weights are on this machine "
        "('focuspuller models list'). The paths of the results are printed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_photo_options(parser)
    parser.add_argument(
        "--sharp", action="store_true", help="the photo is sharp everywhere: leave DeblurNet out"
    )
    parser.add_argument(
        "--lens", choices=LENSES, help="render the blur with a lens in place of BokehNet"
    )
    parser.add_argument(
        "--all-pixels",
        action="store_true",
        help="let BokehNet make all pixels, also those that are not blurred",
    )
    add_depth_options(parser)
    add_focus_options(parser, required=True)
    add_camera_options(parser)
    add_aperture_options(parser.add_argument_group("aperture"))
    add_model_options(parser, *STAGES, DIFFCAMERA)
    add_sampling_options(parser)
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> None:
    """Refocus the photo or the frames and print the paths of the results."""
    check_depth_options(options)
    uses_diffcamera = options.diffcamera_adapter is not None
    if uses_diffcamera:
        _check_diffcamera(options)
    shot = open_shot(options.photo)
    targets = check_out(options, shot, options.depth, options.focus_mask, options.aperture_image)
    camera = None if uses_diffcamera else camera_of(options, shot.camera_data)
    settings = sampling_from(options)
    if uses_diffcamera:
        work = _with_diffcamera(options, shot, model_from(options, DIFFCAMERA), settings)
    else:
        needs_flux = not (options.sharp and options.lens)
        model = model_from(options, *STAGES) if needs_flux else None
        work = _with_stages(options, shot, model, settings)
    data = {} if camera is None else {"f_number": camera.f_number}
    for path in written(options, shot, targets, work, **data):
        print(path, flush=True)


def _check_diffcamera(options: argparse.Namespace) -> None:
    """DiffCamera goes by a point and a level alone."""
    if options.focus is None or options.bokeh_level is None:
        advice = "Give --focus X,Y and --bokeh-level K with it."
        raise InputError("--diffcamera-adapter", "another focus or strength beside it", advice)
    if len(options.focus) != 1 or len(options.focus[0]) != 2:
        received = "several points or a region with DiffCamera"
        raise InputError("--focus", received, "Give one point.")
    if options.lens or options.sharp or options.all_pixels:
        received = "--lens, --sharp or --all-pixels beside it"
        raise InputError("--diffcamera-adapter", received, "Leave them out.")


def _with_diffcamera(
    options: argparse.Namespace, shot: Shot, model: RefocusModel, settings: dict[str, Any]
) -> Work:
    depths = None if options.depth is None else _given_depths(options, shot)
    known = ("steps", "seed", "refresh_every", "keep_colors")
    settings = {name: settings[name] for name in known}

    def render(picture: Picture, on_progress: OnProgress) -> np.ndarray:
        linear, depth = is_linear(options, picture.photo), None
        if depths is not None:
            depth = next(depths)
        elif options.depth_model is not None:
            depth = _estimated(options, shot, picture, picture.image)
        return diffcamera(
            picture.image,
            model,
            depth,
            focus_point=options.focus[0],
            bokeh_level=options.bokeh_level,
            linear=linear,
            on_progress=on_progress,
            **settings,
        )

    def pass_over(picture: Picture) -> None:
        del picture
        if depths is not None:
            next(depths)

    return Work(render, pass_over)


def _with_stages(
    options: argparse.Namespace, shot: Shot, model: RefocusModel | None, settings: dict[str, Any]
) -> Work:
    """The stages one after the other; without a model a lens blurs a photo that is sharp."""
    camera = camera_of(options, shot.camera_data)
    place, aperture = focus_place(options), _shape(options)
    strength = options.bokeh_level if camera is None else camera
    check_focus(place, strength, shot.format.height, shot.format.width)
    if model is not None and not options.lens:
        # Missed before anything is computed.
        model.adapter(Kind.BOKEH)
        if aperture is not None:
            model.adapter(Kind.APERTURE)
    depths = None if options.depth is None else _given_depths(options, shot)
    stabilizer = DepthStabilizer()

    def steady_depth(picture: Picture, sharp: np.ndarray) -> Depth:
        if depths is not None:
            depth = next(depths)
        elif options.depth_model is None and picture.photo and picture.photo.depth:
            depth = picture.photo.depth
        else:
            depth = _estimated(options, shot, picture, sharp)
        if shot.count > 1:
            depth = stabilizer.stabilized(depth, to_planar(torch.from_numpy(sharp)[None]))
        return depth

    def depth_of(picture: Picture, sharp: np.ndarray) -> Depth:
        depth, linear = steady_depth(picture, sharp), is_linear(options, picture.photo)
        return improved_depth(options, depth, sharp, linear).for_image(*sharp.shape[:2])

    def pass_over(picture: Picture) -> None:
        """Later depth is brought to the scale of this one; for that the photo is sharp enough."""
        steady_depth(picture, picture.image)

    def render(picture: Picture, on_progress: OnProgress) -> np.ndarray:
        linear, sharp = is_linear(options, picture.photo), picture.image
        # How much of the work the first stage is.
        share = 0.0 if options.sharp else 0.5
        if model is not None and not options.sharp:
            sharp = deblur(
                sharp,
                model,
                linear=linear,
                on_progress=lambda done: on_progress(share * done),
                **settings,
            )
        depth = depth_of(picture, sharp)
        if model is None:
            return render_with_lens(
                sharp,
                depth,
                focus=place(depth),
                camera=camera,
                bokeh_level=options.bokeh_level,
                lens=options.lens,
                aperture=aperture,
                linear=linear,
                device=working_device(options.device),
                on_progress=on_progress,
            )
        return refocus_photo(
            sharp,
            model,
            depth,
            focus=place(depth),
            camera=camera,
            bokeh_level=options.bokeh_level,
            deblur=False,
            lens=options.lens,
            aperture=aperture,
            keep_in_focus=not options.all_pixels,
            linear=linear,
            on_progress=lambda done: on_progress(share + (1.0 - share) * done),
            **settings,
        )

    return Work(render, pass_over)


def _shape(options: argparse.Namespace) -> Aperture | None:
    aperture = aperture_from(options)
    return None if aperture.key() == CIRCLE.key() else aperture


def _given_depths(options: argparse.Namespace, shot: Shot) -> Iterator[Depth]:
    near_is_white = not options.near_is_black
    reading = DepthReading(options.depth_encoding, near_is_white, options.near, options.far)
    depths = open_depths(options.depth, reading, shot.count)
    return depths if shot.count > 1 else repeat(next(depths))


def _estimated(
    options: argparse.Namespace, shot: Shot, picture: Picture, sharp: np.ndarray
) -> Depth:
    options.depth_model = options.depth_model or AUTOMATIC
    data = picture.photo.camera_data if picture.photo else shot.camera_data
    return estimated_depth(options, sharp, data, is_linear(options, picture.photo))
