"""Bring the templates up to date after `workflows/NAME.json` was saved in ComfyUI's editor.

python docs/make_templates.py                        # all of them, about two minutes
python docs/make_templates.py rack_focus auto_focus

Writes the API form, `workflows/api/NAME.json`, and the thumbnail, `workflows/NAME.jpg`. A thumbnail
is what the template makes of a sample. Where that takes weights that do not come along, it is the
photo that the template starts from, or what the lens alone makes of the sample's own depth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import focuspuller as fp
import numpy as np
import torch
from focuspuller.headless.catalog import node_spec
from focuspuller.headless.core_nodes import CORE_NODES
from focuspuller.headless.editor_form import to_api_form
from focuspuller.nodes import NODE_CLASSES
from focuspuller.photo.video import VideoFile
from PIL import Image, ImageDraw

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
SAMPLES = WORKFLOWS.parent / "samples"
SIZE = (480, 320)
ORANGE, LIGHTS, MUG, FACE = (0.24, 0.75), (0.55, 0.215), (0.68, 0.42), (0.4, 0.37)
FOUR_MOMENTS = "0: 0.68m f/1.4; 1: 1.1m f/1.4; 2: 2.05m f/1.4; 3: 2.05m f/8"
Place = tuple[float, float]


def api_form(name: str) -> None:
    """Write what the browser would send."""
    catalog = {spec.class_type: spec for spec in map(node_spec, (*CORE_NODES, *NODE_CLASSES))}
    editor = json.loads((WORKFLOWS / f"{name}.json").read_text("utf-8"))
    text = json.dumps(to_api_form(editor, catalog), indent=1, ensure_ascii=False)
    (WORKFLOWS / "api" / f"{name}.json").write_text(text + "\n", "utf-8")


def made_by(name: str, settings: Mapping[str, object] | None = None) -> list[Image.Image]:
    """What a template saves."""
    with TemporaryDirectory() as folder:
        path = WORKFLOWS / f"{name}.json"
        result = fp.run_workflow(path, out_dir=folder, input_dirs=[SAMPLES], settings=settings)
        frames = []
        for file in result.files:
            if file.suffix == ".mp4":
                frames += [picture(frame.pixels) for frame in VideoFile(file).frames()]
            else:
                frames.append(Image.open(file).convert("RGB"))
    return frames


def picture(pixels: np.ndarray | torch.Tensor) -> Image.Image:
    """From values 0..1, [H,W,3]."""
    values = np.asarray(pixels, np.float32).clip(0, 1)
    return Image.fromarray((values * 255 + 0.5).astype(np.uint8))


@lru_cache
def sample(name: str) -> fp.Photo:
    """A photo that comes along."""
    return fp.load_photo(SAMPLES / f"{name}.jpg")


def photo(name: str) -> Image.Image:
    """The same to look at."""
    return picture(sample(name).image)


def rendered(name: str, place: Place, f_number: float) -> Image.Image:
    """A sample by the default lens, from the depth in its file."""
    source = sample(name)
    assert source.camera is not None
    camera = replace(source.camera, f_number=f_number)
    return picture(fp.render(source.image, source.depth, focus_point=place, camera=camera))


def whole(image: Image.Image) -> Image.Image:
    """All of a picture, at the thumbnail's size."""
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def strips(images: Sequence[Image.Image], centre: float = 0.24, gap: int = 4) -> Image.Image:
    """The same upright part of several pictures, side by side; `centre` is its middle."""
    page = Image.new("RGB", SIZE, "white")
    width = (SIZE[0] - gap * (len(images) - 1)) // len(images)
    for index, image in enumerate(map(whole, images)):
        left = round(min(max(centre * SIZE[0] - width / 2, 0), SIZE[0] - width))
        page.paste(image.crop((left, 0, left + width, SIZE[1])), (index * (width + gap), 0))
    return page


def halves(before: Image.Image, after: Image.Image, at: float) -> Image.Image:
    """Before and after, divided at a fraction of the width."""
    page, edge = whole(before), round(at * SIZE[0])
    page.paste(whole(after).crop((edge, 0, *SIZE)), (edge, 0))
    ImageDraw.Draw(page).line([(edge, 0), (edge, SIZE[1])], "white", 3)
    return page


