"""A server of files on the loopback that behaves like the hub, well or badly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class FileServer:
    """What is served; tests change it.

    Args:
        files: content by path, such as "/owner/name/resolve/main/a.pth".
        stated: digests that are stated instead of the true ones.
        breaks_after: bytes after which the next transfer breaks off.
        refuses: status with which everything is refused.
        takes_ranges: whether a transfer can be continued.
        requests: method, path, Range and Authorization of what was asked.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    stated: dict[str, str] = field(default_factory=dict)
    breaks_after: int | None = None
    refuses: int | None = None
    takes_ranges: bool = True
    requests: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FileServer]:
    """Serve files until the block ends."""
    state = FileServer(dict(files))

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def _answer(self, with_body: bool) -> None:
            wanted = self.headers.get("Range")
            asked = (self.command, self.path, wanted, self.headers.get("Authorization"))
            state.requests.append(asked)
            stored = self.path.startswith("/storage")
            path = self.path.removeprefix("/storage")
            if state.refuses or path not in state.files:
                self.send_error(state.refuses or 404)
            elif not stored:
                self._redirect(path)
            else:
                self._send(state.files[path], wanted if state.takes_ranges else None, with_body)

        def _redirect(self, path: str) -> None:
            content = state.files[path]
            digest = state.stated.get(path, hashlib.sha256(content).hexdigest())
            self.send_response(302)
            self.send_header("Location", f"/storage{path}")
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Linked-Etag", f'"{digest}"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, content: bytes, wanted: str | None, with_body: bool) -> None:
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            self.send_response(206 if wanted else 200)
            if wanted:
                span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", span)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if with_body:
                self.wfile.write(content[start : state.breaks_after])
                self.close_connection = True
                state.breaks_after = None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
