"""Where weights are on this machine: folders of models, the Hugging Face cache, or a given path.

Nothing is ever downloaded here. Who runs the networks says where its folders of models are
(`install_model_folders`): inside ComfyUI its `folder_paths`, elsewhere the runner's host.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import FileError
from .weights import Weights

# Given in place of a path: look for the published name.
AUTOMATIC = "automatic"

# From a kind ("depthanything") to the folders that hold it, in the order of search.
ModelFolders = Callable[[str], Sequence[Path]]


PACKAGE = Path(__file__).parents[1]


def default_model_roots() -> tuple[Path, ...]:
    """Folders like ComfyUI's `models`.

    Those that the environment variable FOCUSPULLER_MODELS names, separated as in PATH; else that of
    the ComfyUI in whose `custom_nodes` this package is; else `models` in the current folder.
    """
    named = os.environ.get("FOCUSPULLER_MODELS")
    if named:
        return tuple(Path(part) for part in named.split(os.pathsep) if part)
    if PACKAGE.parent.name == "custom_nodes":
        return (PACKAGE.parent.parent / "models",)
    return (Path("models"),)


def default_model_folders(kind: str) -> list[Path]:
    """The folders of a kind of models below `default_model_roots`."""
    return [root / kind for root in default_model_roots()]


_installed: ModelFolders = default_model_folders


def install_model_folders(model_folders: ModelFolders) -> None:
    """Say where folders of models are from now on."""
    global _installed
    _installed = model_folders


def folders_for(weights: Weights) -> list[Path]:
    """The folders in which weights are looked for, in order. The first is where they belong."""
    return [folder for kind in weights.folders for folder in _installed(kind)]


def found(weights: Weights) -> Path | None:
    """The file of weights, or the folder with their files; None if they are nowhere."""
    if weights.packaged:
        return Path(__file__).parent / weights.packaged
    places = (_below(folder, weights) for folder in folders_for(weights))
    return next((place for place in places if place), None) or _in_hub_cache(weights)


def located(
    weights: Weights | Sequence[Weights], given: str | os.PathLike[str] | None = None
) -> Path:
    """The file of weights, or the folder with their files.

    Args:
        weights: what is wanted; of several the first that is found.
        given: the path, if the user has said it; None and "automatic" look for it.

    Raises:
        FileError: it is not there. Names the file, its source, its licence and its folder.
    """
    wanted = [weights] if isinstance(weights, Weights) else list(weights)
    if given not in (None, AUTOMATIC):
        path = Path(given)
        if not path.exists():
            raise FileError(str(path), "a file that does not exist", "Check the path.")
        return path
    places = (found(one) for one in wanted)
    place = next((place for place in places if place), None)
    if place is None:
        raise missing(wanted[0])
    return place


def missing(weights: Weights) -> FileError:
    """The error that says how to get weights that are nowhere."""
    folders = folders_for(weights)
    fetch = f"run: focuspuller models fetch {weights.name}"
    by_hand = f"Put {weights.title} of {weights.source} into {folders[0]}"
    return FileError(
        weights.title,
        f"no such {'folder' if weights.subfolder else 'file'}, which {weights.network} needs",
        f"{by_hand}, or {fetch}. Licence: {weights.licence}."
        if weights.url(weights.file)
        else f"{by_hand}. Licence: {weights.licence}.",
    )


def _below(folder: Path, weights: Weights) -> Path | None:
    """Weights right in a folder of models, else anywhere below it."""
    if not folder.is_dir():
        return None
    if weights.subfolder:
        names = (weights.subfolder, *weights.other_names)
        return next((folder / name for name in names if _is_whole(folder / name, weights)), None)
    names = (weights.file, *weights.other_names)
    direct = next((folder / name for name in names if (folder / name).is_file()), None)
    if direct:
        return direct
    deeper = (path for name in names for path in sorted(folder.rglob(name)) if path.is_file())
    return next(deeper, None)


def _is_whole(folder: Path, weights: Weights) -> bool:
    return all((folder / file).is_file() for file in weights.files)


def _in_hub_cache(weights: Weights) -> Path | None:
    """Weights that another program has had the hub's library download."""
    if weights.hub is None:
        return None
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    hub = weights.hub
    cached = [
        try_to_load_from_cache(hub.repo, hub.path(file), revision=hub.revision)
        for file in weights.files
    ]
    paths = [Path(path) for path in cached if isinstance(path, str)]
    if len(paths) < len(weights.files):
        return None
    depth = len(Path(weights.file).parts)
    return paths[0].parents[depth - 1] if weights.subfolder else paths[0]
