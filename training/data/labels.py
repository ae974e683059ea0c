"""Labels for real photographs: bokeh level and focus plane from EXIF, masks and renderings.

Generative Refocusing, section 3.2.1: the focus plane is the median depth inside the in-focus mask
(eq. 4); the bokeh level follows from EXIF (eq. 3) where there is any, else it is the K whose
rendering is most like the photograph (eq. 5), if that is like enough.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from ...errors import FileError, InputError
from ...lens.color import srgb_to_linear
from ...lens.depth import Depth
from ...lens.fitting.fit import fit_bokeh_level
from ...lens.focus import Focus, focus_on_mask
from ...lens.optics import Camera, camera_bokeh_level
from ...lens.render import Lens
from ...photo.exif import camera_from
from .records import Blur, Pair, PairList, Source, records_of
from .scene_json import without_none

Method = Literal["exif", "rendering"]
# "provided that its SSIM exceeds a predefined threshold"; the paper does not say which.
LEAST_SSIM = 0.8


@dataclass(frozen=True)
class Label:
    """How a photograph is blurred, as far as that was found.

    Args:
        name: of the pair.
        blur: None if it was not found.
        ssim: of the rendering and the photograph, if one was made.
        problems: what is doubtful or why there is no label, in words.
    """

    name: str
    blur: Blur | None
    ssim: float | None = None
    problems: tuple[str, ...] = ()


def blur_from_camera(camera: Camera, focus: Focus, height: int, width: int) -> Blur:
    """Eq. 3: the bokeh level of a camera for a picture of a size.

    Args:
        camera: that took the picture.
        focus: metric, of one picture.
        height, width: px; of the whole frame, scaled at will but not cut.

    Raises:
        InputError: the focus is relative, or nearer than the focal length.
    """
    if not focus.is_metric:
        advice = "EXIF gives metres: take metric depth, or label by rendering."
        raise InputError("focus", "relative disparity", advice)
    plane = float(focus.plane[0])
    level = float(camera_bokeh_level(camera.for_image(height, width), plane))
    return Blur(level, plane, is_metric=True)


def blur_from_rendering(
    all_in_focus: Tensor,
    bokeh: Tensor,
    depth: Depth,
    focus: Focus | None = None,
    lens: Lens | None = None,
) -> tuple[Blur, float, tuple[str, ...]]:
    """Eq. 5: the bokeh level whose rendering is most like the photograph.

    Args:
        all_in_focus, bokeh: `[3,H,W]` sRGB-coded.
        depth: of the view.
        focus: the sharp plane, from a mask; None finds it too.
        lens: renderer; BokehMe's if None.

    Returns:
        The blur, the SSIM of the rendering, and what is doubtful.

    Raises:
        InputError: nothing can be found: flat depth, pictures of different size or things.
    """
    sharp, photo = (srgb_to_linear(image)[None] for image in (all_in_focus, bokeh))
    fitted = fit_bokeh_level(sharp, photo, depth, focus, lens)
    plane = float(fitted.focus.plane[0])
    return Blur(fitted.bokeh_level, plane, depth.is_metric), 1.0 - fitted.loss, fitted.problems


def label_pair(pair: Pair, by: Method, least_ssim: float = LEAST_SSIM) -> Label:
    """The label of one pair; what cannot be labelled says why.

    Args:
        pair: with bokeh picture, depth, for "exif" a mask or a focus distance and for "rendering"
            an all-in-focus picture.
        by: "exif" or "rendering".
        least_ssim: of a rendering that counts.
    """
    try:
        return _label(pair, by, least_ssim)
    except (InputError, FileError) as error:
        return Label(pair.name, None, problems=(str(error),))


def _label(pair: Pair, by: Method, least_ssim: float) -> Label:
    if pair.bokeh is None or pair.depth is None:
        missing = "depth" if pair.bokeh is not None else "blurred picture"
        raise InputError(pair.name, f"a pair without {missing}", "Give it, or leave the pair out.")
    photo = pair.bokeh.photo()
    height, width = photo.image.shape[:2]
    depth = pair.depth.depth().for_image(height, width)
    # Eq. 4.
    focus = None if pair.mask is None else focus_on_mask(depth, pair.mask.grey()[None])
    if by == "exif":
        if focus is None and pair.focus_distance_m is not None:
            focus = Focus.at_distance(pair.focus_distance_m)
        camera = pair.camera or camera_from(photo.camera_data)
        if camera is None:
            raise InputError(pair.name, photo.camera_data.missing, "Label by rendering.")
        if focus is None:
            raise InputError(pair.name, "a pair without mask", "Give an in-focus mask.")
        return Label(pair.name, blur_from_camera(camera, focus, height, width))
    if pair.all_in_focus is None:
        advice = "Deblur the photograph first, or label by EXIF."
        raise InputError(pair.name, "a pair without all-in-focus picture", advice)
    image = pair.bokeh.coded(photo)
    blur, ssim, problems = blur_from_rendering(pair.all_in_focus.image(), image, depth, focus)
    if ssim < least_ssim:
        unlike = f"The best rendering has an SSIM of {ssim:.3f}, below {least_ssim:g}."
        return Label(pair.name, None, ssim, (unlike, *problems))
    return Label(pair.name, blur, ssim, problems)


def as_line(label: Label) -> str:
    """A line of a file of labels."""
    content = {
        "name": label.name,
        "blur": None if label.blur is None else vars(label.blur),
        "ssim": label.ssim,
        "problems": label.problems or None,
    }
    return json.dumps(without_none(content)) + "\n"


def read_labels(file: Path) -> dict[str, Label]:
    """Labels by the name of their pair; a torn last line is left out.

    Raises:
        FileError: the file cannot be read or holds no labels.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        contents = [json.loads(line) for line in lines if line.endswith("\n")]
        return {content["name"]: _label_from(content) for content in contents}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(
            str(file), f"no file of labels ({error})", "Make it with focuspuller label."
        ) from error


def _label_from(content: Mapping[str, Any]) -> Label:
    blur = Blur(**content["blur"]) if "blur" in content else None
    return Label(content["name"], blur, content.get("ssim"), tuple(content.get("problems", ())))


def with_labels(source: Source, file: Path) -> PairList:
    """The pairs that have a label, with it.

    Raises:
        FileError: the file cannot be read, or no pair has a label.
    """
    labels = read_labels(file)
    labelled = tuple(
        replace(pair, blur=labels[pair.name].blur)
        for pair in records_of(source)
        if pair.name in labels and labels[pair.name].blur is not None
    )
    if not labelled:
        raise FileError(str(file), "labels of none of the pairs", "Label this dataset.")
    return PairList(labelled)
