"""What a node shows: the part of `comfy_api.latest.ui` that Focus Puller's nodes use.

Pictures are written where the host says, as PNG with ComfyUI's names and rounding.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ...errors import InputError
from ...photo.files import replacing
from .host import current_host
from .io import ComfyNode, FolderType, HiddenHolder


class UIOutput(ABC):
    """Something to show."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """In the form the browser gets."""


class SavedResult(dict[str, str]):
    """A file that was written."""

    def __init__(self, filename: str, subfolder: str, type: FolderType) -> None:  # noqa: A002
        super().__init__(filename=filename, subfolder=subfolder, type=type.value)

    @property
    def filename(self) -> str:
        """Name within the subfolder."""
        return self["filename"]

    @property
    def subfolder(self) -> str:
        """Folder within the folder of this type, empty for that folder itself."""
        return self["subfolder"]

    @property
    def type(self) -> FolderType:
        """Kept or temporary."""
        return FolderType(self["type"])


class SavedImages(UIOutput):
    """Pictures that a node saved."""

    def __init__(self, results: list[SavedResult], is_animated: bool = False) -> None:
        self.results = results
        self.is_animated = is_animated

    def as_dict(self) -> dict[str, Any]:
        """`images`, and `animated` if they are."""
        return {"images": self.results} | ({"animated": (True,)} if self.is_animated else {})


class PreviewImage(UIOutput):
    """Pictures to look at.

    Args:
        image: `[B,H,W,C]`, 0..1.
        animated: show them as an animation.
        cls: the node, whose workflow goes into the file.
    """

    def __init__(
        self, image: Tensor, animated: bool = False, cls: type[ComfyNode] | None = None
    ) -> None:
        self.values: list[SavedResult] = []
        self.animated = animated
        if current_host().keeps_previews:
            prefix = current_host().preview_prefix
            hidden = cls.hidden if cls else None
            self.values = save_images(image, prefix, FolderType.temp, hidden, compress_level=1)

    def as_dict(self) -> dict[str, Any]:
        """`images` and `animated`."""
        return {"images": self.values, "animated": (self.animated,)}


class PreviewText(UIOutput):
    """A text to read."""

    def __init__(self, value: str) -> None:
        self.value = value

    def as_dict(self) -> dict[str, Any]:
        """`text`."""
        return {"text": (self.value,)}


def save_images(
    images: Tensor | Sequence[Tensor],
    filename_prefix: str,
    folder_type: FolderType,
    hidden: HiddenHolder | None,
    compress_level: int,
) -> list[SavedResult]:
    """Write a batch as PNG files `prefix_00001_.png` and so on.

    Args:
        images: `[B,H,W,C]` or images `[H,W,C]` of a batch, 0..1.
        filename_prefix: as in `Host.output_target`; `%batch_num%` is the number in the batch.
        folder_type: recorded in the results.
        hidden: what of the workflow goes into the files.
        compress_level: of PNG, 0..9.

    Raises:
        InputError: the batch is empty, or the prefix leads outside the output folder.
    """
    if len(images) == 0:
        raise InputError("images", "an empty batch", "Give at least one image.")
    height, width = images[0].shape[:2]
    folder, stem, counter, subfolder = current_host().output_target(filename_prefix, width, height)
    results = []
    for index, image in enumerate(images):
        name = f"{stem.replace('%batch_num%', str(index))}_{counter + index:05}_.png"
        with replacing(folder / name) as temporary:
            picture(image).save(
                temporary, "PNG", pnginfo=_metadata(hidden), compress_level=compress_level
            )
        results.append(SavedResult(name, subfolder, folder_type))
    return results


def picture(image: Tensor) -> PILImage.Image:
    """8-bit picture of an image `[H,W,C]`, 0..1; rounds down, as ComfyUI does."""
    return PILImage.fromarray((255.0 * image.cpu().numpy()).clip(0, 255).astype(np.uint8))


def _metadata(hidden: HiddenHolder | None) -> PngInfo | None:
    if hidden is None:
        return None
    info = PngInfo()
    if hidden.prompt is not None:
        info.add_text("prompt", json.dumps(hidden.prompt))
    for key, value in (hidden.extra_pnginfo or {}).items():
        info.add_text(key, json.dumps(value))
    return info
