"""Where weights are found, and what is said where they are not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from focuspuller.errors import FileError
from focuspuller.models import places
from focuspuller.models.edge.published import EDGE
from focuspuller.models.places import default_model_folders, found, install_model_folders, located
from focuspuller.models.weights import Hub, Weights

ONE = Weights(
    name="one",
    network="One",
    files=("one.pth",),
    folders=("first", "second"),
    source="https://example.org/one",
    licence="CC-BY-NC-4.0: not for commercial use",
    hub=Hub("owner/one"),
    other_names=("one.safetensors",),
)
WHOLE = Weights(
    name="whole",
    network="Whole",
    files=("unet/model.safetensors", "config.json"),
    folders=("first",),
    source="https://example.org/whole",
    licence="MIT",
    hub=Hub("owner/whole", "v2"),
    subfolder="whole",
    other_names=("whole-fp16",),
)


@pytest.fixture(autouse=True)
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Two folders of models, and an empty cache of the hub."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(places, "_installed", places._installed)
    install_model_folders(lambda kind: [tmp_path / "a" / kind, tmp_path / "b" / kind])

    def put(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    return put


def in_cache(tmp_path: Path, repo: str, revision: str, *files: str) -> Path:
    """Files as the hub's library keeps them; the folder of their snapshot."""
    folder = tmp_path / "hub" / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / "0123abcd"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / revision).write_text("0123abcd")
    for file in files:
        (snapshot / file).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / file).touch()
    return snapshot


class TestFiles:
    def test_earlier_folders_and_roots_come_first(self, roots):
        last = roots("b/second/one.pth")
        assert found(ONE) == last
        for name in ("a/second/one.pth", "b/first/one.pth", "a/first/one.pth"):
            path = roots(name)
            assert found(ONE) == path

    def test_the_published_name_comes_before_others(self, roots):
        other = roots("a/first/one.safetensors")
        assert found(ONE) == other
        published = roots("a/first/one.pth")
        assert found(ONE) == published

    def test_folders_below_are_looked_into(self, roots):
        deep = roots("a/first/mine/old/one.pth")
        assert found(ONE) == deep
        direct = roots("a/first/one.pth")
        assert found(ONE) == direct

    def test_a_folder_of_that_name_is_no_file(self, roots):
        roots("a/first/one.pth/inside.txt")
        assert found(ONE) is None

    def test_nowhere(self):
        assert found(ONE) is None


class TestFolders:
    def test_all_files_have_to_be_there(self, roots):
        roots("a/first/whole/unet/model.safetensors")
        assert found(WHOLE) is None
        folder = roots("a/first/whole/config.json").parent
        assert found(WHOLE) == folder

    def test_under_another_name(self, roots):
        for file in WHOLE.files:
            roots(f"b/first/whole-fp16/{file}")
        assert found(WHOLE) == roots("b/first/whole-fp16/config.json").parent


class TestTheCacheOfTheHub:
    def test_is_looked_into_last(self, roots, tmp_path):
        snapshot = in_cache(tmp_path, "owner/one", "main", "one.pth")
        assert found(ONE) == snapshot / "one.pth"
        placed = roots("b/second/one.pth")
        assert found(ONE) == placed

    def test_holds_folders(self, tmp_path):
        snapshot = in_cache(tmp_path, "owner/whole", "v2", *WHOLE.files)
        assert found(WHOLE) == snapshot

    def test_with_a_part_of_the_files_it_does_not_count(self, tmp_path):
        in_cache(tmp_path, "owner/whole", "v2", "config.json")
        assert found(WHOLE) is None

    def test_of_another_revision_it_does_not_count(self, tmp_path):
        in_cache(tmp_path, "owner/whole", "main", *WHOLE.files)
        assert found(WHOLE) is None

    def test_without_the_library_there_is_none(self, tmp_path, monkeypatch):
        in_cache(tmp_path, "owner/one", "main", "one.pth")
        monkeypatch.setitem(sys.modules, "huggingface_hub", None)
        assert found(ONE) is None


class TestLocated:
    def test_a_given_path_counts(self, roots, tmp_path):
        roots("a/first/one.pth")
        mine = roots("elsewhere/mine.pth")
        assert located(ONE, mine) == mine
        assert located(ONE, "automatic").name == "one.pth"
        with pytest.raises(FileError, match="does not exist"):
            located(ONE, tmp_path / "gone.pth")

    def test_of_several_the_first_that_is_there(self, roots):
        for file in WHOLE.files:
            roots(f"a/first/whole/{file}")
        assert located([ONE, WHOLE]).name == "whole"

    def test_an_error_says_how_to_get_it(self, tmp_path):
        with pytest.raises(FileError) as caught:
            located([ONE, WHOLE])
        said = str(caught.value)
        assert said.startswith("one.pth: received no such file, which One needs. ")
        for part in (ONE.source, ONE.licence, str(tmp_path / "a" / "first")):
            assert part in said
        assert "focuspuller models fetch one" in said

    def test_what_comes_with_the_package_is_always_there(self):
        assert located(EDGE).is_file()


def test_folders_of_models_without_comfyui(monkeypatch):
    monkeypatch.setenv("FOCUSPULLER_MODELS", os.pathsep.join(["x", "y"]))
    assert default_model_folders("vst") == [Path("x/vst"), Path("y/vst")]
    monkeypatch.setattr(places, "PACKAGE", Path("ComfyUI/custom_nodes/focuspuller"))
    assert default_model_folders("vst") == [Path("x/vst"), Path("y/vst")]
    monkeypatch.setenv("FOCUSPULLER_MODELS", "")
    assert default_model_folders("vst") == [Path("ComfyUI/models/vst")]
    monkeypatch.setattr(places, "PACKAGE", Path("src/focuspuller"))
    assert default_model_folders("vst") == [Path("models/vst")]
