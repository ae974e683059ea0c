"""The routes: as much of ComfyUI's HTTP and WebSocket API as its frontend needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import focuspuller
from aiohttp import WSMsgType, web
from focuspuller.errors import FocusPullerError
from focuspuller.nodes import routes as own_routes
from focuspuller.nodes.standin import Host, installed_host
from folders import Pictures, Settings, UserData, extension_scripts, locales
from object_info import object_info
from runs import Runs

FRONTEND = Path(str(files("comfyui_frontend_package"))) / "static"
PACK = Path(focuspuller.__file__).resolve().parent
WEB = PACK / "web"
SERVED_AT = "/extensions/focuspuller"
# What the frontend asks for, and an answer that says "nothing of the sort here".
EMPTY: dict[str, Any] = {
    "/embeddings": [],
    "/models": [],
    "/models/{folder}": [],
    "/experiment/models": [],
    "/features": {},
    "/users": {"storage": "server", "migrated": True},
    "/global_subgraphs": {},
    "/api/jobs": {
        "jobs": [],
        "pagination": {"offset": 0, "limit": 200, "total": 0, "has_more": False},
    },
    "/node_replacements": {},
}


class TestHost:
    """A ComfyUI as its frontend sees it, with the embedded runner behind.

    Args:
        folder: input, output and user files go into folders in it.
    """

    def __init__(self, folder: Path) -> None:
        self.host = Host(
            input_dirs=(folder / "input",),
            output_dir=folder / "output",
            temp_dir=folder / "temp",
            has_browser=True,
        )
        for path in (*self.host.input_dirs, self.host.output_dir, folder / "user"):
            path.mkdir(parents=True, exist_ok=True)
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.runs = Runs(self.host, self._tell)
        self.user_data = UserData(folder / "user")

    def application(self) -> web.Application:
        """All routes, each also under /api as in ComfyUI."""
        pictures, settings = Pictures(self.host), Settings()
        user_data = self.user_data
        routes = web.RouteTableDef()
        for path, answer in EMPTY.items():
            routes.get(path)(_constantly(answer))
        routes.get("/object_info")(self.object_info)
        routes.get("/object_info/{name}")(self.object_info)
        routes.get("/system_stats")(self.system_stats)
        routes.get("/extensions")(self.extensions)
        routes.get("/i18n")(self.i18n)
        routes.get("/workflow_templates")(self.template_names)
        routes.get("/queue")(self.queue)
        routes.post("/queue")(_accept)
        routes.get("/prompt")(self.queue_length)
        routes.post("/prompt")(self.post_prompt)
        routes.post("/interrupt")(_accept)
        routes.get("/history")(self.history)
        routes.get("/history/{id}")(self.history)
        routes.get("/view")(pictures.view)
        routes.post("/upload/image")(pictures.upload)
        routes.get("/settings")(settings.read_all)
        routes.post("/settings")(settings.write_all)
        routes.get("/settings/{id}")(settings.read)
        routes.post("/settings/{id}")(settings.write)
        routes.get("/userdata")(user_data.listing)
        routes.get("/userdata/{file:.+}")(user_data.read)
        routes.post("/userdata/{file:.+}")(user_data.write)
        routes.delete("/userdata/{file:.+}")(user_data.delete)
        routes.get("/ws")(self.websocket)
        routes.get(own_routes.PATH)(self.photo_part)
        app = web.Application(client_max_size=1 << 28)
        for route in routes:
            assert isinstance(route, web.RouteDef)
            route.register(app.router)
            if not route.path.startswith("/api"):
                app.router.add_route(route.method, f"/api{route.path}", route.handler)
        app.router.add_get("/", _index)
        for prefix in ("", "/api"):
            app.router.add_static(f"{prefix}/workflow_templates/focuspuller", PACK / "workflows")
        app.router.add_static(SERVED_AT, WEB)
        app.router.add_static("/", FRONTEND)
        app.cleanup_ctx.append(self._working)
        return app

    async def object_info(self, request: web.Request) -> web.Response:
        with installed_host(self.host):
            info = object_info()
        name = request.match_info.get("name")
        chosen = info if name is None else {name: info[name]} if name in info else {}
        return web.json_response(chosen)

    async def photo_part(self, request: web.Request) -> web.Response:
        with installed_host(self.host):
            return await own_routes.photo_part(request)

    async def system_stats(self, request: web.Request) -> web.Response:
        system = {
            "os": "posix",
            "comfyui_version": "0.0.0",
            "required_frontend_version": version("comfyui-frontend-package"),
            "python_version": "",
            "pytorch_version": "",
            "embedded_python": False,
            "argv": ["main.py"],
            "ram_total": 0,
            "ram_free": 0,
        }
        return web.json_response({"system": system, "devices": []})

    async def extensions(self, request: web.Request) -> web.Response:
        return web.json_response(extension_scripts(WEB, SERVED_AT))

    async def i18n(self, request: web.Request) -> web.Response:
        return web.json_response(locales(PACK))

    async def template_names(self, request: web.Request) -> web.Response:
        names = sorted(path.stem for path in (PACK / "workflows").glob("*.json"))
        return web.json_response({"focuspuller": names})

    async def queue(self, request: web.Request) -> web.Response:
        running = [] if self.runs.running is None else [self.runs.running]
        answer = {"queue_running": running, "queue_pending": self.runs.waiting}
        return web.json_response(answer)

    async def queue_length(self, request: web.Request) -> web.Response:
        return web.json_response(self.runs.status()["status"])

    async def post_prompt(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(self.runs.add(await request.json()))
        except FocusPullerError as error:
            told = {
                "type": "prompt_outputs_failed_validation",
                "message": str(error),
                "details": "",
                "extra_info": {},
            }
            return web.json_response({"error": told, "node_errors": {}}, status=400)

    async def history(self, request: web.Request) -> web.Response:
        history, wanted = self.runs.history, request.match_info.get("id")
        chosen = history if wanted is None else {k: v for k, v in history.items() if k == wanted}
        return web.json_response(chosen)

    async def websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = request.query.get("clientId") or str(id(socket))
        self.sockets[client] = socket
        await socket.send_json({"type": "status", "data": self.runs.status() | {"sid": client}})
        async for message in socket:
            if message.type is WSMsgType.TEXT and "feature_flags" in message.data:
                await socket.send_json({"type": "feature_flags", "data": {}})
        self.sockets.pop(client, None)
        return socket

    def _tell(self, kind: str, data: dict[str, Any]) -> None:
        message = json.dumps({"type": kind, "data": data})
        for socket in self.sockets.values():
            # Sending never waits: the messages are small.
            self._sending = asyncio.ensure_future(socket.send_str(message))

    async def _working(self, app: web.Application) -> AsyncIterator[None]:
        worker = asyncio.create_task(self.runs.work())
        yield
        worker.cancel()


def _constantly(answer: Any) -> Any:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(answer)

    return handler


async def _accept(request: web.Request) -> web.Response:
    return web.Response()


async def _index(request: web.Request) -> web.FileResponse:
    return web.FileResponse(FRONTEND / "index.html")
