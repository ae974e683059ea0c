"""Whether names and shapes of a file are a network's."""

from __future__ import annotations

import torch
from focuspuller.models.bokehme.architecture import ARNet
from focuspuller.models.layout import (
    Findings,
    compared,
    findings,
    listed,
    not_finite,
    shapes_of,
    wanted_shapes,
)
from torch import nn


def test_the_same_names_and_shapes_fit():
    shapes = {"a": (2, 3), "b": ()}
    assert not compared(shapes, shapes)


def test_every_kind_of_mismatch_is_told_apart():
    found = compared({"a": (2,), "extra": (1,)}, {"a": (3,), "b": (1,)})
    assert found == Findings(("b",), ("extra",), ("a [2] instead of [3]",))
    assert found
    assert found.count == 3
    assert str(found) == ("missing: b; unexpected: extra; of another shape: a [2] instead of [3]")


def test_nan_and_infinity_are_found_in_every_type():
    broken = torch.tensor([1.0, float("nan")])
    state = {
        "fine": torch.ones(2),
        "counter": torch.ones(2, dtype=torch.int64),
        "half": torch.tensor([float("inf")]).half(),
        "eight": broken.to(torch.float8_e4m3fn),
        "nan": broken,
    }
    assert not_finite(state).not_finite == ("half", "eight", "nan")


def test_findings_add_up():
    both = Findings(missing=("a",)) + Findings(missing=("b",), other=("odd",))
    assert both == Findings(missing=("a", "b"), other=("odd",))
    assert str(both) == "missing: a, b; also: odd"


def test_long_lists_are_cut():
    assert listed(("a", "b", "c")) == "a, b, c"
    assert listed(("a", "b", "c", "d", "e")) == "a, b, c and 2 more"


def test_what_a_network_wants_takes_no_memory():
    """A layer of 4 TB."""
    assert wanted_shapes(lambda: nn.Linear(2**20, 2**20)) == {
        "weight": (2**20, 2**20),
        "bias": (2**20,),
    }


def test_a_network_fits_itself():
    state = dict(ARNet().state_dict())
    assert not findings(state, ARNet)
    assert shapes_of(state) == wanted_shapes(ARNet)
    del state["conv1.conv.bias"]
    assert findings(state, ARNet).missing == ("conv1.conv.bias",)
