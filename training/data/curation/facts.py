"""What is measured of each photograph, once, before anything is decided."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from ....errors import FocusPullerError, InputError
from ..records import Picture
from .sharpness import sharpness

# What a blur classifier says of a picture, as Fine-grained Defocus' does.
NO_BLUR, DESIRABLE, UNDESIRABLE = "none", "desirable", "undesirable"
BLUR_LABELS = (NO_BLUR, DESIRABLE, UNDESIRABLE)
# From a picture `[3,H,W]`, sRGB-coded 0..1, to one of the labels.
Classifier = Callable[[Tensor], str]


@dataclass(frozen=True)
class Facts:
    """What is known of a photograph; None is unknown.

    Args:
        file: relative to the folder.
        bytes: of the file: facts of a file of another length are out of date.
        width, height: px, upright.
        make, model: of the camera.
        f_number, focal_length_mm, sensor_width_mm, exposure_time_s: from EXIF.
        sharpness: variance of the Laplacian.
        blur: what the classifier said.
        problem: why the file cannot be read.
    """

    file: str
    bytes: int
    width: int = 0
    height: int = 0
    make: str | None = None
    model: str | None = None
    f_number: float | None = None
    focal_length_mm: float | None = None
    sensor_width_mm: float | None = None
    exposure_time_s: float | None = None
    sharpness: float | None = None
    blur: str | None = None
    problem: str | None = None

    @property
    def has_camera(self) -> bool:
        """Whether EXIF tells anything of how the picture was taken."""
        return self.f_number is not None or self.focal_length_mm is not None

    def as_json(self) -> dict[str, Any]:
        """Without what is None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def facts_from(line: str) -> Facts | None:
    """Facts of a line of JSON, which may hold more; None of a line that is torn."""
    names = {field.name for field in fields(Facts)}
    try:
        content = json.loads(line)
        return Facts(**{name: value for name, value in content.items() if name in names})
    except (ValueError, TypeError, AttributeError):
        return None


def measured(folder: Path, file: str, classifier: Classifier | None = None) -> Facts:
    """Facts of a photograph. A file that cannot be read has a problem instead.

    Args:
        folder: of all photographs.
        file: relative to it.
        classifier: says how it is blurred; None leaves that open.

    Raises:
        InputError: the classifier said what is none of the labels.
    """
    path = folder / file
    length = path.stat().st_size
    try:
        photo = Picture(path).photo()
    except FocusPullerError as error:
        return Facts(file, length, problem=str(error))
    data = photo.camera_data
    image = Picture.coded(photo)
    return Facts(
        file=file,
        bytes=length,
        width=image.shape[-1],
        height=image.shape[-2],
        make=data.make,
        model=data.model,
        f_number=data.f_number,
        focal_length_mm=data.focal_length_mm,
        sensor_width_mm=data.sensor_width_mm,
        exposure_time_s=data.exposure_time_s,
        sharpness=sharpness(image) if min(image.shape[-2:]) > 1 else 0.0,
        blur=None if classifier is None else _label(classifier, image),
    )


def _label(classifier: Classifier, image: Tensor) -> str:
    label = classifier(image)
    if label not in BLUR_LABELS:
        raise InputError(
            "--classifier", f"the label {label!r}", f"Return one of {', '.join(BLUR_LABELS)}."
        )
    return label


def classifier_called(name: str) -> Classifier:
    """A function of an installed module, "module:function".

    Importing a module runs its code, so the name comes from the user alone, never from a file of
    data. The module brings its own weights.

    Raises:
        InputError: there is no such module or function.
    """
    module_name, colon, function_name = name.partition(":")
    advice = "Give MODULE:FUNCTION of a module that Python can import."
    if not colon or not module_name or not function_name:
        raise InputError("--classifier", repr(name), advice)
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise InputError("--classifier", f"{name!r} ({error})", advice) from error
    if not callable(function):
        raise InputError("--classifier", f"{name!r}, which cannot be called", advice)
    return cast(Classifier, function)
