"""Files of published networks, and the networks of the library transformers that they fill.

Everything is read from files that are there: nothing is looked up or downloaded, and no code
that comes with weights is run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import FileError, MissingDependencyError
from ..layout import Findings, not_finite
from ..state_dict import StateDict, read_state_dict

CONFIG_FILE = "config.json"
# How transformers calls the weights in a folder; an index lists the files that hold them in parts.
_WHOLE = ("model.safetensors", "pytorch_model.bin")
_INDEX = "model.safetensors.index.json"
# Configuration and network by `model_type`.
_CLASSES = {
    "depth_anything": ("DepthAnythingConfig", "DepthAnythingForDepthEstimation"),
    "depth_pro": ("DepthProConfig", "DepthProForDepthEstimation"),
}


@dataclass(frozen=True)
class Checkpoint:
    """What a published network is made of.

    Args:
        config: as in transformers' `config.json`; `model_type` says which network it is.
        state: parameters under the names of transformers' published weights.
        path: where it was read from.
    """

    config: Mapping[str, Any]
    state: StateDict
    path: Path

    def copied(self, dtype: torch.dtype) -> Checkpoint:
        """The same with tensors of their own: those that are read stay in their file."""
        state = {name: tensor.to(dtype, copy=True) for name, tensor in self.state.items()}
        return replace(self, state=state)


def read_folder(folder: Path) -> Checkpoint:
    """A network as transformers saves it: `config.json` beside the weights.

    Raises:
        FileError: a file is missing, unreadable, or holds something else.
    """
    config = _read_json(folder / CONFIG_FILE)
    whole = next((folder / name for name in _WHOLE if (folder / name).is_file()), None)
    if whole is not None:
        return Checkpoint(config, read_state_dict(whole), folder)
    if not (folder / _INDEX).is_file():
        advice = f"Copy {_WHOLE[0]} next to {CONFIG_FILE}."
        raise FileError(str(folder), "a folder without weights", advice)
    parts = sorted(set(_read_json(folder / _INDEX).get("weight_map", {}).values()))
    state: StateDict = {}
    for part in parts:
        state |= read_state_dict(folder / Path(part).name)
    return Checkpoint(config, state, folder)


def is_in_folder(path: Path) -> bool:
    """Whether a file is the weights of a folder of transformers."""
    return path.name in _WHOLE and (path.parent / CONFIG_FILE).is_file()


def built(checkpoint: Checkpoint, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, Findings]:
    """The network, for use: on the CPU, without gradients. And what does not fit.

    Args:
        checkpoint: the network's settings and parameters.
        dtype: of the parameters. The last layers of a network in half precision stay in float32,
            which would cut depth into visible steps.

    Raises:
        FileError: it is no depth network, or its settings are damaged.
        MissingDependencyError: transformers is not installed.
    """
    kind = str(checkpoint.config.get("model_type"))
    if kind not in _CLASSES:
        known = " and ".join(_CLASSES)
        received = f"a network of type {kind!r}"
        raise FileError(str(checkpoint.path), received, f"Known depth networks are {known}.")
    library = require_transformers(checkpoint.path)
    config_class, network_class = (getattr(library, name) for name in _CLASSES[kind])
    with _quiet(library):
        try:
            network, report = network_class.from_pretrained(
                None,
                config=config_class.from_dict(dict(checkpoint.config)),
                state_dict=dict(checkpoint.state),
                dtype=dtype,
                ignore_mismatched_sizes=True,  # They are among the findings, with all the others.
                output_loading_info=True,
                local_files_only=True,
            )
        except Exception as error:  # The library raises anything for damaged settings.
            reason = str(error).strip().partition("\n")[0]
            raise FileError(
                str(checkpoint.path),
                f"settings that describe no network ({reason})",
                "Copy or download the published files again.",
            ) from error
    if dtype != torch.float32:
        _keep_float32(network.head)
    network.eval().requires_grad_(False)
    return network, _findings(report) + not_finite(network.state_dict())


def _findings(report: Mapping[str, Any]) -> Findings:
    return Findings(
        missing=tuple(sorted(report["missing_keys"])),
        unexpected=tuple(sorted(report["unexpected_keys"])),
        misshaped=tuple(
            f"{name} {list(given)} instead of {list(wanted)}"
            for name, given, wanted in sorted(report["mismatched_keys"])
        ),
    )


def require_transformers(subject: Path | str) -> Any:
    """The library transformers.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingDependencyError(
            str(subject),
            "a network of the library transformers, which is not installed",
            "Run `pip install focuspuller[networks]`.",
        ) from error
    return transformers


def _keep_float32(module: nn.Module) -> None:
    """Let a part of a half-precision network compute in float32, whatever it is given."""
    module.float()

    def cast(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(_float32(value) for value in given)

    module.register_forward_pre_hook(cast)


def _float32(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.float()
    return [_float32(one) for one in value] if isinstance(value, list) else value


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        received = "a file that does not exist"
        raise FileError(str(path), received, "Give a folder that transformers has saved.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        received = f"a file that cannot be read ({error})"
        raise FileError(str(path), received, "Copy or download it again.") from error
    if not isinstance(content, dict):
        raise FileError(str(path), "a file without settings", "Copy or download it again.")
    return content


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Without the library's progress bars and tables: our errors say what is wrong."""
    log = library.utils.logging
    level, has_bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if has_bars:
            log.enable_progress_bar()
