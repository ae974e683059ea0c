"""Downloads, from a server on the loopback that behaves well or badly."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest
from focuspuller.errors import DownloadError, FileError
from focuspuller.models import download as module
from focuspuller.models.download import download, file_sha256, inspected
from oracles.file_server import FileServer, serving

CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PATH = "/owner/name/resolve/main/a.pth"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr(module, "CHUNK", 1000)
    with serving({PATH: CONTENT}) as state:
        yield state


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "kind" / "a.pth"


def parts(target: Path) -> list[Path]:
    return sorted(target.parent.glob("*.part"))


def fetch(server: FileServer, target: Path, sha256: str | None = None) -> str:
    return download(inspected(server.url + PATH), target, sha256)


def test_the_hub_says_what_it_has_before_anything_is_fetched(server):
    remote = inspected(server.url + PATH)
    assert (remote.size, remote.sha256) == (len(CONTENT), DIGEST)
    assert [method for method, *_ in server.requests] == ["HEAD"]


def test_a_file_arrives_whole_and_nothing_else_is_left(server, target):
    assert fetch(server, target) == DIGEST
    assert target.read_bytes() == CONTENT
    assert file_sha256(target) == DIGEST
    assert [path.name for path in target.parent.iterdir()] == ["a.pth"]


def test_progress_ends_with_the_whole_file(server, target):
    told: list[tuple[int, int]] = []
    remote = inspected(server.url + PATH)
    download(remote, target, on_bytes=lambda there, whole: told.append((there, whole)))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [there for there, _ in told] == sorted(there for there, _ in told)
    assert len(told) > 5


def test_a_broken_transfer_goes_on_where_it_broke(server, target):
    server.breaks_after = 3500
    with pytest.raises(DownloadError, match="goes on from there"):
        fetch(server, target)
    assert not target.exists()
    (part,) = parts(target)
    there = part.stat().st_size
    assert 0 < there <= 3500
    assert fetch(server, target) == DIGEST
    assert target.read_bytes() == CONTENT
    assert parts(target) == []
    assert server.requests[-1][2] == f"bytes={there}-"


def test_a_connection_that_fails_is_not_taken_for_the_disk(server, target, monkeypatch):
    remote = inspected(server.url + PATH)

    def fail(response: HTTPResponse, amount: int | None = None) -> bytes:
        if amount is None:
            return b""  # what comes with the redirect
        raise ssl.SSLError("decryption failed")

    monkeypatch.setattr(HTTPResponse, "read", fail)
    with pytest.raises(DownloadError, match="a connection that broke after 0 bytes"):
        download(remote, target)


def test_a_server_that_cannot_go_on_starts_anew(server, target):
    server.breaks_after = 3500
    with pytest.raises(DownloadError):
        fetch(server, target)
    server.takes_ranges = False
    assert fetch(server, target) == DIGEST
    assert target.read_bytes() == CONTENT


def test_another_version_does_not_continue_the_old_one(server, target):
    server.breaks_after = 3500
    with pytest.raises(DownloadError):
        fetch(server, target)
    server.files[PATH] = CONTENT[::-1]
    fetch(server, target)
    assert target.read_bytes() == CONTENT[::-1]


def test_all_there_but_the_name(server, target):
    """A transfer that was interrupted between its last byte and the renaming."""
    server.breaks_after = 3500
    with pytest.raises(DownloadError):
        fetch(server, target)
    parts(target)[0].write_bytes(CONTENT)
    asked = len(server.requests)
    assert fetch(server, target) == DIGEST
    assert [method for method, *_ in server.requests[asked:]] == ["HEAD"]


@pytest.mark.parametrize("who", ["we", "the hub"])
def test_a_file_with_another_digest_is_not_kept(server, target, who):
    other = "0" * 64
    if who == "the hub":
        server.stated[PATH] = other
    with pytest.raises(DownloadError, match=f"sha256 {DIGEST} instead of {other}"):
        fetch(server, target, other if who == "we" else None)
    assert list(target.parent.iterdir()) == []


def test_an_older_file_stays_until_the_new_one_is_whole(server, target):
    target.parent.mkdir(parents=True)
    target.write_bytes(b"old")
    server.breaks_after = 10
    with pytest.raises(DownloadError):
        fetch(server, target)
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "accept its terms"), (404, "not there"), (503, "Try again")]
)
def test_refusals_say_what_to_do(server, status, advice):
    server.refuses = status
    with pytest.raises(DownloadError, match=str(status)) as caught:
        inspected(server.url + PATH)
    assert advice in caught.value.advice


def test_nobody_answers(target):
    with serving({}) as gone:
        url = gone.url
    with pytest.raises(DownloadError, match="no answer"):
        inspected(url + PATH)


def test_a_token_is_never_handed_on(server, target):
    download(inspected(server.url + PATH, token="secret"), target)
    sent = {path.split("/")[1]: token for _, path, _, token in server.requests}
    assert sent == {"owner": "Bearer secret", "storage": None}


def test_a_disk_without_room_is_noticed_before(server, target, monkeypatch):
    remote = inspected(server.url + PATH)
    usage = type("Usage", (), {"free": len(CONTENT) - 1})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(FileError, match="Make room"):
        download(remote, target)
    assert list(target.parent.iterdir()) == []


def test_a_place_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FileError, match="cannot be written"):
        fetch(server, tmp_path / "file" / "a.pth")
