"""What arrives through links is checked, and errors name the node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from focuspuller.errors import FileError, InputError
from focuspuller.lens.depth import Depth
from focuspuller.nodes import NODE_CLASSES
from focuspuller.nodes.comfy import io
from focuspuller.nodes.node import names_node, renames
from focuspuller.nodes.sockets import expect, expect_if_given
from focuspuller.nodes.standin import installed_host

DEPTH = Depth.from_metres(torch.ones(1, 1, 2, 2))


class Stubborn(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema("Stubborn", display_name="Stubborn Node")

    @classmethod
    @names_node
    @renames(focus_distance="distance")
    def execute(cls, error):
        raise error


@pytest.mark.parametrize("check", [expect, expect_if_given])
def test_the_right_kind_passes(check):
    assert check(DEPTH, Depth, "depth", "Connect a depth.") is DEPTH


def test_nothing_is_refused_unless_the_input_is_optional():
    with pytest.raises(InputError, match=r"^depth: received nothing\. Connect a depth\.$"):
        expect(None, Depth, "depth", "Connect a depth.")
    assert expect_if_given(None, Depth, "depth", "Connect a depth.") is None


@pytest.mark.parametrize("check", [expect, expect_if_given])
@pytest.mark.parametrize("foreign", [0, "", {}, torch.ones(2), torch.zeros(())])
def test_another_packs_object_is_refused_even_if_it_counts_as_false(check, foreign):
    with pytest.raises(InputError) as caught:
        check(foreign, Depth, "depth", "Connect a depth.")
    assert caught.value.received == f"a {type(foreign).__name__} of another node pack"


def test_errors_name_the_node_and_call_the_input_as_the_node_does():
    with pytest.raises(InputError) as caught:
        Stubborn.execute(InputError("focus_distance", "0", "Give more."))
    assert str(caught.value) == "Stubborn Node › distance: received 0. Give more."


def test_where_there_is_a_browser_they_say_where_the_help_is(host):
    error = InputError("distance", "0", "Give more.")
    with installed_host(replace(host, has_browser=True)), pytest.raises(InputError):
        Stubborn.execute(error)
    first, last = str(error).splitlines()
    assert first == "Stubborn Node › distance: received 0. Give more."
    assert last.startswith("More in the help of Stubborn Node: select the node")


@pytest.mark.parametrize("node", NODE_CLASSES, ids=lambda node: node.__name__)
def test_errors_of_every_node_do_so(node):
    naming = names_node(lambda cls: None).__code__
    assert naming in {function.__code__ for function in wrapped(node.execute.__func__)}


def wrapped(function: Any) -> Iterator[Any]:
    """A function and those that it wraps."""
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)


def test_other_subjects_and_a_node_already_named_stay():
    error = FileError("/tmp/a.jpg", "an empty file", "Copy it again.")
    error.node = "Inner Node"
    with pytest.raises(FileError) as caught:
        Stubborn.execute(error)
    assert str(caught.value) == "Inner Node › /tmp/a.jpg: received an empty file. Copy it again."


def test_errors_that_are_no_ones_fault_pass_unchanged():
    with pytest.raises(RuntimeError, match=r"^broken$"):
        Stubborn.execute(RuntimeError("broken"))


def test_whatever_a_node_wants_some_node_gives():
    schemas = [node.GET_SCHEMA() for node in NODE_CLASSES]
    wanted = {port.io_type for schema in schemas for port in schema.inputs}
    given = {output.io_type for schema in schemas for output in schema.outputs}
    widgets = {"FLOAT", "INT", "BOOLEAN", "STRING", "COMBO"}
    # What nodes of ComfyUI itself give.
    from_comfyui = {"MODEL", "VAE", "CLIP", "CONDITIONING"}
    # A number that is given goes into the widget of another node.
    assert wanted - widgets - from_comfyui == given - widgets
    assert given - widgets == {
        *{"IMAGE", "MASK", "DEPTH", "FOCUS", "CAMERA", "APERTURE", "DEFOCUS", "LENS", "PHOTO"},
        "HIGHLIGHTS",
        "REFOCUS_MODEL",
        "VIDEO",
    }
