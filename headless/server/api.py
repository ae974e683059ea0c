"""ComfyUI's HTTP and WebSocket routes, one method each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from ...photo.files import read_file, replacing
from ..workflow_file import Workflow
from .errors import ServerError

# A server that loads models may not answer for a while; one that is not there should be told soon.
ANSWER_S = 120.0
FIRST_ANSWER_S = 10.0
CHUNK_BYTES = 1 << 20
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")


class ComfyServer:
    """A ComfyUI server. All methods raise `ServerError` when it cannot be reached.

    Args:
        session: the connection pool.
        url: such as "http://127.0.0.1:8188".
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def check(self) -> None:
        """Make sure that a ComfyUI answers."""
        timeout = aiohttp.ClientTimeout(total=FIRST_ANSWER_S)
        stats = await self._json("GET", "/system_stats", timeout=timeout)
        if not isinstance(stats, dict) or "system" not in stats:
            raise self._strange("/system_stats")

    async def node_info(self, class_type: str) -> Mapping[str, Any] | None:
        """Description of a node, None if the server does not have it."""
        info = await self._json("GET", f"/object_info/{quote(class_type, safe='')}")
        return info.get(class_type)

    async def upload(self, path: Path) -> str:
        """Put a file into the input folder; the name by which nodes find it there.

        An equal file of this name is used as it is. A different one is left alone: the server
        then stores ours under a free name.
        """
        # Unquoted, as browsers do it: ComfyUI would keep the percent signs in the name.
        form = aiohttp.FormData({"type": "input"}, quote_fields=False)
        filename = CONTROL_CHARACTERS.sub("_", path.name)
        form.add_field("image", read_file(path), filename=filename)
        stored = await self._json("POST", "/upload/image", data=form)
        return "/".join(part for part in (stored.get("subfolder"), stored["name"]) if part)

    async def queue(self, workflow: Workflow, client_id: str) -> dict[str, Any]:
        """Queue a workflow: the server's answer with `prompt_id`, or with its `error`."""
        body = {"prompt": workflow, "client_id": client_id}
        return await self._json("POST", "/prompt", json=body, refusal=400)

    async def finished(self, prompt_id: str) -> dict[str, Any] | None:
        """Outputs and status of a workflow that has ended, None while it has not.

        Raises:
            ServerError: it has not ended, and the server does not have it in its queue either.
        """
        queue = await self._json("GET", "/queue")
        history = await self._json("GET", f"/history/{prompt_id}")
        waiting = [*queue["queue_running"], *queue["queue_pending"]]
        if prompt_id not in history and all(item[1] != prompt_id for item in waiting):
            raise ServerError(
                "server",
                f"the end of the workflow without a result from {self.url}",
                "It was taken out of the queue, or the server was restarted: run it again.",
            )
        return history.get(prompt_id)

    async def cancel(self, prompt_id: str) -> None:
        """Take a workflow out of the queue, or stop it, and nobody else's."""
        await self._send("/queue", {"delete": [prompt_id]})
        queue = await self._json("GET", "/queue")
        if any(item[1] == prompt_id for item in queue["queue_running"]):
            await self._send("/interrupt", {"prompt_id": prompt_id})

    async def download(self, file: Mapping[str, str], path: Path) -> None:
        """Fetch a file of the server (filename, subfolder, type) to `path`, whole or not at all."""
        with replacing(path) as temporary, temporary.open("wb") as target:
            async with self._request("GET", "/view", params=dict(file)) as response:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    target.write(chunk)

    async def connect(self, client_id: str) -> aiohttp.ClientWebSocketResponse[bool]:
        """The channel on which the server reports about workflows of this client."""
        try:
            # Previews come as binary messages of any size.
            return await self.session.ws_connect(
                f"{self.url}/ws", params={"clientId": client_id}, max_msg_size=0
            )
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    async def _json(self, method: str, route: str, **options: Any) -> Any:
        async with self._request(method, route, **options) as response:
            try:
                return await response.json()
            except ValueError as error:
                raise self._strange(route) from error

    async def _send(self, route: str, body: Mapping[str, Any]) -> None:
        async with self._request("POST", route, json=body):
            pass

    @asynccontextmanager
    async def _request(
        self, method: str, route: str, refusal: int | None = None, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response; every status but success and `refusal` is an error."""
        try:
            async with self.session.request(method, self.url + route, **options) as response:
                if response.status >= 400 and response.status != refusal:
                    raise self._strange(route, f"status {response.status} {response.reason}")
                yield response
        except aiohttp.ContentTypeError as error:
            raise self._strange(route) from error
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: BaseException) -> ServerError:
        reason = str(error) or type(error).__name__
        return ServerError(
            "server",
            f"no answer from {self.url} ({reason})",
            "Start ComfyUI there and check the address, or leave out the server to run embedded.",
        )

    def _strange(self, route: str, answer: str = "something else than JSON") -> ServerError:
        return ServerError(
            "server",
            f"{answer} from {self.url}{route}",
            "Check that this is the address of a ComfyUI.",
        )


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[ComfyServer]:
    """A client of the server at `url`, with or without "http://"."""
    address = url.strip().rstrip("/")
    if "://" not in address:
        address = f"http://{address}"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=FIRST_ANSWER_S, sock_read=ANSWER_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield ComfyServer(session, address)
    except aiohttp.InvalidURL as error:
        raise ServerError(
            "server", repr(url), "Give an address like http://127.0.0.1:8188."
        ) from error
