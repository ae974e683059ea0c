"""Networks get onto the device and stay there while there is room."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import torch
from focuspuller.models import lending
from focuspuller.models.lending import PlainLender, compute_dtype, lent, place_of, weight_bytes
from torch import nn

CPU, DEVICE = torch.device("cpu"), torch.device("meta")
SIZE = 400  # bytes of one network


class Traveller(nn.Module):
    """A network that can come back from the device "meta", which stands for a GPU here."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(SIZE // 4))
        self.trips = 0

    def to(self, device: torch.device) -> Traveller:
        if device != self.weight.device:
            self.trips += 1
            self.weight = nn.Parameter(torch.zeros(SIZE // 4, device=device))
        return self


@pytest.fixture
def networks() -> list[Traveller]:
    return [Traveller() for _ in range(4)]


@pytest.fixture
def lender_for(networks: list[Traveller]) -> Callable[[int], PlainLender]:
    """A lender on a device that holds so many bytes."""

    def make(capacity: int) -> PlainLender:
        def free(device: torch.device) -> int:
            return capacity - sum(SIZE for one in networks if one.weight.device == device)

        return PlainLender(free)

    return make


def on_device(networks: list[Traveller]) -> list[bool]:
    return [one.weight.device == DEVICE for one in networks]


def test_it_comes_and_stays(networks, lender_for):
    lender = lender_for(10 * SIZE)
    for _ in range(3):
        with lender.lent(networks[:1], DEVICE, 0):
            assert on_device(networks)[0]
    assert networks[0].trips == 1


def test_what_was_used_longest_ago_makes_room(networks, lender_for):
    lender = lender_for(2 * SIZE)
    for index in (0, 1, 0, 2):
        with lender.lent([networks[index]], DEVICE, 0):
            pass
    assert on_device(networks) == [True, False, True, False]


def test_room_for_the_work_counts(networks, lender_for):
    lender = lender_for(3 * SIZE)
    for index in (0, 1):
        with lender.lent([networks[index]], DEVICE, 0):
            pass
    with lender.lent([networks[1]], DEVICE, SIZE):
        assert on_device(networks)[:2] == [True, True]
    with lender.lent([networks[1]], DEVICE, 2 * SIZE):
        assert on_device(networks)[:2] == [False, True]


def test_what_is_in_use_never_goes(networks, lender_for):
    lender = lender_for(SIZE)
    with lender.lent([networks[0]], DEVICE, 0):
        with lender.lent([networks[1]], DEVICE, 0):
            assert on_device(networks)[:2] == [True, True]
        lender.free()
        assert on_device(networks)[:2] == [True, False]
    lender.free()
    assert not any(on_device(networks))


def test_several_are_there_together(networks, lender_for):
    lender = lender_for(2 * SIZE)
    with lender.lent([networks[3]], DEVICE, 0):
        pass
    with lender.lent(networks[:2], DEVICE, 0):
        assert on_device(networks) == [True, True, False, False]


def test_an_error_within_does_not_keep_it_in_use(networks, lender_for):
    lender = lender_for(SIZE)
    with pytest.raises(RuntimeError), lender.lent([networks[0]], DEVICE, 0):
        raise RuntimeError
    lender.free()
    assert not any(on_device(networks))


def test_lending_keeps_nothing_alive(lender_for):
    lender = lender_for(10 * SIZE)
    with lender.lent([Traveller()], DEVICE, 0):
        pass
    gc.collect()
    assert len(lender._residents) == 0


def test_on_the_cpu_nothing_has_to_go():
    network = nn.Linear(3, 3)
    with lent(network, "cpu", working_bytes=10**18):
        assert network(torch.ones(3)).shape == (3,)
    assert place_of(network) == CPU


def test_sizes_and_places():
    network = nn.BatchNorm1d(4)  # four vectors and a counter of 8 bytes
    assert weight_bytes(network) == 4 * 4 * 4 + 8
    assert weight_bytes(network.half()) == 4 * 4 * 2 + 8
    assert place_of(nn.ReLU()) == CPU


def test_on_the_cpu_everything_is_computed_in_full():
    wishes = (torch.bfloat16, torch.float16, torch.float32)
    assert compute_dtype("cpu", wishes) == torch.float32
    assert compute_dtype("cpu", (torch.float16,)) == torch.float32


@pytest.mark.parametrize(
    ("device", "capability", "expected"),
    [
        ("cuda", (8, 6), torch.bfloat16),
        ("cuda", (7, 5), torch.float16),
        ("mps", None, torch.float16),
    ],
)
def test_the_fast_type_of_a_device(monkeypatch, device, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    wishes = (torch.bfloat16, torch.float16, torch.float32)
    assert PlainLender().compute_dtype(torch.device(device), wishes) == expected


def test_whoever_is_installed_lends(monkeypatch):
    monkeypatch.setattr(lending, "_lender", lending._lender)
    other = PlainLender()
    lending.install_lender(other)
    assert lending.current_lender() is other
