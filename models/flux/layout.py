"""Files of adapters: reading published ones as they are, writing our own, and refusing others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ...errors import FileError
from ..layout import Findings, compared, listed, not_finite, shapes_of, wanted_shapes
from ..state_dict import StateDict, below, read_metadata, read_state_dict, write_weights
from .adapters import EMBEDDER, FLUX_DEV, Adapter, FluxShape, Linear, adaptable_layers
from .camera import CameraProjection
from .conditions import Visibility
from .names import Update, updates_in
from .networks import Kind
from .published import GENFOCUS_BOKEH, GENFOCUS_DEBLUR, GENFOCUS_PRE_DEBLUR

PREFIX = "transformer."
CAMERA_PREFIX = "camera."
FORMAT, FORMAT_VERSION = "focus-puller/flux-adapter", "1"
BASE_MODEL = "black-forest-labs/FLUX.1-dev"
# By what their names hold; the first that fits.
PUBLISHED = {
    Kind.PRE_DEBLUR: GENFOCUS_PRE_DEBLUR,
    Kind.DEBLUR: GENFOCUS_DEBLUR,
    Kind.BOKEH: GENFOCUS_BOKEH,
}
ADVICE = (
    "Give a refocusing adapter for this base model, such as "
    f"{GENFOCUS_BOKEH.file} of {GENFOCUS_BOKEH.source} for FLUX.1-dev."
)


@dataclass(frozen=True)
class AdapterInfo:
    """What a file says about its adapter, or what is known of a published one.

    Args:
        kind: what it is for; None if neither metadata nor the published file name say so.
        visibility: what conditions attended to in training.
        base_model: that it was trained on.
        licence: terms of the weights.
        rank: largest rank of its updates.
    """

    kind: Kind | None
    visibility: Visibility = Visibility.PUBLISHED
    base_model: str = BASE_MODEL
    licence: str = ""
    rank: int = 0


@dataclass(frozen=True)
class AdapterFile:
    """An adapter as a file holds it, on the CPU in the file's precision.

    Args:
        adapter: the updates.
        info: what it is.
        camera: DiffCamera's projection.
    """

    adapter: Adapter
    info: AdapterInfo
    camera: CameraProjection | None = None


def load_adapter(
    path: Path | str, shape: FluxShape = FLUX_DEV, kind: Kind | None = None
) -> AdapterFile:
    """Read an adapter.

    Published files and ours; the names of diffusers, peft, kohya's scripts and ComfyUI's tools.

    Args:
        path: `.safetensors`, or a PyTorch file of tensors.
        shape: of the base model.
        kind: what it shall be for.

    Raises:
        FileError: the file is missing or damaged, of another kind, or does not fit the base model.
    """
    path = Path(path)
    state = read_state_dict(path)
    info = _info(path, read_metadata(path))
    if kind is not None and info.kind not in (None, kind):
        received = f"an adapter for '{info.kind.value if info.kind else ''}'"
        raise FileError(str(path), received, f"Give one for '{kind.value}'.")
    info = replace(info, kind=info.kind or kind)
    camera = _camera(path, state, shape, info.kind)
    updates, problems = _found(_without_camera(state), shape)
    if problems:
        raise FileError(str(path), f"an adapter that does not fit ({problems})", ADVICE)
    adapter = _adapter(updates, adaptable_layers(shape))
    return AdapterFile(adapter, replace(info, rank=max(adapter.ranks.values())), camera)


def check(path: Path, kind: Kind | None = None) -> Findings:
    """What does not fit in a file of an adapter for FLUX.1-dev.

    Of our own for another base model, which their header names, the sizes are taken from the file.

    Args:
        path: of the file.
        kind: what it shall be for. What it is for, its header says, its published name, or that it
            has a camera projection; a file that says nothing may be for anything but DiffCamera.
    """
    state, metadata = read_state_dict(path), read_metadata(path)
    updates, camera = _without_camera(state), below(state, CAMERA_PREFIX)
    is_ours = metadata.get("format") == FORMAT and metadata.get("base_model") != BASE_MODEL
    shape = _shape_in(updates) if is_ours else FLUX_DEV
    problems = _found(updates, shape)[1]
    said = _info(path, metadata).kind or (Kind.DIFFCAMERA if camera else None)
    if kind is not None and said not in (None, kind):
        problems += Findings(other=(f"it is for '{said.value if said else ''}'",))
    if Kind.DIFFCAMERA in (kind, said):
        problems += _camera_findings(camera, shape) + not_finite(camera)
    return problems


def check_deblur(path: Path) -> Findings:
    """What does not fit in a file of DeblurNet."""
    return check(path, Kind.DEBLUR)


def check_pre_deblur(path: Path) -> Findings:
    """What does not fit in a file of DeblurNet with pre-deblur."""
    return check(path, Kind.PRE_DEBLUR)


def check_bokeh(path: Path) -> Findings:
    """What does not fit in a file of BokehNet."""
    return check(path, Kind.BOKEH)


def check_aperture(path: Path) -> Findings:
    """What does not fit in a file for the shape of BokehNet's aperture."""
    return check(path, Kind.APERTURE)


