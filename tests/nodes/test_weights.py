"""Weights as an input of a node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from focuspuller.errors import FileError
from focuspuller.models.bokehme.published import BOKEHME_ARNET
from focuspuller.models.weights import Weights
from focuspuller.nodes.standin import Host, installed_host
from focuspuller.nodes.weights import weights_fingerprint, weights_input, weights_path

SMALL = Weights(
    name="test-small",
    network="Small",
    files=("small.pth",),
    folders=("test_depth", "test_old"),
    source="https://example.org",
    licence="MIT",
)
LARGE = replace(SMALL, name="test-large", network="Large", files=("large.pth",))


@pytest.fixture(autouse=True)
def models(host: Host, tmp_path: Path) -> Iterator[Path]:
    """Two folders of models; the one that is given is searched second."""
    roots = [tmp_path / "empty", tmp_path / "models"]
    with installed_host(replace(host, model_roots=roots)):
        yield roots[1]


def put(models: Path, name: str, content: bytes = b"1") -> Path:
    path = models / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_choice_is_automatic_or_a_file_of_the_folders(models):
    for name in (
        "test_depth/b.pth",
        "test_depth/x/a.safetensors",
        "test_old/c.pt",
        "test_old/d.md",
    ):
        put(models, name)
    chosen = weights_input("weights", SMALL, "Depth")
    assert chosen.options == ["automatic", "b.pth", "x/a.safetensors", "c.pt"]
    assert chosen.default == "automatic"
    assert chosen.tooltip.startswith("Depth, from models/test_depth or models/test_old. ")
    without = weights_input("weights", SMALL, "Depth", can_be_none=True)
    assert (without.options[:2], without.default) == (["none", "automatic"], "none")


def test_automatic_takes_the_first_that_is_there(models):
    large = put(models, "test_depth/large.pth")
    assert weights_path("automatic", [SMALL, LARGE]) == large
    small = put(models, "test_old/small.pth")
    assert weights_path("automatic", [SMALL, LARGE]) == small


def test_automatic_without_weights_says_how_to_get_them(tmp_path):
    with pytest.raises(FileError, match=r"small\.pth.*https://example\.org"):
        weights_path("automatic", [SMALL, LARGE])
    with pytest.raises(FileError) as caught:
        weights_path("automatic", BOKEHME_ARNET)
    assert str(tmp_path / "empty" / "bokehme") in str(caught.value)


def test_a_file_is_looked_up_in_every_folder(models):
    path = put(models, "test_old/mine/c.pth")
    assert weights_path("mine/c.pth", SMALL) == path
    assert weights_path("none", SMALL) is None


def test_a_file_that_is_gone_has_a_path_for_the_message(models):
    path = weights_path("gone.pth", SMALL)
    assert path is not None
    assert path.name == "gone.pth"


@pytest.mark.parametrize("choice", ["automatic", "small.pth"])
def test_the_fingerprint_changes_with_the_file(models, choice):
    before = weights_fingerprint(choice, SMALL)
    put(models, "test_depth/small.pth")
    there = weights_fingerprint(choice, SMALL)
    assert weights_fingerprint(choice, SMALL) == there != before
    put(models, "test_depth/small.pth", b"22")
    assert weights_fingerprint(choice, SMALL) != there
    assert weights_fingerprint("none", SMALL) == "none"
