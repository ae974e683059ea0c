"""VST with a user's file of its weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..state_dict import load_network, read_state_dict
from .architecture import VST
from .layout import published_names, sizes_of
from .published import VST as WEIGHTS


def load_vst(path: Path) -> VST:
    """VST with the weights of a file, on the CPU, without gradients.

    Args:
        path: published, `RGBD_VST.pth`, or the same tensors as `.safetensors`.

    Raises:
        FileError: the file is missing, unreadable, could run code, or is for another network.
    """
    sizes = sizes_of(published_names(read_state_dict(path)))
    return load_network(partial(VST, sizes), path, WEIGHTS, convert=published_names)
