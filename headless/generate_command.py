"""`focuspuller generate`: a picture from a prompt, taken with a real lens."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..errors import InputError
from ..lens.optics import Camera
from ..lens.render import DEFAULT_LENS, LENSES
from ..lens.sweep import APERTURES, f_numbers_in
from ..models.exif_generator.conditioning import ALL_IN_FOCUS, CONDITIONINGS
from ..models.exif_generator.handle import Sampling, open_generator
from ..models.places import AUTOMATIC
from ..photo.contact_sheet import captioned, contact_sheet
from ..photo.depth_files import WRITABLE_DEPTH_SUFFIXES, save_depth
from ..photo.files import make_folder
from ..photo.frames import frame_path, has_number
from ..photo.photo import PHOTO_SUFFIXES
from ..photo.saving import format_of, save_photo
from ..photo.video_format import VIDEO_SUFFIXES, Frame, VideoFormat, video_container
from ..photo.video_writing import writing_video
from .counting import BAR, show
from .generate import GeneratedScene, generate, generate_image

EXAMPLES = """examples:
  focuspuller generate "a dog on a beach" --f-number 1.8 --focal-length 85 -o dog.jpg
  focuspuller generate "a dog on a beach" --all-in-focus -o dog.png
  focuspuller generate "a street at night" --seed 7 --sweep -o sweep/%02d.jpg
  focuspuller generate "a street at night" --seed 7 --sweep 1.4,2,4,8 --contact-sheet -o sheet.jpg
  focuspuller generate "a street at night" --seed 7 --sweep -o sweep.mp4
  focuspuller generate "a cat" --base RealVisXL_V5.0_fp16.safetensors --student none -o cat.jpg
