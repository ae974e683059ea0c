"""What benchmarks compare: anything that makes the picture of a `Request`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ...errors import FileError, InputError
from ...lens.color import srgb_to_linear
from ...lens.defocus import defocus_from_bokeh_level
from ...lens.render import LENSES, Lens, render
from ...models.places import AUTOMATIC
from ...photo.photo import PHOTO_SUFFIXES, load_photo
from .scene import Request, Task

# From a request to a picture, linear light `[1,3,H,W]`, on any device.
Maker = Callable[[Request], Tensor]


@dataclass(frozen=True)
class System:
    """A row of a table.

    Args:
        name: of the row.
        tasks: that it can do.
        make: readies it on a device. Raises FileError where weights are missing, and
            MissingDependencyError where a library is.
        summary: one line.
        is_fixed: its pictures do not follow the bokeh level, so that none is searched for it.
    """

    name: str
    tasks: tuple[Task, ...]
    make: Callable[[torch.device], Maker]
    summary: str
    is_fixed: bool = False


def lens_system(name: str, lens: Callable[[], Lens], summary: str) -> System:
    """A renderer.

    Args:
        name: of the row.
        lens: makes it, loading its weights.
        summary: one line.
    """

    def make(device: torch.device) -> Maker:
        return partial(_rendered, lens(), device)

    return System(name, ("bokeh",), make, summary)


def _rendered(lens: Lens, device: torch.device, request: Request) -> Tensor:
    if request.depth is None or request.focus is None:
        missing = "depth" if request.depth is None else "focus"
        raise InputError(
            f"{request.scene}, {request.shot}",
            f"no {missing}, which {lens.name} needs",
            "Add depth maps with --depth DIR, or leave the lenses out with --systems.",
        )
    defocus = defocus_from_bokeh_level(request.depth, request.focus, request.level)
    with torch.inference_mode():
        return render(request.image, defocus, lens, device=device)


def _neural_bokehme() -> Lens:
    from ...models.bokehme.handle import bokehme_lens

    return bokehme_lens(arnet=AUTOMATIC, iunet=AUTOMATIC)


def _bokehdiff() -> Lens:
    from ...models.bokehdiff.handle import bokehdiff_lens

    return bokehdiff_lens()


def _unchanged(device: torch.device) -> Maker:
    del device
    return lambda request: request.image


SYSTEMS: dict[str, System] = {
    "input": System(
        "input",
        ("bokeh", "refocus", "deblur"),
        _unchanged,
        "the picture as it is given",
        is_fixed=True,
    ),
    **{name: lens_system(name, partial(Lens, name), kind.summary) for name, kind in LENSES.items()},
    "bokehme-neural": lens_system(
        "bokehme-neural", _neural_bokehme, "BokehMe with its networks, repaired at depth edges"
    ),
    "bokehdiff": lens_system(
        "bokehdiff", _bokehdiff, "BokehDiff: one step of SDXL with physics-inspired attention"
    ),
}


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
        return partial(_picture_in, folder)

    return System(name, ("bokeh", "refocus", "deblur"), make, f"pictures in {folder}", True)


def _picture_in(folder: Path, request: Request) -> Tensor:
    stems = (folder / request.scene / request.shot, folder / request.scene)
    paths = [stem.with_name(stem.name + suffix) for stem in stems for suffix in PHOTO_SUFFIXES]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        wanted = f"{request.scene}/{request.shot}.png"
        raise FileError(str(folder), f"no {wanted}", "Make that picture, or limit the scenes.")
    coded = torch.from_numpy(load_photo(found).image).permute(2, 0, 1)[None]
    return srgb_to_linear(coded)


def system_called(name: str, folders: Mapping[str, Path]) -> System:
    """A system.

    Args:
        name: of `SYSTEMS`, or of `folders`.
        folders: pictures that other programs have made, by the name of their row.

    Raises:
        InputError: there is none of that name.
        FileError: its folder does not exist.
    """
    if name in folders:
        return pictures_system(name, folders[name])
    if name not in SYSTEMS:
        raise InputError("system", repr(name), f"Give one of {', '.join([*SYSTEMS, *folders])}.")
    return SYSTEMS[name]
