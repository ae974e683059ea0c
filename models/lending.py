"""How networks get onto the device where they compute, and off it again.

    with lent(network, device, working_bytes=...):
        output = network(image)

They stay there afterwards as long as memory lasts; those that can are there in part where it does
not (`streaming.py`). Inside ComfyUI its model management decides (`nodes/lending.py`), elsewhere
`PlainLender`.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from typing import Protocol
from weakref import WeakKeyDictionary

import torch
from torch import nn

from .streaming import Stream, can_stream

CPU = torch.device("cpu")


class Lender(Protocol):
    """Brings networks to devices and decides which of them stay there."""

    def lent(
        self, networks: Sequence[nn.Module], device: torch.device, working_bytes: int
    ) -> AbstractContextManager[None]:
        """Have networks on a device for a while."""
        ...

    def compute_dtype(self, device: torch.device, supported: Sequence[torch.dtype]) -> torch.dtype:
        """The fastest of the supported types that works well on a device."""
        ...

    def free(self) -> None:
        """Take all networks that are not in use off their devices."""
        ...


def lent(
    networks: nn.Module | Sequence[nn.Module],
    device: torch.device | str,
    working_bytes: int = 0,
) -> AbstractContextManager[None]:
    """Have networks on a device for a while.

    Args:
        networks: one, or all that have to be there at the same time.
        device: where.
        working_bytes: how much memory the work with them takes beside their weights, at most.
    """
    several = [networks] if isinstance(networks, nn.Module) else list(networks)
    return _lender.lent(several, _with_index(torch.device(device)), working_bytes)


def compute_dtype(
    device: torch.device | str, supported: Sequence[torch.dtype] = (torch.float32,)
) -> torch.dtype:
    """In which type a network should compute on a device.

    Args:
        device: where.
        supported: in which types the network computes well, best first. float32 where none fits.
    """
    return _lender.compute_dtype(_with_index(torch.device(device)), supported)


def current_lender() -> Lender:
    """Who lends."""
    return _lender


def install_lender(lender: Lender) -> None:
    """Say who lends from now on."""
    global _lender
    _lender = lender


class PlainLender:
    """Lends with plain PyTorch: what was used last stays on the device while there is room.

    Args:
        free_bytes: how much memory a device has left.
    """

    def __init__(self, free_bytes: Callable[[torch.device], float] | None = None) -> None:
        self._free_bytes = free_bytes or free_device_bytes
        # In order of use. Networks that nobody holds any more vanish from it.
        self._residents: WeakKeyDictionary[nn.Module, torch.device] = WeakKeyDictionary()
        self._streams: WeakKeyDictionary[nn.Module, Stream] = WeakKeyDictionary()
        self._users: Counter[int] = Counter()
        self._lock = threading.RLock()

    @contextmanager
    def lent(
        self, networks: Sequence[nn.Module], device: torch.device, working_bytes: int
    ) -> Iterator[None]:
        """Have networks on a device for a while; others leave it if they have to."""
        ids = [id(network) for network in networks]
        with self._lock:
            self._users.update(ids)
        try:
            with self._lock:
                self._bring(networks, device, working_bytes)
            yield
        finally:
            with self._lock:
                self._users.subtract(ids)
                self._users += Counter()  # drops those without users

    def compute_dtype(self, device: torch.device, supported: Sequence[torch.dtype]) -> torch.dtype:
        """The first of the supported types that is fast on a device."""
        return next((one for one in supported if _is_fast(device, one)), torch.float32)

    def free(self) -> None:
        """Take all networks that are not in use off their devices."""
        with self._lock:
            for network in self._idle():
                self._send_back(network)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if torch.backends.mps.is_available():
            torch.mps.empty_cache()

    def _bring(
        self, networks: Sequence[nn.Module], device: torch.device, working_bytes: int
    ) -> None:
        for network in networks:
            self._residents.pop(network, None)
        coming = [network for network in networks if self._place(network) != device]
        if device != CPU:
            self._make_room(device, sum(map(weight_bytes, coming)) + working_bytes)
        # Last those that can do with the room that the others leave.
        for network in sorted(networks, key=can_stream):
            if can_stream(network) and device != CPU:
                self._stream(network, device, working_bytes)
            else:
                if network in self._streams:
                    self._send_back(network)
                network.to(device)
        if device != CPU:
            self._residents.update((network, device) for network in networks)

    def _place(self, network: nn.Module) -> torch.device:
        stream = self._streams.get(network)
        return place_of(network) if stream is None else stream.device

    def _stream(self, network: nn.Module, device: torch.device, working_bytes: int) -> None:
        """Have as much of a network on a device as leaves room to work."""
        stream = self._streams.get(network)
        if stream is not None:
            if stream.device == device and self._free_bytes(device) >= working_bytes:
                return
            self._send_back(network)
        room = self._free_bytes(device) - working_bytes
        self._streams[network] = Stream(network, device, room)

    def _make_room(self, device: torch.device, needed: float) -> None:
        for network in self._idle():
            if self._free_bytes(device) >= needed:
                return
            if self._residents[network] == device:
                self._send_back(network)

    def _idle(self) -> list[nn.Module]:
        return [network for network in self._residents if not self._users[id(network)]]

    def _send_back(self, network: nn.Module) -> None:
        stream = self._streams.pop(network, None)
        if stream is None:
            network.to(CPU)
        else:
            stream.end()
        self._residents.pop(network, None)


def weight_bytes(network: nn.Module) -> int:
    """How much memory a network's parameters and buffers take."""
    tensors = [*network.parameters(), *network.buffers()]
    return sum(tensor.nelement() * tensor.element_size() for tensor in tensors)


def place_of(network: nn.Module) -> torch.device:
    """The device of a network's first parameter or buffer."""
    first = next(chain(network.parameters(), network.buffers()), None)
    return CPU if first is None else first.device


def device_bytes(device: torch.device) -> float:
    """How much memory a device has in all; infinite where it cannot be known."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    if device.type == "cpu" and hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return float("inf")


def free_device_bytes(device: torch.device) -> float:
    """How much memory a device has left for PyTorch; infinite where it cannot be known."""
    if device.type == "cuda":
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reserved
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return float("inf")


def _is_fast(device: torch.device, dtype: torch.dtype) -> bool:
    if dtype == torch.float32:
        return True
    if device.type == "cuda" and dtype == torch.bfloat16:
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type in ("cuda", "mps", "xpu") and dtype == torch.float16


def _with_index(device: torch.device) -> torch.device:
    """Tensors on "cuda" say that they are on "cuda:0"."""
    if device.index is not None or device.type in ("cpu", "meta"):
        return device
    return torch.empty(0, device=device).device


_lender: Lender = PlainLender()
