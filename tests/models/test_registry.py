"""The list of weights is sound, and what reads it finds what it needs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import focuspuller
import pytest
import torch
from focuspuller.errors import InputError
from focuspuller.models.bokehme.architecture import ARNet
from focuspuller.models.bokehme.published import BOKEHME_ARNET, BOKEHME_IUNET
from focuspuller.models.depth.published import DEPTH_PRO_FOLDER
from focuspuller.models.edge.published import EDGE
from focuspuller.models.registry import ALL_WEIGHTS, weights_called
from focuspuller.models.weights import Hub, Weights
from oracles.weights import filled

every_entry = pytest.mark.parametrize("weights", ALL_WEIGHTS, ids=lambda weights: weights.name)


def test_nothing_published_is_left_out():
    folder = Path(focuspuller.__file__).parent / "models"
    names = [path.parent.name for path in folder.glob("*/published.py")]
    modules = [importlib.import_module(f"focuspuller.models.{name}.published") for name in names]
    entries = [one for module in modules for one in vars(module).values()]
    listed = {weights.name for weights in ALL_WEIGHTS}
    assert {one.name for one in entries if isinstance(one, Weights)} <= listed
    assert len(modules) > 10


def test_names_are_unique():
    names = [weights.name for weights in ALL_WEIGHTS]
    assert len(names) == len(set(names))


@every_entry
def test_an_entry_says_all_that_a_user_needs(weights: Weights):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", weights.name)
    assert weights.network
    assert weights.files
    assert weights.source.startswith("https://")
    assert weights.licence
    assert bool(weights.folders) != bool(weights.packaged)
    assert all("/" not in kind for kind in weights.folders)
    assert weights.subfolder or len(weights.files) == 1, "several files need a folder"


@every_entry
def test_digests_are_digests_of_its_files(weights: Weights):
    assert set(weights.sha256) <= set(weights.files)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in weights.sha256.values())


@every_entry
def test_checks_exist(weights: Weights):
    if weights.check:
        module, _, function = weights.check.partition(":")
        assert callable(getattr(importlib.import_module(f"focuspuller.{module}"), function))


def test_a_check_finds_what_is_wrong(tmp_path: Path):
    path = tmp_path / "arnet.pth"
    torch.save({"model": filled(ARNet()).state_dict()}, path)
    assert BOKEHME_ARNET.findings(path) is not None
    assert not BOKEHME_ARNET.findings(path)
    swapped = BOKEHME_IUNET.findings(path)
    assert swapped is not None
    assert swapped.misshaped


def test_a_group_is_called_by_what_its_names_share():
    assert weights_called("bokehme") == [BOKEHME_ARNET, BOKEHME_IUNET]
    assert weights_called("bokehme-iunet") == [BOKEHME_IUNET]
    assert weights_called("edge") == [EDGE]
    with pytest.raises(InputError, match=r"'bokeh'\. Give one of bokehme-arnet, "):
        weights_called("bokeh")


def test_addresses(monkeypatch: pytest.MonkeyPatch):
    assert DEPTH_PRO_FOLDER.url("config.json") == (
        "https://huggingface.co/apple/DepthPro-hf/resolve/main/config.json"
    )
    assert BOKEHME_ARNET.url("arnet.pth") == (
        "https://github.com/JuewenPeng/BokehMe/raw/HEAD/checkpoints/arnet.pth"
    )
    assert EDGE.url(EDGE.file) is None
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert DEPTH_PRO_FOLDER.url("a b.json") == (
        "https://mirror.example/apple/DepthPro-hf/resolve/main/a%20b.json"
    )


def test_files_may_lie_below_the_repository():
    assert Hub("a/b").path("x.pth") == "x.pth"
    assert Hub("a/b", folder="weights").path("x.pth") == "weights/x.pth"


def table() -> str:
    """The table of docs/models.md."""
    rows = [
        "| name | network | what people have | folder of models | licence |",
        "|---|---|---|---|---|",
    ]
    for weights in ALL_WEIGHTS:
        title = (
            f"{weights.title}/ ({', '.join(weights.files)})" if weights.subfolder else weights.file
        )
        where = " or ".join(f"`{kind}`" for kind in weights.folders) or "comes with the package"
        network = f"[{weights.network}]({weights.source})"
        rows.append(f"| `{weights.name}` | {network} | `{title}` | {where} | {weights.licence} |")
    return "\n".join(rows)


def test_the_documentation_lists_them_all():
    text = (Path(focuspuller.__file__).parent / "docs" / "models.md").read_text(encoding="utf-8")
    assert table() in text, f"The table of docs/models.md has to be:\n{table()}"
