"""Networks are loaded once and shared, until their file changes or they are freed."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from focuspuller.models import lending
from focuspuller.models.loaded import MOST, forget_models, free_models, loaded, stamp_of
from torch import nn

calls: list[tuple[object, ...]] = []


def load(path: Path, *choices: object) -> nn.Linear:
    calls.append((path, *choices))
    return nn.Linear(2, 2)


def load_other(path: Path) -> nn.Linear:
    return load(path)


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    forget_models()
    calls.clear()
    yield
    forget_models()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.pth"
    path.write_bytes(b"weights")
    return path


def test_the_same_file_is_loaded_once(file, monkeypatch):
    first = loaded(load, file)
    assert loaded(load, file) is first
    monkeypatch.chdir(file.parent)
    assert loaded(load, Path("a.pth")) is first
    assert calls == [(file,)]


def test_another_choice_or_loader_is_another_network(file):
    networks = {loaded(load, file), loaded(load, file, torch.float16), loaded(load_other, file)}
    assert len(networks) == 3
    assert calls[1] == (file, torch.float16)


def test_a_changed_file_is_loaded_anew_and_the_old_one_goes(file):
    old = weakref.ref(loaded(load, file))
    file.write_bytes(b"longer weights")
    assert loaded(load, file) is not old()
    gc.collect()
    assert old() is None


def test_a_change_within_a_folder_counts(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "a").write_bytes(b"1")
    first = loaded(load, tmp_path)
    assert loaded(load, tmp_path) is first
    os.utime(tmp_path / "unet" / "a", ns=(1, 1))
    assert loaded(load, tmp_path) is not first


def test_a_file_that_is_not_there_has_no_stamp(tmp_path):
    assert stamp_of(tmp_path / "gone") == ()


def test_what_was_used_last_is_kept(tmp_path):
    files = [tmp_path / str(index) for index in range(MOST + 1)]
    for file in files[:MOST]:
        loaded(load, file)
    loaded(load, files[0])
    loaded(load, files[MOST])
    calls.clear()
    loaded(load, files[0])
    assert calls == []
    loaded(load, files[1])
    assert calls == [(files[1],)]


def test_freeing_gives_back_the_memory_but_not_what_is_held(file, tmp_path):
    gone, held = weakref.ref(loaded(load, file)), loaded(load_other, file)
    free_models()
    gc.collect()
    assert gone() is None
    assert held.weight.shape == (2, 2)
    assert loaded(load_other, file) is not held


def test_freeing_reaches_the_device(monkeypatch):
    freed = []
    lender = lending.PlainLender()
    monkeypatch.setattr(lender, "free", lambda: freed.append(True))
    monkeypatch.setattr(lending, "_lender", lender)
    free_models()
    assert freed == [True]
