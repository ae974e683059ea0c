"""Weight files: reading them without running anything in them, and fitting them to a network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import FileError
from .registry import Weights

N = TypeVar("N", bound=nn.Module)
StateDict = dict[str, Tensor]

# How many names of each kind of mismatch an error lists.
NAMES_IN_ERRORS = 3
# How PyTorch names what a pickle may not use, and what else it finds wrong.
REFUSED = re.compile(r"unsupported (?:global|class)\W+(?:global )?([\w.]+)", re.IGNORECASE)
REASON = re.compile(r"WeightsUnpickler error: (.*)")


def load_network(network: N, path: Path, weights: Weights) -> N:
    """Fill a network from a file, for rendering: on the CPU, in float32, without gradients.

    Args:
        network: freshly made, with the published parameter names.
        path: `.safetensors`, or a PyTorch file that holds the parameters bare or under "model".
        weights: what the file should be.

    Raises:
        FileError: the file is missing, unreadable, could run code, or is for another network.
    """
    state = read_state_dict(path)
    _check_layout(state, network.state_dict(), path, weights)
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return network.eval().requires_grad_(False)


def read_state_dict(path: Path) -> StateDict:
    """The tensors of a weight file by name, on the CPU.

    Raises:
        FileError: the file is missing, unreadable, could run code, or holds something else.
    """
    if not path.is_file():
        raise FileError(str(path), "a file that does not exist", "Check the path.")
    is_safe = path.suffix.lower() == ".safetensors"
    content = _read_safetensors(path) if is_safe else _read_pickle(path)
    state = content.get("model", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise FileError(str(path), "a file without weights", "Give a file of named tensors.")
    strange = [name for name, tensor in state.items() if not isinstance(tensor, Tensor)]
    if strange:
        received = f"a file that holds other things than tensors ({_listed(strange)})"
        raise FileError(str(path), received, 'Give named tensors, bare or under "model".')
    return dict(state)


def _read_safetensors(path: Path) -> StateDict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _read_pickle(path: Path) -> Any:
    try:
        with _numbers_allowed():
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged pickle can raise anything.
        refused = REFUSED.search(str(error))
        if refused:
            raise _refused(path, refused[1].rstrip("."), "is blocked" in str(error)) from error
        raise _unreadable(path, error) from error


def _numbers_allowed() -> AbstractContextManager[Any]:
    """Lets files hold NumPy numbers, which many training scripts store beside the weights.

    Older versions of PyTorch cannot be told under which name numpy 1 stored them.
    """
    if torch.__version__ < "2.7":
        return nullcontext()
    from _codecs import encode  # What a number's bytes are stored through.

    scalar: Any = np.float64(0).__reduce__()[0]  # Its module has a private name.
    kinds: list[Any] = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "?")]
    old_name = "numpy.core.multiarray.scalar"
    return torch.serialization.safe_globals([scalar, (scalar, old_name), np.dtype, encode, *kinds])


def _refused(path: Path, name: str, is_dangerous: bool) -> FileError:
    if is_dangerous:
        received = f"a pickle that calls {name}, so that it was not opened"
        return FileError(str(path), received, "Do not use it: weights have no need for that.")
    return FileError(
        str(path),
        f"a pickle that needs {name}, which may run code, so that it was not opened",
        "If you trust where it came from, keep only its tensors: python -c "
        f"\"import torch; d = torch.load('{path.name}', weights_only=False); "
        f"torch.save(d.get('model', d), '{path.stem}_safe.pth')\".",
    )


def _unreadable(path: Path, error: Exception) -> FileError:
    found = REASON.search(str(error))
    text = found[1] if found else str(error).partition("\n")[0]
    reason = text.partition(". ")[0] or type(error).__name__
    return FileError(
        str(path),
        f"a file that cannot be read as weights ({reason})",
        "Copy or download it again; .safetensors, .pth and .pt are read.",
    )


def _check_layout(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path, weights: Weights
) -> None:
    """Raise an error that names what is missing, unexpected, misshapen or broken."""
    common = [name for name in wanted if name in state]
    problems = {
        "missing": [name for name in wanted if name not in state],
        "unexpected": [name for name in state if name not in wanted],
        "of another shape": [
            f"{name} {list(state[name].shape)} instead of {list(wanted[name].shape)}"
            for name in common
            if state[name].shape != wanted[name].shape
        ],
        "not finite": [name for name in common if not bool(torch.isfinite(state[name]).all())],
    }
    found = [f"{kind}: {_listed(names)}" for kind, names in problems.items() if names]
    if found:
        raise FileError(
            str(path),
            f"weights that do not fit {weights.network} ({'; '.join(found)})",
            f"Give {weights.file} of {weights.source}.",
        )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:NAMES_IN_ERRORS])
    more = len(names) - NAMES_IN_ERRORS
    return f"{shown} and {more} more" if more > 0 else shown
