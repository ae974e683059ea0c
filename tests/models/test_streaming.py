"""Blocks come and go while a network computes; the device "meta" stands for a GPU."""

from __future__ import annotations

import pytest
import torch
from focuspuller.models.lending import PlainLender, weight_bytes
from focuspuller.models.streaming import Stream, can_stream
from torch import Tensor, nn

DEVICE, CPU = torch.device("meta"), torch.device("cpu")
WIDTH, BLOCKS = 8, 5
OF_BLOCK = 4 * (WIDTH * WIDTH + WIDTH)  # bytes


class Blocks(nn.Module):
    """A layer, and five blocks one after the other."""

    streamed_blocks = ("blocks",)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(BLOCKS))
        self.seen: list[list[int]] = []

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.first(tokens)
        for block in self.blocks:
            handle = block.register_forward_pre_hook(
                lambda *_: self.seen.append(self.there(DEVICE))
            )
            tokens = block(tokens)
            handle.remove()
        return tokens

    def there(self, device: torch.device) -> list[int]:
        """Numbers of the blocks on a device."""
        return [n for n, block in enumerate(self.blocks) if block.weight.device == device]


def run(network: Blocks) -> list[list[int]]:
    """Which blocks are on the device while each one computes."""
    network.seen.clear()
    assert network(torch.zeros(1, WIDTH, device=DEVICE)).device == DEVICE
    return list(network.seen)


def test_only_what_computes_is_there_without_room():
    network = Blocks()
    stream = Stream(network, DEVICE, 0)
    assert network.first.weight.device == DEVICE
    assert run(network) == [[n] for n in range(BLOCKS)]
    assert network.there(DEVICE) == []
    stream.end()
    assert network.first.weight.device == CPU


@pytest.mark.parametrize(("blocks_of_room", "resident"), [(3, 0), (4, 1), (5, 2), (5.9, 2), (6, 5)])
def test_as_many_blocks_stay_as_leave_room_for_two(blocks_of_room, resident):
    network = Blocks()
    stream = Stream(network, DEVICE, blocks_of_room * OF_BLOCK)  # One is for the first layer.
    assert stream.resident == resident
    every = list(range(resident))
    assert run(network) == [sorted({*every, n}) for n in range(BLOCKS)]
    stream.end()
    assert network.there(CPU) == list(range(BLOCKS))


def test_weights_are_as_they_were():
    network = Blocks()
    before = {name: (one, one.clone()) for name, one in network.named_parameters()}
    stream = Stream(network, DEVICE, 0)
    run(network)
    stream.end()
    for name, parameter in network.named_parameters():
        assert parameter is before[name][0]
        assert torch.equal(parameter, before[name][1])
    assert not any(block._forward_hooks or block._forward_pre_hooks for block in network.blocks)


def test_a_block_goes_even_when_it_fails():
    network = Blocks()
    Stream(network, DEVICE, 0)
    with pytest.raises(RuntimeError):
        network.blocks[1](torch.zeros(1, WIDTH + 1, device=DEVICE))
    assert network.there(DEVICE) == []


def test_what_is_used_twice_is_copied_once():
    network = Blocks()
    network.second = nn.Linear(WIDTH, WIDTH)
    network.second.weight = network.first.weight
    stream = Stream(network, DEVICE, 0)
    assert network.second.weight is network.first.weight
    stream.end()


def lender(capacity: float, *networks: nn.Module) -> PlainLender:
    """On a device of so many bytes, of which networks take what they have there."""

    def free(device: torch.device) -> float:
        taken = sum(
            one.nelement() * one.element_size()
            for network in networks
            for one in network.parameters()
            if one.device == device
        )
        return capacity - taken

    return PlainLender(free)


def test_the_lender_streams_what_does_not_fit():
    network = Blocks()
    assert can_stream(network)
    lending = lender(5 * OF_BLOCK, network)
    with lending.lent([network], DEVICE, OF_BLOCK):
        assert run(network) == [sorted({0, n}) for n in range(BLOCKS)]
    lending.free()
    assert network.there(CPU) == list(range(BLOCKS))


def test_it_stays_until_its_room_is_needed():
    network, other = Blocks(), Blocks()
    lending = lender(2 * weight_bytes(network), network, other)
    for _ in range(2):
        with lending.lent([network], DEVICE, 0):
            assert network.there(DEVICE) == list(range(BLOCKS))
            at_work = network.blocks[0].weight
    with lending.lent([network], DEVICE, 0):
        assert network.blocks[0].weight is at_work
    with lending.lent([other], DEVICE, OF_BLOCK):
        assert network.there(DEVICE) == []
        assert other.there(DEVICE) == list(range(BLOCKS))


def test_more_work_takes_room_from_weights():
    network = Blocks()
    lending = lender(weight_bytes(network) + OF_BLOCK, network)
    with lending.lent([network], DEVICE, 0):
        assert run(network)[0] == list(range(BLOCKS))
    with lending.lent([network], DEVICE, 3 * OF_BLOCK):
        assert run(network)[-1] == [0, BLOCKS - 1]


def test_it_comes_back_to_the_cpu():
    network = Blocks()
    lending = lender(0, network)
    with lending.lent([network], DEVICE, 0):
        pass
    with lending.lent([network], CPU, 0):
        assert network(torch.zeros(1, WIDTH)).device == CPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_holds_two_blocks_and_computes_the_same():
    torch.manual_seed(0)
    network = nn.Module()
    layers = [nn.Sequential(nn.Linear(1024, 1024), nn.Tanh()) for _ in range(20)]
    network.blocks = nn.ModuleList(layers)
    network.streamed_blocks = ("blocks",)
    tokens = torch.randn(4, 1024)

    def through(device: str) -> Tensor:
        result = tokens.to(device)
        for block in layers:
            result = block(result)
        return result.cpu()

    with torch.no_grad():
        expected = through("cpu")
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        stream = Stream(network, torch.device("cuda:0"), 0)
        for _ in range(3):
            torch.testing.assert_close(through("cuda:0"), expected, rtol=1e-3, atol=1e-3)
        peak = torch.cuda.max_memory_allocated() - before
        stream.end()
    of_block = 4 * (1024 * 1024 + 1024)
    assert peak < 3.5 * of_block
