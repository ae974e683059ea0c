"""How the generator is told of the camera: by its EXIF projection, or in words.

The words are the baselines of Fine-grained Defocus' table 1 that need no training. Their exact
wording is not given there; it is ours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast, get_args

from ...errors import InputError
from ...lens.optics import Camera

Conditioning = Literal["automatic", "none", "exif_text", "dof_text", "exif_fixed"]
CONDITIONINGS: tuple[Conditioning, ...] = get_args(Conditioning)

# The largest aperture of pictures that the paper counts as shallow, and the smallest that it uses:
# what "exif_fixed" says whatever the camera's is.
DEEP_FROM = 10.0
ALL_IN_FOCUS = 22.0


def prompt_for(prompt: str, conditioning: Conditioning, camera: Camera | None) -> str:
    """The prompt with what it tells of the camera.

    Args:
        prompt: the user's.
        conditioning: "exif_text": aperture and focal length in words. "exif_fixed": the same with
            the aperture always f/22, so that pictures for different apertures are one picture.
            "dof_text": deep or shallow depth of field, by whether the aperture is above f/10.
            "automatic" and "none": the prompt as it is.
        camera: that takes the picture.

    Raises:
        InputError: there is no such conditioning, or it needs a camera.

    Example:
        >>> prompt_for("a dog", "dof_text", Camera(50, 1.8))
        'a dog, Shallow Depth-of-Field'
        >>> prompt_for("a dog", "exif_fixed", Camera(50, 1.8))
        'a dog, Aperture: f/22, Focal Length: 50 mm'
    """
    chosen = checked(conditioning)
    if chosen in ("automatic", "none"):
        return prompt
    if camera is None:
        received = f"none with conditioning {chosen!r}"
        raise InputError("camera", received, "Give a camera, or another conditioning.")
    if chosen == "dof_text":
        depth_of_field = "Deep" if camera.f_number >= DEEP_FROM else "Shallow"
        return _joined(prompt, f"{depth_of_field} Depth-of-Field")
    told = replace(camera, f_number=ALL_IN_FOCUS) if chosen == "exif_fixed" else camera
    text = f"Aperture: f/{told.f_number:g}, Focal Length: {told.focal_length_mm:g} mm"
    return _joined(prompt, text)


def checked(conditioning: str) -> Conditioning:
    """The conditioning, if there is such a one.

    Raises:
        InputError: there is not.
    """
    if conditioning not in CONDITIONINGS:
        names = ", ".join(CONDITIONINGS)
        raise InputError("conditioning", repr(conditioning), f"Give one of {names}.")
    return cast(Conditioning, conditioning)


def _joined(prompt: str, addition: str) -> str:
    bare = prompt.strip().rstrip(",")
    return f"{bare}, {addition}" if bare else addition
