"""Metric3D's published files: which network they are for, and their parameters in its names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ...errors import FileError
from ..layout import Findings, findings
from ..state_dict import StateDict, read_state_dict
from .architecture import GIANT, LARGE, SMALL, Metric3D, Variant
from .published import METRIC3D_GIANT, METRIC3D_LARGE, METRIC3D_SMALL
from .vit import HEAD_WIDTH, READERS

PREFIX = "depth_model."
CLASS_TOKEN = "depth_model.encoder.cls_token"
BLOCK = re.compile(r"depth_model\.encoder\.blocks\.0\.(\d+)\.")
GATE = "depth_model.encoder.blocks.0.0.mlp.w12.weight"
# What training hides patches with. Some files hold it, depth does not need it.
UNUSED = "depth_model.encoder.mask_token"
# Two names of one normalisation in the context encoder; a file may hold both or either.
ALIAS, NAME = ".norm3.", ".downsample.1."


def is_original(state: Mapping[str, Tensor]) -> bool:
    """Whether a file is one of Metric3D's, of any kind."""
    return any(name.startswith(PREFIX) for name in state)


def variant_of(state: Mapping[str, Tensor], path: Path) -> Variant:
    """Which network a file is for, from its names and shapes.

    Args:
        state: with the published names.
        path: of the file, for the error.

    Raises:
        FileError: it is for none.
    """
    token = state.get(CLASS_TOKEN)
    width = token.shape[-1] if token is not None and token.ndim else 0
    depth = len({found[1] for name in state if (found := BLOCK.match(name))})
    is_giant = GATE in state
    if width == 0 or width % HEAD_WIDTH or depth == 0 or (is_giant and depth % READERS):
        files = ", ".join(one.file for one in (METRIC3D_SMALL, METRIC3D_LARGE, METRIC3D_GIANT))
        raise FileError(
            str(path),
            "weights that are not those of a Metric3D v2 with a vision transformer",
            f"Give one of {files} of {METRIC3D_SMALL.source}.",
        )
    # No parameter tells the number of steps: all steps share theirs.
    iterations = SMALL.iterations if width <= SMALL.width else LARGE.iterations
    return Variant(width, depth, iterations, is_giant)


def converted(state: Mapping[str, Tensor]) -> StateDict:
    """The parameters of a published file under the names that the network has, each once."""
    own = {name: tensor for name, tensor in state.items() if name != UNUSED and ALIAS not in name}
    aliased = {name.replace(ALIAS, NAME): state[name] for name in state if ALIAS in name}
    return aliased | own


def check_small(path: Path) -> Findings:
    """What does not fit in a file of the ViT-S's weights."""
    return _check(path, SMALL)


def check_large(path: Path) -> Findings:
    """What does not fit in a file of the ViT-L's weights."""
    return _check(path, LARGE)


def check_giant(path: Path) -> Findings:
    """What does not fit in a file of the ViT-giant2's weights."""
    return _check(path, GIANT)


def _check(path: Path, variant: Variant) -> Findings:
    return findings(converted(read_state_dict(path)), lambda: Metric3D(variant))
