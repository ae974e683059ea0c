"""Networks that are on a device in part: blocks that do not fit come while it computes.

Weights never leave their home. The device has copies, which are dropped and never sent back, so
that weights which stay in their file take no memory on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

# What networks list the names of their lists of blocks in, in the order in which they run.
BLOCKS_ATTRIBUTE = "streamed_blocks"

Tensors = dict[tuple[nn.Module, str], Tensor]


def can_stream(network: nn.Module) -> bool:
    """Whether a network says which of its modules are blocks that run one after the other.

    Their parameters must not be used outside of their own calls.
    """
    return bool(getattr(network, BLOCKS_ATTRIBUTE, ()))


class Stream:
    """A network whose tensors are on a device, all or as many as fit.

    It holds the network's modules, not the network itself.

    Args:
        network: at home, on the CPU; `can_stream`.
        device: where it computes.
        room: bytes that weights may take there. Less than the largest two blocks and what is
            outside of blocks need is exceeded.
    """

    def __init__(self, network: nn.Module, device: torch.device, room: float) -> None:
        self.device = device
        names: Sequence[str] = getattr(network, BLOCKS_ATTRIBUTE)
        self._blocks = [block for name in names for block in network.get_submodule(name).children()]
        inside = {module for block in self._blocks for module in block.modules()}
        self._outside = tensors_of([one for one in network.modules() if one not in inside])
        self._homes = [tensors_of(list(block.modules())) for block in self._blocks]
        # Copies, and the event on the GPU that says that they are whole.
        self._coming: list[tuple[Tensors, Any] | None] = [None] * len(self._blocks)
        self._copying = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.resident = self._resident(room - bytes_of(self._outside))
        self._hooks = [
            handle
            for index in range(self.resident, len(self._blocks))
            for handle in self._hooked(index)
        ]
        try:
            for home in (self._outside, *self._homes[: self.resident]):
                _put(_copied(home, device))
        except RuntimeError:  # Out of memory.
            self.end()
            raise

    def end(self) -> None:
        """Drop what is on the device; the network is at home again."""
        for handle in self._hooks:
            handle.remove()
        for home in (self._outside, *self._homes):
            _put(home)

    def _resident(self, room: float) -> int:
        """How many blocks can stay: all, or those that leave room for two of the others."""
        sizes = [bytes_of(home) for home in self._homes]
        if sum(sizes) <= room:
            return len(sizes)
        room -= 2 * max(sizes)
        count = 0
        while sum(sizes[: count + 1]) <= room:
            count += 1
        return count

    def _hooked(self, index: int) -> list[torch.utils.hooks.RemovableHandle]:
        block = self._blocks[index]
        return [
            block.register_forward_pre_hook(lambda *_: self._enter(index)),
            block.register_forward_hook(lambda *_: self._leave(index), always_call=True),
        ]

    def _enter(self, index: int) -> None:
        if self._coming[index] is None:
            self._fetch(index)
        coming = self._coming[index]
        assert coming is not None
        copies, copied = coming
        if copied is not None:
            now = torch.cuda.current_stream(self.device)
            now.wait_event(copied)
            for tensor in copies.values():
                tensor.record_stream(now)
        _put(copies)

    def _leave(self, index: int) -> None:
        """The block goes, and while the device still computes it the next one comes."""
        self._coming[index] = None
        _put(self._homes[index])
        following = index + 1 if index + 1 < len(self._blocks) else self.resident
        if self._copying is not None and following != index:
            self._fetch(following)

    def _fetch(self, index: int) -> None:
        if self._copying is None:
            self._coming[index] = _copied(self._homes[index], self.device), None
            return
        with torch.cuda.stream(self._copying):
            copies = _copied(self._homes[index], self.device)
            self._coming[index] = copies, self._copying.record_event()


def tensors_of(modules: Sequence[nn.Module]) -> Tensors:
    """The own parameters and buffers of modules."""
    return {
        (module, name): tensor
        for module in modules
        for own in (module._parameters, module._buffers)
        for name, tensor in own.items()
        if tensor is not None
    }


def bytes_of(tensors: Tensors) -> int:
    """Memory that tensors take; one in several places counts once."""
    each = {id(tensor): tensor for tensor in tensors.values()}.values()
    return sum(tensor.nelement() * tensor.element_size() for tensor in each)


def _copied(tensors: Tensors, device: torch.device) -> Tensors:
    each = {id(tensor): tensor for tensor in tensors.values()}
    copies = {key: tensor.to(device, non_blocking=True) for key, tensor in each.items()}
    return {place: copies[id(tensor)] for place, tensor in tensors.items()}


def _put(tensors: Tensors) -> None:
    """Into the modules' tables: unlike an assignment this keeps kinds of tensors of their own."""
    for (module, name), tensor in tensors.items():
        table: Any = module._parameters if name in module._parameters else module._buffers
        table[name] = tensor
