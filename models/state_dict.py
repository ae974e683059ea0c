"""Weight files: reading them without running anything in them, filling networks, and writing."""

from __future__ import annotations

import pickle
import re
import secrets
import struct
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import FileError
from .layout import compared, listed, not_finite, shapes_of
from .weights import Weights

N = TypeVar("N", bound=nn.Module)
StateDict = dict[str, Tensor]

# Under which names training scripts store the parameters among other things.
ENVELOPES = ("model", "state_dict", "model_state_dict")
# How PyTorch names what a pickle may not use, and what else it finds wrong.
REFUSED = re.compile(r"unsupported (?:global|class)\W+(?:global )?([\w.]+)", re.IGNORECASE)
REASON = re.compile(r"WeightsUnpickler error: (.*)")
# What reading a pickle ends in where bytes are none: their texts, such as "101", say nothing.
MEANINGLESS = (LookupError, EOFError, struct.error, pickle.UnpicklingError)


def load_network(
    make: Callable[[], N],
    path: Path,
    weights: Weights,
    dtype: torch.dtype = torch.float32,
    *,
    convert: Callable[[StateDict], StateDict] | None = None,
    mapped: bool = False,
) -> N:
    """A network filled from a file, for inference: on the CPU, in eval mode, without gradients.

    The network is made without memory and takes over the tensors of the file, so that it exists
    once in memory, never twice.

    Args:
        make: makes the network. Its `__init__` must not look at values of tensors.
        path: `.safetensors`, or a PyTorch file that holds the parameters bare or in one of
            `ENVELOPES`.
        weights: what the file should be, for errors.
        dtype: of the network's floating-point tensors.
        convert: from the names of the file to those of the network.
        mapped: leave tensors that have `dtype` in the file until they are used, and do not look for
            NaN in them. For files of many GB; such a file may be replaced, but not overwritten.

    Raises:
        FileError: the file is missing, unreadable, could run code, or is for another network.
    """
    state = read_state_dict(path)
    state = convert(state) if convert else state
    with torch.device("meta"):
        network = make()
    problems = compared(shapes_of(state), shapes_of(network.state_dict()))
    problems += not_finite({} if mapped or problems.unexpected else state)
    if problems:
        raise FileError(
            str(path),
            f"weights that do not fit {weights.network} ({problems})",
            f"Give {weights.title} of {weights.source}.",
        )
    filling = {name: _in_dtype(tensor, dtype, copy=not mapped) for name, tensor in state.items()}
    network.load_state_dict(filling, assign=True)
    _compute_buffers(network, make)
    return network.eval().requires_grad_(False)


def _in_dtype(tensor: Tensor, dtype: torch.dtype, copy: bool) -> Tensor:
    """Counters and tables of indices keep their type."""
    return tensor.to(dtype if tensor.is_floating_point() else tensor.dtype, copy=copy)


def _compute_buffers(network: nn.Module, make: Callable[[], nn.Module]) -> None:
    """Give the network those buffers that no file holds: tables that `__init__` computes."""
    missing = [name for name, buffer in network.named_buffers() if buffer.is_meta]
    computed = dict(make().named_buffers()) if missing else {}
    for name in missing:
        owner, _, own_name = name.rpartition(".")
        network.get_submodule(owner)._buffers[own_name] = computed[name]


def read_state_dict(path: Path) -> StateDict:
    """The tensors of a weight file by name, on the CPU.

    They stay in the file until their values are used, so that names and shapes cost no memory.
    Only files in PyTorch's old format are read at once.

    Raises:
        FileError: the file is missing, unreadable, could run code, or holds something else.
    """
    if not path.is_file():
        raise FileError(str(path), "a file that does not exist", "Check the path.")
    is_safe = path.suffix.lower() == ".safetensors"
    content = _read_safetensors(path) if is_safe else _read_pickle(path)
    state = _unwrapped(content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise FileError(str(path), "a file without weights", "Give a file of named tensors.")
    strange = [name for name, tensor in state.items() if not isinstance(tensor, Tensor)]
    if strange:
        received = f"a file that holds other things than tensors ({listed(strange)})"
        raise FileError(str(path), received, 'Give named tensors, bare or under "model".')
    return dict(state)


def read_metadata(path: Path) -> dict[str, str]:
    """What the header of a `.safetensors` file says beside its tensors.

    Empty where there is none, or where the file is of another kind or cannot be read: whoever reads
    the tensors says what is wrong.
    """
    if path.suffix.lower() != ".safetensors" or not path.is_file():
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (OSError, SafetensorError):
        return {}


def _unwrapped(content: Mapping[str, Any]) -> Any:
    return next((content[name] for name in ENVELOPES if name in content), content)


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
            mapped = zipfile.is_zipfile(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
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
    first_line = "" if isinstance(error, MEANINGLESS) else str(error).partition("\n")[0]
    text = found[1] if found else first_line
    reason = text.partition(". ")[0] or "it is damaged, or of another kind"
    return FileError(
        str(path),
        f"a file that cannot be read as weights ({reason})",
        "Copy or download it again; .safetensors, .pth, .pt and .bin are read.",
    )


def below(state: Mapping[str, Tensor], prefix: str) -> StateDict:
    """The tensors whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): one for name, one in state.items() if name.startswith(prefix)
    }


def write_weights(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a `.safetensors` file; an older one is replaced whole.

    Args:
        path: where.
        state: named tensors, wherever they are.
        metadata: what the file says beside them.

    Raises:
        FileError: another suffix, or the operating system refused.
    """
    if path.suffix.lower() != ".safetensors":
        raise FileError(str(path), f"the suffix {path.suffix!r}", "Give it .safetensors.")
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {name: one.detach().cpu().contiguous() for name, one in state.items()}
    temporary = path.with_name(f".{path.stem}_{secrets.token_hex(4)}.safetensors")
    try:
        save_file(tensors, temporary, dict(metadata))
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        reason = f"a place that cannot be written to ({error})"
        raise FileError(str(path), reason, "Give another place to save to.") from error
    finally:
        temporary.unlink(missing_ok=True)
