"""`focuspuller models`, and the same from Python, against a hub on the loopback."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import focuspuller as fp
import pytest
import torch
from focuspuller.errors import DownloadError, FileError, InputError
from focuspuller.headless import models_command, weights
from focuspuller.models import registry
from focuspuller.models.bokehme.architecture import ARNet, IUNet
from focuspuller.models.bokehme.published import BOKEHME_ARNET, BOKEHME_IUNET
from focuspuller.models.edge.published import EDGE
from focuspuller.models.weights import Hub, Weights
from oracles.file_server import FileServer, serving
from oracles.weights import filled

ARNET = replace(BOKEHME_ARNET, hub=Hub("owner/bokehme"), downloads="")
IUNET = replace(BOKEHME_IUNET, downloads="")
FOLDER = Weights(
    name="folder",
    network="Folder",
    files=("unet/a.safetensors", "config.json"),
    folders=("diffusers",),
    source="https://example.org/folder",
    licence="MIT",
    hub=Hub("owner/folder", "v1"),
    subfolder="folder",
)


@pytest.fixture
def cli(cli: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    return partial(cli, "models")


@pytest.fixture(scope="module")
def arnet() -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": filled(ARNet()).state_dict()}, buffer)
    return buffer.getvalue()


@pytest.fixture
def hub(arnet: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    files = {
        "/owner/bokehme/resolve/main/arnet.pth": arnet,
        "/owner/folder/resolve/v1/unet/a.safetensors": b"not read",
        "/owner/folder/resolve/v1/config.json": b"{}",
    }
    with serving(files) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models, and a registry of four."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FOCUSPULLER_MODELS", raising=False)
    for module in (registry, weights, models_command):
        monkeypatch.setattr(module, "ALL_WEIGHTS", (ARNET, IUNET, EDGE, FOLDER))
    return Path("models")


class TestList:
    def test_it_says_where_everything_is_or_belongs(self, cli, models, arnet):
        (models / "bokehme").mkdir(parents=True)
        (models / "bokehme" / "arnet.pth").write_bytes(arnet)
        done = cli("list")
        assert (done.code, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[0] == "bokehme-arnet: BokehMe's ARNet"
        assert lines[1].strip() == str(models / "bokehme" / "arnet.pth")
        assert lines[2].strip() == f"licence: {ARNET.licence}"
        assert lines[4].strip() == f"not found; iunet.pth belongs in {models / 'bokehme'}"
        assert lines[10].strip() == f"not found; folder belongs in {models / 'diffusers'}"

    def test_for_programs(self, cli, models):
        entries = json.loads(cli("list", "--json").stdout)
        assert [entry["name"] for entry in entries] == [
            "bokehme-arnet",
            "bokehme-iunet",
            "edge",
            "folder",
        ]
        assert entries[0]["path"] is None
        assert entries[0]["folder"] == str(models / "bokehme")
        assert entries[2]["path"].endswith("weights.safetensors")
        assert entries[3]["files"] == list(FOLDER.files)

    def test_from_python(self):
        states = fp.list_models()
        assert [state.weights for state in states if state.path] == [EDGE]
        assert states[2].folder is None


class TestVerify:
    def test_a_good_file(self, cli, models, arnet):
        (models / "bokehme").mkdir(parents=True)
        path = models / "bokehme" / "arnet.pth"
        path.write_bytes(arnet)
        done = cli("verify", "bokehme")
        assert done == (0, f"{path}: fits BokehMe's ARNet\n", "")
        assert "fits Focus Puller's edge network" in cli("verify").stdout

    def test_every_wrong_name_is_told(self, cli, tmp_path):
        state = filled(ARNet()).state_dict()
        del state["conv1.conv.bias"]
        state["extra"] = torch.ones(1)
        state["conv0.conv.bias"] = torch.full((128,), torch.nan)
        torch.save(state, tmp_path / "arnet.pth")
        done = cli("verify", "arnet.pth")
        assert done.code == 1
        assert done.stdout.splitlines() == [
            "arnet.pth: does not fit BokehMe's ARNet",
            "    missing: conv1.conv.bias",
            "    unexpected: extra",
            "    not finite: conv0.conv.bias",
        ]
        assert "arnet.pth: received weights that do not fit" in done.stderr

    def test_a_file_of_any_name_is_recognised(self, tmp_path):
        torch.save(filled(IUNet()).state_dict(), tmp_path / "mine.pth")
        (verdict,) = fp.verify_model(tmp_path / "mine.pth")
        assert verdict.weights.name == "bokehme-iunet"
        assert verdict.fits

    def test_networks_whose_library_is_missing_are_no_guess(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "diffusers", None)
        torch.save(filled(ARNet()).state_dict(), tmp_path / "mine.pth")
        (verdict,) = fp.verify_model(tmp_path / "mine.pth")
        assert verdict.fits
        assert verdict.weights.name == "bokehme-arnet"

    def test_a_damaged_file(self, cli, tmp_path, arnet):
        (tmp_path / "arnet.pth").write_bytes(arnet[:1000])
        done = cli("verify", "arnet.pth")
        assert done.code == 1
        assert "cannot be read as weights" in done.stdout

    def test_another_digest_than_the_published(self, cli, tmp_path, arnet, monkeypatch):
        known = replace(ARNET, sha256={"arnet.pth": hashlib.sha256(arnet).hexdigest()})
        monkeypatch.setattr(weights, "ALL_WEIGHTS", (known,))
        (tmp_path / "arnet.pth").write_bytes(arnet)
        assert cli("verify", "arnet.pth").code == 0
        torch.save(filled(ARNet()).state_dict(), tmp_path / "arnet.pth")
        done = cli("verify", "arnet.pth")
        assert done.code == 1
        assert f"instead of {known.sha256['arnet.pth']}" in done.stdout

    def test_what_is_nowhere(self, cli):
        done = cli("verify", "bokehme")
        assert done.code == 1
        assert f"licence: {ARNET.licence}".lower() in done.stderr.lower()
        assert "Give one of bokehme-arnet" in cli("verify", "nothing").stderr


class TestFetch:
    def test_it_shows_what_comes_and_then_fetches_it(self, cli, hub, models, arnet):
        done = cli("fetch", "bokehme-arnet", "--yes")
        path = models / "bokehme" / "arnet.pth"
        assert (done.code, done.stdout) == (0, f"{path}\n")
        assert path.read_bytes() == arnet
        for part in (ARNET.source, ARNET.licence, str(path.parent), "MB"):
            assert part in done.stderr
        assert hashlib.sha256(arnet).hexdigest() in done.stderr
        assert "we have seen no copy" in done.stderr
        assert cli("verify", "bokehme").code == 0
        assert "all files are there already" in cli("fetch", "bokehme-arnet", "--yes").stderr

    def test_a_folder(self, cli, hub, tmp_path):
        done = cli("fetch", "folder", "--yes", "--to", "elsewhere")
        paths = [Path("elsewhere/folder", file) for file in FOLDER.files]
        assert done.stdout.split() == [str(path) for path in paths]
        assert paths[1].read_bytes() == b"{}"

    def test_without_a_terminal_it_does_not_start(self, cli, hub, models):
        done = cli("fetch", "bokehme-arnet")
        assert done.code == 1
        assert "Add --yes if you accept the licence" in done.stderr
        assert not models.exists()
        assert {method for method, *_ in hub.requests} == {"HEAD"}

    @pytest.mark.parametrize(("answer", "fetches"), [("y\n", True), ("\n", False), ("no\n", False)])
    def test_on_a_terminal_it_asks(self, cli, hub, models, monkeypatch, answer, fetches):
        terminal = io.StringIO(answer)
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)
        done = cli("fetch", "bokehme-arnet")
        assert done.code == 0
        assert "Download? [y/N]" in done.stderr
        assert (models / "bokehme" / "arnet.pth").exists() == fetches

    def test_a_broken_transfer_is_one_clear_error_and_goes_on(self, cli, hub, models, arnet):
        hub.breaks_after = len(arnet) // 2
        done = cli("fetch", "bokehme-arnet", "--yes")
        assert done.code == 1
        assert done.stderr.strip().splitlines()[-1].endswith("it goes on from there.")
        assert not (models / "bokehme" / "arnet.pth").exists()
        assert cli("fetch", "bokehme-arnet", "--yes").code == 0
        assert (models / "bokehme" / "arnet.pth").read_bytes() == arnet

    def test_a_file_that_is_not_the_one_we_know_is_not_even_fetched(self, hub, monkeypatch):
        known = replace(ARNET, sha256={"arnet.pth": "0" * 64})
        monkeypatch.setattr(registry, "ALL_WEIGHTS", (known,))
        with pytest.raises(DownloadError, match="not the file that we know"):
            fp.fetch_model("bokehme-arnet")
        assert {method for method, *_ in hub.requests} == {"HEAD"}

    def test_weights_that_can_only_be_had_by_hand(self, cli, hub):
        done = cli("fetch", "bokehme-iunet", "--yes")
        assert done.code == 1
        assert f"Get iunet.pth from {IUNET.source} and put it into models" in done.stderr

    def test_what_comes_with_the_package_is_there_already(self, cli, hub):
        assert "all files are there already" in cli("fetch", "edge").stderr

    def test_from_python(self, hub, models):
        assert fp.fetch_model("bokehme-arnet") == [models / "bokehme" / "arnet.pth"]
        assert fp.fetch_model("bokehme-arnet") == []
        with pytest.raises(InputError, match="Give one of"):
            fp.fetch_model("nothing")
        with pytest.raises(FileError):
            fp.verify_model("folder")
