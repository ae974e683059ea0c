"""Lending through ComfyUI, which is played here; the device "meta" stands for a GPU."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from focuspuller.models import loaded as module
from focuspuller.nodes import lending
from focuspuller.nodes.lending import ComfyLender, ModelManagement, keeper
from torch import nn

DEVICE, CPU = torch.device("meta"), torch.device("cpu")


class Streamed(nn.Linear):
    """ComfyUI's own kind of layer, whose weights come when it runs."""

    comfy_cast_weights = False


class Patcher:
    def __init__(self, model: nn.Module, load_device: torch.device, offload_device: torch.device):
        self.model, self.load_device, self.offload_device = model, load_device, offload_device


class Loaded:
    def __init__(self, patcher: Patcher) -> None:
        self.model = patcher
        self.unloaded = False

    def model_unload(self) -> None:
        self.unloaded = True


class Comfy:
    """As much of ComfyUI's model management as is used."""

    def __init__(self) -> None:
        self.requests: list[tuple[list[str], float]] = []
        self.has_room = True
        self.management = SimpleNamespace(
            current_loaded_models=[],
            load_models_gpu=self.load,
            soft_empty_cache=lambda: None,
            unet_offload_device=lambda: CPU,
            should_use_fp16=lambda device: device == DEVICE,
            should_use_bf16=lambda device: False,
        )
        ops = SimpleNamespace(disable_weight_init=SimpleNamespace(Linear=Streamed))
        services = ModelManagement(self.management, SimpleNamespace(ModelPatcher=Patcher), ops)
        self.lender = ComfyLender(lambda: services)

    def load(self, patchers: list[Patcher], memory_required: float = 0) -> None:
        names = [type(patcher.model.network).__name__ for patcher in patchers]
        self.requests.append((names, memory_required))
        for patcher in patchers:
            if self.has_room:
                patcher.model.to(patcher.load_device)
            known = [one.model for one in self.management.current_loaded_models]
            if patcher not in known:
                self.management.current_loaded_models.append(Loaded(patcher))


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(3))
        self.layer = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)

    @property
    def device(self) -> torch.device:
        """As transformers and diffusers have it: ComfyUI would fail to set it."""
        return self.token.device


class Second(Network):
    pass


@pytest.fixture
def comfy() -> Comfy:
    return Comfy()


def places(network: nn.Module) -> dict[str, str]:
    tensors = (*network.named_parameters(), *network.named_buffers())
    return {name: tensor.device.type for name, tensor in tensors}


def test_comfyui_brings_the_network_and_knows_of_the_work(comfy):
    network = Network()
    with comfy.lender.lent([network], DEVICE, 123):
        assert set(places(network).values()) == {"meta"}
    assert comfy.requests == [(["Network"], 123)]


def test_layers_have_what_comfyui_asks_of_its_own(comfy):
    class Embedding(nn.Embedding):
        comfy_cast_weights = False

    comfy.lender._services().ops.disable_weight_init.Embedding = Embedding
    network = nn.ModuleDict({"words": nn.Embedding(3, 3), "layer": nn.Linear(3, 3)})
    bias = network["layer"].bias
    with comfy.lender.lent([network], CPU, 0):
        assert isinstance(network["words"], Embedding)
        assert network["words"].bias is None
        assert network["layer"].bias is bias


def test_comfyui_knows_a_network_once(comfy):
    network = Network()
    for _ in range(3):
        with comfy.lender.lent([network], DEVICE, 0):
            pass
    assert len(comfy.management.current_loaded_models) == 1


def test_what_is_lent_already_is_asked_for_again(comfy):
    """Else ComfyUI might push it out for the second."""
    with comfy.lender.lent([Network()], DEVICE, 0), comfy.lender.lent([Second()], DEVICE, 0):
        pass
    with comfy.lender.lent([Second()], DEVICE, 0):
        pass
    assert [names for names, _ in comfy.requests] == [
        ["Network"],
        ["Network", "Second"],
        ["Second"],
    ]


def test_without_room_only_layers_that_comfyui_can_stream_stay_behind(comfy):
    comfy.has_room = False
    network = Network()
    with comfy.lender.lent([network], DEVICE, 0):
        left = {name for name, place in places(network).items() if place == "cpu"}
    assert left == {"layer.weight", "layer.bias"}
    assert isinstance(network.layer, Streamed)


def test_layers_become_comfyuis_and_keep_their_numbers(comfy):
    network = Network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    x = torch.rand(2, 3)
    expected = network.layer(x)
    with comfy.lender.lent([network], CPU, 0):
        assert torch.equal(network.layer(x), expected)
    assert all(torch.equal(network.state_dict()[name], before[name]) for name in before)


def test_a_network_that_nobody_holds_is_gone(comfy):
    network = Network()
    gone = weakref.ref(network)
    with comfy.lender.lent([network], DEVICE, 0):
        pass
    comfy.management.current_loaded_models.clear()  # ComfyUI holds its models weakly.
    del network
    gc.collect()
    assert gone() is None


def test_freeing_unloads_ours_alone(comfy):
    loaded = comfy.management.current_loaded_models
    others = Loaded(SimpleNamespace(model=nn.Linear(1, 1)))
    dead = Loaded(None)
    loaded += [others, dead]
    with comfy.lender.lent([Network()], DEVICE, 0):
        ours = loaded[-1]
        comfy.lender.free()
        assert not ours.unloaded, "it is in use"
    comfy.lender.free()
    assert ours.unloaded
    assert loaded == [others, dead]


def test_comfyui_decides_on_the_type(comfy):
    wishes = (torch.bfloat16, torch.float16, torch.float32)
    assert comfy.lender.compute_dtype(DEVICE, wishes) == torch.float16
    assert comfy.lender.compute_dtype(CPU, wishes) == torch.float32
    assert comfy.lender.compute_dtype(CPU, (torch.float16,)) == torch.float32


def test_networks_are_kept_as_long_as_comfyui_keeps_a_node(monkeypatch, tmp_path):
    monkeypatch.setattr(lending, "_keeper", lambda: None)

    def load(path: Any) -> nn.Module:
        return Network()

    first, second = keeper(), keeper()
    assert first is second
    network = weakref.ref(module.loaded(load, tmp_path))
    del first
    gc.collect()
    assert network() is not None
    del second
    gc.collect()
    assert network() is None
    assert keeper() is not None
