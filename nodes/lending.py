"""Networks under ComfyUI's model management: it decides what is on the device and what has to go.

Every network is known to ComfyUI as a model like its own, so that either can push the other out,
and `--lowvram`, `--novram`, `--highvram` and `--cpu` hold. Layers that ComfyUI knows become its own
kind, whose weights come to the device one by one where they do not fit all at once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from ..models.loaded import forget_models

# Layers of PyTorch for which ComfyUI has its own with the same name and parameters.
STREAMED = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d),
    *(nn.LayerNorm, nn.GroupNorm, nn.Embedding),
)
# Where a network keeps how ComfyUI knows it. Not a table beside it: that would keep it alive.
KNOWN_AS = "_focus_puller_patchers"


class ModelManagement(NamedTuple):
    """ComfyUI's modules that manage models."""

    management: Any
    patcher: Any
    ops: Any


class Managed(nn.Module):
    """A network as ComfyUI sees it, which sets attributes that some networks do not let it set."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network


class ComfyLender:
    """Lends through ComfyUI.

    Args:
        services: gives ComfyUI's modules; called when they are needed first.
    """

    def __init__(self, services: Callable[[], ModelManagement]) -> None:
        self._services = services
        self._lent: list[Any] = []

    @contextmanager
    def lent(
        self, networks: Sequence[nn.Module], device: torch.device, working_bytes: int
    ) -> Iterator[None]:
        """Have networks on a device for a while, together with those that are lent already."""
        patchers = [self._patcher(network, device) for network in networks]
        self._lent += patchers
        try:
            self._services().management.load_models_gpu(
                list(dict.fromkeys(self._lent)), memory_required=working_bytes
            )
            for network in networks:
                _bring_rest(network, device)
            yield
        finally:
            for patcher in patchers:
                self._lent.remove(patcher)

    @contextmanager
    def lent_with(
        self, patcher: Any, networks: Sequence[nn.Module], device: torch.device, working_bytes: int
    ) -> Iterator[None]:
        """As `lent`, together with a model of ComfyUI's own, known by its patcher."""
        self._lent.append(patcher)
        try:
            with self.lent(networks, device, working_bytes):
                yield
        finally:
            self._lent.remove(patcher)

    def compute_dtype(self, device: torch.device, supported: Sequence[torch.dtype]) -> torch.dtype:
        """The first of the supported types that ComfyUI would use on a device."""
        management = self._services().management
        is_wanted = {
            torch.float16: management.should_use_fp16,
            torch.bfloat16: management.should_use_bf16,
            torch.float32: lambda device: True,
        }
        return next((one for one in supported if is_wanted[one](device)), torch.float32)

    def free(self) -> None:
        """Take all networks that are not in use off their devices."""
        management = self._services().management
        for loaded in list(management.current_loaded_models):
            patcher = loaded.model
            if patcher and isinstance(patcher.model, Managed) and patcher not in self._lent:
                loaded.model_unload()
                management.current_loaded_models.remove(loaded)
        management.soft_empty_cache()

    def _patcher(self, network: nn.Module, device: torch.device) -> Any:
        """How ComfyUI knows a network on a device."""
        known = network.__dict__.setdefault(KNOWN_AS, {})
        if device not in known:
            services = self._services()
            _become_streamed(network, services.ops.disable_weight_init)
            managed = next((one.model for one in known.values()), None) or Managed(network)
            home = services.management.unet_offload_device()
            known[device] = services.patcher.ModelPatcher(managed, device, home)
        return known[device]


class Keeper:
    """As long as one is held, networks stay in memory for the next run."""


_keeper: Callable[[], Keeper | None] = lambda: None  # noqa: E731


def keeper() -> Keeper:
    """What a node holds while ComfyUI holds the node.

    ComfyUI keeps an object of every node of the last workflow, and drops all of them when it is
    asked to free memory. When the last one goes, so do the networks.
    """
    global _keeper
    held = _keeper()
    if held is None:
        held = Keeper()
        _keeper = weakref.ref(held)
        weakref.finalize(held, forget_models).atexit = False
    return held


def _become_streamed(network: nn.Module, counterparts: Any) -> None:
    for module in network.modules():
        if type(module) in STREAMED:
            counterpart = getattr(counterparts, type(module).__name__, None)
            module.__class__ = counterpart or type(module)
            if not hasattr(module, "bias"):
                module.register_parameter("bias", None)  # ComfyUI asks every layer for one.


def _bring_rest(network: nn.Module, device: torch.device) -> None:
    """Bring what ComfyUI leaves behind when memory is short, and cannot bring layer by layer."""
    for module in network.modules():
        if not hasattr(module, "comfy_cast_weights"):
            module._apply(lambda tensor: tensor.to(device), recurse=False)
