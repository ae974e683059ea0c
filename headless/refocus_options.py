"""Options of commands that make pictures with FLUX, and the way from frames to files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ..errors import InputError
from ..lens.progress import OnProgress
from ..models.flux.networks import STEPS
from ..models.places import AUTOMATIC
from ..models.refocus.loading import SLOTS
from ..models.refocus.model import RefocusModel
from ..models.refocus.sampling import Sampling
from ..photo.files import make_folder
from ..photo.frames import check_distinct, frame_path, frames_text, has_number
from ..photo.saving import WRITABLE_SUFFIXES, check_quality, format_of, keeps_all_light, save_photo
from ..photo.video_format import Frame, video_container
from ..photo.video_writing import writing_video
from .outputs import check_no_input
from .refocus_model import add_base_options, model_of
from .resume import check_resume, missing
from .sequence_options import add_resume_option, is_video
from .shots import Picture, Shot, is_linear

BAR = "{percentage:3.0f}%|{bar}| picture {n:.2f}/{total} [{elapsed}<{remaining}]"
CONSTANT_RATE_FACTOR = 18

# By slot.
ADAPTERS = {
    "deblur": "DeblurNet's, with or without pre-deblur",
    "bokeh": "BokehNet's",
    "aperture": "for the shape of BokehNet's aperture",
    "diffcamera": "DiffCamera's, which then does all the work",
}


class Work(NamedTuple):
    """What is done with each frame.

    Args:
        render: a frame to pixels `[H,W,3]`; tells how far it is.
        pass_over: looks at a frame that is left out, where others follow from it.
    """

    render: Callable[[Picture, OnProgress], np.ndarray]
    pass_over: Callable[[Picture], Any] = lambda picture: None


def add_photo_options(parser: argparse.ArgumentParser) -> None:
    """Add what is read and written."""
    parser.add_argument(
        "photo",
        metavar="PHOTO",
        type=Path,
        help="JPEG, PNG, TIFF, WebP, HEIC or EXR; or a folder, a pattern or a video",
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        type=Path,
        required=True,
        help=".jpg, .png, .webp, .tif or .exr; of frames, a pattern such as %%04d.png, or a video",
    )
    parser.add_argument("--quality", type=int, default=95, help="of JPEG and WebP, 1..100")
    add_resume_option(parser)
    parser.add_argument("--linear", action="store_true", help="the photo holds linear light")


def add_model_options(parser: argparse.ArgumentParser, *adapters: str) -> None:
    """Add the files of FLUX and of its adapters.

    Args:
        parser: of the command.
        adapters: slots of those that it can use.
    """
    group = parser.add_argument_group("adapters, published ones by default found by their names")
    for name in adapters:
        group.add_argument(f"--{name}-adapter", metavar="FILE", type=Path, help=ADAPTERS[name])
    add_base_options(parser)


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """Add how pictures are made of noise."""
    group = parser.add_argument_group("sampling")
    group.add_argument("--steps", type=int, default=STEPS, help=f"default: {STEPS}, as published")
    group.add_argument("--seed", type=int, default=0, help="default: 0")
    group.add_argument(
        "--no-tiles",
        action="store_true",
        help="make pictures above 512×512 px in one piece instead of overlapping tiles",
    )
    group.add_argument(
        "--tiles-at-once", type=int, default=1, metavar="N", help="in one pass of the model"
    )
    group.add_argument(
        "--refresh-every",
        type=int,
        default=1,
        metavar="N",
        help="let conditions follow the picture in every N-th step only: faster, and inexact",
    )
    group.add_argument(
        "--leave-colors",
        action="store_true",
        help="do not take out the autoencoder's drift of colours",
    )


def model_from(options: argparse.Namespace, *adapters: str) -> RefocusModel:
    """The model that the options name.

    Args:
        options: parsed, with `add_model_options`.
        adapters: slots of those that are needed; published ones are found.
    """
    given = {name: getattr(options, f"{name}_adapter") for name in adapters}
    return model_of(options, **{name: given[name] or _found(name) for name in adapters})


def _found(slot: str) -> str | None:
    return AUTOMATIC if SLOTS[slot].published else None


def sampling_from(options: argparse.Namespace) -> dict[str, Any]:
    """The settings of sampling, as the Python API takes them.

    Raises:
        InputError: one of them has no meaning.
    """
    Sampling(
        options.steps,
        options.seed,
        tiles_at_once=options.tiles_at_once,
        refresh_every=options.refresh_every,
    )
    return {
        "steps": options.steps,
        "seed": options.seed,
        "tile": not options.no_tiles,
        "tiles_at_once": options.tiles_at_once,
        "refresh_every": options.refresh_every,
        "keep_colors": not options.leave_colors,
    }


def check_out(options: argparse.Namespace, shot: Shot, *inputs: Path | None) -> list[Path]:
    """Where each picture goes, checked before anything is computed; a video for all of them.

    Args:
        options: parsed.
        shot: what is read.
        inputs: other files that are read.

    Raises:
        InputError: the name does not fit what is read, or is that of an input.
    """
    check_quality(options.quality)
    check_resume(options)
    out: Path = options.out
    if is_video(out):
        video_container(out, "--out")
        targets = [out]
    elif shot.count > 1 or has_number(out):
        if not has_number(out):
            advice = "Give a pattern such as sharp/%04d.png, or a video."
            raise InputError("--out", f"{out} for {frames_text(shot.count)}", advice)
        files = shot.files or [None] * shot.count
        targets = [
            frame_path(out, file, index, WRITABLE_SUFFIXES) for index, file in enumerate(files)
        ]
        check_distinct(targets)
    else:
        targets = [out]
        if out.is_dir():
            raise InputError("--out", f"{out}, a folder", "Add a file name.")
        format_of(out, "--out")
    check_no_input("--out", targets, (options.photo, *shot.files, *inputs))
    return targets


def written(
    options: argparse.Namespace, shot: Shot, targets: list[Path], work: Work, **data: Any
) -> Iterator[Path]:
    """Make all pictures and save each when it is done.

    Args:
        options: parsed.
        shot: what is read.
        targets: of `check_out`.
        work: makes one picture.
        data: what EXIF shall say, see `save_photo`.

    Returns:
        The paths, each when it is complete.
    """
    with _progress(shot) as told:
        make_folder(targets[0].parent)
        if is_video(options.out):
            rate_factor = CONSTANT_RATE_FACTOR
            with writing_video(options.out, shot.format, shot.sound, rate_factor) as video:
                for index, picture in enumerate(shot.pictures()):
                    video.write(Frame(work.render(picture, told(index)), picture.time))
            yield options.out
            return
        frames = enumerate(shot.pictures())
        for path, (index, picture) in missing(
            targets, frames, options.resume, lambda frame: work.pass_over(frame[1])
        ):
            make_folder(path.parent)
            _save(options, path, picture, work.render(picture, told(index)), data)
            yield path


def _save(
    options: argparse.Namespace,
    path: Path,
    picture: Picture,
    pixels: np.ndarray,
    data: dict[str, Any],
) -> None:
    save_photo(
        path,
        pixels,
        exif=picture.photo.exif if picture.photo else None,
        quality=options.quality,
        linear=is_linear(options, picture.photo) and keeps_all_light(path),
        **data,
    )


@contextmanager
def _progress(shot: Shot) -> Iterator[Callable[[int], OnProgress]]:
    """A bar of all pictures."""
    with tqdm(total=shot.count, delay=1.0, leave=False, disable=None, bar_format=BAR) as bar:

        def told(index: int) -> OnProgress:
            return lambda fraction: _move(bar, index + fraction)

        yield told


def _move(bar: tqdm[Any], place: float) -> None:
    bar.update(place - bar.n)
