"""Pictures that other programs have made, as a system."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ...errors import FileError
from ...lens.color import srgb_to_linear
from ...photo.photo import PHOTO_SUFFIXES, load_photo
from .scene import TASKS, Request
from .system import Maker, System


def pictures_system(name: str, folder: Path) -> System:
    """Pictures that another program has made: `SCENE/SHOT.png`, or `SCENE.png` for a single shot.

    Any format that photos have; sizes must be the target's.

    Raises:
        FileError: there is no such folder.
    """
    if not folder.is_dir():
        raise FileError(str(folder), "no folder", f"Give the folder with the pictures of {name}.")

    def make(device: torch.device) -> Maker:
        del device
        return partial(picture_in, folder)

    return System(name, TASKS, make, f"pictures in {folder}", is_fixed=True)


def picture_in(folder: Path, request: Request, is_shared: bool = False) -> Tensor:
    """The picture of a request in a folder, linear light `[1,3,H,W]`.

    Args:
        folder: with `SCENE/SHOT.png`, or `SCENE.png` for a single shot.
        request: says scene and shot.
        is_shared: `SCENE.png` may serve several shots.

    Raises:
        FileError: there is none.
    """
    stems = [folder / request.scene / request.shot]
    if request.is_only_shot or is_shared:
        stems.append(folder / request.scene)
    paths = [stem.with_name(stem.name + suffix) for stem in stems for suffix in PHOTO_SUFFIXES]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        wanted = f"{request.scene}/{request.shot}.png"
        raise FileError(str(folder), f"no {wanted}", "Make that picture, or limit the scenes.")
    coded = torch.from_numpy(load_photo(found).image).permute(2, 0, 1)[None]
    return srgb_to_linear(coded)
