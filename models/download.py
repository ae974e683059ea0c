"""One file from its address: resumed where it broke off, checked, and in place all or not at all.

Only `focuspuller models fetch` and `fetch_model` come here; nothing else uses the network.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ..errors import DownloadError, FileError

TIMEOUT_S = 30.0
CHUNK = 2**20
SHA256 = re.compile(r"[0-9a-f]{64}")

# Called with the bytes that are there and the bytes of the whole file (0 if unknown).
OnBytes = Callable[[int, int], None]


@dataclass(frozen=True)
class Remote:
    """What an address says about its file.

    Args:
        url: the address.
        size: bytes; None if it does not say.
        sha256: digest, where the hub states it; else None.
        version: changes when the file does; empty if it does not say.
        token: access token for the address; never handed on to where it redirects.
    """

    url: str
    size: int | None
    sha256: str | None
    version: str = ""
    token: str | None = None


def inspected(url: str, token: str | None = None) -> Remote:
    """Ask an address about its file, without fetching it.

    Raises:
        DownloadError: the address does not answer, or refuses.
    """
    with _opened(_request(url, token, method="HEAD")) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
    size = headers.get("x-linked-size") or headers.get("content-length")
    tag = (headers.get("x-linked-etag") or headers.get("etag") or "").removeprefix("W/").strip('"')
    digest = tag if SHA256.fullmatch(tag) else None
    return Remote(url, int(size) if size else None, digest, tag, token)


def download(
    remote: Remote, target: Path, sha256: str | None = None, on_bytes: OnBytes | None = None
) -> str:
    """Fetch a file into a `.part` beside `target`, check it, and give it its name.

    A transfer that breaks off leaves the `.part`, and the next one goes on from there.

    Args:
        remote: from `inspected`.
        target: the file; its folder is made.
        sha256: what the digest has to be; by default what the address has stated, if anything.
        on_bytes: told how far it is.

    Returns:
        The digest of what was received.

    Raises:
        DownloadError: the transfer broke, or brought another file than announced.
        FileError: the file cannot be written.
    """
    part = _part_of(target, remote)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_space(target, remote, part)
        digest = _transferred(remote, part, on_bytes)
        _check_size(remote, part)
        _check_digest(remote, part, digest, sha256 or remote.sha256)
        part.replace(target)
    except OSError as error:
        reason = f"a place that cannot be written ({error.strerror or error})"
        raise FileError(str(target), reason, "Check that it is writable and has space.") from error
    return digest


def _transferred(remote: Remote, part: Path, on_bytes: OnBytes | None) -> str:
    """Fetch what is missing of the file; the digest of all of it."""
    digest = hashlib.sha256()
    there = part.stat().st_size if part.is_file() else 0
    if there and there == remote.size:
        return file_sha256(part)
    if remote.size is None or there > remote.size:
        there = 0  # Nothing to go on from.
    request = _request(remote.url, remote.token)
    if there:
        request.add_header("Range", f"bytes={there}-")
    with _opened(request) as response:
        resumed = response.status == 206 and _starts_at(response, there)
        if resumed:
            _hash_into(digest, part)
        there = there if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            for chunk in _received(response, remote, part):
                file.write(chunk)
                digest.update(chunk)
                there += len(chunk)
                if on_bytes:
                    on_bytes(there, remote.size or 0)
    return digest.hexdigest()


def _received(response: Any, remote: Remote, part: Path) -> Iterator[bytes]:
    """What comes, chunk by chunk. Errors here are the network's, not the disk's."""
    while True:
        try:
            chunk = response.read(CHUNK)
        except (HTTPException, OSError) as error:
            raise _broken(remote, part, error) from error
        if not chunk:
            return
        yield chunk


def _starts_at(response: Any, offset: int) -> bool:
    return (response.headers.get("Content-Range") or "").startswith(f"bytes {offset}-")


def _part_of(target: Path, remote: Remote) -> Path:
    """Another version of the file never continues what is there of this one."""
    identity = f"{remote.url} {remote.version} {remote.size}"
    short = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return target.with_name(f"{target.name}.{short}.part")


def _check_space(target: Path, remote: Remote, part: Path) -> None:
    there = part.stat().st_size if part.is_file() else 0
    free = shutil.disk_usage(target.parent).free
    if remote.size and remote.size - there > free:
        received = f"a disk with {free / 1e9:.1f} GB left for {remote.size / 1e9:.1f} GB"
        raise FileError(str(target.parent), received, "Make room, or choose another folder.")


def _check_size(remote: Remote, part: Path) -> None:
    size = part.stat().st_size
    if remote.size is not None and size < remote.size:
        received = f"{size} of {remote.size} bytes before the connection closed"
        raise DownloadError(remote.url, received, "Run it again; it goes on from there.")
    if remote.size is not None and size > remote.size:
        part.unlink()
        received = f"{size} bytes instead of {remote.size}"
        raise DownloadError(remote.url, received, "Nothing was kept. Try again later.")


def _check_digest(remote: Remote, part: Path, digest: str, wanted: str | None) -> None:
    if wanted and digest != wanted.lower():
        part.unlink()
        raise DownloadError(
            remote.url,
            f"a file with sha256 {digest} instead of {wanted}",
            "Nothing was kept: it is damaged, or not the published file.",
        )


def _broken(remote: Remote, part: Path, error: Exception) -> DownloadError:
    there = part.stat().st_size if part.is_file() else 0
    text = str(error) or type(error).__name__
    received = f"a connection that broke after {there} bytes ({text})"
    return DownloadError(remote.url, received, "Run it again; it goes on from there.")


def file_sha256(path: Path) -> str:
    """The digest of a file, in lower case."""
    digest = hashlib.sha256()
    _hash_into(digest, path)
    return digest.hexdigest()


def _hash_into(digest: Any, path: Path) -> None:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)


def _request(url: str, token: str | None, method: str = "GET") -> Request:
    request = Request(url, headers={"User-Agent": "focuspuller"}, method=method)
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    return request


class _Redirects(HTTPRedirectHandler):
    """Follows redirects with the same method, up to one that says what it leads to.

    The hub redirects large files to its storage and describes them with that.
    """

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if req.get_method() == "HEAD" and "X-Linked-Size" in headers:
            return None
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None:
            request.method = req.get_method()
        return request


@contextmanager
def _opened(request: Request) -> Iterator[Any]:
    url = request.full_url
    try:
        response: Any = build_opener(_Redirects()).open(request, timeout=TIMEOUT_S)
    except HTTPError as error:
        if error.code >= 400:
            with error:
                raise _refused(url, error) from error
        response = error  # a redirect that was not followed
    except OSError as error:  # URLError, and what breaks while headers are read
        reason = getattr(error, "reason", error)
        raise DownloadError(
            url, f"no answer ({reason})", "Check the connection and try again."
        ) from error
    with response:
        yield response


def _refused(url: str, error: HTTPError) -> DownloadError:
    received = f"the answer {error.code} ({error.reason})"
    if error.code in (401, 403):
        return DownloadError(
            url,
            received,
            "The page may ask you to accept its terms first: do so, then set HF_TOKEN to your "
            "access token, or download the file by hand.",
        )
    advice = "The file is not there any more." if error.code == 404 else "Try again later."
    return DownloadError(url, received, advice)
