"""What is remembered of a base model: encodings, pictures and depth maps, for the next call.

Whoever tries several strengths on one picture waits for prompts, latents, deblurring and what
independent conditions become in the model once.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ..flux.attention import ConditionCache
from ..flux.base import FluxBase
from ..flux.conditions import Prompt
from ..lending import device_bytes

T = TypeVar("T")

# Of all that is kept for one base model, but keys and values.
MOST_BYTES = 2**30
# Of keys and values of conditions, which are large and stay on the device: the part of its memory
# that may be kept from picture to picture.
CONDITIONS_SHARE = 1 / 8


class Memory:
    """Results by what they were made of; those that were used last are kept.

    Args:
        most_bytes: of their tensors together.
    """

    def __init__(self, most_bytes: float = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def recall(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for a key before, or is made now.

        Args:
            key: everything that the result depends on.
            make: makes a tensor, or an object whose attributes are tensors.
        """
        if key not in self._kept:
            value = make()
            self._kept[key] = value, _bytes_of(value)
        self._kept.move_to_end(key)
        value = self._kept[key][0]
        while len(self._kept) > 1 and self._bytes > self.most_bytes:
            self._kept.popitem(last=False)
        return value

    @property
    def _bytes(self) -> int:
        return sum(size for _, size in self._kept.values())


# A base model that goes takes its memory along.
_memories: WeakKeyDictionary[FluxBase, Memory] = WeakKeyDictionary()
_condition_memories: WeakKeyDictionary[FluxBase, Memory] = WeakKeyDictionary()


def memory_of(base: FluxBase) -> Memory:
    """What is remembered of a base model."""
    return _memories.setdefault(base, Memory())


def condition_memory_of(base: FluxBase) -> Memory:
    """What is remembered of keys and values of conditions."""
    if base not in _condition_memories:
        most = CONDITIONS_SHARE * device_bytes(base.device)
        _condition_memories[base] = Memory(most)
    return _condition_memories[base]


def encoded(base: FluxBase, pixels: Tensor) -> Tensor:
    """`FluxBase.encode`, once for equal pixels: latents `[1,C,H/8,W/8]`."""
    return memory_of(base).recall(("latents", digest(pixels)), lambda: base.encode(pixels))


def prompt_of(base: FluxBase, text: str) -> Prompt:
    """`FluxBase.encode_prompt`, once for a text."""
    return memory_of(base).recall(("prompt", text), lambda: base.encode_prompt(text))


def digest(tensor: Tensor) -> str:
    """The same for equal tensors, and for no others."""
    values = tensor.detach().cpu().contiguous()
    found = hashlib.blake2b(f"{tuple(values.shape)} {values.dtype}".encode(), digest_size=16)
    found.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _bytes_of(value: Any) -> int:
    if isinstance(value, ConditionCache):
        return value.bytes()
    tensors = [value] if isinstance(value, Tensor) else vars(value).values()
    return sum(one.nbytes for one in tensors if isinstance(one, Tensor))