def grid(images: Sequence[Image.Image], gap: int = 4) -> Image.Image:
    """Four pictures."""
    page = Image.new("RGB", SIZE, "white")
    width, height = (SIZE[0] - gap) // 2, (SIZE[1] - gap) // 2
    for index, image in enumerate(images):
        small = image.resize((width, height), Image.Resampling.LANCZOS)
        page.paste(small, (index % 2 * (width + gap), index // 2 * (height + gap)))
    return page


def framed(image: Image.Image, *places: Place) -> Image.Image:
    """A picture with the frame of a viewfinder; with several, the last is where the focus goes."""
    page = whole(image)
    draw = ImageDraw.Draw(page)
    for place in places:
        is_last = place == places[-1]
        x, y = place[0] * SIZE[0], place[1] * SIZE[1]
        half, arm = (27, 10) if is_last else (18, 7)
        for right in (-1, 1):
            for down in (-1, 1):
                corner = (x + right * half, y + down * half)
                ends = [(corner[0] - right * arm, corner[1]), (corner[0], corner[1] - down * arm)]
                draw.line([ends[0], corner, ends[1]], "white" if is_last else "#c8c8c8", 3)
    if len(places) > 1:
        arrow(draw, *places)
    return page


def arrow(draw: ImageDraw.ImageDraw, start: Place, end: Place) -> None:
    """From beside one frame to beside the other."""
    a, b = (np.array(place) * SIZE for place in (start, end))
    along = (b - a) / np.linalg.norm(b - a)
    across = np.array((-along[1], along[0]))
    tail, tip = a + 32 * along, b - 42 * along
    draw.line([tuple(tail), tuple(tip - 8 * along)], "white", 3)
    head = [tip, tip - 14 * along + 7 * across, tip - 14 * along - 7 * across]
    draw.polygon([tuple(point) for point in head], "white")


def five_blades() -> Image.Image:
    """The sharp sample, its focus, and the iris that BokehNet is asked for."""
    page = framed(photo("still_life"), ORANGE)
    angles = np.deg2rad(-90 + 72 * np.arange(5))
    points = [(430 + 36 * np.cos(angle), 50 + 36 * np.sin(angle)) for angle in angles]
    ImageDraw.Draw(page).polygon(points, "white")
    return page


def wide_open() -> Image.Image:
    """The photo that is to be refocused."""
    return photo("still_life_wide_open")


THUMBNAILS: dict[str, Callable[[], Image.Image]] = {
    "refocus_photo": lambda: whole(made_by("refocus_photo")[0]),
    "portrait_phone_depth": lambda: halves(
        photo("phone_portrait"), made_by("portrait_phone_depth")[0], 0.4
    ),
    "auto_focus": lambda: framed(rendered("still_life", ORANGE, 1.4), ORANGE),
    "creative_aperture": lambda: whole(made_by("creative_aperture")[0]),
    "rack_focus": lambda: strips(made_by("rack_focus", {"Focus Pull.frames": 3})),
    "rack_focus_video": lambda: strips(
        made_by("rack_focus_video", {"Focus Pull.frames": 2, "RepeatImageBatch.amount": 2})
    ),
    "rack_focus_timeline": lambda: strips(
        made_by("rack_focus_timeline", {"3.keyframes": FOUR_MOMENTS, "3.frames": 4})
    ),
    "headless_batch": lambda: grid(
        [
            *made_by("headless_batch", {"Camera.f_number": 1.4}),
            rendered("phone_portrait", FACE, 1.8),
            rendered("phone_portrait", FACE, 4.0),
            rendered("still_life", MUG, 1.4),
        ]
    ),
    "generate_and_refocus": lambda: grid(
        [rendered("still_life", ORANGE, f_number) for f_number in (0.7, 1.4, 2.8, 8.0)]
    ),
    "deblur": lambda: whole(wide_open()),
    "diffcamera_refocus": lambda: framed(wide_open(), ORANGE),
    "refocus_any_photo": lambda: framed(wide_open(), LIGHTS, ORANGE),
    "aperture_shape": five_blades,
}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Write API forms and thumbnails.")
    parser.add_argument("names", nargs="*", default=sorted(THUMBNAILS), metavar="NAME")
    for name in parser.parse_args().names:
        api_form(name)
        THUMBNAILS[name]().save(WORKFLOWS / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main()
