"""Files of adapters: reading published ones as they are, writing our own, and refusing others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ...errors import FileError
from ..layout import listed
from ..state_dict import StateDict, read_metadata, read_state_dict
from .adapters import FLUX_DEV, Adapter, FluxShape, Linear, adaptable_layers
from .camera import CameraProjection
from .conditions import Visibility
from .names import Update, updates_in
from .networks import Kind

PREFIX = "transformer."
CAMERA_PREFIX = "camera."
# Where our files say what they are: one JSON object in the header of the .safetensors file.
METADATA_KEY = "focuspuller_adapter"
FORMAT = 1
BASE_MODEL = "black-forest-labs/FLUX.1-dev"
ADVICE = "Give a refocusing adapter for this base model, such as GenRefocus' bokehNet.safetensors."


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
    layers = adaptable_layers(shape)
    updates, strange = updates_in(_without_camera(state), list(layers), shape)
    _check(path, updates, strange, layers)
    adapter = _adapter(updates, layers)
    return AdapterFile(adapter, replace(info, rank=max(adapter.ranks.values())), camera)


def save_adapter(
    path: Path | str,
    adapter: Adapter,
    info: AdapterInfo,
    camera: CameraProjection | None = None,
) -> None:
    """Write an adapter with the published names, and what it is in the header.

    Other programs load the file like any FLUX LoRA of diffusers.

    Args:
        path: `.safetensors`; nothing half-written is ever left there.
        adapter: the updates.
        info: what it is.
        camera: DiffCamera's projection.
    """
    from safetensors.torch import save_file

    path = Path(path)
    said = {
        "format": FORMAT,
        "kind": info.kind.value if info.kind else None,
        "visibility": info.visibility.value,
        "base_model": info.base_model,
        "licence": info.licence,
        "rank": max(adapter.ranks.values()),
    }
    partial = path.with_name(f".{path.name}.partial")
    try:
        save_file(
            adapter_state(adapter, camera),
            partial,
            {"format": "pt", METADATA_KEY: json.dumps(said)},
        )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def adapter_state(adapter: Adapter, camera: CameraProjection | None = None) -> StateDict:
    """The tensors of an adapter's file by name. Scales other than 1 become `alpha`."""
    state = {PREFIX + name: tensor for name, tensor in adapter.state_dict().items()}
    ranks = adapter.ranks
    for layer, scale in adapter.scales.items():
        if scale != 1.0:
            state[f"{PREFIX}{layer}.alpha"] = torch.tensor(scale * ranks[layer])
    if camera is not None:
        state |= {CAMERA_PREFIX + name: tensor for name, tensor in camera.state_dict().items()}
    return {name: tensor.detach().contiguous().cpu() for name, tensor in state.items()}


def _info(path: Path, metadata: Mapping[str, str]) -> AdapterInfo:
    if METADATA_KEY not in metadata:
        return AdapterInfo(_published_kind(path))
    try:
        said = json.loads(metadata[METADATA_KEY])
        version = said["format"]
        if version == FORMAT:
            return AdapterInfo(
                kind=Kind(said["kind"]) if said["kind"] else None,
                visibility=Visibility(said["visibility"]),
                base_model=str(said["base_model"]),
                licence=str(said["licence"]),
            )
    except (ValueError, KeyError, TypeError) as error:
        received = f"a header that cannot be understood ({error})"
        raise FileError(str(path), received, "Copy or download the file again.") from error
    received = f"an adapter in format {version}"
    raise FileError(str(path), received, f"Update Focus Puller: this one knows format {FORMAT}.")


def _published_kind(path: Path) -> Kind | None:
    """GenRefocus' files say what they are by their names alone."""
    name = path.stem.lower()
    if "deblurnet" in name:
        return Kind.PRE_DEBLUR if "pre_deblur" in name else Kind.DEBLUR
    return Kind.BOKEH if "bokehnet" in name else None


def _without_camera(state: StateDict) -> StateDict:
    return {name: value for name, value in state.items() if not name.startswith(CAMERA_PREFIX)}


def _camera(
    path: Path, state: StateDict, shape: FluxShape, kind: Kind | None
) -> CameraProjection | None:
    found = {
        name.removeprefix(CAMERA_PREFIX): tensor
        for name, tensor in state.items()
        if name.startswith(CAMERA_PREFIX)
    }
    if not found and kind is not Kind.DIFFCAMERA:
        return None
    camera = CameraProjection(shape.width)
    wanted = {name: tensor.shape for name, tensor in camera.state_dict().items()}
    if {name: tensor.shape for name, tensor in found.items()} != wanted:
        names = {name: list(tensor.shape) for name, tensor in found.items()}
        received = f"a camera projection that does not fit ({names or 'none'})"
        advice = f"It needs weight [{shape.width}, 3] and bias [{shape.width}]."
        raise FileError(str(path), received, advice)
    camera.load_state_dict(found, assign=True)
    return camera.requires_grad_(False)


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


def _check(
    path: Path,
    updates: Mapping[str, Update],
    strange: Sequence[str],
    layers: Mapping[str, Linear],
) -> None:
    """Raise an error that names what is strange, missing, misshapen or broken."""
    known = {layer: updates[layer] for layer in layers if layer in updates}
    tensors = {
        layer: (update.down, update.up)
        for layer, update in known.items()
        if update.down is not None and update.up is not None
    }
    problems = {
        "no update of a layer": list(strange),
        "layers that conditions do not pass, or of a larger model": [
            layer for layer in updates if layer not in layers
        ],
        "half of an update": [layer for layer in known if layer not in tensors],
        "of another size": _misfits(tensors, layers),
        "missing": _missing(list(known), layers),
        "not finite": [
            layer
            for layer, pair in tensors.items()
            if not all(bool(torch.isfinite(tensor).all()) for tensor in pair)
        ],
    }
    found = [f"{kind}: {listed(names)}" for kind, names in problems.items() if names]
    if not known and not strange:
        found.insert(0, "no layer is known")
    if found:
        raise FileError(str(path), f"an adapter that does not fit ({'; '.join(found)})", ADVICE)


def _misfits(
    tensors: Mapping[str, tuple[Tensor, Tensor]], layers: Mapping[str, Linear]
) -> list[str]:
    """Updates whose factors fit neither each other nor the layer."""
    found = []
    for layer, (down, up) in tensors.items():
        inputs, outputs = layers[layer]
        rank = down.shape[0]
        if list(down.shape) != [rank, inputs] or list(up.shape) != [outputs, rank] or rank == 0:
            wanted = f"[rank, {inputs}] and [{outputs}, rank]"
            found.append(f"{layer} {list(down.shape)} and {list(up.shape)} instead of {wanted}")
    return found


def _missing(names: Sequence[str], layers: Mapping[str, Linear]) -> list[str]:
    """Layers without an update, of a kind that has one in other blocks."""
    kinds = {_without_number(name) for name in names}
    return [layer for layer in layers if _without_number(layer) in kinds and layer not in names]


def _without_number(layer: str) -> str:
    """A layer's name without the number of its block."""
    family, _, rest = layer.partition(".")
    return f"{family}.{rest.partition('.')[2]}" if rest else family
