"""Files of the focus distance transformer: one .safetensors with all weights and what they need.

Tensors are those of `FocusDistanceTransformer`: VST's under `vst.` and the head for the focus scale
under `scale_head.`. The metadata says what the weights cannot: see `FocusMetadata`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from ...errors import FileError
from ..layout import Findings, findings
from ..state_dict import load_network, read_metadata, read_state_dict, write_weights
from ..vst.architecture import VST
from ..vst.handle import load_vst
from ..vst.layout import sizes_of
from ..vst.sizes import VstSizes
from .architecture import SALIENCY_TOKENS, FocusDistanceTransformer, SaliencyToken
from .published import FOCUS_DISTANCE

FORMAT, FORMAT_VERSION = "focus-puller/focus-distance", "1"
# What VST is shown as depth: `vst.preprocessing.network_depth`.
DEPTH_INPUT = "inverted disparity, 0 nearest to 1 farthest of each image"
# Where VST's tensors are.
PREFIX = "vst."


@dataclass(frozen=True)
class FocusMetadata:
    """What a file says beside its tensors.

    Args:
        base: the VST that the training started from, such as its file and digest.
        licence: of the weights.
        saliency_token: after which of the decoder's layers the scale's token is taken.
        depth_input: what VST is shown as depth.
    """

    base: str
    licence: str
    saliency_token: SaliencyToken = "1/16"
    depth_input: str = DEPTH_INPUT


def save_focus_transformer(
    path: Path,
    transformer: FocusDistanceTransformer,
    base: str,
    licence: str,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a file that `load_focus_transformer` reads; an older one is replaced whole.

    Args:
        path: `.safetensors`.
        transformer: what to save.
        base: as in `FocusMetadata`.
        licence: likewise.
        notes: what else the header shall say, such as how it was trained.

    Raises:
        FileError: another suffix, or the operating system refused.
    """
    metadata = FocusMetadata(base, licence, transformer.saliency_token)
    said = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(metadata)}
    write_weights(path, transformer.state_dict(), {**(notes or {}), **said})


def load_focus_transformer(path: Path) -> FocusDistanceTransformer:
    """The transformer of a file, on the CPU, without gradients (see its `unfreeze`).

    Args:
        path: what `save_focus_transformer` wrote; or VST's weights as published, with which focus
            scales are 1.

    Raises:
        FileError: the file is missing, unreadable, could run code, of a later format, or for
            another network.
    """
    metadata = focus_metadata(path)
    if metadata is None:
        return FocusDistanceTransformer(load_vst(path)).eval().requires_grad_(False)
    make = partial(_made, sizes_of(_vst_part(read_state_dict(path))), metadata)
    return load_network(make, path, FOCUS_DISTANCE)


def focus_metadata(path: Path) -> FocusMetadata | None:
    """What a file says beside its tensors; None if it is no file of the focus transformer.

    Raises:
        FileError: it is damaged, or of a format that this version does not know.
    """
    found = read_metadata(path)
    if found.get("format") != FORMAT:
        return None
    metadata = FocusMetadata(
        found.get("base", ""),
        found.get("licence", ""),
        found.get("saliency_token", ""),  # pyright: ignore[reportArgumentType]
        found.get("depth_input", ""),
    )
    problems = [
        f"{name} {value!r}"
        for name, value, known in (
            ("format version", found.get("format_version"), (FORMAT_VERSION,)),
            ("saliency token", metadata.saliency_token, SALIENCY_TOKENS),
            ("depth input", metadata.depth_input, (DEPTH_INPUT,)),
        )
        if value not in known
    ]
    if problems:
        received = f"a focus distance transformer with unknown {' and '.join(problems)}"
        raise FileError(str(path), received, "Use the version of Focus Puller that it is for.")
    return metadata


def check(path: Path) -> Findings:
    """What does not fit in a file of the focus distance transformer."""
    metadata = focus_metadata(path)
    if metadata is None:
        return Findings(other=(f"its metadata do not say that its format is {FORMAT}",))
    state = read_state_dict(path)
    return findings(state, partial(_made, sizes_of(_vst_part(state)), metadata))


def _made(sizes: VstSizes, metadata: FocusMetadata) -> FocusDistanceTransformer:
    return FocusDistanceTransformer(VST(sizes), metadata.saliency_token)


def _vst_part(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(PREFIX): tensor
        for name, tensor in state.items()
        if name.startswith(PREFIX)
    }
