"""Weights as an input of a node: found by themselves, or chosen from the folders of models."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from ..models.loaded import stamp_of
from ..models.places import AUTOMATIC, found, located
from ..models.weights import WEIGHT_SUFFIXES, Weights
from .comfy import INSIDE_COMFYUI, io, model_files, model_path
from .lending import keeper

NONE = "none"


class NetworkNode(io.ComfyNode):
    """Base of nodes that run networks: as long as ComfyUI keeps one, it keeps the networks."""

    def __init__(self) -> None:
        super().__init__()
        self.networks = keeper() if INSIDE_COMFYUI else None


def weights_input(
    name: str,
    weights: Weights | Sequence[Weights],
    tooltip: str,
    *,
    can_be_none: bool = False,
    optional: bool = True,
    default: str | None = None,
) -> io.Combo.Input:
    """A choice of weights: "automatic", or one of the files in their folders.

    Args:
        name: of the input.
        weights: what the node can use, best first; automatic takes the first that is there.
        tooltip: what the weights are. Where they belong is added.
        can_be_none: offer "none" first; the node works without.
        optional: the input may be missing in a workflow.
        default: by default the first of the choices.
    """
    files = [file for kind in _kinds(weights) for file in model_files(kind, WEIGHT_SUFFIXES)]
    options = [*([NONE] if can_be_none else []), AUTOMATIC, *dict.fromkeys(files)]
    folders = " or ".join(f"models/{kind}" for kind in _kinds(weights))
    return io.Combo.Input(
        name,
        options=options,
        default=default or options[0],
        optional=optional,
        tooltip=f"{tooltip}, from {folders}. {AUTOMATIC}: found by its published name, also in the "
        "Hugging Face cache.",
    )


def weights_path(name: str, weights: Weights | Sequence[Weights]) -> Path | None:
    """The file or folder that a choice of `weights_input` means; None for "none".

    Raises:
        FileError: "automatic" finds nothing. Names the file, its source, licence and folder.
    """
    if name == NONE:
        return None
    return located(weights) if name == AUTOMATIC else _chosen(name, weights)


def weights_fingerprint(name: str, weights: Weights | Sequence[Weights]) -> Hashable:
    """For `fingerprint_inputs`: changes when the choice or the file does."""
    if name == NONE:
        return name
    if name != AUTOMATIC:
        return (name, stamp_of(_chosen(name, weights)))
    several = [weights] if isinstance(weights, Weights) else weights
    place = next((place for place in map(found, several) if place), None)
    return (name, stamp_of(place) if place else ())


def _chosen(name: str, weights: Weights | Sequence[Weights]) -> Path:
    paths = [model_path(kind, name) for kind in _kinds(weights)]
    return next((path for path in paths if path.is_file()), paths[0])


def _kinds(weights: Weights | Sequence[Weights]) -> list[str]:
    several: Any = [weights] if isinstance(weights, Weights) else weights
    return list(dict.fromkeys(kind for one in several for kind in one.folders))