def check_diffcamera(path: Path) -> Findings:
    """What does not fit in a file of DiffCamera."""
    return check(path, Kind.DIFFCAMERA)


def _shape_in(state: StateDict) -> FluxShape:
    """The sizes of the base model that an adapter of ours has updates for."""
    embedder = f"{PREFIX}{EMBEDDER}.lora_"
    down, up = (state.get(f"{embedder}{side}.weight") for side in "AB")
    if down is None or up is None:
        return FLUX_DEV

    def blocks(family: str) -> int:
        start = f"{PREFIX}{family}."
        names = (name.removeprefix(start) for name in state if name.startswith(start))
        return 1 + max((int(name.partition(".")[0]) for name in names), default=-1)

    doubles, singles = blocks("transformer_blocks"), blocks("single_transformer_blocks")
    return FluxShape(down.shape[1], len(up), doubles, singles)


def save_adapter(
    path: Path | str,
    adapter: Adapter,
    info: AdapterInfo,
    camera: CameraProjection | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write an adapter with the published names, and what it is in the header.

    Other programs load the file like any FLUX LoRA of diffusers.

    Args:
        path: `.safetensors`; an older file is replaced whole.
        adapter: the updates.
        info: what it is.
        camera: DiffCamera's projection.
        notes: what else the header shall say, such as how it was trained.

    Raises:
        FileError: another suffix, or the operating system refused.
    """
    said = {
        **(notes or {}),
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": info.kind.value if info.kind else "",
        "visibility": info.visibility.value,
        "base_model": info.base_model,
        "licence": info.licence,
        "rank": str(max(adapter.ranks.values())),
    }
    write_weights(Path(path), adapter_state(adapter, camera), said)


def adapter_state(adapter: Adapter, camera: CameraProjection | None = None) -> StateDict:
    """The tensors of an adapter's file by name. Scales other than 1 become `alpha`."""
    state = {PREFIX + name: tensor for name, tensor in adapter.state_dict().items()}
    ranks = adapter.ranks
    for layer, scale in adapter.scales.items():
        if scale != 1.0:
            state[f"{PREFIX}{layer}.alpha"] = torch.tensor(scale * ranks[layer])
    if camera is not None:
        state |= {CAMERA_PREFIX + name: tensor for name, tensor in camera.state_dict().items()}
    return state


def _info(path: Path, metadata: Mapping[str, str]) -> AdapterInfo:
    if metadata.get("format") != FORMAT:
        return _published(path)
    version = metadata.get("format_version")
    if version != FORMAT_VERSION:
        received = f"an adapter in version {version} of its format"
        raise FileError(str(path), received, "Update Focus Puller, or train the adapter anew.")
    try:
        return AdapterInfo(
            kind=Kind(metadata["kind"]) if metadata["kind"] else None,
            visibility=Visibility(metadata["visibility"]),
            base_model=metadata["base_model"],
            licence=metadata["licence"],
        )
    except (ValueError, KeyError) as error:
        received = f"metadata that cannot be understood ({error})"
        raise FileError(str(path), received, "Copy or download the file again.") from error


def _published(path: Path) -> AdapterInfo:
    """GenRefocus' files say what they are by their names alone."""
    for kind, weights in PUBLISHED.items():
        if Path(weights.file).stem.lower() in path.stem.lower():
            return AdapterInfo(kind, licence=weights.licence)
    return AdapterInfo(None)


def _without_camera(state: StateDict) -> StateDict:
    return {name: value for name, value in state.items() if not name.startswith(CAMERA_PREFIX)}


def _camera(
    path: Path, state: StateDict, shape: FluxShape, kind: Kind | None
) -> CameraProjection | None:
    found = below(state, CAMERA_PREFIX)
    if not found and kind is not Kind.DIFFCAMERA:
        return None
    if _camera_findings(found, shape):
        names = {name: list(tensor.shape) for name, tensor in found.items()}
        received = f"a camera projection that does not fit ({names or 'none'})"
        advice = f"It needs weight [{shape.width}, 3] and bias [{shape.width}]."
        raise FileError(str(path), received, advice)
    camera = CameraProjection(shape.width)
    camera.load_state_dict(found, assign=True)
    return camera.requires_grad_(False)


def _camera_findings(camera: StateDict, shape: FluxShape) -> Findings:
    return compared(shapes_of(camera), wanted_shapes(lambda: CameraProjection(shape.width)))


def _adapter(updates: Mapping[str, Update], layers: Mapping[str, Linear]) -> Adapter:
    ranks, scales, state = {}, {}, {}
    for layer, update in updates.items():
        assert update.down is not None
        assert update.up is not None
        ranks[layer] = len(update.down)
        if update.alpha is not None:
            scales[layer] = update.alpha / ranks[layer]
        state[f"{layer}.lora_A.weight"] = update.down
        state[f"{layer}.lora_B.weight"] = update.up
    with torch.device("meta"):
        adapter = Adapter({layer: layers[layer] for layer in updates}, ranks, scales)
    adapter.load_state_dict(state, assign=True)
    return adapter.requires_grad_(False)


def _found(state: StateDict, shape: FluxShape) -> tuple[dict[str, Update], Findings]:
    """The updates by layer, and what keeps them from being an adapter for the base model."""
    layers = adaptable_layers(shape)
    updates, strange = updates_in(state, list(layers), shape)
    known = {layer: updates[layer] for layer in layers if layer in updates}
    whole = {
        layer: (update.down, update.up)
        for layer, update in known.items()
        if update.down is not None and update.up is not None
    }
    halves = [layer for layer in known if layer not in whole]
    others = [layer for layer in updates if layer not in layers]
    problems = {
        "layers that conditions do not pass, or of a larger model": others,
        "half of an update": halves,
    }
    other = [f"{what}: {listed(names)}" for what, names in problems.items() if names]
    return known, Findings(
        missing=_missing(list(known), layers),
        unexpected=tuple(strange),
        misshaped=_misfits(whole, layers),
        other=tuple(other if known or strange or other else ["no updates of layers"]),
    ) + not_finite(
        {layer: torch.cat([one.flatten() for one in pair]) for layer, pair in whole.items()}
    )


def _misfits(
    tensors: Mapping[str, tuple[Tensor, Tensor]], layers: Mapping[str, Linear]
) -> tuple[str, ...]:
    """Updates whose factors fit neither each other nor the layer."""
    found = []
    for layer, (down, up) in tensors.items():
        inputs, outputs = layers[layer]
        rank = down.shape[0]
        if list(down.shape) != [rank, inputs] or list(up.shape) != [outputs, rank] or rank == 0:
            wanted = f"[rank, {inputs}] and [{outputs}, rank]"
            found.append(f"{layer} {list(down.shape)} and {list(up.shape)} instead of {wanted}")
    return tuple(found)


def _missing(names: Sequence[str], layers: Mapping[str, Linear]) -> tuple[str, ...]:
    """Layers without an update, of a kind that has one in other blocks."""
    kinds = {_without_number(name) for name in names}
    return tuple(
        layer for layer in layers if _without_number(layer) in kinds and layer not in names
    )


def _without_number(layer: str) -> str:
    """A layer's name without the number of its block."""
    family, _, rest = layer.partition(".")
    return f"{family}.{rest.partition('.')[2]}" if rest else family