"""
# How long a video of a sweep shows each aperture.
RATE = Fraction(1)


def add_to(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    parser = commands.add_parser(
        "generate",
        description="Generate an all-in-focus picture from a prompt with SDXL, estimate its depth, "
        "find the focus and take it with a real lens. The paths of the results are printed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("prompt", metavar="PROMPT", help="what the picture shows")
    parser.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        type=Path,
        required=True,
        help="a picture; of several a pattern such as %%02d.jpg; of a sweep a video, too",
    )
    _add_generator_options(parser.add_argument_group("generator"))
    _add_lens_options(parser.add_argument_group("lens"))
    _add_result_options(parser.add_argument_group("results"))
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> None:
    """Generate, render, save, and print the paths."""
    _check(options)
    camera = Camera(options.focal_length, options.f_number, options.sensor_width)
    shared: dict[str, Any] = {
        "camera": camera,
        "conditioning": options.conditioning,
        "negative_prompt": options.negative_prompt,
        "sampling": _sampling(options),
        "generator": open_generator(
            options.base, options.student, options.exif_projection, options.tokenizer
        ),
        "device": options.device,
    }
    with tqdm(total=1.0, delay=1.0, leave=False, disable=None, bar_format=BAR) as bar:
        if options.all_in_focus:
            image = generate_image(
                options.prompt, on_progress=lambda done: show(bar, done), **shared
            )
            _save_pictures(options, _several(image, 3), None)
            return
        scene = generate(
            options.prompt,
            told_f_number=options.told_f_number,
            focus_point=options.focus,
            focus_distance=options.focus_distance,
            depth_model=options.depth_model,
            focus_weights=options.focus_weights,
            on_progress=lambda done: show(bar, done),
            **shared,
        )
    if options.depth_out is not None:
        make_folder(options.depth_out.parent)
        save_depth(options.depth_out, scene.depth)
        print(options.depth_out)
    if options.sweep is None:
        rendered = scene.render(lens=options.lens, device=options.device)
        _save_pictures(options, _several(rendered, 3), scene)
    else:
        _save_sweep(options, scene)


def _add_generator_options(group: Any) -> None:
    group.add_argument("--width", metavar="PX", type=int, default=1024, help="a multiple of 8")
    group.add_argument("--height", metavar="PX", type=int, default=1024, help="the same")
    group.add_argument("--seed", type=int, default=0, help="of the first picture (default: 0)")
    group.add_argument("--batch", metavar="N", type=int, default=1, help="number of pictures")
    group.add_argument(
        "--steps", type=int, default=0, help="default: as the student was trained, 50 without one"
    )
    group.add_argument("--guidance", type=float, default=5.0, help="without a student (default: 5)")
    group.add_argument("--negative-prompt", metavar="TEXT", help="without a student")
    group.add_argument(
        "--conditioning",
        choices=CONDITIONINGS,
        default="automatic",
        help="how the generator is told of the camera: automatic by the EXIF projection, if there "
        "is one; exif_text, dof_text and exif_fixed in words; none",
    )
    group.add_argument(
        "--told-f-number",
        metavar="N",
        type=float,
        default=ALL_IN_FOCUS,
        help="what the generator is told in place of --f-number, so that the picture does not "
        f"depend on that (default: {ALL_IN_FOCUS:g}); --all-in-focus tells it --f-number",
    )
    group.add_argument(
        "--base", metavar="PATH", help="SDXL: a single file, or a folder of diffusers"
    )
    group.add_argument(
        "--student",
        metavar="FILE",
        default=AUTOMATIC,
        help="few-step UNet or LoRA, such as DMD2's; none: SDXL itself",
    )
    group.add_argument(
        "--exif-projection", metavar="FILE", default=AUTOMATIC, help="trained; or none"
    )
    group.add_argument(
        "--tokenizer",
        metavar="FOLDER",
        help="CLIP's vocab.json and merges.txt ('focuspuller models fetch clip-tokenizer'); a "
        "folder of diffusers brings its own",
    )
    group.add_argument("--device", help="where to compute, such as cpu or cuda:1")


def _add_lens_options(group: Any) -> None:
    group.add_argument("--f-number", metavar="N", type=float, default=2.8, help="default: 2.8")
    group.add_argument("--focal-length", metavar="MM", type=float, default=50.0, help="default: 50")
    group.add_argument("--sensor-width", metavar="MM", type=float, default=36.0, help="default: 36")
    places = group.add_mutually_exclusive_group()
    places.add_argument(
        "--focus", metavar="X,Y", type=_point, help="default: where a photographer would"
    )
    places.add_argument("--focus-distance", metavar="M", type=float, help="metres")
    group.add_argument("--focus-weights", metavar="FILE", help="the network that finds the focus")
    group.add_argument(
        "--depth-model",
        metavar="NAME|FILE",
        default=AUTOMATIC,
        help="a network for metres, such as metric3d-vit-small (default: the best that is there)",
    )
    group.add_argument(
        "--lens", choices=LENSES, default=DEFAULT_LENS, help=f"default: {DEFAULT_LENS}"
    )


def _add_result_options(group: Any) -> None:
    group.add_argument(
        "--all-in-focus", action="store_true", help="the generated picture, without a lens"
    )
    group.add_argument(
        "--sweep",
        metavar="N,N",
        nargs="?",
        type=_f_numbers,
        const=list(APERTURES),
        help="one scene at several f-numbers (default: 1.8 to 22)",
    )
    group.add_argument(
        "--contact-sheet", action="store_true", help="the sweep as one picture with captions"
    )
    group.add_argument("--depth-out", metavar="FILE", type=Path, help="the depth: .npz, .npy, .exr")


def _sampling(options: argparse.Namespace) -> Sampling:
    return Sampling(
        options.width,
        options.height,
        options.seed,
        options.batch,
        options.steps,
        options.guidance,
    )


def _check(options: argparse.Namespace) -> None:
    """Find out before generating what would make saving fail."""
    if options.contact_sheet and options.sweep is None:
        raise InputError("--contact-sheet", "no sweep", "Add --sweep.")
    if options.all_in_focus and options.sweep is not None:
        raise InputError("--all-in-focus", "a sweep beside it", "Give one of the two.")
    if options.sweep is not None and options.batch > 1:
        raise InputError("--batch", f"{options.batch} with a sweep", "A sweep shows one picture.")
    if options.depth_out and options.depth_out.suffix.lower() not in WRITABLE_DEPTH_SUFFIXES:
        names = ", ".join(WRITABLE_DEPTH_SUFFIXES)
        raise InputError("--depth-out", str(options.depth_out), f"End the name in one of {names}.")
    if _is_video(options.out):
        if options.sweep is None or options.contact_sheet:
            raise InputError("--out", f"{options.out}, a video", "Only a sweep can be one.")
        video_container(options.out, "--out")
        return
    format_of(options.out, "--out")
    pictures = options.batch if options.sweep is None else len(options.sweep)
    if pictures > 1 and not options.contact_sheet and not has_number(options.out):
        received = f"{options.out} for {pictures} pictures"
        raise InputError("--out", received, "Give a pattern such as %02d.jpg.")


def _save_sweep(options: argparse.Namespace, scene: GeneratedScene) -> None:
    captions = [f"f/{one:g}" for one in options.sweep]
    pictures = scene.sweep(options.sweep, lens=options.lens, device=options.device)
    make_folder(options.out.parent)
    if options.contact_sheet:
        save_photo(options.out, contact_sheet(pictures, captions))
        print(options.out)
    elif _is_video(options.out):
        _write_video(options.out, captioned(pictures, captions))
        print(options.out)
    else:
        _save_pictures(options, pictures, scene, options.sweep)


def _save_pictures(
    options: argparse.Namespace,
    pictures: np.ndarray,
    scene: GeneratedScene | None,
    f_numbers: Sequence[float] = (),
) -> None:
    make_folder(options.out.parent)
    for index, picture in enumerate(pictures):
        path = options.out
        if has_number(path):
            path = frame_path(path, None, index, PHOTO_SUFFIXES)
        known = scene is not None and scene.focus.is_metric
        distances = scene.focus.distance_m if scene is not None and known else None
        save_photo(
            path,
            picture,
            f_number=f_numbers[index] if f_numbers else options.f_number,
            subject_distance_m=None
            if distances is None
            else float(distances[min(index, len(distances) - 1)]),
        )
        print(path)


def _write_video(path: Path, pictures: np.ndarray) -> None:
    height, width = pictures.shape[1:3]
    with writing_video(path, VideoFormat(width, height, RATE, Fraction(1, 24))) as video:
        for index, picture in enumerate(pictures):
            video.write(Frame(picture, index / RATE))


def _several(pictures: np.ndarray, dimensions: int) -> np.ndarray:
    return pictures[None] if pictures.ndim == dimensions else pictures


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _point(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y, such as 0.4,0.3") from None
    return x, y


def _f_numbers(text: str) -> list[float]:
    try:
        return f_numbers_in(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(f"{error.received}: {error.advice}") from None
