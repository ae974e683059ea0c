"""Tiny copies of the data of benchmarks, and a folder of models that is empty."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from focuspuller.models import places
from oracles.benchmark_data import (
    blurred,
    save,
    save_depth,
    sharp,
)


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_installed", lambda kind: [tmp_path / "models" / kind])
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def light_field(tmp_path: Path) -> Path:
    """The plain folders of LF-Bokeh and LF-Refocus: two views, three photographs each."""
    root = tmp_path / "light_field"
    for seed, name in enumerate(("bird", "cat")):
        save(root / f"all_in_focus/{name}.png", sharp(seed))
        save_depth(root / f"depth/{name}.png")
        for level, plane in ((4, 0.9), (8, 0.9), (6, 0.1)):
            place = root / f"bokeh/{name}/k{level}_at{plane}.png"
            save(place, blurred(level, plane, seed))
    return root


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Sharp pictures with depth, as DiffCamera and Fine-grained Defocus start from."""
    root = tmp_path / "photographs"
    for seed, name in enumerate(("bird", "cat")):
        save(root / f"pictures/{name}.png", sharp(seed))
        save_depth(root / f"depth/{name}.png")
    points = {"bird": [[0.3, 0.5], [0.9, 0.1]]}
    (root / "points.json").write_text(json.dumps(points))
    return root


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"
